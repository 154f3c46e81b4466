//! Mails are sent encrypted and to the right server, or not at all.

use auth_core::{MailErrorKind, Mailer as _};

use crate::proxy::{Mischief, Proxy};
use crate::servers::{received, sessions, sink};
use crate::service::{mailer, notice, settings, settings_at};

#[tokio::test]
async fn mails_are_encrypted_and_logged_in_over_one_connection() {
    for port in ["STARTTLS", "SMTPS"] {
        let domain = format!("round-trip-{}.test", port.to_lowercase());
        let mailer = mailer(&settings(port, &domain));
        let to = format!("ada.{}@example.com", port.to_lowercase());
        for _ in 0..3 {
            mailer.send(&notice(&to, Some("Ada Lovelace"))).await.unwrap();
        }
        let messages = received(&to).await;
        assert_eq!(messages.len(), 3);
        for message in &messages {
            assert!(message.tls && message.user.as_deref() == Some("authtest"), "{message:?}");
            assert_eq!((&message.from, &message.to), (&format!("no-reply@{domain}"), &to));
            assert_eq!(message.hello, domain, "and not the machine");
            assert_eq!(message.subject(), "Your Lighthouse password was changed");
            assert!(message.text().contains("Hello Ada Lovelace,\n"));
        }
        assert_eq!(sessions(&domain).await.len(), 1, "the connection is reused for the next mail");
    }
}

#[tokio::test]
async fn an_untrusted_server_gets_no_part_of_a_mail() {
    for port in ["WRONG_HOST", "EXPIRED", "SELF_SIGNED", "NO_STARTTLS"] {
        let domain = format!("untrusted-{}.test", port.to_lowercase().replace('_', "-"));
        let to = format!("{}@example.com", port.to_lowercase());
        let error = mailer(&settings(port, &domain)).send(&notice(&to, None)).await.unwrap_err();
        // An operator can fix it, and the mail is sent afterwards.
        assert_eq!(error.kind(), MailErrorKind::Transient, "{port}");
        assert_eq!(received(&to).await.len(), 0, "{port}");
        let mut sessions = sessions(&domain).await;
        let session = sessions.pop().unwrap();
        session.commands.iter().chain(&session.clear).for_each(|line| {
            assert!(line.starts_with("EHLO") || line == "STARTTLS", "{port}: {line}");
        });
        assert!(sessions.is_empty());
    }
}

#[tokio::test]
async fn a_certificate_of_an_untrusted_ca_is_refused() {
    let url = format!("smtps://authtest:x@localhost:{}", sink().get("SINK_SMTPS"));
    let settings = auth_mailer::SmtpSettings::from_url(&url, auth_mailer::Plaintext::Refused).unwrap();
    let mailer = mailer(&settings.from_address("no-reply@system-roots.test"));
    assert_eq!(
        mailer.send(&notice("a@example.com", None)).await.unwrap_err().kind(),
        MailErrorKind::Transient
    );
    assert_eq!(sessions("system-roots.test").await.len(), 0);
}

/// Bytes in clear after the reply to STARTTLS are not from the server.
#[tokio::test]
async fn replies_injected_before_tls_are_not_accepted() {
    let added = "250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n";
    let proxy = Proxy::start(sink().port("SINK_STARTTLS"), Mischief::AddsToStartTls(added), 1).await;
    let mailer = mailer(&settings_at("STARTTLS", proxy.port, "slipped-in.test"));
    let error = mailer.send(&notice("slipped-in@example.com", None)).await.unwrap_err();
    assert_eq!(error.kind(), MailErrorKind::Transient);
    let [session] = &sessions("slipped-in.test").await[..] else { panic!() };
    assert_eq!(session.commands, ["EHLO slipped-in.test", "STARTTLS"], "TLS was not started on them");
    // Without the attacker the mail is sent.
    mailer.send(&notice("slipped-in@example.com", None)).await.unwrap();
    assert_eq!(received("slipped-in@example.com").await.len(), 1);
}

#[tokio::test]
async fn a_wrong_password_is_a_transient_failure() {
    let (ca, port) = (sink().get("SINK_CA"), sink().get("SINK_STARTTLS"));
    let url = format!("smtp://authtest:wrong-pw-741@localhost:{port}?ca={ca}");
    let settings = auth_mailer::SmtpSettings::from_url(&url, auth_mailer::Plaintext::Refused).unwrap();
    let mailer = mailer(&settings.from_address("no-reply@wrong-password.test"));
    let error = mailer.send(&notice("wrong-password@example.com", None)).await.unwrap_err();
    assert_eq!(error.kind(), MailErrorKind::Transient);
    assert!(!format!("{error:?} {mailer:?}").contains("wrong-pw"));
}
