//! Configuration problems: all of them at once.

use std::fmt;
use std::time::Duration;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The setting, as a path into [`Policy`](crate::Policy) or the name of a builder method.
    pub setting: String,
    /// What is wrong. Never repeats a secret.
    pub problem: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.setting, self.problem)
    }
}

/// Everything that is wrong with a configuration. Nothing was started.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError(Vec<ConfigProblem>);

crate::__debug_as_chain! { ConfigError }

impl ConfigError {
    /// The problems, in the order of the settings.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not usable")?;
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{} {problem}", if index == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Collects problems while a configuration is checked.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<ConfigProblem>);

impl Problems {
    pub(crate) fn add(&mut self, setting: impl Into<String>, problem: impl Into<String>) {
        self.0.push(ConfigProblem { setting: setting.into(), problem: problem.into() });
    }

    /// Adds the problems of one group of settings.
    pub(crate) fn extend(&mut self, group: &str, problems: Vec<(&'static str, String)>) {
        for (setting, problem) in problems {
            self.add(format!("{group}.{setting}"), problem);
        }
    }

    pub(crate) fn at_most(&mut self, setting: &str, value: Duration, most: Duration) {
        self.within(setting, value, Duration::ZERO, most);
    }

    pub(crate) fn within(&mut self, setting: &str, value: Duration, least: Duration, most: Duration) {
        if !(least..=most).contains(&value) {
            self.add(setting, format!("must be between {} and {}", spelled(least), spelled(most)));
        }
    }

    pub(crate) fn into_vec(self) -> Vec<ConfigProblem> {
        self.0
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_error(self) -> ConfigError {
        ConfigError(self.0)
    }
}

/// `7 d`, `90 s` or `10 ms`: in the largest unit that says it exactly.
pub(crate) fn spelled(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_nanos() > 0 {
        return format!("{} ms", duration.as_millis());
    }
    match [(86_400, "d"), (3_600, "h"), (60, "min")]
        .into_iter()
        .find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit))
    {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_spelled_exactly() {
        for (millis, text) in
            [(0, "0 s"), (10, "10 ms"), (90_000, "90 s"), (120_000, "2 min"), (604_800_000, "7 d")]
        {
            assert_eq!(spelled(Duration::from_millis(millis)), text);
        }
    }
}
