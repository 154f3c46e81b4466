//! The versions of SQLite that this crate takes.

/// The first sound version, and the first sound one of each line that the correction was taken over to.
///
/// Older ones have the WAL-reset bug: if one connection writes while another resets the WAL, a committed page may be
/// lost and the file corrupt (<https://www.sqlite.org/wal.html#walresetbug>). This crate opens files in WAL mode, with
/// several connections.
const SOUND: (u32, u32, u32) = (3, 51, 3);
const CORRECTED: [(u32, u32, u32); 2] = [(3, 50, 7), (3, 44, 6)];

/// Whether a version such as `3.51.3` is one of them. A text that is no version is not.
pub(crate) fn is_taken(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    let mut number = || numbers.next().unwrap_or(Some(0));
    let (Some(major), Some(minor), Some(patch)) = (number(), number(), number()) else { return false };
    let of_line = |line: (u32, u32, u32)| (line.0, line.1) == (major, minor) && patch >= line.2;
    (major, minor, patch) >= SOUND || CORRECTED.into_iter().any(of_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_the_wal_reset_bug_are_not_taken() {
        // 3.46.0 is what sqlx 0.8 brings.
        for old in
            ["3.46.0", "3.51.2", "3.50.6", "3.44.5", "3.45.9", "3.49.9", "3.7.17", "2.8.17", "", "x", "3.x.9"]
        {
            assert!(!is_taken(old), "{old}");
        }
        for sound in ["3.51.3", "3.50.7", "3.44.6", "3.50.10", "3.53.0", "3.52", "4.0.0"] {
            assert!(is_taken(sound), "{sound}");
        }
    }
}
