//! Parts of the scorer of gauges that an ablation study can leave out.

/// A part of [`GaugeScorer`](super::GaugeScorer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "ablation"), allow(unreachable_pub, reason = "exported with the feature"))]
pub enum GaugePart {
    /// The view of the last `window` values.
    Window,
    /// The view of the long memory.
    Long,
    /// The view of the season.
    Season,
    /// The view of the present: jumps from the median of the last 25 deviations.
    Present,
    /// The calibration by the series' own past; without it all series have the prior.
    Calibration,
    /// The evidence that a row inherits from the row before it.
    Decay,
}

impl GaugePart {
    /// All parts.
    #[cfg(feature = "ablation")]
    pub const ALL: [Self; 6] =
        [Self::Window, Self::Long, Self::Season, Self::Present, Self::Calibration, Self::Decay];

    /// The name in `benches/views.py`.
    #[cfg(feature = "ablation")]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Long => "long",
            Self::Season => "season",
            Self::Present => "present",
            Self::Calibration => "calibration",
            Self::Decay => "decay",
        }
    }

    /// The number of views that are applied.
    pub fn views() -> f64 {
        let views = [Self::Window, Self::Long, Self::Season, Self::Present];
        views.into_iter().map(|view| f64::from(u8::from(view.is_used()))).sum()
    }

    /// Whether the part is applied: always, without the feature `ablation`.
    #[cfg(not(feature = "ablation"))]
    #[expect(clippy::unused_self, reason = "the part matters with the feature")]
    pub const fn is_used(self) -> bool {
        true
    }

    /// Whether the part is applied.
    #[cfg(feature = "ablation")]
    pub fn is_used(self) -> bool {
        LEFT_OUT.load(Ordering::Relaxed) != self as u8
    }
}

#[cfg(feature = "ablation")]
use std::sync::atomic::{AtomicU8, Ordering};

/// The part that is left out; a number without a part for none.
#[cfg(feature = "ablation")]
static LEFT_OUT: AtomicU8 = AtomicU8::new(u8::MAX);

/// Leaves a part out of all gauges of the process from now on; `None` leaves none out. Only for
/// ablation studies.
#[cfg(feature = "ablation")]
pub fn leave_out(part: Option<GaugePart>) {
    LEFT_OUT.store(part.map_or(u8::MAX, |part| part as u8), Ordering::Relaxed);
}
