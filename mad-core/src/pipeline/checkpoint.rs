//! State as bytes: an envelope that tells what it holds and whether it is whole.

use super::{Pipeline, PipelineConfig};
use crate::error::{Error, Result};
use crate::guard::Guardrails;

/// What every saved state begins with.
const MAGIC: [u8; 8] = *b"MADSTATE";
/// Version of what follows the envelope; a reader knows all versions up to its own.
const VERSION: u32 = 1;
/// Magic, version, length, checksum.
const ENVELOPE: usize = 8 + 4 + 8 + 4;

impl Pipeline {
    /// The whole state as bytes: magic, version, length and CRC-32 of what follows, which is
    /// `MessagePack` with the names of the fields.
    ///
    /// # Errors
    ///
    /// None is known; an encoder that fails is handed on.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
    ///
    /// let config = PipelineConfig::default();
    /// let mut pipeline = Pipeline::new(config.clone())?;
    /// pipeline.ingest([Request::new(Timestamp::from_seconds(0), "a", "/x", 200, 12.0)]);
    /// let saved = pipeline.checkpoint()?;
    /// let restored = Pipeline::restore(config, &saved)?;
    /// assert_eq!(restored.checkpoint()?, saved);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn checkpoint(&self) -> Result<Vec<u8>> {
        let mut out = vec![0; ENVELOPE];
        rmp_serde::encode::write_named(&mut out, self)
            .map_err(|error| Error::state(format!("the state cannot be saved: {error}")))?;
        let payload = out.get(ENVELOPE..).unwrap_or_default();
        let mut envelope = Vec::with_capacity(ENVELOPE);
        envelope.extend(MAGIC);
        envelope.extend(VERSION.to_le_bytes());
        envelope.extend((payload.len() as u64).to_le_bytes());
        envelope.extend(crc32fast::hash(payload).to_le_bytes());
        for (slot, byte) in out.iter_mut().zip(envelope) {
            *slot = byte;
        }
        Ok(out)
    }

    /// A pipeline that goes on where the saved one stopped, byte for byte.
    ///
    /// `features`, `score` and `limits` of the config shape what is remembered and have to be
    /// those of the saved state; the rest may be changed and holds from now on. The kind and the
    /// threshold that an override gives a series shape its scorer and hold for series that are new.
    ///
    /// # Errors
    ///
    /// A config field outside its range; bytes that are no saved state, are cut, damaged or of a
    /// newer version; a config of another shape, by the name of the stage.
    pub fn restore(config: PipelineConfig, saved: &[u8]) -> Result<Self> {
        config.validate()?;
        let mut pipeline: Self = rmp_serde::from_slice(open(saved)?)
            .map_err(|error| Error::state(format!("the saved state cannot be read: {error}")))?;
        let was = &pipeline.config;
        for (stage, same) in [
            ("features", was.features == config.features),
            ("score", was.score == config.score),
            ("limits", was.limits == config.limits),
        ] {
            if !same {
                return Err(Error::state(format!(
                    "the state was saved with another config of `{stage}`, which shapes what is \
                     remembered: restore it with that one, or begin anew"
                )));
            }
        }
        pipeline.guardrails = Guardrails::new(config.guard, config.score.threshold)?;
        pipeline.grouper.reconfigure(config.incident)?;
        pipeline.grouper =
            pipeline.grouper.with_critical_error_rate(config.guard.critical_error_rate);
        pipeline.config = config;
        Ok(pipeline)
    }
}

/// What the envelope holds, after a look at whether it is whole.
fn open(saved: &[u8]) -> Result<&[u8]> {
    let cut = || Error::state(format!("the saved state is cut: {} bytes are left", saved.len()));
    let Some(rest) = saved.strip_prefix(&MAGIC) else {
        let begun = MAGIC.starts_with(saved.get(..saved.len().min(8)).unwrap_or_default());
        return Err(if begun { cut() } else { Error::state("this is no saved state of mad") });
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
