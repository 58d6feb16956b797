//! The envelope of saved state: magic, version, length and checksum.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Magic of the state of a pipeline.
pub(super) const PIPELINE: [u8; 8] = *b"MADSTATE";
/// Magic of an exported entity.
pub(super) const ENTITY: [u8; 8] = *b"MADPART1";
/// Magic of the global part of a delta checkpoint.
pub(super) const GLOBAL: [u8; 8] = *b"MADGLOBL";
/// Magic of the entity part of a delta checkpoint.
pub(super) const PIECE: [u8; 8] = *b"MADPIECE";
/// Magic of the part of a closed incident in a delta checkpoint.
pub(super) const INCIDENT: [u8; 8] = *b"MADINCID";
/// Magic of the survey of a partition.
pub(super) const SURVEY: [u8; 8] = *b"MADSURVY";
/// Magic of a plan of partitions.
pub(super) const PLAN: [u8; 8] = *b"MADPLAN1";
/// Magic of a judged partition.
pub(super) const PART: [u8; 8] = *b"MADSHARD";
/// Magic of a hand-over.
pub(super) const HANDOVER: [u8; 8] = *b"MADHANDO";
/// Version of the payload. A reader knows all versions up to its own.
const VERSION: u32 = 1;
/// Length of the envelope in bytes: magic, version, length, checksum.
const ENVELOPE: usize = 8 + 4 + 8 + 4;

/// Encodes state: an envelope with magic, version, length and CRC-32 of the payload, which is
/// `MessagePack` with the names of the fields.
pub(super) fn seal(magic: [u8; 8], state: &impl Serialize) -> Result<Vec<u8>> {
    let mut out = vec![0; ENVELOPE];
    rmp_serde::encode::write_named(&mut out, state)
        .map_err(|error| Error::state(format!("the state cannot be saved: {error}")))?;
    let payload = out.get(ENVELOPE..).unwrap_or_default();
    let mut envelope = Vec::with_capacity(ENVELOPE);
    envelope.extend(magic);
    envelope.extend(VERSION.to_le_bytes());
    envelope.extend((payload.len() as u64).to_le_bytes());
    envelope.extend(crc32fast::hash(payload).to_le_bytes());
    for (slot, byte) in out.iter_mut().zip(envelope) {
        *slot = byte;
    }
    Ok(out)
}

/// Decodes state after checking the envelope.
pub(super) fn open<T: DeserializeOwned>(magic: [u8; 8], saved: &[u8]) -> Result<T> {
    rmp_serde::from_slice(opened(&magic, saved)?)
        .map_err(|error| Error::state(format!("the saved state cannot be read: {error}")))
}

fn name_of(magic: &[u8; 8]) -> &'static str {
    match *magic {
        ENTITY => "state of an entity",
        GLOBAL => "global part of a state",
        PIECE => "entity part of a state",
        INCIDENT => "incident part of a state",
        SURVEY => "survey of a partition",
        PLAN => "plan of partitions",
        PART => "part of a judged partition",
        HANDOVER => "hand-over of a partition",
        _ => "state",
    }
}

/// The payload, if the envelope says that it is complete and undamaged.
fn opened<'a>(magic: &[u8; 8], saved: &'a [u8]) -> Result<&'a [u8]> {
    let cut = || Error::state(format!("the saved state is cut: {} bytes are left", saved.len()));
    let Some(rest) = saved.strip_prefix(magic) else {
        let begun = magic.starts_with(saved.get(..saved.len().min(8)).unwrap_or_default());
        return Err(if begun {
            cut()
        } else {
            Error::state(format!("this is no saved {} of mad", name_of(magic)))
        });
    };
    let (version, rest) = rest.split_first_chunk().ok_or_else(cut)?;
    let version = u32::from_le_bytes(*version);
    if version > VERSION {
        return Err(Error::state(format!(
            "the state was saved by a newer version (format {version}, this one knows {VERSION}): \
             upgrade mad"
        )));
    }
    let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
    let (checksum, payload) = rest.split_first_chunk().ok_or_else(cut)?;
    if (payload.len() as u64) < u64::from_le_bytes(*length) {
        return Err(cut());
    }
    let whole = payload.len() as u64 == u64::from_le_bytes(*length);
    if version == 0 || !whole || crc32fast::hash(payload) != u32::from_le_bytes(*checksum) {
        return Err(Error::state("the saved state is damaged: its checksum does not fit"));
    }
    Ok(payload)
}
