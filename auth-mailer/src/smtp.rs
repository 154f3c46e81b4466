//! Handing mails over by SMTP.

mod connection;
mod error;
mod pool;
mod provider;
mod settings;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::{Mail, MailError, MailErrorKind, Mailer};
use lettre::address::Envelope;

use self::connection::{Phase, Server};
use self::error::SmtpError;
use self::pool::Pool;
use crate::message::Sender;
use crate::problems::Problems;
use crate::template::Templates;

pub use settings::{Plaintext, SmtpSettings, SmtpSettingsError};

/// Sends mails by SMTP, over connections that are kept open for the next one.
///
/// A refusal of this mail (5xx to its recipient or its content) is permanent. Everything that is not
/// about this mail, such as a certificate, a log-in or a sender that the server does not like, is
/// transient: an operator can mend it, and no mail should die of it meanwhile. Whatever breaks after
/// the content was begun is unknown, and the copy that a retry sends has the same Message-ID.
///
/// # Security
///
/// Certificates and host names are always checked, TLS is 1.2 or newer, and without it nothing is
/// sent but on loopback. The greeting and the Message-ID name the sender's domain, never the machine.
pub struct SmtpMailer {
    server: Server,
    pool: Pool,
    sender: Sender,
    templates: Templates,
    timeout: Duration,
    #[cfg(feature = "dkim")]
    dkim: Option<crate::dkim::DkimKey>,
}

impl SmtpMailer {
    /// A mailer; nothing is connected before the first mail.
    ///
    /// # Errors
    ///
    /// - [`SmtpSettingsError`] with every problem at once.
    pub fn new(settings: &SmtpSettings, templates: Templates) -> Result<Self, SmtpSettingsError> {
        let mut problems = Problems::default();
        let sender = match &settings.from {
            Some(from) => problems.take("from_address", Sender::new(from, templates.product_name())),
            None => problems.take("from_address", Err("is missing")),
        };
        let sender = sender.map(|mut sender| {
            if let Some(address) = &settings.reply_to {
                problems.take("reply_to", sender.reply_to(address));
            }
            sender
        });
        if !(Duration::from_millis(100)..=Duration::from_mins(10)).contains(&settings.timeout) {
            problems.add("timeout", "must be between 100 ms and 10 min");
        }
        let server = problems.take("ca", Server::new(settings));
        match (server, sender) {
            (Some(mut server), Some(sender)) if problems.is_empty() => {
                server.greet_as(sender.domain());
                Ok(Self {
                    server,
                    pool: Pool::default(),
                    sender,
                    templates,
                    timeout: settings.timeout,
                    #[cfg(feature = "dkim")]
                    dkim: None,
                })
            }
            _ => Err(SmtpSettingsError::new(problems.into_vec())),
        }
    }

    /// Signs every mail, where the server that takes them does not.
    #[cfg(feature = "dkim")]
    #[must_use]
    pub fn dkim(mut self, key: crate::dkim::DkimKey) -> Self {
        self.dkim = Some(key);
        self
    }

    /// The bytes of a mail.
    fn compose(&self, mail: &Mail) -> Result<(Envelope, Vec<u8>), Box<dyn std::error::Error + Send + Sync>> {
        let rendered = self.templates.render(mail)?;
        let message = self.sender.message(mail, rendered)?;
        let envelope = message.envelope().clone();
        let bytes = message.formatted();
        #[cfg(feature = "dkim")]
        let bytes = match &self.dkim {
            Some(key) => key.sign(&bytes)?,
            None => bytes,
        };
        Ok((envelope, bytes))
    }

    /// One sending, noting how far it got. Only a connection on which every reply was read goes back:
    /// on any other, a late reply would be taken for the answer to the next mail.
    async fn hand_over(&self, envelope: &Envelope, mail: &[u8], phase: &mut Phase) -> Result<(), SmtpError> {
        let mut connection = match self.pool.take(self.timeout / 8).await {
            Some(connection) => connection,
            None => self.server.connect(phase).await?,
        };
        let sent = connection::send(&mut connection, envelope, mail, phase).await;
        match &sent {
            Ok(()) => self.pool.give_back(connection),
            Err(error) => connection::leave(connection, error),
        }
        sent
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let (envelope, bytes) =
            self.compose(mail).map_err(|error| MailError::new(MailErrorKind::Permanent, error))?;
        let mut phase = Phase::default();
        // lettre bounds connecting alone; a server that is silent later would hold a mail for ever.
        let sent = tokio::time::timeout(self.timeout, self.hand_over(&envelope, &bytes, &mut phase)).await;
        let error = match sent {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => SmtpError::timed_out(phase, self.timeout),
        };
        Err(MailError::new(error.kind(), error))
    }
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer")
            .field("server", &self.server)
            .field("from", &self.sender.address().to_string())
            .field("templates", &self.templates)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
