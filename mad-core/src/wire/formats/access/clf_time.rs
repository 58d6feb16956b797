//! Times of the Common Log Format, such as `29/Nov/2026:05:01:45 +0000`.

use crate::time::{SECOND, TimeError, Timestamp, ZonePolicy};

/// Bytes before the seconds.
const MINUTES: usize = 18;

/// Parses times; those of one minute are parsed once.
#[derive(Debug, Clone, Default)]
pub(super) struct ClfTimes {
    /// The text up to the minute, and the zone.
    prefix: Vec<u8>,
    zone: Vec<u8>,
    minute: i64,
}

impl ClfTimes {
    #[inline]
    pub fn parse(&mut self, text: &str, policy: ZonePolicy) -> Result<Timestamp, TimeError> {
        let bytes = text.as_bytes();
        let parts = bytes.split_at_checked(MINUTES).and_then(|(prefix, rest)| {
            let (seconds, zone) = rest.split_at_checked(2)?;
            let second = match seconds {
                [tens @ b'0'..=b'5', ones @ b'0'..=b'9'] => {
                    i64::from(tens - b'0') * 10 + i64::from(ones - b'0')
                }
                _ => return None,
            };
            (prefix.last() == Some(&b':') && zone.first() == Some(&b' '))
                .then_some((prefix, second, zone))
        });
        let Some((prefix, second, zone)) = parts else { return Timestamp::parse(text, policy) };
        if prefix == self.prefix && zone == self.zone {
            return Ok(Timestamp::from_nanos(self.minute + second * SECOND));
        }
        let time = Timestamp::parse(text, policy)?;
        self.prefix.clear();
        self.prefix.extend_from_slice(prefix);
        self.zone.clear();
        self.zone.extend_from_slice(zone);
        self.minute = time.nanos() - second * SECOND;
        Ok(time)
    }
}
