//! Long lists within saved state: `MessagePack` in an LZ4 frame.
//!
//! Rows of endpoints repeat names, states and usual values, so that a third of their bytes is left.

use std::io::{Read, Write};

use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// Lists of values without the names of their fields.
pub(super) mod unnamed {
    use super::{DeserializeOwned, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(all: &[T], to: S) -> Result<S::Ok, S::Error> {
        super::serialize(super::encoded(all), to)
    }

    pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        super::deserialize(from)
    }
}

/// Lists of values with the names of their fields, which may be left out.
pub(super) mod named {
    use super::{DeserializeOwned, Deserializer, Serialize, Serializer, broken};

    pub fn serialize<T: Serialize, S: Serializer>(all: &[T], to: S) -> Result<S::Ok, S::Error> {
        super::serialize(rmp_serde::to_vec_named(all).map_err(|error| broken(&error)), to)
    }

    pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        super::deserialize(from)
    }
}

/// Encodes a list without the names of the fields.
pub(super) fn encoded<T: Serialize>(all: &[T]) -> Result<Vec<u8>> {
    rmp_serde::to_vec(all).map_err(|error| broken(&error))
}

fn serialize<S: Serializer>(plain: Result<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
    let plain = plain.map_err(serde::ser::Error::custom)?;
    let mut encoder = FrameEncoder::new(Vec::with_capacity(plain.len() / 2));
    encoder.write_all(&plain).map_err(serde::ser::Error::custom)?;
    to.serialize_bytes(&encoder.finish().map_err(serde::ser::Error::custom)?)
}

fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    let bytes = serde_bytes::ByteBuf::deserialize(from)?;
    let mut plain = Vec::new();
    FrameDecoder::new(bytes.as_slice())
        .read_to_end(&mut plain)
        .map_err(serde::de::Error::custom)?;
    rmp_serde::from_slice(&plain).map_err(serde::de::Error::custom)
}

fn broken(error: &rmp_serde::encode::Error) -> Error {
    Error::state(format!("the part cannot be saved: {error}"))
}
