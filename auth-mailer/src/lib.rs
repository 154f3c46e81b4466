#![doc = include_str!("../README.md")]

#[cfg(feature = "dkim")]
mod dkim;
mod file;
mod links;
mod message;
mod problems;
mod smtp;
mod template;

#[cfg(feature = "dkim")]
pub use dkim::{DkimError, DkimKey};
pub use file::FileMailer;
pub use links::{Links, LinksError};
pub use smtp::{Plaintext, SmtpMailer, SmtpSettings, SmtpSettingsError};
pub use template::{RenderError, Rendered, TemplateError, Templates, TemplatesBuilder};
