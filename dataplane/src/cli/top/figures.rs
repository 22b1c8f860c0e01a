//! Numbers as text.

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figures {
    /// For programs: whole numbers.
    Exact,
    /// For people: three or four digits and a prefix.
    Short,
}

impl Figures {
    /// A number that is not negative.
    pub fn write(self, value: f64) -> String {
        if self == Self::Exact || value < 9999.5 {
            return format!("{value:.0}");
        }
        let mut scaled = value;
        for prefix in ["k", "M", "G", "T", "P"] {
            scaled /= 1000.0;
            if scaled < 99.95 {
                return format!("{scaled:.1}{prefix}");
            }
            if scaled < 999.5 {
                return format!("{scaled:.0}{prefix}");
            }
        }
        format!("{value:.1e}")
    }

    /// Microseconds.
    pub fn latency(self, microseconds: f64) -> String {
        if self == Self::Exact || microseconds < 999.95 {
            format!("{microseconds:.1}")
        } else {
            self.write(microseconds)
        }
    }
}

/// A time in its two largest units.
pub fn span(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_figures_have_a_prefix() {
        let short = |value| Figures::Short.write(value);
        assert_eq!([0.0, 999.4, 9999.0].map(short), ["0", "999", "9999"]);
        assert_eq!([10_000.0, 99_949.0, 99_960.0].map(short), ["10.0k", "99.9k", "100k"]);
        assert_eq!([999_600.0, 1_234_567.0, 123.4e9].map(short), ["1.0M", "1.2M", "123G"]);
        assert_eq!(Figures::Exact.write(1_234_567.4), "1234567");
        assert_eq!(
            (Figures::Short.latency(12.34), Figures::Short.latency(12_345.6)),
            ("12.3".into(), "12.3k".into())
        );
    }

    #[test]
    fn spans_have_two_units() {
        assert_eq!([9.9, 61.0, 3_660.0, 90_000.0].map(span), ["9s", "1m 01s", "1h 01m", "1d 01h"]);
    }
}
