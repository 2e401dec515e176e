//! Keys in PKCS#11 tokens. The library is loaded when a key in it is named, and never otherwise.

use std::path::PathBuf;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Fault, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use manifests::printable::printable;
use manifests::signature::{Algorithm, PublicKey};
use p256::pkcs8::{EncodePublicKey as _, LineEnding};
use sha2::{Digest as _, Sha256};

use super::KeyError;
use super::secret::Secrets;
use super::uri::TokenUri;
use crate::explain::{Exit, Explain, Explained};

/// `prime256v1` in DER, as `CKA_EC_PARAMS` names a curve.
const P256_OID: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// A token that does not give us its key.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The library cannot be loaded.
    #[error("the PKCS#11 library {} cannot be used: {reason}", path.display())]
    Module {
        /// The library.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// No such token.
    #[error("there is no token like that{}", seen(.0))]
    NoToken(Vec<String>),
    /// More than one.
    #[error("more than one token is like that: {}", .0.join(", "))]
    ManyTokens(Vec<String>),
    /// The PIN is wrong.
    #[error("{0} refuses the PIN")]
    Pin(String),
    /// The PIN was wrong too often.
    #[error("{0} is locked: the PIN was wrong too often")]
    Locked(String),
    /// No such key.
    #[error("{0} has no such P-256 {1} key")]
    NoKey(String, &'static str),
    /// More than one.
    #[error("{0} has more than one such P-256 {1} key")]
    ManyKeys(String, &'static str),
    /// The token refuses.
    #[error("{token} does not {what}: {source}")]
    Call {
        /// The token.
        token: String,
        /// What was asked.
        what: &'static str,
        /// The token's answer.
        source: Fault,
    },
    /// An answer that makes no sense.
    #[error("{0} gives a public key or signature that is not one of P-256")]
    Nonsense(String),
}

fn seen(tokens: &[String]) -> String {
    if tokens.is_empty() {
        return ", nor any other".to_owned();
    }
    format!("; there are: {}", tokens.join(", "))
}

impl Explain for TokenError {
    fn exit(&self) -> Exit {
        match self {
            Self::Call { .. } | Self::Nonsense(_) => Exit::Internal,
            _ => Exit::Usage,
        }
    }

    fn explain(&self) -> Explained {
        let next = match self {
            Self::Module { .. } => {
                "check module-path, and that the token's own software is installed"
            }
            Self::NoToken(_) => "plug it in, and check token and serial in the URI",
            Self::ManyTokens(_) => "name one of them with token=LABEL or serial=NUMBER in the URI",
            Self::Pin(_) => "try again with the right PIN; tokens lock after a few wrong ones",
            Self::Locked(_) => {
                "unlock it with the security officer's PIN and the token's own software"
            }
            Self::NoKey(..) => {
                "check object and id in the URI; `pkcs11-tool --list-objects` lists keys"
            }
            Self::ManyKeys(..) => "name one of them with id=%NN in the URI",
            Self::Call { .. } | Self::Nonsense(_) => {
                "check the token with its own software, and that the key is for P-256 and may sign"
            }
        };
        Explained::new("cannot use the key in the token", self.to_string(), next)
    }
}

/// A private key that never leaves its token.
pub struct TokenKey {
    name: String,
    session: Session,
    private: ObjectHandle,
    public: PublicKey,
    // After the session: dropping it ends everything.
    _library: Pkcs11,
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKey")
            .field("key", self.public.id())
            .finish_non_exhaustive()
    }
}

impl TokenKey {
    /// Finds the token and the key, with the PIN.
    pub fn open(uri: &TokenUri, secrets: &Secrets) -> Result<Self, KeyError> {
        let library = load(uri)?;
        let slot = slot(&library, uri)?;
        let name = uri.token_name();
        let call = |what| {
            let token = name.clone();
            move |source| TokenError::Call {
                token,
                what,
                source,
            }
        };
        let session = library
            .open_ro_session(slot)
            .map_err(call("open a session"))?;
        let pin = secrets.pin(&name, uri.pin_file.as_deref())?;
        let pin = AuthPin::from(pin.reveal());
        session
            .login(UserType::User, Some(&pin))
            .or_else(|error| match error {
                Fault::Pkcs11(RvError::UserAlreadyLoggedIn, _) => Ok(()),
                Fault::Pkcs11(
                    RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid,
                    _,
                ) => Err(TokenError::Pin(name.clone())),
                Fault::Pkcs11(RvError::PinLocked, _) => Err(TokenError::Locked(name.clone())),
                source => Err(call("let us in")(source)),
            })?;
        let named = (uri.object.as_deref(), uri.id.as_deref());
        let private = find(&session, named, &name, ObjectClass::PRIVATE_KEY, "private")?;
        // The two keys of a pair share their id, whatever their labels are.
        let id = session
            .get_attributes(private, &[AttributeType::Id])
            .unwrap_or_default();
        let id = id.iter().find_map(|attribute| match attribute {
            Attribute::Id(id) if !id.is_empty() => Some(id.as_slice()),
            _ => None,
        });
        let named = if id.is_some() { (None, id) } else { named };
        let public = find(&session, named, &name, ObjectClass::PUBLIC_KEY, "public")?;
        let attributes = session
            .get_attributes(public, &[AttributeType::EcPoint])
            .map_err(call("show the public key"))?;
        let public = public_key(&attributes).ok_or_else(|| TokenError::Nonsense(name.clone()))?;
        Ok(Self {
            name,
            session,
            private,
            public,
            _library: library,
        })
    }

    /// Returns the public key.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Has the token sign the SHA-256 of the bytes; every signature is another one.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, TokenError> {
        let digest = Sha256::digest(bytes);
        let raw = self.session.sign(&Mechanism::Ecdsa, self.private, &digest);
        let raw = raw.map_err(|source| TokenError::Call {
            token: self.name.clone(),
            what: "sign",
            source,
        })?;
        let signature = p256::ecdsa::Signature::from_slice(&raw);
        let signature = signature.map_err(|_| TokenError::Nonsense(self.name.clone()))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

fn load(uri: &TokenUri) -> Result<Pkcs11, TokenError> {
    let refused = |error: Fault| TokenError::Module {
        path: uri.module.clone(),
        reason: error.to_string(),
    };
    let library = Pkcs11::new(&uri.module).map_err(refused)?;
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another key in the same library.
        Err(Fault::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) | Ok(()) => Ok(library),
        Err(error) => Err(refused(error)),
    }
}

fn slot(library: &Pkcs11, uri: &TokenUri) -> Result<Slot, TokenError> {
    let refused = |source| TokenError::Call {
        token: uri.token_name(),
        what: "describe itself",
        source,
    };
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for slot in library
        .get_slots_with_initialized_token()
        .map_err(refused)?
    {
        let token = library.get_token_info(slot).map_err(refused)?;
        let is = |wish: &Option<String>, have: &str| {
            wish.as_ref().is_none_or(|wish| wish == have.trim_end())
        };
        let matches = is(&uri.token, token.label())
            && is(&uri.serial, token.serial_number())
            && is(&uri.model, token.model())
            && is(&uri.manufacturer, token.manufacturer_id());
        let name = format!(
            "`{}` (serial {})",
            printable(token.label()),
            printable(token.serial_number())
        );
        others.push(name.clone());
        if matches {
            found.push((slot, name));
        }
    }
    match found.as_slice() {
        [(slot, _)] => Ok(*slot),
        [] => Err(TokenError::NoToken(others)),
        _ => Err(TokenError::ManyTokens(
            found.into_iter().map(|(_, name)| name).collect(),
        )),
    }
}

fn find(
    session: &Session,
    (label, id): (Option<&str>, Option<&[u8]>),
    token: &str,
    class: ObjectClass,
    kind: &'static str,
) -> Result<ObjectHandle, TokenError> {
    let mut template = vec![
        Attribute::Class(class),
        Attribute::KeyType(KeyType::EC),
        Attribute::EcParams(P256_OID.to_vec()),
    ];
    template.extend(label.map(|label| Attribute::Label(label.as_bytes().to_vec())));
    template.extend(id.map(|id| Attribute::Id(id.to_vec())));
    let found = session
        .find_objects(&template)
        .map_err(|source| TokenError::Call {
            token: token.to_owned(),
            what: "list its keys",
            source,
        })?;
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(TokenError::NoKey(token.to_owned(), kind)),
        _ => Err(TokenError::ManyKeys(token.to_owned(), kind)),
    }
}

/// Reads `CKA_EC_POINT`: a point in a DER octet string, or, of older tokens, the bare point.
fn public_key(attributes: &[Attribute]) -> Option<PublicKey> {
    let point = attributes.iter().find_map(|attribute| match attribute {
        Attribute::EcPoint(bytes) => Some(bytes.as_slice()),
        _ => None,
    })?;
    let point = match point {
        [0x04, length, rest @ ..] if usize::from(*length) == rest.len() => rest,
        bare => bare,
    };
    let key = p256::PublicKey::from_sec1_bytes(point).ok()?;
    let pem = key.to_public_key_pem(LineEnding::LF).ok()?;
    PublicKey::from_pem(Algorithm::EcdsaP256Sha256, &pem).ok()
}
