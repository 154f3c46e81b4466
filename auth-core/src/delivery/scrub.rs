//! Scrubbing a mailer's error: mail servers repeat addresses and links in their refusals.

use crate::mail::Mail;

/// Removes the mail's addresses, in any spelling, and the secret of its link from a text.
pub(super) fn scrubbed(text: &str, mail: &Mail) -> String {
    let mut text = without(text, mail.to.address(), "[address]");
    if let Some(email) = mail.message.new_email() {
        text = without(&text, email.address(), "[address]");
    }
    if let Some(token) = mail.message.token() {
        let token = token.expose();
        // The part before the dot names the intent, as the event itself does.
        text = without(&text, token.rsplit('.').next().unwrap_or(&token), "[secret]");
    }
    text
}

/// Replaces every occurrence of an ASCII text, without regard to case.
fn without(text: &str, removed: &str, replacement: &str) -> String {
    let (lower, removed) = (text.to_ascii_lowercase(), removed.to_ascii_lowercase());
    let mut rest = String::with_capacity(text.len());
    let mut end = 0;
    for (start, found) in lower.match_indices(&removed) {
        // Lower case changed no length, and an ASCII text begins and ends between characters.
        rest.push_str(text.get(end..start).unwrap_or_default());
        rest.push_str(replacement);
        end = start + found.len();
    }
    rest.push_str(text.get(end..).unwrap_or_default());
    rest
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
