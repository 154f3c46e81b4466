//! How an SMTP connection is encrypted.

/// The encryption of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    /// TLS from the first byte.
    Implicit,
    /// STARTTLS, required: no mail is sent without it.
    StartTls,
    /// None, on loopback.
    None,
}
