//! Values in ascending order that know the order in which they came.

/// Most values whose places fit into a byte.
const BYTE_PLACES: usize = 256;

/// A number with a total order.
pub(crate) trait Ordered: Copy {
    /// Whether it comes before another one.
    fn is_below(self, other: Self) -> bool;
}

/// Without NaN and without -0.0, which [`RollingMad`](super::RollingMad) does not keep.
impl Ordered for f64 {
    #[inline]
    fn is_below(self, other: Self) -> bool {
        self < other
    }
}

/// The order of the bits, in which -0.0 comes before 0.0.
impl Ordered for f32 {
    #[inline]
    fn is_below(self, other: Self) -> bool {
        self.total_cmp(&other).is_lt()
    }
}

/// Values in ascending order that know the order in which they came.
///
/// A value costs its own size and a byte, because the order of arrival is a ring of places among the
/// sorted values. A new value moves the places between the one that leaves and the one that it
/// takes; all of them are updated at once in vector instructions. Where more than 256 values may
/// come, the ring holds the values themselves.
#[derive(Debug, Clone)]
pub(crate) struct Ranked<T> {
    sorted: Vec<T>,
    order: Order<T>,
    /// Where the oldest value is in the ring.
    oldest: u32,
}

/// The ring of arrivals.
#[derive(Debug, Clone)]
enum Order<T> {
    Places(Vec<u8>),
    Values(Vec<T>),
}

impl<T: Ordered> Ranked<T> {
    /// No values yet, and later at most `most`.
    pub const fn new(most: usize) -> Self {
        let order =
            if most <= BYTE_PLACES { Order::Places(Vec::new()) } else { Order::Values(Vec::new()) };
        Self { sorted: Vec::new(), order, oldest: 0 }
    }

    /// Values in the order in which they came.
    pub fn of(values: Vec<T>, most: usize) -> Self {
        let mut by_size: Vec<(T, usize)> = values.iter().copied().zip(0..).collect();
        by_size.sort_unstable_by(|(a, _), (b, _)| b.is_below(*a).cmp(&a.is_below(*b)));
        let mut ranked = Self::new(most);
        ranked.sorted = by_size.iter().map(|(value, _)| *value).collect();
        match &mut ranked.order {
            Order::Places(places) => {
                places.resize(values.len(), 0);
                for (place, (_, slot)) in by_size.iter().enumerate() {
                    if let Some(slot) = places.get_mut(*slot) {
                        *slot = place as u8;
                    }
                }
            }
            Order::Values(known) => *known = values,
        }
        ranked
    }

    /// The number of values.
    #[inline]
    pub const fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The values in ascending order.
    #[inline]
    pub fn sorted(&self) -> &[T] {
        &self.sorted
    }

    /// The values in the order in which they came, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = T> + Clone + '_ {
        let (newer, older) = (0..self.oldest as usize, self.oldest as usize..self.len());
        older.chain(newer).filter_map(|slot| match &self.order {
            Order::Places(places) => self.sorted.get(usize::from(*places.get(slot)?)).copied(),
            Order::Values(values) => values.get(slot).copied(),
        })
    }

    /// Adds a value. Memory is taken for at most `most` values.
    ///
    /// It must not be called after [`replace_oldest`](Self::replace_oldest), because the ring is then
    /// no longer in order of arrival; and not beyond the number of values that was announced.
    #[inline]
    pub fn push(&mut self, value: T, most: usize) {
        let len = self.len();
        if len == self.sorted.capacity() {
            let more = len.max(4).min(most.saturating_sub(len));
            self.sorted.reserve_exact(more);
            match &mut self.order {
                Order::Places(places) => places.reserve_exact(more),
                Order::Values(values) => values.reserve_exact(more),
            }
        }
        let at = self.sorted.partition_point(|known| known.is_below(value));
        self.sorted.insert(at, value);
        match &mut self.order {
            Order::Places(places) => {
                let at = at as u8;
                for place in places.iter_mut() {
                    *place = place.wrapping_add(u8::from(*place >= at));
                }
                places.push(at);
            }
            Order::Values(values) => values.push(value),
        }
    }

    /// Puts a value in the place of the oldest one.
    #[inline]
    pub fn replace_oldest(&mut self, value: T) {
        let slot = self.oldest as usize;
        self.oldest = if slot + 1 < self.len() { self.oldest + 1 } else { 0 };
        let sorted = &mut self.sorted;
        let to = sorted.partition_point(|known| known.is_below(value));
        match &mut self.order {
            Order::Places(places) => {
                let Some(from) = places.get(slot).copied() else { return };
                let at = shift(sorted, usize::from(from), to, value) as u8;
                // The values between moved up or down by one, and with them their places.
                if at <= from {
                    for place in places.iter_mut() {
                        *place = place.wrapping_add(u8::from(*place >= at && *place < from));
                    }
                } else {
                    for place in places.iter_mut() {
                        *place = place.wrapping_sub(u8::from(*place > from && *place <= at));
                    }
                }
                if let Some(place) = places.get_mut(slot) {
                    *place = at;
                }
            }
            Order::Values(values) => {
                let Some(slot) = values.get_mut(slot) else { return };
                let leaving = std::mem::replace(slot, value);
                let from = sorted.partition_point(|known| known.is_below(leaving));
                shift(sorted, from, to, value);
            }
        }
    }

    /// Forgets all values.
    pub fn clear(&mut self) {
        self.sorted.clear();
        match &mut self.order {
            Order::Places(places) => places.clear(),
            Order::Values(values) => values.clear(),
        }
        self.oldest = 0;
    }

    /// Bytes on the heap.
    pub const fn heap_bytes(&self) -> usize {
        let order = match &self.order {
            Order::Places(places) => places.capacity(),
            Order::Values(values) => values.capacity() * size_of::<T>(),
        };
        self.sorted.capacity() * size_of::<T>() + order
    }
}

/// Takes the value at `from` out of sorted values and puts one in before the one at `to`. Returns its
/// place.
#[inline]
fn shift<T: Copy>(sorted: &mut [T], from: usize, to: usize, entering: T) -> usize {
    // The values between move up if the new value belongs below the old one, else down.
    if to <= from {
        if let Some(moved @ [.., _]) = sorted.get_mut(to..=from) {
            moved.copy_within(..moved.len() - 1, 1);
            if let Some(first) = moved.first_mut() {
                *first = entering;
            }
        }
        to
    } else {
        if let Some(moved @ [_, ..]) = sorted.get_mut(from..to) {
            moved.copy_within(1.., 0);
            if let Some(last) = moved.last_mut() {
                *last = entering;
            }
        }
        to - 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_newest_values_are_known_by_size_and_by_age(
            values in prop::collection::vec(
                prop_oneof![-3_i8..3, any::<i8>()].prop_map(f32::from), 1..700),
            most in prop_oneof![1_usize..20, 250_usize..300],
        ) {
            let mut ranked = Ranked::new(most);
            for (at, value) in values.iter().enumerate() {
                if ranked.len() < most {
                    ranked.push(*value, most);
                } else {
                    ranked.replace_oldest(*value);
                }
                let newest = &values[(at + 1).saturating_sub(most)..=at];
                prop_assert!(ranked.iter().eq(newest.iter().copied()));
                prop_assert!(ranked.iter().rev().eq(newest.iter().rev().copied()));
                let mut sorted = newest.to_vec();
                sorted.sort_unstable_by(f32::total_cmp);
                prop_assert_eq!(ranked.sorted(), sorted);
                let again = Ranked::of(newest.to_vec(), most);
                prop_assert!(again.iter().eq(ranked.iter()) && again.sorted() == ranked.sorted());
                let bytes = if most <= 256 { 5 } else { 8 };
                prop_assert!(ranked.heap_bytes() <= bytes * most.max(4));
            }
        }
    }
}
