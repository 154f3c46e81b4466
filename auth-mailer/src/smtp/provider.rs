//! Well-known providers: host, port and form of the user name, from their documentation in November 2026.

use super::encryption::Encryption;

#[derive(Debug)]
pub(super) struct Provider {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    user: UserName,
}

#[derive(Debug, Clone, Copy)]
enum UserName {
    Address,
    /// One fixed word for every account.
    Fixed(&'static str),
    /// The secret, which is also the password.
    Secret,
}

impl Provider {
    pub(super) fn user<'a>(&self, address: &'a str, secret: &'a str) -> &'a str {
        match self.user {
            UserName::Address => address,
            UserName::Fixed(user) => user,
            UserName::Secret => secret,
        }
    }
}

pub(super) fn find(name: &str) -> Result<Provider, &'static str> {
    use Encryption::{Implicit, StartTls};
    let name = name.trim().to_ascii_lowercase();
    let (host, port, encryption, user) = match name.as_str() {
        "gmail" => ("smtp.gmail.com", 465, Implicit, UserName::Address),
        "outlook" => ("smtp-mail.outlook.com", 587, StartTls, UserName::Address),
        "sendgrid" => ("smtp.sendgrid.net", 465, Implicit, UserName::Fixed("apikey")),
        "mailgun" => ("smtp.mailgun.org", 465, Implicit, UserName::Address),
        "postmark" => ("smtp.postmarkapp.com", 587, StartTls, UserName::Secret),
        name => {
            let host = ses(name).ok_or(
                "must be gmail, outlook, sendgrid, mailgun, postmark, ses or ses-REGION; give a URL for any other",
            )?;
            return Ok(Provider { host, port: 465, encryption: Implicit, user: UserName::Address });
        }
    };
    Ok(Provider { host: host.to_owned(), port, encryption, user })
}

fn ses(name: &str) -> Option<String> {
    let region = name.strip_prefix("ses")?;
    let region = if region.is_empty() { "us-east-1" } else { region.strip_prefix('-')? };
    let plain = region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (plain && !region.is_empty()).then(|| format!("email-smtp.{region}.amazonaws.com"))
}
