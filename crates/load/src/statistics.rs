//! Medians, spreads, and how sure a median is.

use std::fmt;

/// A median between the lowest and the highest value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// NaN, like the others, if there are no values.
    pub lowest: f64,
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// The highest.
    pub highest: f64,
}

impl Spread {
    /// Of these values; all NaN if there are none.
    pub fn of(mut values: Vec<f64>) -> Spread {
        values.sort_by(f64::total_cmp);
        let (lowest, highest) = match (values.first(), values.last()) {
            (Some(lowest), Some(highest)) => (*lowest, *highest),
            _ => (f64::NAN, f64::NAN),
        };
        Spread {
            lowest,
            median: median(&values),
            highest,
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread {
            lowest,
            median,
            highest,
        } = *self;
        if lowest == highest {
            write!(f, "{}", shown(median))
        } else {
            write!(f, "{} ({} – {})", shown(median), shown(lowest), shown(highest))
        }
    }
}

/// A median with an interval that holds the true one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    median: f64,
    low: f64,
    high: f64,
    /// How likely the interval holds the true median, 0 to 1.
    confidence: f64,
}

/// The interval between two of the sorted values that are as far inside as 95 % confidence allows, or the whole range if
/// there are too few for that. It assumes nothing of how the values are spread: each is above the true median with
/// probability one half, so that k-th lowest and k-th highest enclose it unless fewer than k fall on one side.
pub fn median_interval(mut values: Vec<f64>) -> Option<Interval> {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let mut chosen = None;
    // Fewer than k of `count` fair coins show heads.
    let (mut below, mut ways) = (0.0, 1.0);
    for k in 1..=count / 2 {
        below += ways * 0.5f64.powi(count as i32);
        ways = ways * (count - k + 1) as f64 / k as f64;
        let confidence = 1.0 - 2.0 * below;
        if k == 1 || confidence >= CONFIDENCE {
            chosen = Some((k, confidence));
        }
    }
    let (k, confidence) = chosen?;
    Some(Interval {
        median: median(&values),
        low: *values.get(k - 1)?,
        high: *values.get(count - k)?,
        confidence,
    })
}

const CONFIDENCE: f64 = 0.95;

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({} – {}, {:.0} %)",
            shown(self.median),
            shown(self.low),
            shown(self.high),
            100.0 * self.confidence
        )
    }
}

/// Of sorted values: the middle one, or the mean of the middle two.
fn median(sorted: &[f64]) -> f64 {
    let middle = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    match sorted.len() {
        0 => f64::NAN,
        count if count.is_multiple_of(2) => f64::midpoint(middle(count / 2 - 1), middle(count / 2)),
        count => middle(count / 2),
    }
}

/// Two digits or more that mean something.
fn shown(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_count_has_its_median_between_the_middle_two() {
        let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(spread.to_string(), "2.50 (1.00 – 4.00)");
        assert_eq!(Spread::of(vec![7.0]).to_string(), "7.00");
        assert_eq!(Spread::of(vec![0.0123, 123.4]).to_string(), "61.7 (0.012 – 123)");
    }

    #[test]
    fn ten_values_give_the_second_and_the_ninth_at_98_percent() {
        let interval = median_interval((1..=10).map(f64::from).collect()).expect("enough");
        assert_eq!((interval.low, interval.high), (2.0, 9.0));
        // 1 − 2 · (1 + 10) / 1024.
        assert!((interval.confidence - (1.0 - 22.0 / 1024.0)).abs() < 1e-12);
    }

    #[test]
    fn few_values_give_their_range_and_say_how_sure_that_is() {
        let interval = median_interval(vec![3.0, 1.0, 2.0]).expect("enough");
        assert_eq!(interval.to_string(), "2.00 (1.00 – 3.00, 75 %)");
        assert_eq!(median_interval(vec![1.0]), None);
    }
}
