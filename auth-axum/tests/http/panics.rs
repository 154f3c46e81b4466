//! Guarantee 9 where everything breaks: a store, limiter or mailer that panics and says all that it was given leaves no
//! secret in the log, the panic or the answer.

use std::sync::Arc;
use std::time::Duration;

use auth_axum::{Api, HttpConfig, routes};
use auth_core::{Auth, Client, Email, InProcessLimiter, Message, Password, TokenStore as _, UserStore as _};
use auth_http::endpoints;
use auth_tests::{Behavior, Interceptor, LogCapture, Nth, Secrets, listen};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{ADA, LoggedIn, OTHER_PASSWORD, PASSWORD, PUBLIC, SECRET, World, post, request};

const BOB: &str = "bob.the.builder@example.org";
const NEW: &str = "countess.of.lovelace@example.net";

/// Somebody with something to do at every route.
struct Fixture {
    world: World,
    session: LoggedIn,
    verify: String,
    reset: String,
    confirm: String,
}

impl Fixture {
    /// Adds what is secret in it.
    async fn new(secrets: &mut Secrets) -> Self {
        let world = World::new();
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

    /// Another instance of the service, whose parts have this manner.
    fn instance(&self, manner: Behavior) -> World {
        let auth = Auth::builder(
            Interceptor(manner, self.world.store.clone()),
            Interceptor(manner, self.world.mailbox.clone()),
        )
        .rate_limiter(Interceptor(manner, InProcessLimiter::new(Arc::new(self.world.clock.clone()))))
        .clock(self.world.clock.clone())
        .secret(SECRET)
        .policy(self.world.auth.policy().clone())
        .build()
        .unwrap();
        let config = HttpConfig::builder(PUBLIC).build().unwrap();
        World { router: routes(&Api::new(auth.clone(), config)), auth, ..self.world.clone() }
    }

    fn request(&self, method: &str, path: &str) -> Request<Body> {
        let path = path.replace("{id}", "01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a");
        let body = match path.as_str() {
            "/auth/register" => json!({"email": "carol@example.com", "password": OTHER_PASSWORD}),
            "/auth/login" => json!({"email": ADA, "password": PASSWORD}),
            "/auth/resend-verification" => json!({"email": BOB}),
            "/auth/forgot-password" => json!({"email": ADA}),
            "/auth/verify-email" => json!({"token": self.verify, "password": OTHER_PASSWORD}),
            "/auth/reset-password" => json!({"token": self.reset, "password": OTHER_PASSWORD}),
            "/auth/email/confirm" => json!({"token": self.confirm}),
            "/users/me/password" => json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD}),
            "/users/me/email" => json!({"new_email": "moved@example.com", "current_password": PASSWORD}),
            "/auth/me" if method == "POST" => json!({"refresh_token": self.session.refresh_token()}),
            _ => Value::Null,
        };
        let mut headers =
            vec![("authorization", self.session.bearer.as_str()), ("cookie", self.session.cookie.as_str())];
        if body.get("refresh_token").is_some() {
            headers.push(("x-token-transport", "body"));
        }
        if body.is_null() {
            request(method, &path, &headers)
        } else {
            post(&path, &body.to_string(), &headers)
        }
    }
}

/// Mails a new link and cleans up in the background of this instance; a panic there is its task's.
async fn background(fixture: &Fixture, manner: Behavior, secrets: &mut Secrets) {
    fixture.world.auth.forgot_password(ADA, &Client::unknown()).await.unwrap();
    let auth = fixture.instance(manner).auth;
    let worked = tokio::spawn(async move {
        drop(auth.deliver_due_mails().await);
        drop(auth.clean_up().await);
    });
    drop(worked.await);
    // The link is derived: whoever mails it after the lease mails the same.
    fixture.world.clock.advance(Duration::from_mins(1));
    secrets.add(&fixture.world.mailed_reset_token(ADA).await);
}

#[tokio::test]
async fn what_panics_tells_no_secret() {
    let captured = LogCapture::default();
    let _listening = listen(&captured);
    let mut secrets = Secrets::default();
    // And any password hash at all.
    for secret in [PASSWORD, OTHER_PASSWORD, SECRET, "$argon2id$v=19$"] {
        secrets.add(secret);
    }
    let mut panics = 0;
    let base = HttpConfig::builder(PUBLIC).build().unwrap();
    for endpoint in endpoints() {
        let (method, path) = (endpoint.method().as_str(), endpoint.paths(&base).remove(0));
        let path = path.strip_prefix("/api/v1").map_or_else(|| format!("/{path}"), str::to_owned);
        for number in 0.. {
            let (fixture, nth) = (Fixture::new(&mut secrets).await, Nth::new(number));
            let answer =
                fixture.instance(Behavior::Panicking(nth)).send(fixture.request(method, &path)).await;
            if !nth.came() {
                let nobodys = path.ends_with("{id}") || path.ends_with("jwks.json");
                assert!(answer.status.is_success() || nobodys, "{method} {path}: {}", answer.text());
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
        background(&Fixture::new(&mut secrets).await, Behavior::Panicking(nth), &mut secrets).await;
        if !nth.came() {
            break;
        }
        in_background += 1;
    }
    let written = captured.text();
    // Each said so itself, and each request's was logged besides.
    let (said, logged) = (written.matches("panicked at").count(), written.matches("panic: ").count());
    println!("proof panics: {panics} in requests, {in_background} in the background, none told a secret");
    assert!(panics > 60 && in_background > 5, "{panics} {in_background}");
    assert_eq!((said, logged), (panics + in_background, panics));
    assert_eq!(secrets.found_in(&written), Vec::<String>::new());
    for address in [ADA, BOB, NEW] {
        assert!(!written.contains(address), "{address} was written down");
    }
}

/// The control: somebody who sends a token as the name of a browser, which is no secret.
#[tokio::test]
async fn a_secret_in_a_panic_is_found() {
    let captured = LogCapture::default();
    let _listening = listen(&captured);
    let mut secrets = Secrets::default();
    for number in 0.. {
        let (fixture, nth) = (Fixture::new(&mut secrets).await, Nth::new(number));
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
