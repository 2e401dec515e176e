//! `bundle key`.

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand};
use manifests::printable::printable;
use manifests::signature::{Algorithm, PublicKey};
use manifests::trust::RootFile;
use serde::Serialize;

use super::places::{KeyArgs, SignArgs};
use super::{Context, Format, show};
use crate::explain::{Error, usage};
use crate::keys::{FileKey, KeyError, KeyName, KeyStore, Request, Secrets, write_key};
use crate::output::Pending;

const EXAMPLES: &str = "\
Examples:
  bundle key show
  bundle key create --encrypt -o alice.pem
  bundle key export public --key alice.pem -o alice.pub.pem
  bundle key export public --key 'pkcs11:token=root;object=alice?module-path=/usr/lib/softhsm/libsofthsm2.so'
  bundle key export root -o root.json
  bundle key export public | openssl pkey -pubin -text";

/// Show, make or export a key that signs bundles or root documents.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    keys: KeyArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show a key's id, and its place in the newest root document.
    Show {
        #[command(flatten)]
        sign: SignArgs,
    },
    /// Make this build machine's key and first root document, unless they are there; or a key
    /// alone.
    Create {
        /// Protect it with a passphrase.
        #[arg(long)]
        encrypt: bool,

        /// File with the passphrase, readable by you alone [default: `BUNDLE_KEY_PASSPHRASE`, or asked on
        /// the terminal].
        #[arg(long, value_name = "FILE", env = "BUNDLE_KEY_PASSPHRASE_FILE")]
        passphrase_file: Option<PathBuf>,

        /// Make a key in this file, and no root document.
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write the newest root document or a public key.
    Export {
        /// What to write.
        #[arg(value_enum)]
        what: Export,

        /// Where to [default: standard output].
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,

        #[command(flatten)]
        sign: SignArgs,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Export {
    /// The newest root document, for `install trust add`.
    Root,
    /// The public key in PEM form, for `bundle root` and `openssl dgst -verify`.
    Public,
}

#[derive(Serialize)]
struct Shown {
    key_id: String,
    algorithm: Algorithm,
    key: String,
    root: Option<ShownRoot>,
    created: bool,
}

#[derive(Serialize)]
struct ShownRoot {
    document: String,
    version: u64,
    fingerprint: String,
    signs_roots: bool,
    signs_bundles: bool,
    revoked: Option<String>,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let store = args.keys.store()?;
    match &args.action {
        Action::Show { sign } => {
            for key in sign.signers(&store)? {
                show_key(&store, key.public(), &place(sign, &store)?, false, context)?;
            }
            Ok(())
        }
        Action::Create {
            encrypt,
            passphrase_file,
            out,
        } => {
            let secrets = Secrets {
                passphrase_file: passphrase_file.clone(),
            };
            create(&store, *encrypt, secrets, out.as_deref(), context)
        }
        Action::Export { what, out, sign } => {
            let bytes = match what {
                Export::Root => store.chain()?.require()?.signed.bytes.clone(),
                Export::Public => match sign.signers(&store)?.as_slice() {
                    [one] => one.public().pem().as_bytes().to_vec(),
                    _ => return Err(one_key()),
                },
            };
            match out {
                Some(path) => Pending::with_bytes(path, &bytes, 0o644)?.commit()?,
                None => show::text(&String::from_utf8_lossy(&bytes)),
            }
            Ok(())
        }
    }
}

fn one_key() -> Error {
    usage(
        "cannot export",
        "several keys are named and one file is written",
        "name one --key",
    )
}

fn place(sign: &SignArgs, store: &KeyStore) -> Result<String, Error> {
    let shown = |name: &KeyName| match name {
        KeyName::File(path) => path.display().to_string(),
        KeyName::Token(uri) => uri.token_name(),
    };
    let named = sign.request()?.keys;
    let places: Vec<String> = named.iter().map(shown).collect();
    Ok(if places.is_empty() {
        store.key_path().display().to_string()
    } else {
        places.join(", ")
    })
}

fn create(
    store: &KeyStore,
    encrypt: bool,
    secrets: Secrets,
    out: Option<&Path>,
    context: Context,
) -> Result<(), Error> {
    let fresh = |secrets: &Secrets| encrypt.then(|| secrets.new_passphrase()).transpose();
    if let Some(path) = out {
        let exists = || KeyError::Exists(path.to_owned());
        if path.symlink_metadata().is_ok() {
            return Err(exists().into());
        }
        let key = write_key(path, fresh(&secrets)?.as_ref())?.ok_or_else(exists)?;
        return show_key(
            store,
            key.public(),
            &path.display().to_string(),
            true,
            context,
        );
    }
    let place = store.key_path();
    let shown = place.display().to_string();
    if place.symlink_metadata().is_err()
        && let Some(key) = store.create_with_root(fresh(&secrets)?.as_ref())?
    {
        return show_key(store, key.public(), &shown, true, context);
    }
    let request = Request {
        secrets,
        ..Request::default()
    };
    let key = FileKey::read(&place, &request.secrets)?;
    if store.chain()?.is_empty() {
        store.write_first(&key)?;
    }
    show_key(store, key.public(), &shown, false, context)
}

fn show_key(
    store: &KeyStore,
    key: &PublicKey,
    place: &str,
    created: bool,
    context: Context,
) -> Result<(), Error> {
    let chain = store.chain()?;
    let root = chain.newest().map(|newest| {
        let document = newest.root.document();
        let version = document.version;
        let file = RootFile::Document { version }.to_string();
        ShownRoot {
            document: store.trust_path().join(file).display().to_string(),
            version,
            fingerprint: newest.root.fingerprint().to_string(),
            signs_roots: document.root.keys.contains(key.id()),
            signs_bundles: document.release.keys.contains(key.id()),
            revoked: document.revokes(key.id()).map(str::to_owned),
        }
    });
    let shown = Shown {
        key_id: key.id().to_string(),
        algorithm: key.algorithm(),
        key: place.to_owned(),
        root,
        created,
    };
    match context.format {
        Format::Json => show::json(&shown),
        Format::Text => show::text(&text(&shown)),
    }
    Ok(())
}

fn text(shown: &Shown) -> String {
    let algorithm = match shown.algorithm {
        Algorithm::EcdsaP256Sha256 => "ecdsa-p256-sha256",
        Algorithm::Ed25519 => "ed25519",
    };
    let mut text = format!("key    {} ({algorithm}) in {}\n", shown.key_id, shown.key);
    let Some(root) = &shown.root else {
        text.push_str("root   none that is complete; `bundle root show` has more");
        return text;
    };
    let standing = match (&root.revoked, root.signs_roots, root.signs_bundles) {
        (Some(reason), ..) => format!("REVOKES this key: {}", printable(reason)),
        (_, true, true) => "lists this key as root key and release key".to_owned(),
        (_, true, false) => "lists this key as root key".to_owned(),
        (_, false, true) => "lists this key as release key".to_owned(),
        (_, false, false) => "does not list this key".to_owned(),
    };
    text.push_str(&format!(
        "root   sha256 {} in {}\n       version {} {standing}",
        root.fingerprint, root.document, root.version
    ));
    text
}
