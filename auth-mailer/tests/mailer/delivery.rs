//! The headers and parts of a mail on the wire.

use std::collections::BTreeSet;

use auth_core::Mailer as _;
use auth_mailer::{FileMailer, SmtpMailer};

use crate::servers::{Scratch, received};
use crate::service::{mailer, notice, settings, templates};

#[tokio::test]
async fn a_mail_has_exactly_the_headers_of_a_transactional_mail() {
    let settings = settings("STARTTLS", "headers.test").reply_to("Help <help@lighthouse.example>");
    let mailer = SmtpMailer::new(&settings, templates()).unwrap();
    let mail = notice("headers@example.com", None);
    mailer.send(&mail).await.unwrap();
    mailer.send(&mail).await.unwrap();
    let messages = received("headers@example.com").await;
    assert_eq!(messages.len(), 2);
    for message in messages {
        let parsed = mail_parser::MessageParser::default().parse(&message.bytes).unwrap();
        let names: BTreeSet<&str> = parsed.headers().iter().map(mail_parser::Header::name).collect();
        let expected = BTreeSet::from([
            "Auto-Submitted",
            "Content-Type",
            "Date",
            "From",
            "MIME-Version",
            "Message-ID",
            "Reply-To",
            "Subject",
            "To",
            "X-Auto-Response-Suppress",
        ]);
        assert_eq!(names, expected);
        assert_eq!(message.header("Message-ID").unwrap(), format!("<{}@headers.test>", mail.id));
        assert_eq!(message.header("Auto-Submitted").unwrap(), "auto-generated");
        assert_eq!(message.header("From").unwrap(), "Lighthouse <no-reply@headers.test>");
        assert_eq!(message.header("Reply-To").unwrap(), "Help <help@lighthouse.example>");
        assert_eq!(message.header("To").unwrap(), "headers@example.com");
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let head = String::from_utf8_lossy(&message.bytes);
        assert!(!head.contains(&format!("@{}", machine.trim())), "the name of the machine");
    }
}

#[tokio::test]
async fn accents_and_other_scripts_arrive_unchanged() {
    let mailer = mailer(&settings("STARTTLS", "accents.test"));
    mailer.send(&notice("accents@example.com", Some("Zoë „Ω“ 漢字"))).await.unwrap();
    let [message] = &received("accents@example.com").await[..] else { panic!() };
    assert!(message.bytes.is_ascii(), "every server can relay it");
    assert!(message.text().contains("Hello Zoë „Ω“ 漢字,"));
    assert!(message.html().contains("Hello Zoë „Ω“ 漢字,"));
}

#[tokio::test]
async fn a_mail_sent_twice_to_a_folder_is_one_readable_file() {
    let scratch = Scratch::new("eml");
    let mailer = FileMailer::new(scratch.file("mails"), "no-reply@files.test", templates()).unwrap();
    let mail = notice("ada@example.com", None);
    mailer.send(&mail).await.unwrap();
    mailer.send(&mail).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(scratch.file("mails")).unwrap().map(Result::unwrap).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    assert_eq!(file.file_name().to_str().unwrap(), format!("{}.eml", mail.id));
    let bytes = std::fs::read(file.path()).unwrap();
    let parsed = mail_parser::MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(parsed.subject(), Some("Your Lighthouse password was changed"));
}
