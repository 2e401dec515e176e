//! Runs programs that are not installed yet, to query them. The program is run by its path and, if
//! the host supports that, without a network. All processes that it started are ended.

use std::path::Path;
use std::time::Duration;

use super::child::{Ends, Spec, Until};
use super::{CmdError, Finished, find, query};

/// Runs a command in an empty network of its own.
const WITHOUT_NETWORK: (&str, [&str; 2]) = ("unshare", ["--net", "--"]);

/// Whether the host can run a program without a network.
#[must_use]
pub fn can_isolate() -> bool {
    let (program, [net, end]) = WITHOUT_NETWORK;
    query(program, &[net, end, "true"], Duration::from_secs(10))
        .is_ok_and(|ended| ended.succeeded())
}

/// Runs the program at `path` until it ends, or kills it after `deadline`.
pub fn run(
    path: &Path,
    args: &[&str],
    is_isolated: bool,
    deadline: Duration,
) -> Result<Finished, CmdError> {
    let shown = path.to_string_lossy();
    let (program, before) = WITHOUT_NETWORK;
    let isolated: Vec<&str> = before
        .into_iter()
        .chain([&*shown])
        .chain(args.iter().copied())
        .collect();
    let spec = if is_isolated {
        Spec::new(find(program)?, program, &isolated)
    } else {
        Spec::new(path.to_owned(), &shown, args)
    };
    let ends = Ends::GroupAlways;
    Spec { ends, ..spec }.run(Until::within(deadline))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_program_ends_with_all_it_started() {
        let sh = Path::new("/bin/sh");
        let started = Instant::now();
        let ended = run(
            sh,
            &["-c", "sleep 600 & echo asked; exit 3"],
            false,
            Duration::from_secs(60),
        );
        let ended = ended.unwrap();
        assert_eq!((ended.code, ended.stdout.trim()), (Some(3), "asked"));
        let late = run(sh, &["-c", "sleep 600"], false, Duration::from_millis(50));
        assert!(matches!(late, Err(CmdError::Deadline { .. })), "{late:?}");
        assert!(
            started.elapsed() < Duration::from_secs(300),
            "the sleeper was waited for"
        );
    }

    #[test]
    fn an_isolated_program_has_no_way_out() {
        if !can_isolate() {
            eprintln!("skipped: this host cannot make network namespaces");
            return;
        }
        let routes = "test -z \"$(tail -n +2 /proc/net/route)\"";
        let asked = |is_isolated| {
            let args = ["-c", routes];
            run(
                Path::new("/bin/sh"),
                &args,
                is_isolated,
                Duration::from_secs(10),
            )
            .unwrap()
        };
        assert!(asked(true).succeeded());
    }
}
