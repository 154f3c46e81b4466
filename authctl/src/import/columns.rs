//! Finds the fields of a user in the columns of a file.

use super::field::Field;
use super::preset::Preset;

/// Names are compared without case and surrounding blanks: `Email Verified` is `email_verified`.
pub(super) fn normal(name: &str) -> String {
    name.trim().to_lowercase().replace(' ', "_")
}

/// A column, or a value inside a column that has JSON: `user_metadata.name`.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) whole: String,
    pub(super) steps: Vec<String>,
}

impl Path {
    fn new(text: &str) -> Self {
        let whole = normal(text);
        Self { steps: whole.split('.').map(str::to_owned).collect(), whole }
    }

    /// Whether the column of this name has the value.
    fn is_in(&self, column: &str) -> bool {
        self.whole == column || self.steps.first().is_some_and(|first| first == column)
    }
}

/// What `--map` says: the columns of a field, joined by blanks.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    field: Field,
    parts: Vec<Path>,
    /// How the command line writes the columns, if the rule comes from there.
    asked: Option<String>,
}

impl Rule {
    fn new(columns: &str, field: Field) -> Self {
        Self { field, parts: columns.split('+').map(Path::new).collect(), asked: None }
    }

    /// Parses `COLUMN=FIELD`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (columns, field) = text.rsplit_once('=').ok_or("must be COLUMN=FIELD")?;
        let field = Field::parse(&normal(field)).ok_or_else(|| {
            let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
            format!("the field must be one of {}", names.join(", "))
        })?;
        if columns.split('+').any(|column| column.trim().is_empty()) {
            return Err("must be COLUMN=FIELD".to_owned());
        }
        Ok(Self { asked: Some(columns.to_owned()), ..Self::new(columns, field) })
    }
}

/// A row of a file.
pub(super) trait Row {
    /// The text of a value. An error says what is wrong with it.
    fn value(&self, path: &Path) -> Result<Option<String>, String>;
    /// Whether all columns satisfy a condition.
    fn all_columns(&self, known: &dyn Fn(&str) -> bool) -> bool;
}

/// The rules of an import. The first rule with a value decides about a field.
pub(super) struct Columns {
    rules: Vec<(Rule, bool)>,
    ignore_unknown: bool,
}

impl Columns {
    /// A rule of `--map` replaces all others of its field.
    pub(super) fn new(asked: &[Rule], preset: Option<&Preset>, ignore_unknown: bool) -> Self {
        let of_preset = preset.map(|preset| preset.columns).unwrap_or_default();
        let mut others: Vec<Rule> =
            of_preset.iter().map(|(columns, field)| Rule::new(columns, *field)).collect();
        others.extend(Field::ALL.iter().map(|field| Rule::new(field.name(), *field)));
        others.retain(|rule| asked.iter().all(|asked| asked.field != rule.field));
        let rules = asked.iter().cloned().chain(others).map(|rule| (rule, false)).collect();
        Self { rules, ignore_unknown: ignore_unknown || preset.is_some() }
    }

    /// Whether the column of a name is read, or may be there.
    pub(super) fn accept(&self, column: &str) -> bool {
        self.ignore_unknown || self.read(column)
    }

    /// Whether the column of a name is read.
    pub(super) fn read(&self, column: &str) -> bool {
        let has_rule = self.rules.iter().any(|(rule, _)| rule.parts.iter().any(|part| part.is_in(column)));
        has_rule || Field::parse(column).is_some()
    }

    /// Checks that a header has an address and all columns of `--map`.
    pub(super) fn check(&self, header: &[String]) -> Result<(), String> {
        let has = |part: &Path| header.iter().any(|column| part.is_in(column));
        for (rule, _) in &self.rules {
            if let Some(missing) = rule.parts.iter().find(|part| rule.asked.is_some() && !has(part)) {
                return Err(format!("--map: no column has the name {}", missing.whole));
            }
        }
        let mut of_email = self.rules.iter().filter(|(rule, _)| rule.field == Field::Email);
        if of_email.any(|(rule, _)| rule.parts.iter().any(has)) {
            Ok(())
        } else {
            Err("no column has the name email: give --map COLUMN=email, or --from".to_owned())
        }
    }

    /// The fields of a row that have a value.
    pub(super) fn fields(&mut self, row: &dyn Row) -> Result<Vec<(Field, String)>, String> {
        if !row.all_columns(&|column| self.accept(column)) {
            return Err("has an unknown field; see --help".to_owned());
        }
        let mut fields: Vec<(Field, String)> = Vec::new();
        for (rule, was_found) in &mut self.rules {
            if rule.asked.is_none() && fields.iter().any(|(field, _)| *field == rule.field) {
                continue;
            }
            let mut texts = Vec::with_capacity(1);
            for part in &rule.parts {
                let text = row.value(part).map_err(|problem| format!("{}: {problem}", rule.field))?;
                texts.extend(text);
            }
            *was_found |= !texts.is_empty();
            if !texts.is_empty() && fields.iter().all(|(field, _)| *field != rule.field) {
                fields.push((rule.field, texts.join(" ")));
            }
        }
        let of_verification = |field: Field| matches!(field, Field::EmailVerified | Field::EmailVerifiedAt);
        let is_there = |part: &Path| !row.all_columns(&|column| part.whole != column);
        let mut rules = self.rules.iter().filter(|(rule, _)| of_verification(rule.field));
        // A column about the verification that is empty says that there was none.
        if fields.iter().all(|(field, _)| !of_verification(*field))
            && rules.any(|(rule, _)| rule.parts.iter().any(is_there))
        {
            fields.push((Field::EmailVerified, "false".to_owned()));
        }
        Ok(fields)
    }

    /// The columns of `--map` that had a value in no row.
    pub(super) fn never_found(&self) -> Vec<&str> {
        let rules = self.rules.iter().filter(|(_, was_found)| !was_found);
        rules.filter_map(|(rule, _)| rule.asked.as_deref()).collect()
    }
}
