//! When a message was said: the forms in which the prototype's file may hold it. Pure. Without a zone a time is UTC, and
//! digits beyond a microsecond are cut off.

use rusqlite::types::ValueRef;
use time::{Date, Month};

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;
/// The first second of the year 10000.
const END: i64 = 253_402_300_800;

/// Why a value isn't taken as a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefusedMoment {
    #[error("must be seconds since 1970, \"YYYY-MM-DD HH:MM:SS\" or RFC 3339")]
    Form,
    #[error("must be within the years 1970 to 9999, in seconds")]
    Range,
}

/// The microseconds since 1970 of a number of seconds, or of a text.
pub(crate) fn of_value(value: ValueRef<'_>) -> Result<i64, RefusedMoment> {
    match value {
        ValueRef::Integer(seconds) => of_parts(seconds, 0),
        ValueRef::Real(seconds) => of_real(seconds),
        ValueRef::Text(text) => of_text(text),
        ValueRef::Null | ValueRef::Blob(_) => Err(RefusedMoment::Form),
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the range is checked before"
)]
fn of_real(seconds: f64) -> Result<i64, RefusedMoment> {
    if !(0.0..END as f64).contains(&seconds) {
        return Err(RefusedMoment::Range);
    }
    Ok((seconds * MICROS as f64) as i64)
}

/// The microseconds since 1970 of a text.
pub(crate) fn of_text(text: &[u8]) -> Result<i64, RefusedMoment> {
    let text = text.trim_ascii();
    match date_and_time(text) {
        Some((seconds, rest)) => {
            let (micros, rest) = fraction(rest).ok_or(RefusedMoment::Form)?;
            let offset = offset(rest).ok_or(RefusedMoment::Form)?;
            of_parts(seconds - offset, micros)
        }
        None => of_decimal(text),
    }
}

fn of_parts(seconds: i64, micros: i64) -> Result<i64, RefusedMoment> {
    if (0..END).contains(&seconds) {
        Ok(seconds * MICROS + micros)
    } else {
        Err(RefusedMoment::Range)
    }
}

/// Seconds since 1970 in digits, possibly with a fraction.
fn of_decimal(text: &[u8]) -> Result<i64, RefusedMoment> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let whole = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (whole, rest) = digits.split_at(whole);
    let (micros, rest) = fraction(rest).ok_or(RefusedMoment::Form)?;
    if whole.is_empty() || !rest.is_empty() {
        return Err(RefusedMoment::Form);
    }
    match number(whole) {
        Some(seconds) if !negative => of_parts(seconds, micros),
        _ => Err(RefusedMoment::Range),
    }
}

/// `YYYY-MM-DD HH:MM:SS` at the start, as seconds since 1970, and what follows it.
fn date_and_time(text: &[u8]) -> Option<(i64, &[u8])> {
    let (form, rest) = text.split_at_checked(19)?;
    let &[
        ref year @ ..,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b' ' | b'T' | b't',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
    ] = form
    else {
        return None;
    };
    let month = Month::try_from(u8::try_from(number(&[m1, m2])?).ok()?).ok()?;
    let day = u8::try_from(number(&[d1, d2])?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(number(year)?).ok()?, month, day).ok()?;
    let days =
        i64::from(date.to_julian_day() - Date::from_ordinal_date(1970, 1).ok()?.to_julian_day());
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?);
    (hour < 24 && minute < 60 && second < 60)
        .then_some((days * DAY + hour * 3600 + minute * 60 + second, rest))
}

/// A fraction of a second at the start, if there is one, as microseconds, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let count = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (digits, rest) = digits.split_at(count);
    let micros = digits
        .iter()
        .chain([b'0'; 6].iter())
        .take(6)
        .fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0'));
    (count > 0).then_some((micros, rest))
}

/// The offset from UTC in seconds.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, h1, h2, m1, m2) = match *text {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', h1, h2, b':', m1, m2] => (1, h1, h2, m1, m2),
        [b'-', h1, h2, b':', m1, m2] => (-1, h1, h2, m1, m2),
        _ => return None,
    };
    let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0i64, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number.checked_mul(10)?.checked_add(i64::from(digit - b'0')))?
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    use super::*;

    fn text(text: &str) -> Result<i64, RefusedMoment> {
        of_value(ValueRef::Text(text.as_bytes()))
    }

    #[test]
    fn all_forms_of_one_moment_are_the_same() {
        let expected = Ok(1_700_000_000_000_000);
        assert_eq!(of_value(ValueRef::Integer(1_700_000_000)), expected);
        assert_eq!(of_value(ValueRef::Real(1_700_000_000.0)), expected);
        for form in [
            "1700000000",
            " 1700000000 ",
            "1700000000.0",
            "2023-11-14 22:13:20",
            "2023-11-14T22:13:20",
            "2023-11-14 22:13:20.000000",
            "2023-11-14T22:13:20Z",
            "2023-11-14t22:13:20z",
            "2023-11-14T22:13:20+00:00",
            "2023-11-15T00:13:20+02:00",
            "2023-11-14T16:43:20-05:30",
            "2023-11-14 22:13:20.0000009Z",
        ] {
            assert_eq!(text(form), expected, "{form}");
        }
    }

    #[test]
    fn fractions_are_kept_to_the_microsecond() {
        assert_eq!(text("0.5"), Ok(500_000));
        assert_eq!(text("1970-01-01 00:00:01.25"), Ok(1_250_000));
        assert_eq!(text("1970-01-01T00:00:01.1234569+00:00"), Ok(1_123_456));
        assert_eq!(of_value(ValueRef::Real(1.25)), Ok(1_250_000));
    }

    #[test]
    fn the_years_1970_to_9999_are_taken() {
        assert_eq!(text("1970-01-01 00:00:00"), Ok(0));
        assert_eq!(text("9999-12-31 23:59:59.999999"), Ok(END * MICROS - 1));
        for outside in [
            "1969-12-31 23:59:59",
            "-1",
            "253402300800",
            "1700000000000",
            "99999999999999999999999",
            "1970-01-01T00:00:00+00:01",
        ] {
            assert_eq!(text(outside), Err(RefusedMoment::Range), "{outside}");
        }
        for outside in [-1.0, f64::NAN, f64::INFINITY, 1e18] {
            assert_eq!(
                of_value(ValueRef::Real(outside)),
                Err(RefusedMoment::Range),
                "{outside}"
            );
        }
        assert_eq!(
            of_value(ValueRef::Integer(i64::MIN)),
            Err(RefusedMoment::Range)
        );
    }

    #[test]
    fn other_forms_are_refused() {
        for form in [
            "",
            "now",
            "yesterday at noon, more or less",
            "2023-11-14",
            "2023-11-14 22:13",
            "2023-02-29 00:00:00",
            "2023-13-01 00:00:00",
            "2023-11-14 24:00:00",
            "2023-11-14 22:60:00",
            "2023-11-14 22:13:60",
            "2023-11-14 22:13:20.",
            "2023-11-14 22:13:20 Z",
            "2023-11-14 22:13:20+2",
            "2023-11-14 22:13:20+24:00",
            "1.",
            ".5",
            "1e9",
            "0x10",
            "+5",
            "14/11/2023 22:13:20",
            "2023-11-14 22:13:20\0",
        ] {
            assert_eq!(text(form), Err(RefusedMoment::Form), "{form}");
        }
        assert_eq!(of_value(ValueRef::Null), Err(RefusedMoment::Form));
        assert_eq!(of_value(ValueRef::Blob(b"1")), Err(RefusedMoment::Form));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = of_text(&bytes);
        }

        #[test]
        fn what_is_written_is_read(seconds in 0..END, micros in 0..MICROS) {
            let moment = OffsetDateTime::from_unix_timestamp(seconds)? + time::Duration::microseconds(micros);
            prop_assert_eq!(text(&moment.format(&Rfc3339)?), Ok(seconds * MICROS + micros));
        }
    }
}
