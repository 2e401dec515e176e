//! The form of a data signature: what it must be before its key is looked for. Only the hashed
//! area counts: the server of a signature can write into the other one.

use pgp::packet::{
    Packet, PacketParser, Signature, SignatureConfig, SignatureType, SignatureVersion, Subpacket,
    SubpacketData,
};

use super::{SignatureError, blocks};

/// A signature has a few hundred bytes. Each one costs arithmetic, so both are bounded.
const BYTES_MAX: usize = 64 * 1024;
const SIGNATURES_MAX: usize = 16;

const BEGIN: &[u8] = b"-----BEGIN PGP SIGNATURE-----";

/// Reads every signature of armored blocks, or of binary packets. Text around the blocks
/// is ignored.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Signature>, SignatureError> {
    let unreadable = |text: String| SignatureError::Unreadable(text);
    if bytes.len() > BYTES_MAX {
        return Err(unreadable(format!("it has more than {BYTES_MAX} bytes")));
    }
    let mut signatures = Vec::new();
    for block in blocks(bytes, BEGIN) {
        let mut binary = Vec::new();
        if block.trim_ascii_start().starts_with(b"-----BEGIN") {
            let mut armor = pgp::armor::Dearmor::new(block);
            std::io::Read::read_to_end(&mut armor, &mut binary)
                .map_err(|e| unreadable(e.to_string()))?;
        } else {
            binary.extend_from_slice(block);
        }
        for packet in PacketParser::new(binary.as_slice()) {
            match packet.map_err(|e| unreadable(e.to_string()))? {
                Packet::Signature(signature) => signatures.push(signature),
                _ => return Err(unreadable("it holds more than signatures".to_owned())),
            }
        }
    }
    if signatures.len() > SIGNATURES_MAX {
        return Err(unreadable(format!(
            "it holds more than {SIGNATURES_MAX} signatures"
        )));
    }
    Ok(signatures)
}

/// Checks the form, and returns the time that the signature gives for itself.
pub(super) fn check(signature: &Signature) -> Result<(&SignatureConfig, u32), SignatureError> {
    let refused = |text: &str| SignatureError::Form(text.to_owned());
    // Versions 3 (rpm of EL6 and EL7), 4 and 6 put their type and time under the signature.
    let known = matches!(
        signature.version(),
        SignatureVersion::V3 | SignatureVersion::V4 | SignatureVersion::V6
    );
    let config = signature
        .config()
        .filter(|_| known)
        .ok_or_else(|| SignatureError::Form(format!("version {:?}", signature.version())))?;
    if config.typ != SignatureType::Binary {
        return Err(SignatureError::Form(format!("{:?}", config.typ)));
    }
    if demands_more(config) || config.hashed_subpackets().any(is_strange) {
        return Err(refused("it is critical of something that is not known"));
    }
    // Nothing here reads a clock, and what is carried stays for years: a signature that expires is of no use.
    if signature
        .signature_expiration_time()
        .is_some_and(|lifetime| lifetime.as_secs() != 0)
    {
        return Err(refused("it runs out by itself"));
    }
    let created = signature
        .created()
        .ok_or_else(|| refused("it names no time"))?;
    Ok((config, created.as_secs()))
}

/// Whether its maker asks readers to ignore it unless they know all of its notations. Unknown types of
/// subpackets are refused with the mathematics.
pub(super) fn demands_more(config: &SignatureConfig) -> bool {
    config.hashed_subpackets().any(|subpacket| {
        let unknown = matches!(
            subpacket.data,
            SubpacketData::Notation(_)
                | SubpacketData::Experimental(..)
                | SubpacketData::Other(..)
                | SubpacketData::RegularExpression(_)
        );
        subpacket.is_critical && unknown
    })
}

/// Whether a critical subpacket limits a data signature in a way that is not looked at.
const fn is_strange(subpacket: &Subpacket) -> bool {
    subpacket.is_critical
        && !matches!(
            subpacket.data,
            SubpacketData::SignatureCreationTime(_)
                | SubpacketData::SignatureExpirationTime(_)
                | SubpacketData::IssuerKeyId(_)
                | SubpacketData::IssuerFingerprint(_)
                | SubpacketData::SignersUserID(_)
                | SubpacketData::PolicyURI(_)
        )
}
