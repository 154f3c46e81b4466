#![doc = include_str!("../README.md")]

mod links;
mod problems;
mod template;

pub use links::{Links, LinksError};
pub use template::{MailKind, RenderError, Rendered, TemplateError, Templates, TemplatesBuilder};
