//! Reads durations such as `90s`, `15m`, `1h30m` and `7d`.
//!
//! `humantime` accepts more (`1month`, `5 min`, `1us`), which the documents do not name, and its messages
//! name a position in the text instead of the rule.

use std::time::Duration;

/// Reads whole numbers with the units `d`, `h`, `m` and `s`, each at most once and the largest first.
pub(super) fn parse(text: &str) -> Result<Duration, &'static str> {
    read(text).ok_or("must be a duration such as `90s`, `15m`, `1h30m` or `7d`")
}

fn read(text: &str) -> Option<Duration> {
    let (mut seconds, mut number, mut last_unit) = (0_u64, None, u64::MAX);
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0_u64).checked_mul(10)?.checked_add(digit.into())?);
            continue;
        }
        let unit = match c {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        if unit >= last_unit {
            return None;
        }
        last_unit = unit;
        seconds = seconds.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    (number.is_none() && last_unit != u64::MAX).then_some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_exactly() {
        for (text, seconds) in
            [("0s", 0), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("7d", 604_800), ("1d1s", 86_401)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "15",
            "m",
            "15 m",
            "-1s",
            "1m1h",
            "1s1s",
            "1ms",
            "1.5h",
            "1w",
            "1h30",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
