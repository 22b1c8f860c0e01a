//! Two sides, measured in turn: what disturbs one disturbs the other.

/// A value with its spread over the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Half of the rounds were at most this.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// The spread of at least one value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Self { median, min: sorted[0], max: sorted[sorted.len() - 1] }
    }
}

/// Rates of both sides, round by round; more is better.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Ours and the peer's.
    pub rounds: Vec<(f64, f64)>,
}

impl Comparison {
    /// Ours by the peer's, per round.
    pub fn ratio(&self) -> Spread {
        Spread::of(self.rounds.iter().map(|(ours, peer)| ours / peer))
    }

    /// Ours.
    pub fn ours(&self) -> Spread {
        Spread::of(self.rounds.iter().map(|(ours, _)| *ours))
    }

    /// The peer's.
    pub fn peer(&self) -> Spread {
        Spread::of(self.rounds.iter().map(|(_, peer)| *peer))
    }
}

/// Runs both sides in turn, `rounds` times and once before to warm up; who
/// goes first alternates.
///
/// # Errors
/// The first of either side.
pub fn interleave<E>(
    rounds: usize,
    mut ours: impl FnMut() -> Result<f64, E>,
    mut peer: impl FnMut() -> Result<f64, E>,
) -> Result<Comparison, E> {
    ours()?;
    peer()?;
    let mut done = Vec::with_capacity(rounds);
    for round in 0..rounds {
        done.push(if round % 2 == 0 {
            let ours = ours()?;
            (ours, peer()?)
        } else {
            let peer = peer()?;
            (ours()?, peer)
        });
    }
    Ok(Comparison { rounds: done })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn the_spread_of_few_values() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 2.0]), Spread { median: 3.0, min: 2.0, max: 4.0 });
    }

    #[test]
    fn sides_take_turns_and_ratios_are_by_round() {
        let order = RefCell::new(String::new());
        let side = |name, value| {
            let order = &order;
            move || {
                order.borrow_mut().push(name);
                Ok::<_, ()>(value)
            }
        };
        let comparison = interleave(3, side('o', 2.0), side('p', 4.0)).unwrap();
        assert_eq!(*order.borrow(), "opoppoop");
        assert_eq!(comparison.ratio(), Spread { median: 0.5, min: 0.5, max: 0.5 });
        assert_eq!((comparison.ours().median, comparison.peer().median), (2.0, 4.0));
    }
}
