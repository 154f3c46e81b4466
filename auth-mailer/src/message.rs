//! Building the bytes of a mail from its rendered parts.

use auth_core::{Email, Mail};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use crate::template::Rendered;

/// The sender of the mails.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    from: Mailbox,
    reply_to: Option<Mailbox>,
}

/// The problem of an unusable sender's address.
const NOT_AN_ADDRESS: &str =
    "must be an address such as `no-reply@example.com` or `Name <no-reply@example.com>`";

impl Sender {
    /// Reads `address` or `Name <address>`; without a name, uses `default_name`.
    pub(crate) fn new(text: &str, default_name: &str) -> Result<Self, &'static str> {
        let mut from = mailbox(text)?;
        from.name.get_or_insert_with(|| default_name.to_owned());
        Ok(Self { from, reply_to: None })
    }

    pub(crate) fn reply_to(&mut self, text: &str) -> Result<(), &'static str> {
        self.reply_to = Some(mailbox(text)?);
        Ok(())
    }

    /// The domain in Message-IDs and greetings: never that of the machine.
    pub(crate) fn domain(&self) -> &str {
        self.from.email.domain()
    }

    pub(crate) const fn address(&self) -> &Address {
        &self.from.email
    }

    /// The whole mail. Every copy of one mail has the same Message-ID.
    pub(crate) fn message(&self, mail: &Mail, rendered: Rendered) -> Result<Message, BuildError> {
        let to = mail.to.address().parse::<Address>().map_err(BuildError::Recipient)?;
        let mut message = Message::builder()
            .message_id(Some(format!("<{}@{}>", mail.id, self.domain())))
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(rendered.subject);
        if let Some(reply_to) = &self.reply_to {
            message = message.reply_to(reply_to.clone());
        }
        let mut message = message
            .multipart(MultiPart::alternative_plain_html(rendered.text, rendered.html))
            .map_err(BuildError::Message)?;
        // RFC 3834: asks for no out-of-office reply. Exchange has its own header for it.
        for (name, value) in [
            (HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated"),
            (HeaderName::new_from_ascii_str("X-Auto-Response-Suppress"), "All"),
        ] {
            message.headers_mut().insert_raw(HeaderValue::new(name, value.to_owned()));
        }
        Ok(message)
    }
}

/// A mail that could not be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("the stored address is not valid for mail")]
    Recipient(#[source] lettre::address::AddressError),
    #[error("the mail cannot be built")]
    Message(#[source] lettre::error::Error),
}

fn mailbox(text: &str) -> Result<Mailbox, &'static str> {
    let parsed: Mailbox = text.trim().parse().map_err(|_| NOT_AN_ADDRESS)?;
    // One rule for all addresses: ASCII, with an international domain as punycode.
    let email = Email::parse(parsed.email.as_ref()).map_err(|_| NOT_AN_ADDRESS)?;
    let name = parsed.name.filter(|name| !name.chars().any(char::is_control));
    Ok(Mailbox::new(name, email.address().parse().map_err(|_| NOT_AN_ADDRESS)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_one_address_with_or_without_a_name() {
        for (text, from) in [
            ("no-reply@example.com", "Lighthouse <no-reply@example.com>"),
            (" No Reply <no-reply@example.com> ", "No Reply <no-reply@example.com>"),
            ("a@bücher.example", "Lighthouse <a@xn--bcher-kva.example>"),
        ] {
            assert_eq!(Sender::new(text, "Lighthouse").unwrap().from.to_string(), from);
        }
        for text in [
            "",
            "no-reply",
            "a@localhost",
            "a@example.com, b@example.com",
            "a@example.com\r\nBcc: b@example.com",
        ] {
            assert!(Sender::new(text, "Lighthouse").is_err(), "{text:?}");
        }
    }
}
