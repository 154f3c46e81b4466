//! A router over memory, with a clock that tests move and stores that fail on demand.

use std::net::SocketAddr;

use auth_axum::{Api, HttpConfig, HttpConfigBuilder, routes};
use auth_core::{Auth, AuthBuilder, Client, Email, Mailbox, MemoryStore, Message, Password, Policy};
use auth_testkit::{FakeClock, Faulty, cheap_hashing};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const SECRET: &str = "n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const OTHER_PASSWORD: &str = "seventeen blue herons";
pub(crate) const ADA: &str = "ada@example.com";
pub(crate) const PUBLIC: &str = "https://auth.example.com";
pub(crate) const FRONT: &str = "https://app.example.com";

/// A service with all that is around it.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) auth: Auth,
    pub(crate) router: Router,
    pub(crate) store: Faulty<MemoryStore>,
    pub(crate) mailbox: Mailbox,
    pub(crate) clock: FakeClock,
}

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {}, |config| config)
    }

    pub(crate) fn with(
        policy: impl FnOnce(&mut Policy),
        config: impl FnOnce(HttpConfigBuilder) -> HttpConfigBuilder,
    ) -> Self {
        Self::built(policy, config, |builder| builder)
    }

    pub(crate) fn built(
        change: impl FnOnce(&mut Policy),
        config: impl FnOnce(HttpConfigBuilder) -> HttpConfigBuilder,
        parts: impl FnOnce(AuthBuilder) -> AuthBuilder,
    ) -> Self {
        let store = Faulty::new(MemoryStore::new());
        let (mailbox, clock) = (Mailbox::new(), FakeClock::default());
        let mut policy = Policy::default();
        policy.hashing = cheap_hashing();
        change(&mut policy);
        let builder =
            Auth::builder(store.clone(), mailbox.clone()).clock(clock.clone()).secret(SECRET).policy(policy);
        let auth = parts(builder).build().unwrap();
        let config = config(HttpConfig::builder(PUBLIC).allow_origin(FRONT)).build().unwrap();
        let router = routes(&Api::new(auth.clone(), config));
        Self { auth, router, store, mailbox, clock }
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        if request.extensions().get::<ConnectInfo<SocketAddr>>().is_none() {
            let peer: SocketAddr = "192.0.2.1:4711".parse().unwrap();
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A POST of JSON under the base path.
    pub(crate) async fn post(&self, path: &str, body: Value, headers: &[(&str, &str)]) -> Answer {
        self.send(post(path, &body.to_string(), headers)).await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request("GET", path, headers)).await
    }

    /// A request without a body under the base path.
    pub(crate) async fn bare(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request(method, path, headers)).await
    }

    /// Registers an address with [`PASSWORD`] and verifies it by its mail.
    pub(crate) async fn user(&self, address: &str) {
        let client = Client::unknown();
        self.auth.register(address, Password::new(PASSWORD), Some("Ada"), &client).await.unwrap();
        let token = self.verification_token(address).await;
        self.auth.verify_email(&token, Some(Password::new(PASSWORD)), &client).await.unwrap();
    }

    pub(crate) async fn log_in(&self) -> LoggedIn {
        let answer = self.post("/auth/login", json!({"email": ADA, "password": PASSWORD}), &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.logged_in()
    }

    pub(crate) async fn user_and_session(&self) -> LoggedIn {
        self.user(ADA).await;
        self.log_in().await
    }

    pub(crate) async fn verification_token(&self, address: &str) -> String {
        self.token(address, |message| match message {
            Message::VerifyEmail { token, .. } => Some(token.expose().to_string()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn reset_token(&self, address: &str) -> String {
        self.auth.forgot_password(address, &Client::unknown()).await.unwrap();
        self.mailed_reset_token(address).await
    }

    /// The one that was asked for last.
    pub(crate) async fn mailed_reset_token(&self, address: &str) -> String {
        self.token(address, |message| match message {
            Message::ResetPassword { token, .. } => Some(token.expose().to_string()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn token(&self, address: &str, of: impl Fn(&Message) -> Option<String>) -> String {
        self.auth.deliver_due_mails().await.unwrap();
        let mails = self.mailbox.mails_to(&Email::parse(address).unwrap());
        mails.iter().rev().find_map(|mail| of(&mail.message)).expect("no such mail")
    }
}

/// What a client holds after logging in.
#[derive(Debug, Clone)]
pub(crate) struct LoggedIn {
    pub(crate) bearer: String,
    pub(crate) cookie: String,
}

impl LoggedIn {
    pub(crate) fn bearer(&self) -> [(&str, &str); 1] {
        [("authorization", &self.bearer)]
    }

    pub(crate) fn cookie(&self) -> [(&str, &str); 1] {
        [("cookie", &self.cookie)]
    }

    /// The bare refresh token.
    pub(crate) fn refresh_token(&self) -> &str {
        self.cookie.split_once('=').unwrap().1
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    pub(crate) fn set_cookie(&self) -> Option<&str> {
        self.header("set-cookie")
    }

    /// Whether the answer makes the browser forget the cookie.
    pub(crate) fn clears_cookie(&self) -> bool {
        match self.set_cookie() {
            None => false,
            Some(cookie) => {
                assert_eq!(cookie, "__Host-refresh=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0");
                true
            }
        }
    }

    pub(crate) fn logged_in(&self) -> LoggedIn {
        let cookie = self.set_cookie().expect("no cookie").split(';').next().unwrap().to_owned();
        LoggedIn { bearer: format!("Bearer {}", self.json()["access_token"].as_str().unwrap()), cookie }
    }

    /// Asserts status, code and the exact form of a problem.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.code().as_str()), (status, code), "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let body = self.json();
        assert_eq!(body["status"], status);
        assert!(body["type"].is_string() && body["title"].is_string());
        let known = ["type", "title", "status", "code", "detail", "errors"];
        assert!(body.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{body}");
        assert_eq!(body.get("errors").is_some(), status == 422);
    }

    /// Asserts a 422 of these fields and codes.
    #[track_caller]
    pub(crate) fn is_invalid(&self, fields: &[(&str, &str)]) {
        self.is_problem(422, "validation_failed");
        let body = self.json();
        let errors = body["errors"].as_array().unwrap();
        let found: Vec<_> = errors
            .iter()
            .map(|error| {
                assert_eq!(keys(error), ["code", "field", "message"]);
                (error["field"].as_str().unwrap(), error["code"].as_str().unwrap())
            })
            .collect();
        assert_eq!(found, fields);
    }
}

/// The sorted keys of an object.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// The path on the server of one under the base path, or after `//` under the root.
pub(crate) fn full(path: &str) -> String {
    let root = path.strip_prefix('/').filter(|root| root.starts_with('/'));
    root.map_or_else(|| format!("/api/v1{path}"), str::to_owned)
}

/// A request without a body. Paths are under the base path unless they start with `//`.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    build(method, path, headers, Body::empty())
}

/// A POST of JSON text.
pub(crate) fn post(path: &str, body: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    build("POST", path, &all, Body::from(body.to_owned()))
}

pub(crate) fn build(method: &str, path: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(full(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

/// The same request from another peer.
pub(crate) fn from_peer(mut request: Request<Body>, peer: &str) -> Request<Body> {
    let peer: std::net::IpAddr = peer.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((peer, 4711))));
    request
}
