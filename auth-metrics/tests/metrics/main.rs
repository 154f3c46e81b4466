//! What is recorded, and that the documents say so.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod documented;
mod life;
mod recorded;
