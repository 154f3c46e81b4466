//! Guarantee 9 where everything breaks: a store, limiter or mailer that panics and prints all of its arguments
//! leaves no secret in the log, the panic or the response.

use std::sync::Arc;
use std::time::Duration;

use auth_core::{Auth, Client, Email, InProcessLimiter, Message, Password, TokenStore as _, UserStore as _};
use auth_http::{Api, HttpConfig};
use auth_tests::{Behavior, Interceptor, LogCapture, Nth, Route, Secrets, listen};
use serde_json::json;

use crate::stack::Stack;
use crate::support::{ADA, Answer, LoggedIn, OTHER_PASSWORD, PASSWORD, PUBLIC, SECRET, World, routes};

contract!(a_panic_reveals_no_secret, a_secret_in_a_panic_is_found,);

const BOB: &str = "bob.the.builder@example.org";
const NEW: &str = "countess.of.lovelace@example.net";

/// A user, a session and links that make a request of every route succeed.
struct Fixture {
    world: World,
    session: LoggedIn,
    verify: String,
    reset: String,
    confirm: String,
}

impl Fixture {
    /// Makes one, and adds its secrets.
    async fn new(stack: Stack, secrets: &mut Secrets) -> Self {
        let world = World::new(stack);
        let session = world.user_and_session().await;
        let access = session.bearer.split_once(' ').unwrap().1;
        let claims = world.auth.authenticate(access).unwrap();
        let (auth, client) = (&world.auth, Client::unknown());
        auth.register(BOB, Password::new(OTHER_PASSWORD), None, &client).await.unwrap();
        auth.change_email(&claims, NEW, Password::new(PASSWORD), &client).await.unwrap();
        let (verify, reset) = (world.verification_token(BOB).await, world.reset_token(ADA).await);
        let confirm = world
            .token(NEW, |message| match message {
                Message::ConfirmEmail { token, .. } => Some(token.expose().to_string()),
                _ => None,
            })
            .await;
        for secret in [session.refresh_token(), access, &verify, &reset, &confirm] {
            secrets.add(secret);
        }
        let store = world.store.inner();
        for address in [ADA, BOB] {
            let user = store.find_by_email(&Email::parse(address).unwrap()).await.unwrap().unwrap();
            secrets.add(user.password_hash.unwrap().expose());
            for session in store.find_sessions_by_user(user.id).await.unwrap() {
                secrets.add_bytes(session.digest.as_bytes());
            }
        }
        Self { world, session, verify, reset, confirm }
    }

    /// Another instance of the service, whose store, mailer and limiter behave so.
    fn instance(&self, behavior: Behavior) -> World {
        let auth = Auth::builder(
            Interceptor(behavior, self.world.store.clone()),
            Interceptor(behavior, self.world.mailbox.clone()),
        )
        .rate_limiter(Interceptor(behavior, InProcessLimiter::new(Arc::new(self.world.clock.clone()))))
        .clock(self.world.clock.clone())
        .secret(SECRET)
        .policy(self.world.auth.policy().clone())
        .build()
        .unwrap();
        let config = HttpConfig::builder(PUBLIC).build().unwrap();
        World { api: Api::new(auth.clone(), config), auth, ..self.world.clone() }
    }

    /// Sends a request that succeeds to this instance.
    async fn succeed(&self, instance: &World, route: &Route) -> Answer {
        let values: &[(&str, &str)] = match route.operation.as_str() {
            "register" => &[("email", "carol@example.com"), ("password", OTHER_PASSWORD)],
            "resendVerification" => &[("email", BOB)],
            "verifyEmail" => &[("token", &self.verify), ("password", OTHER_PASSWORD)],
            "resetPassword" => &[("token", &self.reset), ("password", OTHER_PASSWORD)],
            "confirmEmail" => &[("token", &self.confirm)],
            "changePassword" => &[("new_password", OTHER_PASSWORD)],
            "changeEmail" => &[("new_email", "moved@example.com")],
            _ => &[],
        };
        let by_cookie = [("authorization", self.session.bearer.as_str()), ("cookie", &self.session.cookie)];
        if route.operation == "restoreSessionWithBody" {
            let body = route.body(&[("refresh_token", self.session.refresh_token())]);
            let headers = [by_cookie.as_slice(), &[("x-token-transport", "body")]].concat();
            return instance.call(route, body.as_ref(), &headers).await;
        }
        // Browsers send the refresh token as a cookie, and no body.
        let body = if route.refresh_token { None } else { route.body(values) };
        instance.call(route, body.as_ref(), &by_cookie).await
    }
}

/// Mails a new link and cleans up in the background of this instance; a panic there is its task's.
async fn background(fixture: &Fixture, behavior: Behavior, secrets: &mut Secrets) {
    fixture.world.auth.forgot_password(ADA, &Client::unknown()).await.unwrap();
    let auth = fixture.instance(behavior).auth;
    let worked = tokio::spawn(async move {
        drop(auth.deliver_due_mails().await);
        drop(auth.clean_up().await);
    });
    drop(worked.await);
    // The link is derived: the mail that is sent after the lease has the same.
    fixture.world.clock.advance(Duration::from_mins(1));
    secrets.add(&fixture.world.mailed_reset_token(ADA).await);
}

async fn a_panic_reveals_no_secret(stack: Stack) {
    let captured = LogCapture::default();
    let _listening = listen(&captured);
    let mut secrets = Secrets::default();
    // And any password hash.
    for secret in [PASSWORD, OTHER_PASSWORD, SECRET, "$argon2id$v=19$"] {
        secrets.add(secret);
    }
    let mut panics = 0;
    for route in routes() {
        for number in 0.. {
            let (fixture, nth) = (Fixture::new(stack, &mut secrets).await, Nth::new(number));
            let instance = fixture.instance(Behavior::Panicking(nth));
            let answer = fixture.succeed(&instance, &route).await;
            if !nth.came() {
                // Nobody's session, and no such path.
                let missing = route.operation == "revokeSession";
                assert!(answer.status.is_success() || missing, "{route:?}: {}", answer.text());
                break;
            }
            answer.is_problem(500, "internal_error");
            captured.debug(&answer.headers);
            captured.line(&answer.text());
            panics += 1;
        }
    }
    let mut in_background = 0;
    for number in 0.. {
        let nth = Nth::new(number);
        background(&Fixture::new(stack, &mut secrets).await, Behavior::Panicking(nth), &mut secrets).await;
        if !nth.came() {
            break;
        }
        in_background += 1;
    }
    let written = captured.text();
    // Each panic printed itself; each in a request was logged too.
    let (said, logged) = (written.matches("panicked at").count(), written.matches("panic: ").count());
    println!("proof panics: {panics} in requests, {in_background} in the background, no secret revealed");
    assert!(panics > 60 && in_background > 5, "{panics} {in_background}");
    assert_eq!((said, logged), (panics + in_background, panics));
    assert_eq!(secrets.found_in(&written), Vec::<String>::new());
    for address in [ADA, BOB, NEW] {
        assert!(!written.contains(address), "{address} was written");
    }
}

/// Negative control: a client that sends its token as its user agent, which is no secret.
async fn a_secret_in_a_panic_is_found(stack: Stack) {
    let captured = LogCapture::default();
    let _listening = listen(&captured);
    let mut secrets = Secrets::default();
    for number in 0.. {
        let (fixture, nth) = (Fixture::new(stack, &mut secrets).await, Nth::new(number));
        let browser = [("user-agent", fixture.session.refresh_token())];
        let body = json!({"email": ADA, "password": PASSWORD});
        fixture.instance(Behavior::Panicking(nth)).post("/auth/login", body, &browser).await;
        if !nth.came() {
            break;
        }
    }
    assert!(captured.text().contains("insert_session of"));
    assert_ne!(secrets.found_in(captured.text()), Vec::<String>::new());
}
