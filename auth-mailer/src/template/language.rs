//! The texts of one language, read from its file.

use std::collections::BTreeMap;

use auth_core::MailKind;
use serde::Deserialize;
use toml::{Table, Value};

/// The languages that the crate ships, the default first.
const SHIPPED: [(&str, &str); 3] = [
    ("en", include_str!("../../templates/en.toml")),
    ("de", include_str!("../../templates/de.toml")),
    ("fr", include_str!("../../templates/fr.toml")),
];

/// One language. Every text is itself a template.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Language {
    #[serde(skip)]
    pub(super) tag: String,
    pub(super) direction: Direction,
    pub(super) months: [String; 12],
    pub(super) date: String,
    pub(super) greeting: String,
    pub(super) greeting_without_name: String,
    pub(super) link_hint: String,
    pub(super) support_line: String,
    pub(super) footer: String,
    /// The texts of every kind of mail, each in the table of its name.
    #[serde(skip)]
    mails: BTreeMap<MailKind, Texts>,
}

/// The direction of writing, in the terms of HTML.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Ltr,
    Rtl,
}

impl Direction {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ltr => "ltr",
            Self::Rtl => "rtl",
        }
    }
}

/// The texts of one kind of mail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Texts {
    pub(super) subject: String,
    pub(super) preview: String,
    pub(super) heading: String,
    pub(super) paragraphs: Vec<String>,
    pub(super) button: String,
    pub(super) notes: Vec<String>,
}

impl Language {
    pub(super) fn texts(&self, kind: MailKind) -> Option<&Texts> {
        self.mails.get(&kind)
    }

    fn read(tag: &str, mut table: Table) -> Result<Self, String> {
        let mut mails = BTreeMap::new();
        for &kind in MailKind::ALL {
            let texts = table.remove(kind.name());
            let texts = texts.ok_or_else(|| format!("missing field `{}`", kind.name()))?;
            mails.insert(kind, texts.try_into().map_err(|error| one_line(&error))?);
        }
        let language: Self = table.try_into().map_err(|error: toml::de::Error| one_line(&error))?;
        Ok(Self { tag: tag.to_owned(), mails, ..language })
    }
}

/// Reads the shipped languages with the caller's changes applied, and the caller's own languages. An
/// error names the tag of its language.
pub(super) fn read_all(own: &[(String, String)]) -> Vec<Result<Language, (String, String)>> {
    let mut tables: Vec<(&str, Result<Table, String>)> =
        SHIPPED.iter().map(|(tag, text)| (*tag, parse(text))).collect();
    for (tag, text) in own {
        match (tables.iter_mut().find(|(known, _)| known == tag), parse(text)) {
            (Some((_, Ok(table))), Ok(changes)) => merge(table, changes),
            (Some((_, table)), changes) => *table = changes,
            (None, table) => tables.push((tag, table)),
        }
    }
    let read = |(tag, table): (&str, Result<Table, String>)| {
        table.and_then(|table| Language::read(tag, table)).map_err(|problem| (tag.to_owned(), problem))
    };
    tables.into_iter().map(read).collect()
}

fn parse(text: &str) -> Result<Table, String> {
    text.parse::<Table>().map_err(|error| one_line(&error))
}

/// Merges tables and replaces every other value.
fn merge(table: &mut Table, changes: Table) {
    for (key, value) in changes {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(changes)) => merge(inner, changes),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

fn one_line(error: &toml::de::Error) -> String {
    error.message().lines().collect::<Vec<_>>().join(" ")
}
