//! The texts of one language, as its file has them.

use serde::Deserialize;
use toml::{Table, Value};

use super::MailKind;

/// The languages that come with the crate, the default first.
const SHIPPED: [(&str, &str); 3] = [
    ("en", include_str!("../../templates/en.toml")),
    ("de", include_str!("../../templates/de.toml")),
    ("fr", include_str!("../../templates/fr.toml")),
];

/// One language. Every text is a template of its own.
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
    verify_email: Texts,
    reset_password: Texts,
    already_registered: Texts,
    password_changed: Texts,
    confirm_email: Texts,
    email_changed: Texts,
    sessions_ended: Texts,
}

/// The direction of writing, as HTML names it.
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

/// What one kind of mail says.
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
    pub(super) const fn texts(&self, kind: MailKind) -> &Texts {
        match kind {
            MailKind::VerifyEmail => &self.verify_email,
            MailKind::ResetPassword => &self.reset_password,
            MailKind::AlreadyRegistered => &self.already_registered,
            MailKind::PasswordChanged => &self.password_changed,
            MailKind::ConfirmEmail => &self.confirm_email,
            MailKind::EmailChanged => &self.email_changed,
            MailKind::SessionsEnded => &self.sessions_ended,
        }
    }

    fn read(tag: &str, table: Table) -> Result<Self, String> {
        let language: Self = table.try_into().map_err(|error: toml::de::Error| one_line(&error))?;
        Ok(Self { tag: tag.to_owned(), ..language })
    }
}

/// Reads the shipped languages with the user's texts laid over them, and the user's own languages.
/// What cannot be read is told with its tag.
pub(super) fn read_all(own: &[(String, String)]) -> Vec<Result<Language, (String, String)>> {
    let mut tables: Vec<(&str, Result<Table, String>)> =
        SHIPPED.iter().map(|(tag, text)| (*tag, parse(text))).collect();
    for (tag, text) in own {
        match (tables.iter_mut().find(|(known, _)| known == tag), parse(text)) {
            (Some((_, Ok(table))), Ok(changes)) => lay_over(table, changes),
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

/// Tables are merged, everything else is replaced.
fn lay_over(table: &mut Table, changes: Table) {
    for (key, value) in changes {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(changes)) => lay_over(inner, changes),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

fn one_line(error: &toml::de::Error) -> String {
    error.message().lines().collect::<Vec<_>>().join(" ")
}
