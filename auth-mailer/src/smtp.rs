//! Sending mails by SMTP.

mod connection;
mod encryption;
mod error;
mod phase;
mod pool;
mod provider;
mod settings;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::{Mail, MailError, MailErrorKind, Mailer};
use lettre::address::Envelope;

use self::connection::Server;
use self::error::SmtpError;
use self::phase::Phase;
use self::pool::Pool;
use crate::message::Sender;
use crate::problems::Problems;
use crate::template::Templates;

pub use settings::{Plaintext, SmtpSettings, SmtpSettingsError};

/// Sends mails by SMTP and reuses open connections.
///
/// A refusal of this mail (5xx to its recipient or its content) is permanent. Every other failure, such
/// as a bad certificate, a refused log-in or a refused sender, is transient: an operator can fix it, and
/// the mail is sent afterwards. If the connection breaks after the content was begun, the outcome is
/// unknown, and a retry sends a copy with the same Message-ID.
///
/// # Security
///
/// Certificates and host names are always checked, and TLS is 1.2 or newer. Without TLS, mails are sent
/// on loopback only. The greeting and the Message-ID contain the sender's domain, never the machine's.
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
    /// Creates a mailer. The first mail opens the first connection.
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

    /// Signs every mail, for servers that do not sign.
    #[cfg(feature = "dkim")]
    #[must_use]
    pub fn dkim(mut self, key: crate::dkim::DkimKey) -> Self {
        self.dkim = Some(key);
        self
    }

    /// Builds the envelope and the bytes of a mail.
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

    /// Sends once and records the phase. The pool takes back a connection only if every reply on it was
    /// read: otherwise a late reply would look like the answer to the next mail.
    async fn send_once(&self, envelope: &Envelope, mail: &[u8], phase: &mut Phase) -> Result<(), SmtpError> {
        let mut connection = match self.pool.take(self.timeout / 8).await {
            Some(connection) => connection,
            None => self.server.connect(phase).await?,
        };
        let sent = connection::send(&mut connection, envelope, mail, phase).await;
        match &sent {
            Ok(()) => self.pool.put(connection),
            Err(error) => connection::close(connection, error),
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
        // lettre limits the time of connecting only; a server that is silent later would block for ever.
        let sent = tokio::time::timeout(self.timeout, self.send_once(&envelope, &bytes, &mut phase)).await;
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
