//! Reads environment variables and collects every problem by the variable's name.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Display;

use auth_core::ConfigProblem;

/// The variables that settings are read from.
#[derive(Clone)]
pub struct Variables(HashMap<OsString, OsString>);

impl Variables {
    /// Returns the variables of this process.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Returns the names of those that are set, as far as they are UTF-8.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let set = self.0.iter().filter(|(_, value)| !value.is_empty());
        set.filter_map(|(name, _)| name.to_str())
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Shows nothing: values are secrets.
impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variables").finish_non_exhaustive()
    }
}

pub(super) struct Reader<'a> {
    variables: &'a Variables,
    problems: Vec<ConfigProblem>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(variables: &'a Variables) -> Self {
        Self { variables, problems: Vec::new() }
    }

    /// Returns the value of a variable. An empty one is unset.
    pub(super) fn text(&mut self, name: &str) -> Option<&'a str> {
        let value = self.variables.0.get(std::ffi::OsStr::new(name)).filter(|value| !value.is_empty())?;
        let text = value.to_str();
        if text.is_none() {
            self.problem(name, "must be UTF-8");
        }
        text
    }

    /// Returns the parsed value of a variable, or the default.
    pub(super) fn read<T, E: Display>(
        &mut self,
        name: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        match self.text(name).map(parse) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(problem)) => {
                self.problem(name, problem.to_string());
                default
            }
        }
    }

    /// Returns the value of one of these words.
    pub(super) fn choice<T: Copy>(&mut self, name: &str, default: T, choices: &[(&str, T)]) -> T {
        self.read(name, default, |text| {
            let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
            found.ok_or_else(|| {
                let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
                format!("must be {}", words.join(" or "))
            })
        })
    }

    /// Returns the entries of a list, without the white space around them.
    pub(super) fn list(&mut self, name: &str) -> Vec<&'a str> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect()
    }

    /// Returns a value that another part has checked, or records its problem.
    pub(super) fn take<T, E: Display>(&mut self, name: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|problem| self.problem(name, problem.to_string())).ok()
    }

    pub(super) fn problem(&mut self, name: &str, problem: impl Into<String>) {
        let problem = ConfigProblem { setting: name.to_owned(), problem: problem.into() };
        // Two settings of one variable can have the same problem.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    pub(super) const fn found_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    pub(super) fn into_problems(self) -> Vec<ConfigProblem> {
        self.problems
    }
}
