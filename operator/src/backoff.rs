//! When to try again: sooner what may heal by itself, seldom what a human has to correct, and never many at the same moment.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// The longest pause while the API server can't be had: after an outage of any length, work goes on within it.
const OUTAGE: f64 = 10.0;
/// The longest pause otherwise.
const LONGEST: f64 = 60.0;

/// What kind of trouble a pass had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// Somebody has to change something.
    Refused,
    /// The API server can't be reached, is overloaded or failed.
    Unavailable,
    /// The pass took too long.
    TimedOut,
    /// An object was changed at the same time.
    Conflict,
    /// Something has to end first.
    Waiting,
    Other,
}

impl ErrorClass {
    /// What an answer of the API server means.
    pub(crate) fn of(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => match status.code {
                400 | 403 | 422 => Self::Refused,
                409 => Self::Conflict,
                401 | 429 | 500.. => Self::Unavailable,
                _ => Self::Other,
            },
            kube::Error::SerdeError(_) => Self::Other,
            _ => Self::Unavailable,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::Conflict => "conflict",
            Self::Waiting => "waiting",
            Self::Other => "other",
        }
    }

    /// 1 s, 2 s, 4 s, ... up to a limit; for what a human has to correct at once a minute. `random` (0 to 1) spreads it by a half.
    pub(crate) fn delay(self, failures: u32, random: f64) -> Duration {
        let (first, limit) = match self {
            Self::Refused => (LONGEST, LONGEST),
            Self::Unavailable | Self::TimedOut => (1.0, OUTAGE),
            Self::Conflict | Self::Waiting | Self::Other => (1.0, LONGEST),
        };
        let exponent = failures.saturating_sub(1).min(6).cast_signed();
        Duration::from_secs_f64((first * 2_f64.powi(exponent)).min(limit) * (0.75 + 0.5 * random))
    }
}

/// Pauses of a watch: 0.5 s, 1 s, 2 s, ... up to ten seconds, less up to a quarter.
#[derive(Debug, Default)]
pub(crate) struct Pauses(i32);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = (0.5 * 2_f64.powi(self.0)).min(OUTAGE);
        self.0 = (self.0 + 1).min(8);
        Some(Duration::from_secs_f64(
            pause * (1.0 - 0.25 * fastrand::f64()),
        ))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(class: ErrorClass) -> Vec<f64> {
        (1..=8)
            .map(|failures| class.delay(failures, 0.5).as_secs_f64())
            .collect()
    }

    #[test]
    fn tries_get_rarer_up_to_a_limit() {
        assert_eq!(
            delays(ErrorClass::Other),
            [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
        );
        assert_eq!(
            delays(ErrorClass::Unavailable),
            [1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0, 10.0]
        );
        assert_eq!(ErrorClass::Refused.delay(1, 0.5), Duration::from_mins(1));
    }

    #[test]
    fn tries_are_spread() {
        assert_eq!(ErrorClass::Other.delay(3, 0.0), Duration::from_secs(3));
        assert_eq!(ErrorClass::Other.delay(3, 1.0), Duration::from_secs(5));
    }

    #[test]
    fn after_an_outage_of_any_length_work_goes_on_within_half_a_minute() {
        let limit = Duration::from_secs(30) / 2;
        assert!(ErrorClass::Unavailable.delay(1000, 1.0) < limit);
        let mut pauses = Pauses::default();
        let longest = pauses.by_ref().take(1000).max();
        assert!(longest.is_some_and(|longest| longest < limit && longest > Duration::from_secs(5)));
        pauses.reset();
        assert!(pauses.next() <= Some(Duration::from_millis(500)));
    }

    #[test]
    fn answers_have_a_class() {
        let class = |code: u16| {
            let status = serde_json::from_value(serde_json::json!({"code": code}));
            ErrorClass::of(&kube::Error::Api(Box::new(status.expect("a status"))))
        };
        for (code, expected) in [
            (403, ErrorClass::Refused),
            (422, ErrorClass::Refused),
            (409, ErrorClass::Conflict),
            (429, ErrorClass::Unavailable),
            (503, ErrorClass::Unavailable),
            (404, ErrorClass::Other),
        ] {
            assert_eq!(class(code), expected, "{code}");
        }
    }
}
