//! What can sign: a key in a file or in a token.

use std::path::PathBuf;
use std::str::FromStr;

use manifests::signature::{PublicKey, Signature};

use super::KeyError;
use super::key_file::FileKey;
use super::secret::Secrets;
use super::token::TokenKey;
use super::uri::TokenUri;

/// A key as it is named on the command line.
#[derive(Debug, Clone)]
pub enum KeyName {
    /// A PKCS#8 file.
    File(PathBuf),
    /// A key in a token.
    Token(TokenUri),
}

impl FromStr for KeyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("pkcs11:") {
            return text.parse().map(Self::Token);
        }
        Ok(Self::File(PathBuf::from(text)))
    }
}

/// A key that is open.
#[derive(Debug)]
pub enum Signer {
    /// In memory, from a file.
    File(Box<FileKey>),
    /// In a token.
    Token(Box<TokenKey>),
}

impl Signer {
    /// Opens a key; this may ask for a passphrase or PIN.
    pub fn open(name: &KeyName, secrets: &Secrets) -> Result<Self, KeyError> {
        match name {
            KeyName::File(path) => Ok(Self::File(Box::new(FileKey::read(path, secrets)?))),
            KeyName::Token(uri) => Ok(Self::Token(Box::new(TokenKey::open(uri, secrets)?))),
        }
    }

    /// Returns the public key.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        match self {
            Self::File(key) => key.public(),
            Self::Token(key) => key.public(),
        }
    }

    /// Signs, and checks the signature: a token can be broken, or hold another key than it names.
    pub fn sign(&self, bytes: &[u8]) -> Result<Signature, KeyError> {
        let signature = match self {
            Self::File(key) => key.sign(bytes),
            Self::Token(key) => key.sign(bytes)?,
        };
        let public = self.public();
        if !public.accepts(bytes, &signature) {
            let why = format!(
                "its signature does not match its public key {}",
                public.id()
            );
            return Err(KeyError::Make(why));
        }
        Signature::new(public.id().clone(), signature).map_err(|e| KeyError::Make(e.to_string()))
    }
}
