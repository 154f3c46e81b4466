//! The settings of mails: their templates and their mail server.

use std::sync::Arc;

use auth_mailer::{Links, Plaintext, SmtpMailer, SmtpSettings, SmtpSettingsError, Templates};

use super::Environment;
use super::reader::Reader;

/// The destination of mails.
#[derive(Debug)]
pub enum Mail {
    /// The development mailbox, which renders mails with these templates.
    Mailbox(Templates),
    /// An SMTP server.
    Smtp(Arc<SmtpMailer>),
}

/// A problem that the reader has recorded already.
struct Noted;

/// Reads the settings; `None` if the reader recorded a problem.
pub(super) fn read(reader: &mut Reader<'_>, environment: Environment, frontend_url: &str) -> Option<Mail> {
    let templates = templates(reader, environment, frontend_url);
    let settings = smtp(reader, environment);
    match (settings.ok()?, templates?) {
        (None, templates) => Some(Mail::Mailbox(templates)),
        (Some(settings), templates) => {
            let mailer = SmtpMailer::new(&settings, templates);
            mailer.map_err(|error| note(reader, "MAIL_FROM", &error)).ok().map(Arc::new).map(Mail::Smtp)
        }
    }
}

fn templates(reader: &mut Reader<'_>, environment: Environment, frontend_url: &str) -> Option<Templates> {
    let languages = [("en", Some("en")), ("de", Some("de")), ("fr", Some("fr")), ("accept", None)];
    let language = reader.choice("MAIL_LANGUAGE", Some("en"), &languages);
    let mut builder = Templates::builder(reader.take("FRONTEND_URL", Links::new(frontend_url))?);
    match (reader.text("PRODUCT_NAME"), environment) {
        (Some(name), _) => builder = builder.product_name(name),
        (None, Environment::Development) => builder = builder.product_name("Auth example"),
        // The host of the links.
        (None, Environment::Production) => {}
    }
    builder = match language {
        Some(language) => builder.default_language(language),
        None => builder.accept_languages(),
    };
    let templates = builder.build();
    if let Err(error) = &templates {
        error.problems().iter().for_each(|problem| reader.problem("PRODUCT_NAME", &problem.problem));
    }
    templates.ok()
}

/// Decides which of the ways to name an SMTP server is used.
enum Given<'a> {
    Nothing,
    Url(&'a str),
    Service(&'a str, &'a str, &'a str),
}

fn given<'a>(reader: &mut Reader<'a>) -> Result<Given<'a>, Noted> {
    let service = ["MAILER_SERVICE", "MAILER_EMAIL", "MAILER_SECRET_KEY"].map(|name| reader.text(name));
    let (name, problem) = match (reader.text("SMTP_URL"), service) {
        (None, [None, None, None]) => return Ok(Given::Nothing),
        (Some(url), [None, None, None]) => return Ok(Given::Url(url)),
        (None, [Some(service), Some(address), Some(secret)]) => {
            return Ok(Given::Service(service, address, secret));
        }
        (Some(_), _) => ("SMTP_URL", "must not be set together with MAILER_SERVICE and its like"),
        (None, [None, ..]) => ("MAILER_SERVICE", "is missing beside MAILER_EMAIL or MAILER_SECRET_KEY"),
        (None, [_, None, _]) => ("MAILER_EMAIL", "is missing beside MAILER_SERVICE"),
        (None, _) => ("MAILER_SECRET_KEY", "is missing beside MAILER_SERVICE"),
    };
    reader.problem(name, problem);
    Err(Noted)
}

/// Returns the location of the SMTP server, if one is named.
fn smtp(reader: &mut Reader<'_>, environment: Environment) -> Result<Option<SmtpSettings>, Noted> {
    let plaintext = match environment {
        Environment::Development => Plaintext::OnLoopback,
        Environment::Production => Plaintext::Refused,
    };
    let from = reader.text("MAIL_FROM");
    // Also while no mail server is set that would use it.
    if let Some(from) = from {
        reader.take("MAIL_FROM", SmtpSettings::check_from_address(from));
    }
    let (settings, variable) = match given(reader)? {
        Given::Nothing if environment == Environment::Production => {
            reader.problem("SMTP_URL", "or MAILER_SERVICE is required in production");
            return Err(Noted);
        }
        Given::Nothing => return Ok(None),
        Given::Url(url) => {
            if from.is_none() {
                reader.problem("MAIL_FROM", "is required with SMTP_URL");
            }
            (SmtpSettings::from_url(url, plaintext), "SMTP_URL")
        }
        Given::Service(service, address, secret) => {
            (SmtpSettings::from_service(service, address, secret), "MAILER_SERVICE")
        }
    };
    match (settings, from) {
        (Ok(settings), Some(from)) => Ok(Some(settings.from_address(from))),
        (Ok(settings), None) => Ok(Some(settings)),
        (Err(error), _) => {
            note(reader, variable, &error);
            Err(Noted)
        }
    }
}

/// Records the problems of a mailer's settings by the names of their variables.
fn note(reader: &mut Reader<'_>, otherwise: &str, error: &SmtpSettingsError) {
    for problem in error.problems() {
        let (name, part) = match problem.setting.as_str() {
            "service" => ("MAILER_SERVICE", ""),
            "address" => ("MAILER_EMAIL", ""),
            "secret" => ("MAILER_SECRET_KEY", ""),
            "from_address" => ("MAIL_FROM", ""),
            "url" => (otherwise, ""),
            part => (otherwise, part),
        };
        let part = if part.is_empty() { String::new() } else { format!("(its {part}) ") };
        reader.problem(name, format!("{part}{}", problem.problem));
    }
}
