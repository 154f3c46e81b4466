//! A mailer that writes files, for development.

use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use auth_core::{Mail, MailError, MailErrorKind, Mailer};

use crate::message::Sender;
use crate::problems::Problems;
use crate::smtp::SmtpSettingsError;
use crate::template::Templates;

/// Writes mails as `.eml` files, which mail programs open: for examples and for viewing mails.
///
/// The file name is the id of the mail, so that a mail sent twice is one file.
///
/// # Security
///
/// The files contain usable links: do not use it in production.
pub struct FileMailer {
    directory: PathBuf,
    sender: Sender,
    templates: Templates,
}

impl FileMailer {
    /// Creates a mailer that writes into a directory. The first mail creates the directory.
    ///
    /// # Errors
    ///
    /// - [`SmtpSettingsError`] if `from` is not an address such as `no-reply@example.com`.
    pub fn new(
        directory: impl Into<PathBuf>,
        from: &str,
        templates: Templates,
    ) -> Result<Self, SmtpSettingsError> {
        let mut problems = Problems::default();
        match problems.take("from", Sender::new(from, templates.product_name())) {
            Some(sender) => Ok(Self { directory: directory.into(), sender, templates }),
            None => Err(SmtpSettingsError::new(problems.into_vec())),
        }
    }

    async fn write(&self, mail: &Mail, bytes: &[u8]) -> std::io::Result<()> {
        tokio::fs::create_dir_all(&self.directory).await?;
        let file = self.directory.join(format!("{}.eml", mail.id));
        // A reader never sees half a mail.
        let unfinished = file.with_extension("part");
        tokio::fs::write(&unfinished, bytes).await?;
        tokio::fs::rename(&unfinished, &file).await
    }
}

#[async_trait]
impl Mailer for FileMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let rendered =
            self.templates.render(mail).map_err(|error| MailError::new(MailErrorKind::Permanent, error))?;
        let message = self
            .sender
            .message(mail, rendered)
            .map_err(|error| MailError::new(MailErrorKind::Permanent, error))?;
        let written = self.write(mail, &message.formatted()).await;
        written.map_err(|error| MailError::new(MailErrorKind::Transient, error))
    }
}

impl fmt::Debug for FileMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileMailer").field("directory", &self.directory).finish_non_exhaustive()
    }
}
