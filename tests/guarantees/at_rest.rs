//! Guarantee 9: nothing in the database, logs, traces, errors or URLs that the server sees logs anyone in.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use auth_core::{
    Auth, Client, Email, Event, EventSink, LiveCheck, LoggedOut, Mail, MailError, MailErrorKind, Mailbox,
    Mailer, Message, Password, Pepper, RateLimits, RootSecret, SessionTokens, Store, TracingSink,
};
use auth_testkit::{FakeClock, Fault, Faulty, cheap_hashing};
use auth_tests::{
    LogCapture, OTHER_PASSWORD, PASSWORD, SECRET, Secrets, World, client, listen, new_store, spellings, text,
};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const ADA: &str = "Ada.Lovelace@example.com";
const BOB: &str = "bob.the.builder@example.org";
const NEW: &str = "countess.of.lovelace@example.net";
const ROOT: &str = "Vw3eT9kQ5mX1zB7nR2yJ8uC4pL6sD0fGhA";
const PEPPER: &str = "k8Jq0Yf2mZr7LwXs4TbNcPd1HgKe9UaRvW";
const TYPO: &str = "wrongly typed passphrase";
const THIRD: &str = "nineteen purple finches";

/// Writes all events down, and passes them on to the library's own sink.
#[derive(Debug)]
struct Tee(LogCapture);

impl EventSink for Tee {
    fn record(&self, event: &Event) {
        self.0.debug(event);
        TracingSink::new(auth_core::ClientAddresses::Log).record(event);
    }
}

/// A mail server whose refusals repeat all it was given, the address in its own spelling.
#[derive(Debug, Clone, Default)]
struct Parrot {
    mailbox: Mailbox,
    links: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Mailer for Parrot {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let kept = self.mailbox.send(mail).await;
        let link = token(mail).unwrap_or_default();
        self.links.lock().unwrap().extend(token(mail));
        let to = [mail.to.address(), mail.to.canonical(), &mail.to.address().to_uppercase()].join("> <");
        let said = match &mail.message {
            Message::EmailChanged { new_email, .. } => new_email.address(),
            _ => "",
        };
        kept.map_err(|error| {
            MailError::new(error.kind(), format!("550 <{to}>: {said} https://x.example/#{link} is spam"))
        })
    }
}

fn token(mail: &Mail) -> Option<String> {
    mail.message.token().map(|token| token.expose().to_string())
}

struct Life {
    auth: Auth,
    store: Faulty<dyn Store>,
    parrot: Parrot,
    clock: FakeClock,
    captured: LogCapture,
    secrets: Secrets,
}

impl Life {
    fn begin(captured: &LogCapture) -> Self {
        let (store, parrot, clock) = (Faulty::sharing(new_store()), Parrot::default(), FakeClock::default());
        let mut policy = auth_core::Policy::default();
        (policy.hashing, policy.limits) = (cheap_hashing(), RateLimits::none());
        let builder = Auth::builder(store.clone(), parrot.clone())
            .clock(clock.clone())
            .event_sink(Tee(captured.clone()))
            .secret(SECRET)
            .root_secret(RootSecret::new(ROOT).unwrap())
            .pepper(Pepper::new(1, PEPPER).unwrap())
            .policy(policy);
        captured.debug(&builder);
        let auth = builder.build().unwrap();
        let mut secrets = Secrets::default();
        for secret in [PASSWORD, OTHER_PASSWORD, TYPO, THIRD, SECRET, ROOT, PEPPER] {
            secrets.add(secret);
        }
        Self { auth, store, parrot, clock, captured: captured.clone(), secrets }
    }

    /// Writes down what was answered, errors with all their sources.
    fn note<T: Debug, E: std::error::Error>(&self, answer: Result<T, E>) -> Option<T> {
        match answer {
            Ok(value) => {
                self.captured.debug(&value);
                Some(value)
            }
            Err(error) => {
                self.captured.error(&error);
                None
            }
        }
    }

    fn granted(&mut self, tokens: &SessionTokens) -> String {
        self.secrets.add(&text(tokens));
        self.secrets.add(tokens.access_token.expose());
        self.secrets.add(tokens.user.password_hash.as_ref().unwrap().expose());
        self.secrets.add_bytes(tokens.session.digest.as_bytes());
        text(tokens)
    }

    /// Delivers all mails and gives the newest token.
    async fn mailed(&mut self) -> String {
        self.clock.advance(std::time::Duration::from_secs(400));
        self.note(self.auth.deliver_due_mails().await);
        let mails = self.parrot.mailbox.mails();
        for mail in &mails {
            self.captured.debug(mail);
        }
        // Also the links of mails that were refused.
        for link in self.parrot.links.lock().unwrap().drain(..) {
            self.secrets.add(&link);
        }
        mails.iter().rev().find_map(token).unwrap_or_default()
    }

    async fn log_in(&mut self, password: &str) -> SessionTokens {
        let answer = self.auth.log_in(ADA, Password::new(password), &client()).await;
        let tokens = self.note(answer).unwrap();
        self.granted(&tokens);
        tokens
    }

    async fn joins(&mut self) {
        let auth = self.auth.clone();
        let here = Client::new(Some("203.0.113.7".parse().unwrap()), Some("curl"));
        self.note(auth.register("no address", Password::new("short"), Some("\n"), &here).await);
        self.note(auth.register(ADA, Password::new(PASSWORD), Some("Ada"), &here).await);
        let first = self.mailed().await;
        self.note(auth.register(ADA, Password::new(OTHER_PASSWORD), None, &here).await);
        self.mailed().await;
        self.note(auth.resend_verification(ADA, &here).await);
        self.note(auth.verify_email(&"x".repeat(72), None, &here).await);
        self.note(auth.log_in(ADA, Password::new(PASSWORD), &here).await);
        self.note(auth.verify_email(&first, None, &here).await);
        self.note(auth.verify_email(&first, None, &here).await);
        self.note(auth.log_in(ADA, Password::new(TYPO), &here).await);
        self.note(auth.log_in(BOB, Password::new(TYPO), &here).await);
        self.note(auth.register(BOB, Password::new(THIRD), None, &here).await);
        self.mailed().await;
    }

    async fn comes_and_goes(&mut self) {
        let (auth, here) = (self.auth.clone(), client());
        let first = self.log_in(PASSWORD).await;
        let second = self.note(auth.refresh(&text(&first), &here).await).unwrap();
        self.granted(&second);
        self.note(auth.restore(&text(&second), &here).await);
        self.note(auth.authenticate(second.access_token.expose()));
        self.note(auth.authenticate_live(second.access_token.expose(), LiveCheck::default()).await);
        self.note(auth.refresh(&text(&first), &here).await);
        self.note(auth.refresh(&text(&second), &here).await);
        let third = self.log_in(PASSWORD).await;
        self.note(auth.sessions(third.user.id).await);
        self.note(auth.revoke_session(third.user.id, first.session.id, &client()).await);
        self.note(auth.log_out(&text(&third), &here).await);
        self.note(auth.log_out_everywhere(third.user.id, &client()).await);
        self.mailed().await;
    }

    async fn changes_passwords(&mut self) {
        let (auth, here) = (self.auth.clone(), client());
        let new = Password::new;
        let tokens = self.log_in(PASSWORD).await;
        let claims = self.note(auth.authenticate(tokens.access_token.expose())).unwrap();
        self.note(auth.change_password(&claims, new(TYPO), new(OTHER_PASSWORD), &here).await);
        self.note(auth.change_password(&claims, new(PASSWORD), new("password"), &here).await);
        let changed = auth.change_password(&claims, new(PASSWORD), new(OTHER_PASSWORD), &here).await;
        let changed = self.note(changed).unwrap();
        self.granted(&changed);
        self.note(auth.forgot_password(ADA, &here).await);
        let link = self.mailed().await;
        self.note(auth.reset_password(&link, new("password"), &here).await);
        self.note(auth.reset_password(&link, new(THIRD), &here).await);
        self.note(auth.reset_password(&link, new(THIRD), &here).await);
        self.mailed().await;
    }

    /// There and back again, so that the rest of the life knows where to find her.
    async fn changes_addresses(&mut self) {
        let (auth, here) = (self.auth.clone(), client());
        for (from, to) in [(ADA, NEW), (NEW, ADA)] {
            let tokens = auth.log_in(from, Password::new(THIRD), &here).await.unwrap();
            self.granted(&tokens);
            let claims = self.note(auth.authenticate(tokens.access_token.expose())).unwrap();
            self.note(auth.change_email(&claims, to, Password::new(TYPO), &here).await);
            self.note(auth.change_email(&claims, BOB, Password::new(THIRD), &here).await);
            self.mailed().await;
            self.note(auth.change_email(&claims, to, Password::new(THIRD), &here).await);
            let link = self.mailed().await;
            self.note(auth.confirm_email(&link.to_uppercase(), &here).await);
            self.note(auth.confirm_email(&link, &here).await);
            self.note(auth.confirm_email(&link, &here).await);
            for kind in [MailErrorKind::Transient, MailErrorKind::Permanent] {
                self.parrot.mailbox.fail_next(2, kind);
                self.mailed().await;
            }
        }
        for letter in self.note(auth.dead_letters(10).await).unwrap() {
            self.note(auth.requeue_dead_letter(letter.intent.id).await);
        }
        self.mailed().await;
    }

    /// Everything fails that can, with errors that repeat what they can.
    async fn fails(&mut self) {
        let (auth, here) = (self.auth.clone(), client());
        let tokens = self.log_in(THIRD).await;
        for kind in [MailErrorKind::Transient, MailErrorKind::Unknown, MailErrorKind::Permanent] {
            self.note(auth.forgot_password(ADA, &here).await);
            self.parrot.mailbox.fail_next(1, kind);
            self.mailed().await;
            self.mailed().await;
        }
        let letters = self.note(auth.dead_letters(10).await).unwrap();
        assert_eq!(letters.len(), 1);
        for letter in letters {
            self.note(auth.requeue_dead_letter(letter.intent.id).await);
        }
        self.store.fail_every_call(Fault::ErrorBefore);
        self.note(auth.refresh(&text(&tokens), &here).await);
        self.note(auth.log_in(ADA, Password::new(THIRD), &here).await);
        self.note(auth.log_out(&text(&tokens), &here).await);
        self.note(auth.deliver_due_mails().await);
        self.note(auth.clean_up().await);
        self.store.reset();
        self.note(auth.disable_user(tokens.user.id).await);
        self.note(auth.enable_user(tokens.user.id).await);
        self.note(auth.delete_user(tokens.user.id).await);
        self.note(auth.clean_up().await);
        self.mailed().await;
    }
}

#[tokio::test]
async fn no_log_error_event_or_debug_text_contains_a_secret() {
    let captured = LogCapture::default();
    let _listening = listen(&captured);
    let mut life = Life::begin(&captured);
    life.joins().await;
    life.comes_and_goes().await;
    life.changes_passwords().await;
    life.changes_addresses().await;
    life.fails().await;
    captured.debug(&life.auth);
    captured.debug(&life.store);
    captured.debug(&life.parrot);
    captured.debug(life.auth.policy());
    captured.debug(life.auth.hashing());
    captured.debug(&RootSecret::new(ROOT).unwrap());
    captured.debug(&Password::new(PASSWORD));
    let written = captured.text();
    assert!(
        ["authn_token_reuse", "mail_dead_lettered", "email_changed"]
            .iter()
            .all(|event| written.contains(event)),
        "a life worth the name"
    );
    assert!(life.secrets.len() > 30, "{}", life.secrets.len());
    assert_eq!(life.secrets.found_in(&written), Vec::<String>::new());
    for address in [ADA, BOB, NEW] {
        assert!(!written.to_lowercase().contains(&address.to_lowercase()), "{address} was written down");
    }
}

/// The search itself: it finds what is there, however it is spelled.
#[test]
fn the_search_finds_a_secret_in_every_spelling() {
    let mut secrets = Secrets::default();
    secrets.add(SECRET);
    secrets.add(PASSWORD);
    let bytes = [7, 200, 33, 54, 65, 76, 87, 98, 109, 110, 211, 112, 13, 14, 15, 16];
    secrets.add_bytes(&bytes);
    for spelling in spellings(SECRET.as_bytes()).into_iter().chain(spellings(&bytes)) {
        assert_eq!(secrets.found_in(format!("before{spelling}after")).len(), 1, "{spelling}");
    }
    assert_eq!(secrets.found_in("correct%20horse%20battery").len(), 1);
    assert!(secrets.found_in("nothing").is_empty());
}

/// Everything a store keeps, as text in every spelling.
async fn kept(world: &World, all_tokens: &[SessionTokens], mails: &[Mail]) -> (Vec<Vec<u8>>, Vec<String>) {
    let (store, mut bytes, mut texts) = (world.store.inner(), Vec::new(), Vec::new());
    for address in ["ada@example.com", "new@example.com"] {
        let user = store.find_by_email(&Email::parse(address).unwrap()).await.unwrap().unwrap();
        texts.push(user.password_hash.unwrap().expose().to_owned());
        bytes.push(user.id.as_bytes().to_vec());
    }
    for tokens in all_tokens {
        let session = store.find_session(tokens.session.id).await.unwrap().unwrap();
        bytes.push(session.digest.as_bytes().to_vec());
        bytes.push(session.id.as_bytes().to_vec());
    }
    for mail in mails.iter().filter(|mail| token(mail).is_some()) {
        let kept = store.find_one_time(mail.id).await.unwrap().unwrap();
        bytes.push(kept.digest.as_bytes().to_vec());
        bytes.push(kept.id.as_bytes().to_vec());
        texts.extend(kept.registration.map(|attempt| attempt.password_hash.expose().to_owned()));
    }
    let now = auth_core::Clock::now(&world.clock);
    for claimed in store.claim(now, now, 100).await.unwrap() {
        bytes.push(claimed.intent.id.as_bytes().to_vec());
        texts.push(claimed.intent.payload());
    }
    (bytes, texts)
}

#[tokio::test]
async fn no_stored_value_is_accepted_as_a_token() {
    let world = World::with(|policy| policy.limits = RateLimits::none());
    world.user("ada@example.com").await;
    world.register("new@example.com", PASSWORD).await;
    world.register("new@example.com", OTHER_PASSWORD).await;
    world.auth.forgot_password("ada@example.com", &client()).await.unwrap();
    world.auth.deliver_due_mails().await.unwrap();
    let first = world.log_in("ada@example.com").await;
    let all_tokens = [world.auth.refresh(&text(&first), &client()).await.unwrap()];
    world.confirmation_token(all_tokens.first().unwrap(), "mailed@example.com").await;
    let claims = world.claims(all_tokens.first().unwrap());
    let new = "promised@example.com";
    world.auth.change_email(&claims, new, Password::new(PASSWORD), &client()).await.unwrap();
    let mails = world.mailbox.mails();
    world.auth.forgot_password("ada@example.com", &client()).await.unwrap();
    world.register("new@example.com", THIRD).await;
    let (bytes, texts) = kept(&world, &all_tokens, &mails).await;
    assert!(bytes.len() >= 12 && texts.len() >= 6, "{} {}", bytes.len(), texts.len());

    let mut tried: Vec<String> = texts.clone();
    tried.extend(bytes.iter().flat_map(|bytes| spellings(bytes)));
    // Each kept value as the secret of each token that exists.
    let heads: Vec<String> = all_tokens
        .iter()
        .map(text)
        .chain([text(&first)])
        .chain(mails.iter().filter_map(token))
        .map(|token| token.split('.').next().unwrap().to_owned())
        .collect();
    for secret in bytes.iter().filter(|bytes| bytes.len() == 32) {
        tried.extend(heads.iter().map(|head| format!("{head}.{}", URL_SAFE_NO_PAD.encode(secret))));
    }
    // Each kept value as the key of a forged access token.
    let signed = all_tokens.first().unwrap().access_token.expose();
    let message = signed.rsplit_once('.').unwrap().0;
    let keys = bytes.iter().map(Vec::as_slice).chain(tried.iter().map(String::as_bytes));
    let forged: Vec<String> = keys
        .map(|key| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()))
        .map(|tag| format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag)))
        .collect();
    tried.extend(forged);
    for tried in &tried {
        opens_nothing(&world.auth, tried).await;
    }
    assert!(tried.len() > 200, "{}", tried.len());
    world.auth.refresh(&text(all_tokens.first().unwrap()), &client()).await.unwrap();
}

async fn opens_nothing(auth: &Auth, tried: &str) {
    let (here, password) = (Arc::new(client()), || Password::new(tried));
    for address in ["ada@example.com", "new@example.com"] {
        assert!(auth.log_in(address, password(), &here).await.is_err(), "{tried}");
    }
    assert!(auth.refresh(tried, &here).await.is_err(), "{tried}");
    assert!(auth.restore(tried, &here).await.is_err(), "{tried}");
    assert_eq!(auth.log_out(tried, &here).await.unwrap(), LoggedOut::NothingToEnd, "{tried}");
    assert!(auth.verify_email(tried, Some(password()), &here).await.is_err(), "{tried}");
    assert!(auth.reset_password(tried, Password::new(THIRD), &here).await.is_err(), "{tried}");
    assert!(auth.confirm_email(tried, &here).await.is_err(), "{tried}");
    assert!(auth.authenticate(tried).is_err(), "{tried}");
    assert!(auth.authenticate_live(tried, LiveCheck::User).await.is_err(), "{tried}");
}
