//! The mailer with a real Postfix.

use std::fs;
use std::time::Duration;

use auth_core::{MailErrorKind, Mailer as _};
use auth_mailer::{Plaintext, SmtpMailer, SmtpSettings};

use crate::servers::{postfix, until};
use crate::service::{TIMEOUT, notice, templates};

fn mailer(scheme: &str, password: &str) -> SmtpMailer {
    let port = postfix().get(if scheme == "smtps" { "POSTFIX_SMTPS" } else { "POSTFIX_STARTTLS" });
    let ca = postfix().get("POSTFIX_CA");
    let url = format!("{scheme}://authtest:{password}@localhost:{port}?ca={ca}");
    let settings = SmtpSettings::from_url(&url, Plaintext::Refused).unwrap();
    let settings = settings.from_address("no-reply@postfix.test").timeout(2 * TIMEOUT);
    SmtpMailer::new(&settings, templates()).unwrap()
}

const PASSWORD: &str = "auth-test%40pw%2F1";

fn delivered(to: &str) -> Vec<String> {
    let folder = format!("{}/new", postfix().get("POSTFIX_MAIL"));
    let mails = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    mails.filter(|mail| mail.contains(&format!("Delivered-To: {to}"))).collect()
}

#[tokio::test]
async fn postfix_delivers_mails_over_either_kind_of_tls() {
    for scheme in ["smtp", "smtps"] {
        let (mailer, to) = (mailer(scheme, PASSWORD), format!("ada.{scheme}@example.com"));
        for _ in 0..2 {
            mailer.send(&notice(&to, Some("Zoë"))).await.unwrap();
        }
        until("the Maildir", Duration::from_secs(10), || async { delivered(&to).len() == 2 }).await;
        for mail in delivered(&to) {
            let parsed = mail_parser::MessageParser::default().parse(mail.as_bytes()).unwrap();
            assert_eq!(parsed.subject(), Some("Your Lighthouse password was changed"));
            assert!(parsed.body_text(0).unwrap().contains("Hello Zoë,"));
            let trace = parsed.received().unwrap();
            assert!(mail.contains("with ESMTPSA"), "encrypted and logged in: {trace:?}");
        }
    }
}

#[tokio::test]
async fn the_refusals_of_postfix_have_the_right_kind() {
    use MailErrorKind::{Permanent, Transient};
    let mailer = mailer("smtp", PASSWORD);
    for (to, kind) in
        [("tempfail", Transient), ("full", Transient), ("reject", Permanent), ("policy", Transient)]
    {
        let error = mailer.send(&notice(&format!("{to}@example.com"), None)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{to}: {error:?}");
    }
    mailer.send(&notice("after@example.com", None)).await.unwrap();
}

#[tokio::test]
async fn postfix_accepts_nothing_after_a_wrong_password() {
    let error = mailer("smtps", "wrong").send(&notice("stranger@example.com", None)).await.unwrap_err();
    assert_eq!(error.kind(), MailErrorKind::Transient);
    assert!(delivered("stranger@example.com").is_empty());
}
