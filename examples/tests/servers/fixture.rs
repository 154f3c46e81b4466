//! People: how they come to an account and to sessions, through the contract alone.

use std::time::{Duration, Instant};

use auth_tests::UNKNOWN_ID;
use serde_json::{Value, json};

use crate::server::Server;

pub(crate) const ADA: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const OTHER_PASSWORD: &str = "seventeen blue herons";

/// One session of one client.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) user: Value,
}

/// One mail as the development mailbox shows it.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: Option<String>,
    frontend_url: String,
}

impl Mail {
    /// The token of the link to this page of the front end, if the mail has one.
    pub(crate) fn token(&self, page: &str) -> Option<String> {
        let start = format!("{}/#/{page}?token=", self.frontend_url);
        let (_, rest) = self.text.split_once(&start)?;
        Some(rest.chars().take_while(|c| !c.is_whitespace()).collect())
    }
}

impl Server {
    /// A verified user with [`PASSWORD`].
    #[track_caller]
    pub(crate) fn user(&self, email: &str) -> &Self {
        let earlier = self.links(email, "verify-email").len();
        self.unverified(email);
        let token = self.mailed(email, "verify-email", earlier + 1).pop().unwrap();
        self.post("/auth/verify-email")
            .json(&json!({"token": token}))
            .send()
            .expect_json(200, &json!({"status": "verified"}))
            .touches_no_cookie();
        self
    }

    /// A user with [`PASSWORD`] who has not opened the mail yet.
    #[track_caller]
    pub(crate) fn unverified(&self, email: &str) -> &Self {
        self.post("/auth/register")
            .json(&json!({"email": email, "password": PASSWORD}))
            .send()
            .expect_json(202, &json!({"status": "verification_sent"}))
            .touches_no_cookie();
        self
    }

    #[track_caller]
    pub(crate) fn log_in(&self, email: &str) -> Session {
        self.log_in_with(email, PASSWORD)
    }

    #[track_caller]
    pub(crate) fn log_in_with(&self, email: &str, password: &str) -> Session {
        let answer =
            self.post("/auth/login").json(&json!({"email": email, "password": password})).send().expect(200);
        let body = answer.json();
        Session {
            access: body["access_token"].as_str().unwrap().to_owned(),
            refresh: answer.new_cookie(),
            user: body["user"].clone(),
        }
    }

    /// A verified user's first session.
    #[track_caller]
    pub(crate) fn session(&self, email: &str) -> Session {
        self.user(email).log_in(email)
    }

    /// Rotates; the session as it is afterwards.
    #[track_caller]
    pub(crate) fn refresh(&self, session: &Session) -> Session {
        let answer = self.post("/auth/refresh").cookie(&session.refresh).send().expect(200);
        let body = answer.json();
        Session {
            access: body["access_token"].as_str().unwrap().to_owned(),
            refresh: answer.new_cookie(),
            user: body["user"].clone(),
        }
    }

    /// The newest token that was mailed to verify this address.
    #[track_caller]
    pub(crate) fn verification(&self, email: &str) -> String {
        self.mailed(email, "verify-email", 1).pop().unwrap()
    }

    /// Asks for a reset of this user's password. Returns the token that is mailed.
    #[track_caller]
    pub(crate) fn reset(&self, email: &str) -> String {
        let earlier = self.links(email, "reset-password").len();
        self.post("/auth/forgot-password").json(&json!({"email": email})).send().expect(202);
        self.mailed(email, "reset-password", earlier + 1).pop().unwrap()
    }

    /// The tokens of the links to `page` that came to this address so far, oldest first.
    fn links(&self, email: &str, page: &str) -> Vec<String> {
        self.mails_to(email).iter().filter_map(|mail| mail.token(page)).collect()
    }

    /// Waits until `count` mails with a link to `page` came to this address. Returns their tokens, oldest first.
    #[track_caller]
    pub(crate) fn mailed(&self, email: &str, page: &str, count: usize) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let tokens = self.links(email, page);
            if tokens.len() >= count {
                self.issued(tokens.clone());
                return tokens;
            }
            assert!(
                Instant::now() < deadline,
                "no {count} links to {page} for {email}: {:?}",
                self.mails_to(email)
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a mail with this in its subject came to this address.
    #[track_caller]
    pub(crate) fn arrives(&self, email: &str, subject: &str) -> Mail {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let mails = self.mails_to(email);
            if let Some(mail) = mails.iter().find(|mail| mail.subject.contains(subject)) {
                return mail.clone();
            }
            assert!(Instant::now() < deadline, "no mail `{subject}` for {email}: {mails:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// All mails to this address so far, oldest first.
    #[track_caller]
    pub(crate) fn mails_to(&self, email: &str) -> Vec<Mail> {
        let mails = self.root("GET", "/dev/mailbox.json").send().expect(200).json();
        let to = |mail: &&Value| mail["to"].as_str().unwrap().eq_ignore_ascii_case(email);
        mails.as_array().unwrap().iter().filter(to).map(|mail| self.mail(mail)).collect()
    }

    /// Whether each door still opens to this session. They must agree.
    #[track_caller]
    pub(crate) fn lives(&self, session: &Session) -> bool {
        let door = self.get("/users/me").bearer(&session.access).send().status;
        let list = self.get("/users/me/sessions").bearer(&session.access).send().status;
        let restored = self.get("/auth/me").cookie(&session.refresh).send().status;
        assert!([200, 401].contains(&door), "{door}");
        assert_eq!((list, restored), (door, door), "the list, and me by cookie");
        door == 200
    }

    /// Every door refuses this session: reading, changing and deleting by its access token, and by
    /// its refresh token.
    #[track_caller]
    pub(crate) fn is_dead(&self, session: &Session) {
        let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        let change_email = json!({"current_password": PASSWORD, "new_email": "elsewhere@example.com"});
        for request in [
            self.get("/users/me"),
            self.get("/users/me/sessions"),
            self.delete("/users/me/sessions"),
            self.delete(&format!("/users/me/sessions/{UNKNOWN_ID}")),
            self.post("/users/me/password").json(&change),
            self.post("/users/me/email").json(&change_email),
        ] {
            request.bearer(&session.access).send().problem(401, "invalid_access_token").touches_no_cookie();
        }
        for request in [self.get("/auth/me"), self.post("/auth/refresh")] {
            request.cookie(&session.refresh).send().problem(401, "invalid_refresh_token").clears_cookie();
        }
    }

    fn mail(&self, shown: &Value) -> Mail {
        Mail {
            subject: shown["subject"].as_str().unwrap().to_owned(),
            text: shown["text"].as_str().unwrap().to_owned(),
            html: shown["html"].as_str().map(str::to_owned),
            frontend_url: self.frontend_url.clone(),
        }
    }
}
