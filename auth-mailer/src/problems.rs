//! The problems of a configuration, reported all at once.

use std::fmt;

use auth_core::ConfigProblem;

/// Collects problems while a configuration is checked.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<ConfigProblem>);

impl Problems {
    pub(crate) fn add(&mut self, setting: impl Into<String>, problem: impl Into<String>) {
        self.0.push(ConfigProblem { setting: setting.into(), problem: problem.into() });
    }

    /// Returns the value, or adds its problem.
    pub(crate) fn take<T>(&mut self, setting: &str, value: Result<T, impl fmt::Display>) -> Option<T> {
        value.map_err(|problem| self.add(setting, problem.to_string())).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_vec(self) -> Vec<ConfigProblem> {
        self.0
    }
}

/// Writes a sentence and then the problems.
pub(crate) fn write(f: &mut fmt::Formatter<'_>, sentence: &str, problems: &[ConfigProblem]) -> fmt::Result {
    f.write_str(sentence)?;
    for (index, problem) in problems.iter().enumerate() {
        write!(f, "{} {problem}", if index == 0 { ":" } else { ";" })?;
    }
    Ok(())
}
