//! Settings are checked as a whole, and no error contains a value.

use auth_mailer::{Plaintext, SmtpMailer, SmtpSettings};

use crate::service::templates;

/// A part of every credential in this file.
const MARK: &str = "hunter2";

fn problems(url: &str, plaintext: Plaintext) -> Vec<String> {
    let error = match SmtpSettings::from_url(url, plaintext) {
        Ok(settings) => {
            assert!(!format!("{settings:?}").contains(MARK));
            return Vec::new();
        }
        Err(error) => error,
    };
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains(MARK) && !text.contains("secret.example"), "{text}");
    }
    error.problems().iter().map(|problem| problem.setting.clone()).collect()
}

#[test]
fn every_usable_url_is_accepted() {
    for url in [
        "smtps://user:hunter2@secret.example:465",
        "smtps://user:hunter2@secret.example",
        "smtp://user%40a.example:hunter2%2F%40%3A%23@secret.example:587/",
        "smtp://secret.example",
        "smtps://user:hunter2@[::1]:465",
        "smtps://user:hunter2@127.0.0.1",
    ] {
        assert_eq!(problems(url, Plaintext::Refused), Vec::<String>::new(), "{url}");
    }
    for url in
        ["smtp://localhost:1025?tls=none", "smtp://u:hunter2@127.0.0.1?tls=none", "smtp://[::1]:25?tls=none"]
    {
        assert_eq!(problems(url, Plaintext::OnLoopback), Vec::<String>::new(), "{url}");
        assert_eq!(problems(url, Plaintext::Refused), ["tls"], "{url}");
    }
}

#[test]
fn every_problem_is_reported_at_once_without_its_value() {
    for (url, settings) in [
        ("", &["url"][..]),
        ("secret.example:587", &["scheme", "host", "url"]),
        ("smtp://user:hunter2#@secret.example", &["url"]),
        ("smtp://user:hun/ter2@secret.example", &["url"]),
        ("https://user:hunter2@secret.example", &["scheme"]),
        ("smtps://", &["host"]),
        ("smtps://user@secret.example", &["user"]),
        ("smtps://:hunter2@secret.example", &["user"]),
        ("smtps://user:hunter2%0d%0a@secret.example", &["user"]),
        ("smtps://user:%ff@secret.example", &["user"]),
        ("smtps://secret.example?ca=/nonexistent/hunter2", &["ca"]),
        ("smtp://secret.example?tls=none", &["tls"]),
        ("smtp://localhost.secret.example?tls=none", &["tls"]),
        ("smtps://localhost?tls=none", &["tls"]),
        ("smtp://secret.example?tls=optional", &["tls"]),
        ("smtp://secret.example?hunter2=1", &["url"]),
        (
            "imap://user@secret.example?tls=maybe&ca=/nonexistent&x=hunter2",
            &["scheme", "tls", "ca", "url", "user"],
        ),
    ] {
        assert_eq!(problems(url, Plaintext::OnLoopback), settings, "{url}");
    }
}

#[test]
fn providers_are_known_by_name() {
    for (service, host, port, encryption) in [
        ("gmail", "smtp.gmail.com", 465, "Implicit"),
        ("Outlook", "smtp-mail.outlook.com", 587, "StartTls"),
        ("sendgrid", "smtp.sendgrid.net", 465, "Implicit"),
        ("mailgun", "smtp.mailgun.org", 465, "Implicit"),
        ("postmark", "smtp.postmarkapp.com", 587, "StartTls"),
        ("ses", "email-smtp.us-east-1.amazonaws.com", 465, "Implicit"),
        ("SES-EU-WEST-1", "email-smtp.eu-west-1.amazonaws.com", 465, "Implicit"),
    ] {
        let settings = SmtpSettings::from_service(service, "a@example.com", MARK).unwrap();
        let shown = format!("{settings:?}");
        for part in [format!("\"{host}\""), format!("port: {port}"), format!("encryption: {encryption}")] {
            assert!(shown.contains(&part), "{shown}");
        }
        assert!(!shown.contains(MARK));
        let mailer = SmtpMailer::new(&settings, templates()).unwrap();
        assert!(!format!("{mailer:?}").contains(MARK));
    }
    for service in ["", "smtp.gmail.com", "ses-", "ses-eu/evil", "sesame", "gmail\r\n"] {
        let accepted = SmtpSettings::from_service(service, "a@example.com", MARK).is_ok();
        assert_eq!(accepted, service.trim() == "gmail", "{service:?}");
    }
    let error = SmtpSettings::from_service("hunter2", "", "").unwrap_err();
    let settings: Vec<&str> = error.problems().iter().map(|problem| &*problem.setting).collect();
    assert_eq!(settings, ["service", "address", "secret"]);
    assert!(!error.to_string().contains(MARK));
}

#[test]
fn a_mailer_reports_every_problem_of_its_sender_at_once() {
    let settings = SmtpSettings::from_url("smtps://mail.example", Plaintext::Refused).unwrap();
    let missing = SmtpMailer::new(&settings, templates()).unwrap_err();
    assert_eq!(missing.to_string(), "the mail settings are not usable: from_address is missing");
    let settings = settings.from_address("no address").reply_to("a@b.example, c@d.example");
    let wrong = SmtpMailer::new(&settings.timeout(std::time::Duration::ZERO), templates()).unwrap_err();
    let names: Vec<&str> = wrong.problems().iter().map(|problem| &*problem.setting).collect();
    assert_eq!(names, ["from_address", "timeout"]);
}

#[test]
fn a_ca_file_without_a_usable_certificate_is_refused() {
    let scratch = crate::servers::Scratch::new("ca");
    for content in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(scratch.file("ca.pem"), content).unwrap();
        let url = format!("smtps://mail.example?ca={}", scratch.file("ca.pem").display());
        assert_eq!(problems(&url, Plaintext::Refused), ["ca"], "{content:?}");
    }
}
