//! What a mailer's error may say: mail servers repeat addresses and links in their refusals.

use crate::mail::{Mail, Message};

/// The text without the mail's address, in whatever case it is spelled, and without the secret of
/// its link.
pub(super) fn scrubbed(text: &str, mail: &Mail) -> String {
    let text = without(text, mail.to.address(), "[address]");
    match &mail.message {
        Message::VerifyEmail { token, .. }
        | Message::ResetPassword { token, .. }
        | Message::ConfirmEmail { token, .. } => {
            let token = token.expose();
            // The part before the dot names the intent, as the event itself does.
            without(&text, token.rsplit('.').next().unwrap_or(&token), "[secret]")
        }
        Message::EmailChanged { new_email, .. } => without(&text, new_email.address(), "[address]"),
        Message::AlreadyRegistered { .. }
        | Message::PasswordChanged { .. }
        | Message::SessionsEnded { .. } => text,
    }
}

/// Replaces an ASCII text wherever it stands, without regard to case.
fn without(text: &str, removed: &str, replacement: &str) -> String {
    let (lower, removed) = (text.to_ascii_lowercase(), removed.to_ascii_lowercase());
    let mut kept = String::with_capacity(text.len());
    let mut end = 0;
    for (start, found) in lower.match_indices(&removed) {
        // Lower case changed no length, and an ASCII text begins and ends between characters.
        kept.push_str(text.get(end..start).unwrap_or_default());
        kept.push_str(replacement);
        end = start + found.len();
    }
    kept.push_str(text.get(end..).unwrap_or_default());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_replaced_and_nothing_else() {
        assert_eq!(without("ä Ada@x.org, <ADA@X.ORG> ß ada@x.org", "ada@X.org", "[a]"), "ä [a], <[a]> ß [a]");
        assert_eq!(without("", "ada@x.org", "[a]"), "");
        assert_eq!(without("ada@x.or", "ada@x.org", "[a]"), "ada@x.or");
    }
}
