//! A service over memory, with a clock that tests move and stores that fail on demand.

use std::net::{IpAddr, SocketAddr};

use auth_core::{Auth, AuthBuilder, Client, Email, Mailbox, MemoryStore, Message, Password, Policy};
use auth_http::{Api, HttpConfig, HttpConfigBuilder, openapi_document};
use auth_testkit::{FakeClock, Faulty, cheap_hashing};
use auth_tests::Route;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};

use crate::document::documents_a_cookie;
use crate::stack::Stack;

pub(crate) const SECRET: &str = "n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const OTHER_PASSWORD: &str = "seventeen blue herons";
pub(crate) const ADA: &str = "ada@example.com";
pub(crate) const PUBLIC: &str = "https://auth.example.com";
pub(crate) const FRONT: &str = "https://app.example.com";
/// A hybrid app whose origin the settings allow.
pub(crate) const APP: &str = "capacitor://localhost";

/// Every route, read from the document.
pub(crate) fn routes() -> Vec<Route> {
    let config = HttpConfig::builder(PUBLIC).build().unwrap();
    Route::all(&serde_json::from_slice(&openapi_document(&config)).unwrap())
}

/// A service with everything around it.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) auth: Auth,
    pub(crate) api: Api,
    pub(crate) store: Faulty<MemoryStore>,
    pub(crate) mailbox: Mailbox,
    pub(crate) clock: FakeClock,
}

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl World {
    pub(crate) fn new(stack: Stack) -> Self {
        Self::with(stack, |_| {}, |config| config)
    }

    pub(crate) fn with(
        stack: Stack,
        policy: impl FnOnce(&mut Policy),
        config: impl FnOnce(HttpConfigBuilder) -> HttpConfigBuilder,
    ) -> Self {
        Self::built(stack, policy, config, |builder| builder)
    }

    pub(crate) fn built(
        stack: Stack,
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
        let origins = HttpConfig::builder(PUBLIC).allow_origin(FRONT).allow_origin(APP);
        let config = config(origins).build().unwrap();
        let api = Api::new(auth.clone(), config);
        Self { stack, auth, api, store, mailbox, clock }
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let usual = IpAddr::from([192, 0, 2, 1]);
        let peer = request.extensions().get::<Peer>().map_or(usual, |peer| peer.0);
        let (status, headers, body) =
            self.stack.send(&self.api, SocketAddr::from((peer, 4711)), request).await;
        if headers.contains_key("set-cookie") {
            assert!(documents_a_cookie(&method, &path, status), "{method} {path} {status}");
        }
        Answer { status, headers, body }
    }

    /// A request to a route: with this body, or with none.
    pub(crate) async fn call(&self, route: &Route, body: Option<&Value>, headers: &[(&str, &str)]) -> Answer {
        let path = short(&route.path);
        match body {
            Some(body) => self.send(with_json(&route.method, &path, &body.to_string(), headers)).await,
            None => self.bare(&route.method, &path, headers).await,
        }
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

    /// Registers an address with [`PASSWORD`] and verifies it by the mailed link.
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

    /// The token of the newest reset mail.
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

/// What a client has after a log-in.
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
        assert!(values.next().is_none(), "{name} twice");
        value
    }

    /// The line that sets or clears the refresh cookie.
    pub(crate) fn set_cookie(&self) -> Option<&str> {
        self.cookie_line(|name| !name.ends_with("device"))
    }

    /// The line that sets the cookie of the device token.
    pub(crate) fn device_cookie(&self) -> Option<&str> {
        self.cookie_line(|name| name.ends_with("device"))
    }

    fn cookie_line(&self, wanted: impl Fn(&str) -> bool) -> Option<&str> {
        let lines = self.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
        let mut lines = lines.filter(|line| wanted(line.split('=').next().unwrap()));
        let line = lines.next();
        assert!(lines.next().is_none(), "a cookie twice");
        line
    }

    /// Whether the response makes the browser drop the cookie.
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

/// The path of a route as tests write it: under the base path, or after `//` under the root.
pub(crate) fn short(path: &str) -> String {
    path.strip_prefix("/api/v1").map_or_else(|| format!("/{path}"), str::to_owned)
}

/// A request without a body. Paths are under the base path unless they start with `//`.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Bytes> {
    build(method, path, headers, "")
}

/// A POST of JSON text.
pub(crate) fn post(path: &str, body: &str, headers: &[(&str, &str)]) -> Request<Bytes> {
    with_json("POST", path, body, headers)
}

fn with_json(method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Request<Bytes> {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    build(method, path, &all, body)
}

pub(crate) fn build(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Request<Bytes> {
    let mut request = Request::builder().method(method).uri(full(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Bytes::copy_from_slice(body.as_ref())).unwrap()
}

/// In the extensions of a request: the address of the other end.
#[derive(Debug, Clone, Copy)]
struct Peer(IpAddr);

/// The same request from another peer.
pub(crate) fn from_peer(mut request: Request<Bytes>, peer: &str) -> Request<Bytes> {
    request.extensions_mut().insert(Peer(peer.parse().unwrap()));
    request
}
