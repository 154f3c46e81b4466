//! What users control stays text, to the byte.

use auth_core::{MailErrorKind, Mailer as _};

use crate::proxy::{Mischief, Proxy};
use crate::servers::{received, sink};
use crate::service::{mailer, notice, settings, settings_at};

/// Names that a store may contain.
const NAMES: [&str; 12] = [
    "Ada\r\nBcc: eve@evil.example\r\n\r\nHello",
    "Ada\r\n.\r\nMAIL FROM:<eve@evil.example>",
    "Ada\n.\nRCPT TO:<eve@evil.example>",
    "Ada\r.\rQUIT",
    ".",
    "..",
    "\r\n.\r\n",
    "Ada\0NUL",
    "\u{202e}evil\u{2066}\u{2028}\u{85}",
    "\"Ada\" <eve@evil.example>, '`{{ 7 * 7 }}` {% raw %} =?utf-8?q?=0d=0aBcc:?=",
    "<img src=x onerror=alert(1)><a href=\"https://evil.example\">&amp;</a>",
    "From me\r\n\tfolded: yes",
];

#[tokio::test]
async fn a_name_changes_nothing_but_the_greeting() {
    let proxy = Proxy::start(sink().port("SINK_PLAIN"), Mischief::None, 0).await;
    let mailer = mailer(&settings_at("PLAIN", proxy.port, "names.test"));
    for (number, name) in NAMES.into_iter().enumerate() {
        mailer.send(&notice(&format!("name-{number}@names.example.com"), Some(name))).await.unwrap();
    }
    assert_transcript(&proxy.said(), NAMES.len());
    let messages = received("@names.example.com").await;
    assert_eq!(messages.len(), NAMES.len());
    for (message, name) in messages.iter().zip(NAMES) {
        assert!(message.header("Bcc").is_none());
        let html = message.html();
        assert!(!html.contains("<img") && !html.contains("evil.example\""), "{name:?} is text: {html}");
        let shown: Vec<&str> = name
            .split(|c: char| c.is_control() || c.is_whitespace() || ('\u{2028}'..='\u{2069}').contains(&c))
            .filter(|word| !word.is_empty())
            .collect();
        let greeting =
            if shown.is_empty() { "Hello,".to_owned() } else { format!("Hello {},", shown.join(" ")) };
        assert!(message.text().lines().any(|line| line == greeting), "{greeting:?} in {}", message.text());
        assert_eq!(message.text().matches("https://").count(), 1 + name.matches("https://").count());
    }
}

/// Asserts that the client sent the commands of an SMTP client and nothing else.
fn assert_transcript(said: &[u8], mails: usize) {
    assert!(said.is_ascii() && !said.contains(&0));
    let text = std::str::from_utf8(said).unwrap();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "bare line feeds");
    assert_eq!(text.matches('\r').count(), text.matches("\r\n").count(), "bare carriage returns");
    let mut lines = text.split("\r\n");
    assert_eq!(lines.next(), Some("EHLO names.test"));
    for number in 0..mails {
        if number > 0 {
            assert_eq!(lines.next(), Some("NOOP"));
        }
        assert_eq!(lines.next(), Some("MAIL FROM:<no-reply@names.test>"));
        assert_eq!(lines.next(), Some(&*format!("RCPT TO:<name-{number}@names.example.com>")));
        assert_eq!(lines.next(), Some("DATA"));
        let content: Vec<&str> = lines.by_ref().take_while(|line| *line != ".").collect();
        assert!(content.len() > 50 && content.iter().all(|line| line.len() <= 998));
        assert!(content.iter().all(|line| !line.starts_with('.') || line.starts_with("..")));
    }
    assert_eq!(lines.collect::<Vec<_>>(), [""]);
}

#[tokio::test]
async fn a_malformed_address_is_refused_before_any_command() {
    let proxy = Proxy::start(sink().port("SINK_PLAIN"), Mischief::None, 0).await;
    let mailer = mailer(&settings_at("PLAIN", proxy.port, "addresses.test"));
    for address in [
        "ada@example.com\r\nRCPT TO:<eve@evil.example>",
        "ada@example.com> SIZE=1\r\nDATA",
        "ada@example.com, eve@evil.example",
        "ada@example.com eve@evil.example",
        "Ada <ada@example.com>",
        "<ada@example.com>",
        "ada\0@example.com",
        "ada@example.com\n",
        "ada",
        "",
    ] {
        let error = mailer.send(&notice(address, None)).await.unwrap_err();
        assert_eq!(error.kind(), MailErrorKind::Permanent, "{address:?}");
    }
    assert_eq!(proxy.said(), b"");
}

#[tokio::test]
async fn every_accepted_address_is_mailed_to_byte_for_byte() {
    let mailer = mailer(&settings("STARTTLS", "bytes.test"));
    for local in ["o'brien", "a.b+tag", "A_b-C", "!#$%&*/=?^`{|}~", &"x".repeat(64)] {
        let email = auth_core::Email::parse(&format!("{local}@Bytes.Bücher.example")).unwrap();
        mailer.send(&notice(email.address(), None)).await.unwrap();
    }
    let messages = received("@bytes.xn--bcher-kva.example").await;
    let locals: Vec<&str> = messages.iter().map(|message| message.to.split('@').next().unwrap()).collect();
    assert_eq!(locals, ["o'brien", "a.b+tag", "A_b-C", "!#$%&*/=?^`{|}~", &"x".repeat(64)]);
}
