//! What `docs/security.md` says, checked against the tree; and the requirements listed there that no
//! other kind of proof covers.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "requirements/defaults.rs"]
mod defaults;
#[path = "requirements/events.rs"]
mod events;
#[path = "requirements/floods.rs"]
mod floods;
#[path = "requirements/passwords.rs"]
mod passwords;
#[path = "requirements/rows.rs"]
mod rows;
#[path = "requirements/sessions.rs"]
mod sessions;
#[path = "requirements/source.rs"]
mod source;

use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A file of the repository, as text.
fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
