//! The HTTP contract, read from outside: every case is run against every server program, each with a
//! process, a working directory and a real socket of its own. The programs are built by the suite.
//!
//! What holds of every answer (headers, the form of problems, the attributes of the cookie) is in
//! `laws.rs` and is asked of each request that any case sends.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

/// The table of servers: each case once for each of them. A case that is not listed is dead code,
/// which the compiler tells.
macro_rules! contract {
    ($($case:ident),+ $(,)?) => {
        contract!(axum "server": $($case),+);
        contract!(actix "server_actix": $($case),+);
    };
    ($server:ident $program:literal: $($case:ident),+) => {
        mod $server {
            $(#[test]
            fn $case() {
                super::$case($crate::server::Program($program));
            })+
        }
    };
}

#[path = "contract/answer.rs"]
mod answer;
#[path = "contract/http.rs"]
mod http;
#[path = "contract/laws.rs"]
mod laws;
#[path = "contract/limit_headers.rs"]
mod limit_headers;
#[path = "contract/scene.rs"]
mod scene;
#[path = "contract/server.rs"]
mod server;
#[path = "contract/shapes.rs"]
mod shapes;

#[path = "contract/bodies.rs"]
mod bodies;
#[path = "contract/body_transport.rs"]
mod body_transport;
#[path = "contract/change_email.rs"]
mod change_email;
#[path = "contract/client_address.rs"]
mod client_address;
#[path = "contract/cross_site.rs"]
mod cross_site;
#[path = "contract/health.rs"]
mod health;
#[path = "contract/input.rs"]
mod input;
#[path = "contract/keys.rs"]
mod keys;
#[path = "contract/limits.rs"]
mod limits;
#[path = "contract/log_in.rs"]
mod log_in;
#[path = "contract/log_out.rs"]
mod log_out;
#[path = "contract/methods.rs"]
mod methods;
#[path = "contract/openapi.rs"]
mod openapi;
#[path = "contract/refresh.rs"]
mod refresh;
#[path = "contract/register.rs"]
mod register;
#[path = "contract/reset.rs"]
mod reset;
#[path = "contract/sessions.rs"]
mod sessions;
#[path = "contract/users_me.rs"]
mod users_me;
#[path = "contract/verify.rs"]
mod verify;
