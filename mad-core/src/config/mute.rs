//! Windows of time in which entities are muted.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Daily, Weekday};
use crate::error::{Error, Result};
use crate::series::{Entity, Glob};
use crate::time::{MINUTE, SECOND, Timestamp, ZonePolicy};

const DAY: i64 = 86_400 * SECOND;

/// A window of time in which some entities are muted: their rows are judged and learnt, and none is
/// flagged.
///
/// A window covers the time from `from` to `to`, or a part of each day or of some days of the week,
/// or both: that part of the days between `from` and `to`.
///
/// # Examples
///
/// ```
/// use mad_core::series::Glob;
/// use mad_core::config::MuteWindow;
/// use mad_core::time::{Timestamp, ZonePolicy};
/// use mad_core::Entity;
///
/// let nightly = MuteWindow {
///     service: Glob::new("backup"),
///     daily: Some("22:00-04:30".parse()?),
///     ..MuteWindow::default()
/// };
/// let time = |text| Timestamp::parse(text, ZonePolicy::Refuse).unwrap();
/// let backup = Entity::new("backup", "/run");
/// assert_eq!(
///     nightly.muted_until(&backup, time("2026-01-06T23:00:00Z")),
///     Some(time("2026-01-07T04:30:00Z"))
/// );
/// assert_eq!(nightly.muted_until(&backup, time("2026-01-07T04:30:00Z")), None);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MuteWindow {
    /// Pattern of services. Default `*`.
    pub service: Glob,
    /// Pattern of endpoints, or of resources of metrics (`resource` is the same field). Default `*`.
    #[serde(alias = "resource")]
    pub endpoint: Glob,
    /// When it starts, RFC 3339 with a zone. Default: it has always started.
    #[serde(with = "written", skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// When it ends, RFC 3339 with a zone, after `from`. Default: never.
    #[serde(with = "written", skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// The part of each day, such as `22:00-04:30`. Default: the whole day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<Daily>,
    /// The days of the week on which the part starts, such as `["sat", "sun"]`. Default: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
    /// Offset of `daily` and `days` from UTC, seconds east, -86,400 to 86,400. It does not change with
    /// daylight saving time. Default 0.
    pub offset_seconds: i32,
    /// The reason, shown to users.
    pub reason: String,
}

impl MuteWindow {
    /// Whether the patterns match this entity.
    pub fn is_for(&self, entity: &Entity) -> bool {
        self.service.matches(&entity.service) && self.endpoint.matches(&entity.endpoint)
    }

    /// The end of the mute that covers `entity` at `at`; none if it is not muted then. The end is not
    /// muted. A mute without an end gives [`Timestamp::MAX`]. Adjoining spans count as one.
    pub fn muted_until(&self, entity: &Entity, at: Timestamp) -> Option<Timestamp> {
        let begun = self.from.is_none_or(|from| from <= at);
        let over = self.to.is_some_and(|to| to <= at);
        if !begun || over || !self.is_for(entity) {
            return None;
        }
        let end = if self.daily.is_none() && self.days.is_empty() {
            Timestamp::MAX
        } else {
            let mut end = self.span_end(at)?;
            // eight adjoining spans cover every day of the week, so the mute has no end
            let touching = (0..8).all(|_| self.span_end(end).map(|next| end = next).is_some());
            if touching { Timestamp::MAX } else { end }
        };
        Some(self.to.map_or(end, |to| end.min(to)))
    }

    /// The end of the day's span that holds `at`.
    fn span_end(&self, at: Timestamp) -> Option<Timestamp> {
        let daily = self.daily.unwrap_or(Daily::ALL_DAY);
        let offset = i64::from(self.offset_seconds) * SECOND;
        let local = at.plus(offset).nanos();
        let today = local.div_euclid(DAY);
        [today, today - 1].into_iter().find_map(|day| {
            let midnight = day.saturating_mul(DAY);
            let end = midnight.saturating_add(i64::from(daily.end()) * MINUTE);
            let within = local >= midnight.saturating_add(i64::from(daily.from) * MINUTE)
                && local < end
                && (self.days.is_empty() || self.days.contains(&Weekday::of(day)));
            within.then(|| Timestamp::from_nanos(end).plus(-offset))
        })
    }

    /// Checks every field; `at` is its place in the configuration, such as `mute[0]`.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range: an end that is not after the start, a span of the
    /// day that is empty or outside the day, and a window that would mute everything for ever.
    pub fn validate(&self, at: &str) -> Result<()> {
        let fault = |field: &str, value: &dyn std::fmt::Display, expected: &str| {
            Err(Error::config(&format!("{at}.{field}"), value, expected))
        };
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return fault("to", &to, &format!("a time after `from`, {from}"));
        }
        if let Some(daily) = self.daily
            && !(daily.from < 1_440 && daily.to <= 1_440)
        {
            return fault("daily", &daily, "two times from 00:00 to 24:00");
        }
        if let Some(daily) = self.daily
            && daily.from == daily.to
        {
            return fault("daily", &daily, "two different times; 00:00-24:00 is all day");
        }
        if !(-86_400..=86_400).contains(&self.offset_seconds) {
            return fault("offset_seconds", &self.offset_seconds, "-86400 to 86400 seconds");
        }
        let bounded = self.from.is_some()
            || self.to.is_some()
            || self.daily.is_some()
            || !self.days.is_empty();
        if !bounded && self.service.is_any() && self.endpoint.is_any() {
            let expected = "a service, an endpoint or a time";
            return Err(Error::config(at, "a mute of everything for ever", expected));
        }
        Ok(())
    }
}

/// Moments as RFC 3339.
mod written {
    use super::{Deserialize, Deserializer, Serializer, Timestamp, ZonePolicy};

    #[allow(clippy::ref_option, reason = "serde hands the field over")]
    pub fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(time),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let read = |text: String| {
            Timestamp::parse(&text, ZonePolicy::Refuse).map_err(|_| {
                let expected = "a time with a zone such as 2026-01-06T22:00:00Z";
                serde::de::Error::custom(format!("no time: {text:?}, expected {expected}"))
            })
        };
        text.map(read).transpose()
    }
}
