//! Promise 9 where everything breaks: a store, limiter or mailer that panics and says all that it was given leaves no
//! secret in the log, the panic or the answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use auth_axum::{HttpConfig, router};
use auth_core::{Auth, Client, Email, InProcessLimiter, Message, Password, TokenStore as _, UserStore as _};
use auth_http::endpoints;
use auth_testkit::Faulty;
use auth_tests::{Around, Manner, Secrets, Transcript, listen};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{ADA, LoggedIn, OTHER_PASSWORD, PASSWORD, PUBLIC, SECRET, World, post, request};

const BOB: &str = "bob.the.builder@example.org";
const NEW: &str = "countess.of.lovelace@example.net";

/// Somebody with something to do at every route.
struct Scene {
    world: World,
    limiter: Faulty<InProcessLimiter>,
    session: LoggedIn,
    verify: String,
    reset: String,
    confirm: String,
}

impl Scene {
    /// Adds what is secret in it.
    async fn new(secrets: &mut Secrets) -> Self {
        let world = World::new();
        let session = world.user_and_session().await;
        let claims = world.auth.authenticate(session.bearer.split_once(' ').unwrap().1).unwrap();
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
        for secret in [session.refresh_token(), &*session.bearer, &verify, &reset, &confirm] {
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
        world.store.reset();
        let limiter = Faulty::new(InProcessLimiter::new(Arc::new(world.clock.clone())));
        Self { world, limiter, session, verify, reset, confirm }
    }

    /// Another instance of the service, whose parts have this manner.
    fn instance(&self, manner: Manner) -> World {
        let auth =
            Auth::over(Around(manner, self.world.store.clone()), Around(manner, self.world.mailbox.clone()))
                .rate_limiter(Around(manner, self.limiter.clone()))
                .clock(self.world.clock.clone())
                .secret(SECRET)
                .policy(self.world.auth.policy().clone())
                .build()
                .unwrap();
        let config = HttpConfig::builder(PUBLIC).build().unwrap();
        World { router: router(auth.clone(), config), auth, ..self.world.clone() }
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

    fn called(&self) -> BTreeSet<&'static str> {
        self.world.store.calls().into_iter().chain(self.limiter.calls()).collect()
    }
}

/// Mails and cleans up in the background of this instance; a panic there is its task's.
async fn background(scene: &Scene, manner: Manner) {
    scene.world.auth.forgot_password(ADA, &Client::unknown()).await.unwrap();
    scene.world.store.reset();
    let auth = scene.instance(manner).auth;
    let worked = tokio::spawn(async move {
        drop(auth.deliver_due_mails().await);
        drop(auth.clean_up().await);
    });
    drop(worked.await);
}

#[tokio::test]
async fn what_panics_tells_no_secret() {
    let transcript = Transcript::default();
    let _listening = listen(&transcript);
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
        let scene = Scene::new(&mut secrets).await;
        let usual = scene.instance(Manner::AsTheyAre).send(scene.request(method, &path)).await;
        assert!(usual.status.is_success() || usual.status == 404, "{method} {path}: {}", usual.text());
        for call in scene.called() {
            let scene = Scene::new(&mut secrets).await;
            let answer = scene.instance(Manner::Panicking(call)).send(scene.request(method, &path)).await;
            answer.is_problem(500, "internal_error");
            transcript.debug(&answer.headers);
            transcript.line(&answer.text());
            panics += 1;
        }
    }
    let scene = Scene::new(&mut secrets).await;
    background(&scene, Manner::AsTheyAre).await;
    for call in scene.called().into_iter().chain(["send"]) {
        background(&Scene::new(&mut secrets).await, Manner::Panicking(call)).await;
        panics += 1;
    }
    let written = transcript.text();
    // Each said so itself, and each request's was logged besides.
    let (said, logged) = (written.matches("panicked at").count(), written.matches("panic: ").count());
    println!("{panics} panics, {said} said, {logged} logged");
    assert!(panics > 60 && said == panics && logged > 60, "{panics} panics, {said} said, {logged} logged");
    assert_eq!(secrets.found_in(&written), Vec::<String>::new());
    for address in [ADA, BOB, NEW] {
        assert!(!written.contains(address), "{address} was written down");
    }
}

/// The control.
#[tokio::test]
async fn a_secret_in_a_panic_is_found() {
    let transcript = Transcript::default();
    let _listening = listen(&transcript);
    let mut secrets = Secrets::default();
    let scene = Scene::new(&mut secrets).await;
    assert_eq!(secrets.found_in(transcript.text()), Vec::<String>::new());
    tokio::spawn(async move { panic!("rotate of {}", scene.session.refresh_token()) }).await.unwrap_err();
    assert_eq!(secrets.found_in(transcript.text()).len(), 1);
}
