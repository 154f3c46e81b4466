//! What must hold for any input, however odd: one function for each door that strangers' bytes come to.
//!
//! Each takes bytes and panics where a promise is broken. Two harnesses call them: `tests/smoke.rs`, on
//! stable and for seconds, with inputs made of the corpus; and the libFuzzer targets of `fuzz/`, guided by
//! coverage and for as long as one likes (`scripts/soak/fuzz`).
//!
//! A target judges what it is given: [`Target::run`] gives it the library's own code, and
//! [`Target::run_broken`] code with a planted bug, which the inputs of `tests/smoke.rs` must find.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a broken promise is a panic"
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

/// One door.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which its corpus has too.
    pub name: &'static str,
    /// Judges the library on one input.
    pub run: fn(&[u8]),
    /// Judges code with a planted bug on one input.
    pub run_broken: fn(&[u8]),
}

macro_rules! targets {
    ($($(#[$condition:meta])* $module:ident),* $(,)?) => {
        /// All doors.
        pub const TARGETS: &[Target] = &[$(
            $(#[$condition])*
            Target { name: stringify!($module), run: $module::run, run_broken: $module::run_broken },
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

/// Judges one input at the door of this name.
///
/// # Panics
///
/// If the promise is broken, or there is no such door.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.run)(input);
}
