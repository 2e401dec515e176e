//! `install support`: writes the support archive, without secrets, for the vendor.

use std::path::PathBuf;

use super::session::{Session, require_root};
use super::{render, shown};
use crate::failure::{Exit, Failure};
use crate::secure_fs;
use crate::support::Support;

/// Write an archive for the vendor: reports, journals, logs, facts of rpm and systemd; no secrets.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to write the archive; nothing may be there.
    #[arg(short, long, value_name = "FILE", default_value = "support.tar.gz")]
    out: PathBuf,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    require_root("collect what runs left")?;
    let failed = |error: &dyn std::error::Error| {
        let what = format!("cannot write {}", shown(&args.out));
        let next = "name a file that is not there, where there is room: --out FILE";
        Failure::because(Exit::Usage, what, error, next)
    };
    let support = Support::collect(&session.host, &session.layout);
    let mut file = secure_fs::create_new(&args.out, 0o600).map_err(|error| failed(&error))?;
    let written = support.write(&mut file).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // An incomplete archive is useless.
        let _ = secure_fs::remove_if_present(&args.out);
        return Err(failed(&error));
    }
    let mut text = format!("Wrote {}:\n", shown(&args.out));
    let names: Vec<&str> = support.list().map(|(name, _)| name).collect();
    for (name, bytes) in support.list() {
        text.push_str(&format!("  {name} ({bytes} bytes)\n"));
    }
    text.push_str(
        "It holds no configuration file, no backup, no dump, and no value from the configuration that may \
         be secret. Read it before you send it: tar -xzOf FILE | less\n",
    );
    render::result(session, &names, &text);
    Ok(0)
}
