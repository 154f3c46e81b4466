//! The HTTP contract, read from outside: every case is run against every server program, each with a
//! process, a working directory and a real socket.
//!
//! What must be true of every answer (headers, the form of problems, the attributes of the cookie) is in
//! `every_answer.rs`, which checks each answer that any test gets.

/// The table of servers: each case once for each of them. A case that is not listed is dead code,
/// which the compiler reports.
macro_rules! contract {
    ($($case:ident),+ $(,)?) => {
        contract!(axum Axum: $($case),+);
        contract!(actix Actix: $($case),+);
    };
    ($server:ident $program:ident: $($case:ident),+) => {
        mod $server {
            $(#[test]
            fn $case() {
                super::$case($crate::server::Program::$program);
            })+
        }
    };
}

mod bodies;
mod body_transport;
mod change_email;
mod client_address;
mod cross_site;
mod health;
mod input;
mod keys;
mod limits;
mod log_in;
mod log_out;
mod methods;
pub(crate) mod openapi;
mod own_account;
mod refresh;
mod register;
mod reset;
mod sessions;
pub(crate) mod table;
mod users_me;
mod verify;
