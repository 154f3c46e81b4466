//! One SMTP conversation, phase by phase.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters, TlsVersion,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Response, Severity};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::encryption::Encryption;
use super::error::SmtpError;
use super::phase::Phase;
use super::settings::SmtpSettings;

/// A mail server and how to connect to it.
pub(super) struct Server {
    host: String,
    port: u16,
    encryption: Encryption,
    tls: TlsParameters,
    credentials: Option<Credentials>,
    hello: ClientId,
}

impl Server {
    pub(super) fn new(settings: &SmtpSettings) -> Result<Self, &'static str> {
        const NO_ROOTS: &str = "is not set, and the trusted certificates of this system cannot be used";
        const UNUSABLE: &str = "holds a certificate that cannot be used";
        let mut tls = TlsParameters::builder(settings.host.clone()).set_min_tls_version(TlsVersion::Tlsv12);
        if let Some(roots) = &settings.ca {
            tls = tls.certificate_store(CertificateStore::None);
            for root in roots {
                let root = Certificate::from_der(root.to_vec()).map_err(|_| UNUSABLE)?;
                tls = tls.add_root_certificate(root);
            }
        }
        let credentials = settings.credentials.as_ref();
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port,
            encryption: settings.encryption,
            tls: tls.build().map_err(|_| if settings.ca.is_some() { UNUSABLE } else { NO_ROOTS })?,
            credentials: credentials.map(|credentials| {
                Credentials::new(
                    credentials.user.as_str().to_owned(),
                    credentials.password.as_str().to_owned(),
                )
            }),
            hello: ClientId::default(),
        })
    }

    /// Sets the domain of the greeting.
    pub(super) fn greet_as(&mut self, domain: &str) {
        self.hello = ClientId::Domain(domain.to_owned());
    }

    /// Opens a connection, encrypted and logged in as the settings require.
    pub(super) async fn connect(&self, phase: &mut Phase) -> Result<AsyncSmtpConnection, SmtpError> {
        *phase = Phase::Connect;
        let address = (self.host.as_str(), self.port);
        let mut connection = match self.encryption {
            Encryption::Implicit => {
                AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, Some(self.tls.clone()), None)
                    .await
            }
            Encryption::StartTls | Encryption::None => {
                let stream = TcpStream::connect(address).await.map_err(SmtpError::connect)?;
                AsyncSmtpConnection::connect_with_transport(Box::new(ByteByByte::new(stream)), &self.hello)
                    .await
            }
        }
        .map_err(|error| SmtpError::smtp(*phase, error))?;
        if self.encryption == Encryption::StartTls {
            *phase = Phase::StartTls;
            if !connection.can_starttls() {
                return Err(SmtpError::no_starttls());
            }
            let upgraded = connection.starttls(self.tls.clone(), &self.hello).await;
            upgraded.map_err(|error| SmtpError::smtp(*phase, error))?;
        }
        if let Some(credentials) = &self.credentials {
            *phase = Phase::LogIn;
            let logged_in = connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await;
            completed(*phase, logged_in)?;
        }
        Ok(connection)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("encryption", &self.encryption)
            .field("logs_in", &self.credentials.is_some())
            .finish_non_exhaustive()
    }
}

/// Sends one mail.
pub(super) async fn send(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    mail: &[u8],
    phase: &mut Phase,
) -> Result<(), SmtpError> {
    *phase = Phase::Sender;
    // Our addresses and contents are ASCII, so no extension is needed.
    completed(*phase, connection.command(Mail::new(envelope.from().cloned(), vec![])).await)?;
    *phase = Phase::Recipient;
    for to in envelope.to() {
        completed(*phase, connection.command(Rcpt::new(to.clone(), vec![])).await)?;
    }
    *phase = Phase::Data;
    let reply = connection.command(Data).await.map_err(|error| SmtpError::smtp(*phase, error))?;
    if !reply.has_code(354) {
        return Err(SmtpError::unexpected(*phase, reply.code().into()));
    }
    *phase = Phase::Content;
    completed(*phase, connection.message(mail).await)
}

/// Checks that a phase has succeeded. lettre accepts every 2xx and 3xx; here only 2xx is success.
fn completed(phase: Phase, reply: Result<Response, lettre::transport::smtp::Error>) -> Result<(), SmtpError> {
    match reply {
        Ok(reply) if reply.code().severity == Severity::PositiveCompletion => Ok(()),
        Ok(reply) => Err(SmtpError::unexpected(phase, reply.code().into())),
        Err(error) => Err(SmtpError::smtp(phase, error)),
    }
}

/// Closes a connection after a failure, with QUIT if the server still answers.
pub(super) fn close(mut connection: AsyncSmtpConnection, error: &SmtpError) {
    if error.was_answered() {
        tokio::spawn(async move {
            let _ = tokio::time::timeout(Duration::from_secs(2), connection.quit()).await;
        });
    }
}

/// A connection that reads byte by byte until TLS begins.
///
/// lettre reads ahead and does not discard those bytes when TLS begins. An attacker on the network could
/// send replies in clear after the one to STARTTLS, and lettre would take them for the server's (response
/// injection, "Why TLS Is Better Without STARTTLS", USENIX Security 2021). If nothing is read ahead, such
/// bytes reach the TLS handshake and break it.
#[derive(Debug)]
struct ByteByByte {
    stream: TcpStream,
    encrypted: bool,
}

/// First byte of a TLS handshake record; no SMTP command begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

impl ByteByByte {
    const fn new(stream: TcpStream) -> Self {
        Self { stream, encrypted: false }
    }
}

impl AsyncRead for ByteByByte {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.encrypted || buffer.remaining() == 0 {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut one))?;
        buffer.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ByteByByte {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.encrypted |= bytes.first() == Some(&TLS_HANDSHAKE);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for ByteByByte {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}
