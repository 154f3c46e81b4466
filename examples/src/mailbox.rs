//! The development mailbox: mails are rendered and stored instead of sent.

use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use auth_core::{Clock as _, Mail, MailError, MailErrorKind, Mailer, SystemClock};
use auth_mailer::Templates;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};

/// The file in the working directory that stores mails, if the database outlives the process.
const FILE: &str = ".auth-dev-mailbox.jsonl";

/// Only the newest mails are stored.
const CAPACITY: usize = 1000;

/// A mailer that stores mails for people to read. Clones share them.
///
/// With a file, a mail is on disk before it counts as sent, so `kill -9` loses no accepted mail.
#[derive(Clone)]
pub struct DevMailbox {
    templates: Arc<Templates>,
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    mails: VecDeque<KeptMail>,
    /// Locked, as long as the process lives.
    file: Option<File>,
}

/// One mail, as it would have arrived.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptMail {
    id: String,
    #[serde(flatten)]
    shown: ShownMail,
}

/// The fields of a mail that are shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ShownMail {
    to: String,
    subject: String,
    text: String,
    pub(crate) html: String,
    #[serde(serialize_with = "rfc_3339")]
    sent_at: DateTime<Utc>,
}

fn rfc_3339<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

impl DevMailbox {
    /// An empty mailbox that ends with the process.
    pub fn in_memory(templates: Templates) -> Self {
        Self::over(templates, VecDeque::new(), None)
    }

    /// The mailbox of the working directory.
    ///
    /// # Errors
    ///
    /// - The file cannot be read or written, or another running server has locked it.
    pub fn in_working_directory(templates: Templates) -> io::Result<Self> {
        Self::in_file(templates, Path::new(FILE))
    }

    fn in_file(templates: Templates, path: &Path) -> io::Result<Self> {
        // Locked until the file that replaces it is locked: another server finds one of them locked.
        let old = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => Some(locked(file?)?),
        };
        let mails = old.as_ref().map_or_else(|| Ok(VecDeque::new()), read)?;
        let file = rewrite(path, &mails)?;
        Ok(Self::over(templates, mails, Some(file)))
    }

    fn over(templates: Templates, mails: VecDeque<KeptMail>, file: Option<File>) -> Self {
        Self { templates: Arc::new(templates), kept: Arc::new(Mutex::new(Kept { mails, file })) }
    }

    /// The mails, the oldest first.
    pub(crate) fn mails(&self) -> Vec<ShownMail> {
        self.kept().mails.iter().map(|mail| mail.shown.clone()).collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, mail: KeptMail) -> io::Result<()> {
        // A retry of a stored mail.
        if self.mails.iter().any(|kept| kept.id == mail.id) {
            return Ok(());
        }
        if let Some(file) = &mut self.file {
            file.write_all(&line(&mail)?)?;
            file.sync_data()?;
        }
        self.mails.push_back(mail);
        if self.mails.len() > CAPACITY {
            self.mails.pop_front();
        }
        Ok(())
    }
}

/// Writes one line. It starts with a line break if an earlier write left half a line.
fn line(mail: &KeptMail) -> io::Result<Vec<u8>> {
    let mut line = vec![b'\n'];
    serde_json::to_writer(&mut line, mail)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads the newest mails of the file. A line that was cut short never counted as sent; a mail is there
/// twice if it was written and the sync to disk then failed.
fn read(file: &File) -> io::Result<VecDeque<KeptMail>> {
    let mut mails: VecDeque<KeptMail> = VecDeque::new();
    for line in BufReader::new(file).split(b'\n') {
        if let Ok(mail) = serde_json::from_slice::<KeptMail>(&line?)
            && mails.iter().all(|kept| kept.id != mail.id)
        {
            mails.push_back(mail);
        }
        if mails.len() > CAPACITY {
            mails.pop_front();
        }
    }
    Ok(mails)
}

/// Rewrites the file, readable by its owner alone: mails contain valid links.
fn rewrite(path: &Path, mails: &VecDeque<KeptMail>) -> io::Result<File> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = locked(options.open(&new)?)?;
    for mail in mails {
        file.write_all(&line(mail)?)?;
    }
    file.sync_all()?;
    fs::rename(&new, path)?;
    Ok(file)
}

/// Two servers would replace each other's file, and with it mails that counted as sent.
fn locked(file: File) -> io::Result<File> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::Error::new(
            io::ErrorKind::WouldBlock,
            "another server keeps its mails in this directory; start this one in another, or set SMTP_URL",
        ),
        TryLockError::Error(error) => error,
    })?;
    Ok(file)
}

#[async_trait]
impl Mailer for DevMailbox {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let rendered =
            self.templates.render(mail).map_err(|error| MailError::new(MailErrorKind::Permanent, error))?;
        let shown = ShownMail {
            to: mail.to.address().to_owned(),
            subject: rendered.subject,
            text: rendered.text,
            html: rendered.html,
            sent_at: SystemClock.now(),
        };
        let (mailbox, mail) = (self.clone(), KeptMail { id: mail.id.to_string(), shown });
        let kept = tokio::task::spawn_blocking(move || mailbox.kept().keep(mail)).await;
        kept.map_err(io::Error::other)
            .flatten()
            .map_err(|error| MailError::new(MailErrorKind::Transient, error))
    }
}

/// Shows the number of mails, not their content.
impl fmt::Debug for DevMailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevMailbox").field("mails", &self.kept().mails.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use auth_core::{Email, IntentId, Message};
    use auth_mailer::Links;

    use super::*;

    fn open(path: &Path) -> DevMailbox {
        let links = Links::new("http://localhost:3000").unwrap();
        DevMailbox::in_file(Templates::builder(links).product_name("Test").build().unwrap(), path).unwrap()
    }

    fn mail(number: u8) -> Mail {
        Mail {
            id: IntentId::from_bytes([number; 16]),
            to: Email::parse(&format!("user-{number}@example.com")).unwrap(),
            name: None,
            message: Message::PasswordChanged { at: DateTime::UNIX_EPOCH },
            languages: None,
        }
    }

    fn addresses(mailbox: &DevMailbox) -> Vec<String> {
        mailbox.mails().into_iter().map(|mail| mail.to).collect()
    }

    #[tokio::test]
    async fn half_a_line_of_a_full_disk_takes_no_other_mail_along() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mails");
        let mailbox = open(&path);
        mailbox.send(&mail(1)).await.unwrap();
        // A write that failed half way; the server continues.
        mailbox.kept().file.as_mut().unwrap().write_all(br#"{"id":"half"#).unwrap();
        mailbox.send(&mail(2)).await.unwrap();
        drop(mailbox);
        assert_eq!(addresses(&open(&path)), ["user-1@example.com", "user-2@example.com"]);
    }

    #[tokio::test]
    async fn a_mail_that_is_sent_again_is_listed_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mails");
        let mailbox = open(&path);
        mailbox.send(&mail(1)).await.unwrap();
        mailbox.send(&mail(1)).await.unwrap();
        assert_eq!(addresses(&mailbox), ["user-1@example.com"]);
        // Written, but the sync to disk failed: sent again, and in the file twice.
        mailbox.kept().mails.clear();
        mailbox.send(&mail(1)).await.unwrap();
        drop(mailbox);
        assert_eq!(addresses(&open(&path)), ["user-1@example.com"]);
    }

    #[tokio::test]
    async fn only_the_newest_mails_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mails");
        let mailbox = DevMailbox::over((*open(&path).templates).clone(), VecDeque::new(), None);
        for number in 0..=CAPACITY {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            let mail = Mail { id: IntentId::from_bytes(id), ..mail(u8::from(number == CAPACITY)) };
            mailbox.send(&mail).await.unwrap();
        }
        assert_eq!(mailbox.mails().len(), CAPACITY);
        assert_eq!(addresses(&mailbox).last().unwrap(), "user-1@example.com");
    }
}
