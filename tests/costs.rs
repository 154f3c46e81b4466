//! What can be counted of the costs, whatever the machine: allocations of the paths that run most, over
//! memory and on one thread so that the counts are exact; and the password hashes of every flow.

#![expect(clippy::unwrap_used, reason = "tests")]

use allocation_counter::measure;
use auth_core::{Auth, Client, Email, LiveCheck, Mailbox, MemoryStore, Password, Policy, SessionTokens};
use auth_testkit::cheap_hashing;
use auth_tests::{OTHER_PASSWORD, PASSWORD, SECRET, World};
use tokio::runtime::{Builder, Runtime};

const ADA: &str = "ada@example.com";

struct Service {
    auth: Auth,
    runtime: Runtime,
}

impl Service {
    /// A verified user's service, with the default limits.
    fn new() -> Self {
        let (store, mailbox) = (MemoryStore::new(), Mailbox::new());
        let mut policy = Policy::default();
        policy.hashing = cheap_hashing();
        let auth = Auth::builder(store, mailbox.clone()).policy(policy);
        let service = Self {
            auth: auth.secret(SECRET).build().unwrap(),
            runtime: Builder::new_current_thread().enable_time().build().unwrap(),
        };
        service.runtime.block_on(async {
            let auth = &service.auth;
            auth.register(ADA, Password::new(PASSWORD), Some("Ada"), &client()).await.unwrap();
            auth.deliver_due_mails().await.unwrap();
            let mail = mailbox.last_to(&Email::parse(ADA).unwrap()).unwrap();
            auth.verify_email(&mail.message.token().unwrap().expose(), None, &client()).await.unwrap();
        });
        service
    }

    fn log_in(&self) -> SessionTokens {
        self.runtime.block_on(self.auth.log_in(ADA, Password::new(PASSWORD), &client())).unwrap()
    }
}

fn client() -> Client {
    Client::new("192.0.2.7".parse().ok(), Some("Firefox"))
}

/// How often a piece of work asks for memory the second time: the first time grows what is kept.
fn allocations(mut work: impl FnMut()) -> u64 {
    work();
    measure(work).count_total
}

/// Two: the payload's bytes, and the token's id, which the claims keep.
#[test]
fn checking_a_token_allocates_twice_and_refusing_it_once() {
    let service = Service::new();
    let tokens = service.log_in();
    let token = tokens.access_token.expose();
    let checked = allocations(|| drop(service.auth.authenticate(token).unwrap()));
    assert!(checked <= 2, "{checked} allocations");
    let forged = format!("{}AAAA", token.strip_suffix(&token[token.len() - 4..]).unwrap());
    for bad in ["", "a.b.c", &forged] {
        let refused = allocations(|| assert!(service.auth.authenticate(bad).is_err()));
        assert!(refused <= 1, "{refused} allocations for {bad:?}");
    }
    // Besides, a boxed future for the read, and what the user and the session own.
    let live = || service.runtime.block_on(service.auth.authenticate_live(token, LiveCheck::UserAndSession));
    let live = allocations(|| drop(live().unwrap()));
    assert!(live <= 9, "{live} allocations");
}

/// Boxed futures of the operation, of two calls of the store and two of the limiter, what the user and the session own, the
/// two tokens and what they are made of.
#[test]
fn a_refresh_allocates_twenty_one_times() {
    let service = Service::new();
    let client = client();
    let mut token = service.log_in().refresh_token.expose();
    let refreshed = allocations(|| {
        let tokens = service.runtime.block_on(service.auth.refresh(&token, &client)).unwrap();
        token = tokens.refresh_token.expose();
    });
    // Two of them are the user agent, in the record and in the answer.
    assert!(refreshed <= 21, "{refreshed} allocations");
}

/// What each flow costs in password hashes. Guarantee 10 shows that a refused log-in costs one for every
/// account.
#[tokio::test]
async fn each_flow_costs_one_hash_for_each_password_it_takes() {
    let world = World::new();
    let (auth, client) = (&world.auth, client());
    let (right, new) = (|| Password::new(PASSWORD), || Password::new(OTHER_PASSWORD));
    macro_rules! costs {
        ($hashes:literal, $call:expr) => {{
            let before = auth.hashing().stats().hashes;
            let answer = $call.await.unwrap();
            assert_eq!(auth.hashing().stats().hashes - before, $hashes, stringify!($call));
            answer
        }};
    }
    costs!(1, auth.register(ADA, right(), None, &client));
    costs!(1, auth.register(ADA, right(), None, &client));
    costs!(0, auth.deliver_due_mails());
    let link = world.verification_token(ADA).await;
    costs!(0, auth.verify_email(&link, None, &client));
    costs!(0, auth.resend_verification(ADA, &client));
    let tokens = costs!(1, auth.log_in(ADA, right(), &client));
    costs!(0, auth.restore(&tokens.refresh_token.expose(), &client));
    let tokens = costs!(0, auth.refresh(&tokens.refresh_token.expose(), &client));
    let token = tokens.access_token.expose();
    let seen = costs!(0, auth.authenticate_live(token, LiveCheck::UserAndSession));
    costs!(0, auth.sessions(seen.claims.user_id));
    let tokens = costs!(2, auth.change_password(&seen.claims, right(), new(), &client));
    costs!(0, auth.log_out(&tokens.refresh_token.expose(), &client));
    costs!(0, auth.forgot_password(ADA, &client));
    let link = world.reset_token(ADA).await;
    costs!(1, auth.reset_password(&link, right(), &client));
    costs!(0, auth.clean_up());
}
