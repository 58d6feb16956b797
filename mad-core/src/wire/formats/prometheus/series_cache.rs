//! Series that are known by the bytes of their labels, so that a sender's next body costs one lookup
//! for each series.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::naming::Naming;
use super::labels::Series;

/// Most bytes of one generation of series. Two are kept.
const MOST_BYTES: usize = 16 << 20;
/// Bytes that a series takes beside its labels: the maps, the fields, and names twice.
const OVERHEAD: usize = 320;

/// Series by the bytes of their labels as a body holds them.
///
/// A series that is not found is read from its labels, so the cache changes no answer. It has two
/// generations: a series that is used moves to the younger one, and when that is full, it replaces
/// the older one. Its keys are compared whole, so that equal hashes cannot mix series up.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct SeriesCache {
    /// The names that the series were made with.
    naming: Naming,
    young: HashMap<Box<[u8]>, Arc<Series>>,
    old: HashMap<Box<[u8]>, Arc<Series>>,
    /// Bytes of the younger generation.
    bytes: usize,
}

/// A cache never changes what a decoder gives.
impl PartialEq for SeriesCache {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl SeriesCache {
    /// The series of labels, with the service names of `naming`.
    pub fn get(&mut self, labels: &[u8], naming: &Naming) -> Option<Arc<Series>> {
        if self.naming != *naming {
            *self = Self { naming: naming.clone(), ..Self::default() };
        }
        if let Some(series) = self.young.get(labels) {
            return Some(Arc::clone(series));
        }
        let (labels, series) = self.old.remove_entry(labels)?;
        self.insert(labels, Arc::clone(&series));
        Some(series)
    }

    /// Adds a series that [`get`](Self::get) did not find.
    pub fn add(&mut self, labels: &[u8], series: &Arc<Series>) {
        self.insert(labels.into(), Arc::clone(series));
    }

    fn insert(&mut self, labels: Box<[u8]>, series: Arc<Series>) {
        // the names of a series are about as long as its labels
        let bytes = 3 * labels.len() + OVERHEAD;
        if self.bytes + bytes > MOST_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        if bytes <= MOST_BYTES {
            self.bytes += bytes;
            self.young.insert(labels, series);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::labels::SampleType;
    use super::*;
    use crate::wire::formats::FormatOptions;

    fn series(name: &str, naming: &Naming) -> Arc<Series> {
        let labels = [(Cow::Borrowed("__name__"), Cow::Borrowed(name))];
        Arc::new(Series::new(&labels, SampleType::Unknown, naming))
    }

    #[test]
    fn memory_is_bounded_and_used_series_stay() {
        let (mut cache, naming) = (SeriesCache::default(), Naming::default());
        let up = series("up", &naming);
        cache.add(b"up", &up);
        for number in 0..20_000_u32 {
            let labels = [&number.to_le_bytes()[..], &[7; 1_000]].concat();
            cache.add(&labels, &up);
            assert!(cache.get(b"up", &naming).is_some(), "{number}");
        }
        let kept = cache.young.len() + cache.old.len();
        assert!(kept * (3 * 1_004 + OVERHEAD) <= 2 * MOST_BYTES + 4_096, "{kept}");
        cache.add(&vec![1; MOST_BYTES], &up);
        assert!(cache.get(&vec![1; MOST_BYTES], &naming).is_none());
    }

    #[test]
    fn other_names_of_services_make_other_series() {
        let (mut cache, naming) = (SeriesCache::default(), Naming::default());
        cache.add(b"up", &series("up", &naming));
        let options = FormatOptions { service: Some("shop".to_owned()), ..Default::default() };
        assert!(cache.get(b"up", &Naming::new(&options)).is_none());
    }
}
