//! What must hold for every input: one function for each parser that reads bytes of unknown clients.
//!
//! Each takes bytes and panics if a guarantee is broken. Two harnesses call them: `tests/smoke.rs`, on stable and for
//! seconds, with inputs made of the corpus; and the libFuzzer targets of `fuzz/`, guided by coverage and for hours
//! (`scripts/soak/fuzz`).

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a broken guarantee is a panic"
)]

mod access_token;
mod body;
#[cfg(feature = "configuration")]
mod configuration;
mod cookie;
mod email;
mod forwarded;
mod password_hash;
mod refresh_token;
mod service;

/// One parser.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Judges the library on one input.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($(#[$condition:meta])* $module:ident),* $(,)?) => {
        /// All targets.
        pub const TARGETS: &[Target] = &[$(
            $(#[$condition])*
            Target { name: stringify!($module), run: $module::run },
        )*];
    };
}

targets! {
    access_token,
    body,
    #[cfg(feature = "configuration")]
    configuration,
    cookie,
    email,
    forwarded,
    password_hash,
    refresh_token,
}

/// Judges one input with the target of this name.
///
/// # Panics
///
/// If the guarantee is broken, or there is no such target.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.run)(input);
}
