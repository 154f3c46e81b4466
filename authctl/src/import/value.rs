//! Reads the ways in which other systems write nothing, truth values and times.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// Numbers below are no times since 1970: years, and the days of a spreadsheet. As seconds, 1973-03-03.
const LEAST_EPOCH: i64 = 100_000_000;
/// Numbers from here on are milliseconds: as seconds, the year 5138; as milliseconds, 1973-03-03.
const LEAST_MILLIS: i64 = 100_000_000_000;
/// Numbers from here on are microseconds: as milliseconds, the year 5138.
const LEAST_MICROS: i64 = 100_000_000_000_000;

/// Whether a text of a CSV file means that there is no value: `NULL` of MySQL's client, `\N` of dumps.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "NULL" | r"\N")
}

/// Reads a truth value; `None` for another text.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// A time, or the zero date of MySQL, which means that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Never,
    At(DateTime<Utc>),
}

/// Reads a time; `None` for another text. Without a zone it is UTC.
pub(super) fn time(text: &str) -> Option<Moment> {
    let text = text.trim();
    if text.starts_with("0000-00-00") {
        return Some(Moment::Never);
    }
    epoch(text).or_else(|| calendar(text)).map(Moment::At)
}

/// Seconds, milliseconds or microseconds since 1970. A fraction belongs to seconds.
fn epoch(text: &str) -> Option<DateTime<Utc>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() > 18 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = whole.parse().ok()?;
    match number {
        LEAST_EPOCH..LEAST_MILLIS => {
            let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
            DateTime::from_timestamp(number, micros.parse::<u32>().ok()? * 1000)
        }
        LEAST_MILLIS..LEAST_MICROS => DateTime::from_timestamp_millis(number),
        LEAST_MICROS.. => DateTime::from_timestamp_micros(number),
        _ => None,
    }
}

/// A date with or without a time, a fraction and a zone.
fn calendar(text: &str) -> Option<DateTime<Utc>> {
    let (text, east) = zone(text)?;
    let text = text.trim_end();
    let read = |format| NaiveDateTime::parse_from_str(text, format).ok();
    let local = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]
        .into_iter()
        .find_map(read)
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    local.checked_sub_signed(east).map(|utc| utc.and_utc())
}

/// Splits the zone from the end: `Z`, `UTC`, `+00`, `+0000`, `+00:00`. Returns its distance from UTC.
fn zone(text: &str) -> Option<(&str, TimeDelta)> {
    for utc in ["Z", "z", "UTC", "GMT"] {
        if let Some(text) = text.strip_suffix(utc) {
            return Some((text, TimeDelta::zero()));
        }
    }
    // The date has minus signs, too.
    let (date, rest) = text.split_at_checked(10)?;
    let Some(at) = rest.rfind(['+', '-']) else { return Some((text, TimeDelta::zero())) };
    let (time, zone) = rest.split_at_checked(at)?;
    let (sign, zone) = zone.split_at_checked(1)?;
    let digits = zone.replacen(':', "", 1);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        2 => (digits.as_str(), "0"),
        4 => digits.split_at_checked(2)?,
        _ => return None,
    };
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    let text = text.get(..date.len() + time.len())?;
    Some((text, TimeDelta::minutes(if sign == "-" { -minutes } else { minutes })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_other_systems_are_read_as_what_they_mean() {
        for (text, expected) in [
            ("2024-03-09T13:11:12Z", "2024-03-09T13:11:12+00:00"),
            ("2024-03-09t13:11:12Z", ""),
            ("2024-03-09 13:11:12", "2024-03-09T13:11:12+00:00"),
            ("2024-03-09 13:11:12.5", "2024-03-09T13:11:12.500+00:00"),
            ("2024-03-09 13:11:12.123456+00", "2024-03-09T13:11:12.123456+00:00"),
            ("2024-03-09 13:11:12+00:00", "2024-03-09T13:11:12+00:00"),
            ("2024-03-09 13:11:12 UTC", "2024-03-09T13:11:12+00:00"),
            ("2024-03-09 13:11:12 +0530", "2024-03-09T07:41:12+00:00"),
            ("2024-03-09 13:11:12-03", "2024-03-09T16:11:12+00:00"),
            ("2024-03-09 13:11", "2024-03-09T13:11:00+00:00"),
            ("2024-03-09", "2024-03-09T00:00:00+00:00"),
            ("1709989872", "2024-03-09T13:11:12+00:00"),
            ("1709989872.25", "2024-03-09T13:11:12.250+00:00"),
            ("1709989872123", "2024-03-09T13:11:12.123+00:00"),
            ("1709989872123456", "2024-03-09T13:11:12.123456+00:00"),
            // A year, the day of a spreadsheet, and a date that means another day elsewhere.
            ("2024", ""),
            ("45360.5494", ""),
            ("03/09/2024", ""),
            ("2024-03-09 13:11:12 CET", ""),
            ("2024-03-09 13:11:12+1", ""),
            ("2024-13-09 13:11:12", ""),
            ("999999999999999999999", ""),
            ("", ""),
            ("ä2024-03-09", ""),
        ] {
            let read = match time(text) {
                Some(Moment::At(time)) => time.to_rfc3339(),
                Some(Moment::Never) => "never".to_owned(),
                None => String::new(),
            };
            assert_eq!(read, expected, "{text}");
        }
        assert_eq!(time("0000-00-00 00:00:00"), Some(Moment::Never));
    }

    #[test]
    fn truth_values_of_other_systems_are_read() {
        for text in ["true", "True", "TRUE", "t", "1", "yes", "Y"] {
            assert_eq!(truth(text), Some(true), "{text}");
        }
        for text in ["false", "False", "FALSE", "f", "0", "no", "N"] {
            assert_eq!(truth(text), Some(false), "{text}");
        }
        assert_eq!((truth("2"), truth("maybe"), truth("")), (None, None, None));
    }
}
