//! Lives through every route, well and badly; every secret in them is written down, and so is every
//! answer that must hold none.

use std::fmt::Write as _;

use auth_tests::Secrets;
use serde_json::{Value, json};

use crate::answer::{Answer, CookieChange};
use crate::fixture::{ADA, OTHER_PASSWORD, PASSWORD, Session};
use crate::http::Request;
use crate::server::Server;

const BOB: &str = "bob@example.com";
const NEW: &str = "new@example.com";
const EVE: &str = "eve@example.org";
const MOVED: &str = "countess@example.org";
const TYPO: &str = "wrongly typed passphrase";
const THIRD: &str = "nineteen purple finches";
const FOURTH: &str = "twenty one silver otters";

pub(crate) struct Life<'a> {
    server: &'a Server,
    pub(crate) secrets: Secrets,
    /// Every answer but those that hand out a session.
    pub(crate) said: String,
    /// The refresh token that was issued last.
    last: String,
}

impl<'a> Life<'a> {
    pub(crate) fn new(server: &'a Server, mut secrets: Secrets) -> Self {
        for password in [PASSWORD, OTHER_PASSWORD, TYPO, THIRD, FOURTH] {
            secrets.add(password);
        }
        Self { server, secrets, said: String::new(), last: String::new() }
    }

    /// Asks for what gives no session.
    fn ask(&mut self, request: Request<'_>) -> Answer {
        let answer = request.send();
        writeln!(self.said, "{:?}\n{}", answer.headers, answer.text()).unwrap();
        answer
    }

    fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.ask(self.server.post(path).json(body))
    }

    /// Writes down what a client must keep to itself.
    fn granted(&mut self, answer: Answer) -> Session {
        let answer = answer.expect(200);
        let body = answer.json();
        let refresh = match answer.cookie() {
            CookieChange::Set { value, .. } => value,
            _ => body["refresh_token"].as_str().unwrap().to_owned(),
        };
        let access = body["access_token"].as_str().unwrap().to_owned();
        self.secrets.add(&access);
        self.secrets.add(&refresh);
        self.last.clone_from(&refresh);
        Session { access, refresh, user: body["user"].clone() }
    }

    fn log_in(&mut self, password: &str) -> Session {
        self.log_in_as(ADA, password)
    }

    fn log_in_as(&mut self, address: &str, password: &str) -> Session {
        let body = json!({"email": address, "password": password});
        self.granted(self.server.post("/auth/login").json(&body).send())
    }

    /// All links that were mailed to this address so far.
    fn links(&mut self, address: &str, page: &str, count: usize) -> Vec<String> {
        let links = self.server.mailed(address, page, count);
        for link in &links {
            self.secrets.add(link);
        }
        links
    }

    pub(crate) fn joins(&mut self) {
        self.post("/auth/register", &json!({"email": "no address", "password": "short", "name": "\n"}));
        self.post("/auth/register", &json!({"email": ADA, "password": 77_123_456_789_012_345_u64}));
        self.ask(
            self.server.post("/auth/register").body(format!("{{\"email\":\"{ADA}\",\"password\":\"{TYPO}\"")),
        );
        self.post("/auth/register", &json!({"email": ADA, "password": PASSWORD, "name": "Ada"})).expect(202);
        let link = self.links(ADA, "verify-email", 1).pop().unwrap();
        self.post("/auth/resend-verification", &json!({"email": ADA})).expect(202);
        self.links(ADA, "verify-email", 2);
        self.post("/auth/login", &json!({"email": ADA, "password": PASSWORD})).expect(403);
        self.post("/auth/verify-email", &json!({"token": format!("{link}x")})).expect(400);
        self.post("/auth/verify-email", &json!({"token": link, "tokken": link})).expect(400);
        self.ask(self.server.get(&format!("/auth/verify-email?token={link}"))).expect(405);
        self.post("/auth/verify-email", &json!({"token": link})).expect(200);
        self.post("/auth/verify-email", &json!({"token": link})).expect(400);
        for (address, password) in [(ADA, TYPO), (BOB, TYPO)] {
            self.post("/auth/login", &json!({"email": address, "password": password})).expect(401);
        }
        // Registered twice and never verified: its attempts stay in the database.
        for password in [THIRD, OTHER_PASSWORD] {
            self.post("/auth/register", &json!({"email": BOB, "password": password})).expect(202);
        }
        self.links(BOB, "verify-email", 2);
    }

    pub(crate) fn comes_and_goes(&mut self) {
        let server = self.server;
        let first = self.log_in(PASSWORD);
        let second = self.granted(server.post("/auth/refresh").cookie(&first.refresh).send());
        let restored = server.get("/auth/me").cookie(&second.refresh).send().expect(200);
        self.secrets.add(restored.json()["access_token"].as_str().unwrap());
        let native = json!({"email": ADA, "password": PASSWORD});
        let native = self.granted(server.post("/auth/login").in_body().json(&native).send());
        let renewed = json!({"refresh_token": native.refresh});
        let renewed = self.granted(server.post("/auth/refresh").in_body().json(&renewed).send());
        let held = json!({"refresh_token": renewed.refresh});
        let restored = server.post("/auth/me").in_body().json(&held).send().expect(200);
        self.secrets.add(restored.json()["access_token"].as_str().unwrap());
        self.ask(server.get("/users/me").bearer(&second.access)).expect(200);
        self.ask(server.get("/users/me/sessions").bearer(&second.access)).expect(200);
        let name = json!({"name": "Ada Lovelace"});
        self.ask(server.request("PATCH", "/users/me").bearer(&second.access).json(&name)).expect(200);
        // What clients get wrong: a token where it does not belong.
        self.ask(server.get(&format!("/users/me?access_token={}", second.access))).expect(401);
        self.ask(server.get("/users/me").bearer(&second.refresh)).expect(401);
        self.ask(server.get("/users/me").header("X-Token", &second.access)).expect(401);
        self.ask(server.get("/auth/me").cookie(&second.access)).expect(401);
        self.post("/auth/refresh", &json!({"refresh_token": renewed.refresh}));
        let cookies = format!("{0}={1}; {0}={2}", server.cookie_name(), first.refresh, second.refresh);
        self.ask(server.post("/auth/refresh").header("Cookie", cookies)).expect(400);
        self.ask(server.post("/auth/refresh").cookie(&second.refresh).origin("https://evil.example"))
            .expect(403);
        let agent = "\",\"level\":\"ERROR\u{202e}";
        self.ask(server.get("/users/me").bearer(&second.access).header("User-Agent", agent)).expect(200);
        // A replay ends them all.
        self.ask(server.post("/auth/refresh").cookie(&first.refresh)).expect(401);
        self.ask(server.get("/auth/me").cookie(&second.refresh)).expect(401);
        let third = self.log_in(PASSWORD);
        let fourth = self.log_in(PASSWORD);
        let id = self.ask(server.get("/users/me/sessions").bearer(&third.access)).json()["sessions"][0]["id"]
            .clone();
        let path = format!("/users/me/sessions/{}", id.as_str().unwrap());
        self.ask(server.delete(&path).bearer(&fourth.access)).expect(204);
        self.ask(server.post("/auth/logout").cookie(&third.refresh)).expect(204);
        self.ask(server.delete("/users/me/sessions").bearer(&fourth.access)).expect(204);
    }

    pub(crate) fn changes_passwords(&mut self) {
        let server = self.server;
        let session = self.log_in(PASSWORD);
        let change = |current: &str, new: &str| {
            let body = json!({"current_password": current, "new_password": new});
            server.post("/users/me/password").bearer(&session.access).json(&body)
        };
        self.ask(change(TYPO, OTHER_PASSWORD)).expect(422);
        self.ask(change(PASSWORD, "password")).expect(422);
        let changed = change(PASSWORD, OTHER_PASSWORD).send();
        self.granted(changed);
        self.post("/auth/forgot-password", &json!({"email": ADA})).expect(202);
        let link = self.links(ADA, "reset-password", 1).pop().unwrap();
        self.post("/auth/reset-password", &json!({"token": link, "password": "password"})).expect(422);
        self.post("/auth/reset-password", &json!({"token": link, "password": THIRD})).expect(200);
        self.post("/auth/reset-password", &json!({"token": link, "password": FOURTH})).expect(400);
        for path in [
            "/api/v1/health",
            "/health",
            "/health/live",
            "/health/ready",
            "/api/v1/health/live",
            "/api/v1/health/ready",
            "/.well-known/jwks.json",
            "/openapi.json",
            "/nowhere",
        ] {
            self.ask(server.root("GET", path));
        }
    }

    /// To another address and back.
    pub(crate) fn changes_addresses(&mut self) {
        let server = self.server;
        for (from, to) in [(ADA, MOVED), (MOVED, ADA)] {
            let session = self.log_in_as(from, THIRD);
            let change = |password: &str| {
                let body = json!({"new_email": to, "current_password": password});
                server.post("/users/me/email").bearer(&session.access).json(&body)
            };
            self.ask(change(TYPO)).expect(422);
            self.ask(change(THIRD)).expect(202);
            let link = self.links(to, "confirm-email", 1).pop().unwrap();
            self.post("/auth/email/confirm", &json!({"token": format!("{link}x")})).expect(400);
            self.post("/auth/email/confirm", &json!({"token": link})).expect(200);
            self.post("/auth/email/confirm", &json!({"token": link})).expect(400);
        }
    }

    /// Another user, who deletes the account.
    pub(crate) fn leaves(&mut self) {
        const GONE: &str = "gone@example.com";
        self.post("/auth/register", &json!({"email": GONE, "password": THIRD})).expect(202);
        let link = self.links(GONE, "verify-email", 1).pop().unwrap();
        self.post("/auth/verify-email", &json!({"token": link})).expect(200);
        let session = self.log_in_as(GONE, THIRD);
        self.ask(self.server.delete("/users/me").bearer(&session.access)).expect(204);
    }

    /// While the table of sessions is hidden: what the database says of that is logged.
    pub(crate) fn fails(&mut self) {
        let server = self.server;
        self.post("/auth/login", &json!({"email": ADA, "password": THIRD})).expect(503);
        let token = self.last.clone();
        self.ask(server.post("/auth/refresh").cookie(&token)).expect(503);
        self.ask(server.post("/auth/logout").cookie(&token)).expect(503);
    }

    /// Leaves something of every kind behind that still works.
    pub(crate) fn stays(&mut self) -> Left {
        let password = if self.said.contains("password_reset") { THIRD } else { PASSWORD };
        let session = self.log_in(password);
        let session = self.granted(self.server.post("/auth/refresh").cookie(&session.refresh).send());
        let asked = self.server.mailed(ADA, "reset-password", 0).len();
        self.post("/auth/forgot-password", &json!({"email": ADA})).expect(202);
        let reset = self.links(ADA, "reset-password", asked + 1).pop().unwrap();
        self.post("/auth/register", &json!({"email": NEW, "password": FOURTH})).expect(202);
        let verify = self.links(NEW, "verify-email", 1).pop().unwrap();
        // Of somebody else: a reset ends what its user asked for, too.
        self.post("/auth/register", &json!({"email": EVE, "password": FOURTH})).expect(202);
        let own = self.links(EVE, "verify-email", 1).pop().unwrap();
        self.post("/auth/verify-email", &json!({"token": own})).expect(200);
        let eve = self.log_in_as(EVE, FOURTH);
        let body = json!({"new_email": MOVED, "current_password": FOURTH});
        let confirmed = self.server.mailed(MOVED, "confirm-email", 0).len();
        self.ask(self.server.post("/users/me/email").bearer(&eve.access).json(&body)).expect(202);
        let confirm = self.links(MOVED, "confirm-email", confirmed + 1).pop().unwrap();
        Left { session, reset, verify, confirm }
    }
}

/// What still works.
pub(crate) struct Left {
    session: Session,
    reset: String,
    verify: String,
    confirm: String,
}

impl Left {
    pub(crate) fn refresh_token(&self) -> &str {
        &self.session.refresh
    }

    /// The parts of the tokens that name them.
    pub(crate) fn heads(&self) -> Vec<String> {
        let tokens = [&self.session.refresh, &self.reset, &self.verify, &self.confirm];
        tokens.iter().map(|token| token.split('.').next().unwrap().to_owned()).collect()
    }

    pub(crate) fn works(&self, server: &Server) {
        assert!(server.lives(&self.session));
        server.post("/auth/verify-email").json(&json!({"token": self.verify})).send().expect(200);
        let body = json!({"token": self.reset, "password": FOURTH});
        server.post("/auth/reset-password").json(&body).send().expect(200);
        server.log_in_with(ADA, FOURTH);
        server.post("/auth/email/confirm").json(&json!({"token": self.confirm})).send().expect(200);
        server.log_in_with(MOVED, FOURTH);
    }
}
