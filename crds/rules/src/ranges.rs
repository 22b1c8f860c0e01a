//! Sets of addresses and ports as sorted ranges.

/// A set of numbers as sorted, disjoint, inclusive ranges: IPv4 addresses in
/// host order, or ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ranges(Box<[(u32, u32)]>);

impl Ranges {
    /// The empty set.
    pub fn none() -> Self {
        Self::default()
    }

    /// All numbers from `first` to `last`.
    pub fn of(first: u32, last: u32) -> Self {
        Self(Box::new([(first, last)]))
    }

    /// Whether nothing lies in the set.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `value` lies in the set.
    pub fn contains(&self, value: u32) -> bool {
        match &*self.0 {
            [] => false,
            [(first, last)] => *first <= value && value <= *last,
            ranges => {
                let at = ranges.partition_point(|(_, last)| *last < value);
                ranges.get(at).is_some_and(|(first, _)| *first <= value)
            }
        }
    }

    /// What lies in any of the sets.
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all: Vec<(u32, u32)> = sets.into_iter().flat_map(|set| set.0.iter().copied()).collect();
        all.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self(merged.into())
    }

    /// What lies between 0 and `max`, but not in this set.
    pub fn complement(&self, max: u32) -> Self {
        let mut gaps = Vec::new();
        let mut next = Some(0);
        for &(first, last) in &self.0 {
            if let Some(start) = next.filter(|start| *start < first) {
                gaps.push((start, first - 1));
            }
            next = last.checked_add(1);
        }
        if let Some(start) = next.filter(|start| *start <= max) {
            gaps.push((start, max));
        }
        Self(gaps.into())
    }

    /// What lies in this set and not in `other`, both up to `max`.
    pub fn minus(&self, other: &Self, max: u32) -> Self {
        // a \ b = not (not a or b)
        Self::union([&self.complement(max), other]).complement(max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set() -> impl Strategy<Value = Ranges> {
        proptest::collection::vec((0..64u32, 0..64u32), 0..5).prop_map(|pairs| {
            let sets: Vec<Ranges> = pairs.into_iter().map(|(a, b)| Ranges::of(a.min(b), a.max(b))).collect();
            Ranges::union(&sets)
        })
    }

    proptest! {
        #[test]
        fn algebra_agrees_with_membership(a in set(), b in set(), x in 0..64u32) {
            let (in_a, in_b) = (a.contains(x), b.contains(x));
            prop_assert_eq!(Ranges::union([&a, &b]).contains(x), in_a || in_b);
            prop_assert_eq!(a.complement(63).contains(x), !in_a);
            prop_assert_eq!(a.minus(&b, 63).contains(x), in_a && !in_b);
        }
    }

    #[test]
    fn the_edges_of_the_universe_hold() {
        let all = Ranges::of(0, u32::MAX);
        assert!(all.contains(u32::MAX) && all.complement(u32::MAX).is_none());
        assert_eq!(Ranges::none().complement(u32::MAX), all);
        assert_eq!(Ranges::of(5, u32::MAX).complement(u32::MAX), Ranges::of(0, 4));
    }
}
