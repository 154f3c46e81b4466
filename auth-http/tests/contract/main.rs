//! The HTTP contract, proved in process: each request goes through all of axum's or actix-web's router.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a proof that cannot be set up must fail"
)]
#![expect(clippy::future_not_send, reason = "actix-web serves each connection on the thread that took it")]

/// Runs each case on both frameworks. A case that is not listed is dead code, which the compiler reports.
/// Those after `paused:` have a clock that passes all waits at once.
macro_rules! contract {
    ($($case:ident),+ $(; paused: $($paused:ident),+)? $(,)?) => {
        $(contract!(@case [] $case);)+
        $($(contract!(@case [start_paused = true] $paused);)+)?
    };
    (@case [$($option:tt)*] $case:ident) => {
        mod $case {
            #[tokio::test($($option)*)]
            async fn axum() {
                super::$case(crate::stack::Stack::Axum).await;
            }

            #[tokio::test($($option)*)]
            async fn actix() {
                super::$case(crate::stack::Stack::Actix).await;
            }
        }
    };
}

mod accounts;
mod bodies;
mod configuration;
mod cross_site;
mod devices;
mod document;
mod existing_service;
mod extractors;
mod headers;
mod limits;
mod links;
mod panics;
mod sessions;
mod stack;
mod support;
