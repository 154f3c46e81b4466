//! `kill -9` of a server again and again while it registers, logs in, rotates and mails: what it
//! acknowledged is there, nothing happened twice, and every promised mail arrives.
//!
//! `AUTH_TEST_KILLS` says how often; `scripts/soak/mysql` asks for many.

use std::collections::HashSet;
use std::ops::Add;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs};

use auth_core::Outbox;
use auth_mysql::MySqlStore;
use auth_sqlite::SqliteStore;
use auth_tests::{Database, said};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::fixture::{PASSWORD, Session};
use crate::server::{Program, Server};

fn kills() -> u32 {
    env::var("AUTH_TEST_KILLS").map_or(5, |kills| kills.parse().unwrap())
}

/// What the clients of one life of a server share.
#[derive(Default)]
struct Life {
    answers: AtomicU32,
    registrations: AtomicU32,
    over: AtomicBool,
}

impl Life {
    /// After the end of a life its port may be another server's.
    fn is_running(&self) -> bool {
        self.answers.fetch_add(1, Ordering::Relaxed);
        !self.over.load(Ordering::Relaxed)
    }
}

/// What became of it all.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    rotations: u32,
    log_ins: u32,
    lost_answers: u32,
    of_those_applied: u32,
}

impl Add for Figures {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            rotations: self.rotations + other.rotations,
            log_ins: self.log_ins + other.log_ins,
            lost_answers: self.lost_answers + other.lost_answers,
            of_those_applied: self.of_those_applied + other.of_those_applied,
        }
    }
}

/// A client that rotates a session all the time, and often logs in again.
struct Person {
    email: String,
    session: Session,
    /// How many live sessions there are, by all that was answered, and by all that was asked.
    live: (usize, usize),
    /// Whether the answer to a rotation never came.
    in_flight: bool,
    /// After this many rotations it logs in again.
    stays: u32,
    figures: Figures,
}

impl Person {
    fn new(server: &Server, number: u32) -> Self {
        let email = format!("person-{number}@example.com");
        let session = server.session(&email);
        Self { email, session, live: (1, 1), in_flight: false, stays: 4, figures: Figures::default() }
    }

    fn live(&mut self, server: &Server, life: &Life) {
        for turn in 1_u32.. {
            let answer = server.post("/auth/refresh").cookie(&self.session.refresh).exchange();
            let Some(answer) = answer else {
                self.in_flight = true;
                return;
            };
            let answer = answer.expect(200);
            self.session.refresh = answer.new_cookie();
            self.figures.rotations += 1;
            if !life.is_running() {
                return;
            }
            if turn % self.stays == 0 && !(self.log_in(server) && life.is_running()) {
                return;
            }
        }
    }

    /// Whether an answer came.
    fn log_in(&mut self, server: &Server) -> bool {
        let body = json!({"email": self.email, "password": PASSWORD});
        self.live.1 += 1;
        let Some(answer) = server.post("/auth/login").json(&body).exchange() else { return false };
        let answer = answer.expect(200);
        self.live.0 += 1;
        self.figures.log_ins += 1;
        answer.json()["access_token"].as_str().unwrap().clone_into(&mut self.session.access);
        self.session.refresh = answer.new_cookie();
        true
    }

    /// All that was acknowledged holds: the sessions are there, and the newest token is good, unless a
    /// rotation came through whose answer did not. Then the old token is a proven replay.
    fn check(&mut self, server: &Server) {
        let list = server.get("/users/me/sessions").bearer(&self.session.access).send().expect(200).json();
        let sessions = list["sessions"].as_array().unwrap();
        let (least, most) = self.live;
        assert!((least..=most).contains(&sessions.len()), "{least} to {most} sessions: {sessions:?}");
        for other in sessions.iter().filter(|session| session["current"] == false) {
            let path = format!("/users/me/sessions/{}", other["id"].as_str().unwrap());
            server.delete(&path).bearer(&self.session.access).send().expect(204);
        }
        self.live = (1, 1);
        self.figures.lost_answers += u32::from(self.in_flight);
        let answer = server.post("/auth/refresh").cookie(&self.session.refresh).send();
        if answer.status == 200 {
            self.session.refresh = answer.new_cookie();
        } else {
            answer.problem(401, "invalid_refresh_token");
            assert!(self.in_flight, "an acknowledged rotation is gone");
            // A token that the store had not come to yet would have ended nothing.
            let ended = server.get("/users/me").bearer(&self.session.access).send().status == 401;
            assert!(ended, "the rotation in flight came through, and those before it are gone");
            self.figures.of_those_applied += 1;
            self.live = (0, 0);
            assert!(self.log_in(server));
        }
        self.in_flight = false;
    }
}

/// The addresses that were registered, and the mails that came.
#[derive(Default)]
struct Registrations {
    promised: HashSet<String>,
    repeated: HashSet<String>,
    mails: HashSet<(String, String)>,
}

/// Registers one address after the other: those that were promised a mail, and the last, which was not.
fn register(server: &Server, life: &Life, name: &str) -> (Vec<String>, Option<String>) {
    let mut promised = Vec::new();
    for number in 0.. {
        let email = format!("{name}-{number}@example.com");
        let body = json!({"email": email, "password": PASSWORD});
        let Some(answer) = server.post("/auth/register").json(&body).exchange() else {
            return (promised, Some(email));
        };
        answer.expect(202);
        life.registrations.fetch_add(1, Ordering::Relaxed);
        promised.push(email);
        if !life.is_running() {
            break;
        }
    }
    (promised, None)
}

impl Registrations {
    /// What broke off can be repeated.
    fn repeat(&mut self, server: &Server, broken: Vec<String>) {
        for email in broken {
            server.unverified(&email);
            self.promised.insert(email.clone());
            self.repeated.insert(email);
        }
    }

    /// The development mailbox keeps the newest thousand: they are looked at in every life.
    fn look(&mut self, server: &Server) {
        let mails = server.root("GET", "/dev/mailbox.json").send().expect(200).json();
        let text = |mail: &Value, name| mail[name].as_str().unwrap().to_owned();
        self.mails
            .extend(mails.as_array().unwrap().iter().map(|mail| (text(mail, "to"), text(mail, "text"))));
    }

    /// Those that were promised a mail and got none.
    fn missing(&self) -> Vec<&String> {
        self.promised.iter().filter(|email| self.mails_to(email) == 0).collect()
    }

    fn mails_to(&self, email: &str) -> usize {
        self.mails.iter().filter(|(to, _)| to == email).count()
    }
}

fn start(directory: TempDir, database: &str) -> Server {
    let variables =
        [("DATABASE_URL", database), ("RATE_LIMIT_STORE", "none"), ("PUBLIC_URL", "http://localhost:3000")];
    Program::Axum.start_in(directory, &variables)
}

/// One life of a server, until it is killed. Gives the registrations that broke off.
fn life(
    server: &Server,
    round: u32,
    people: &mut [Person],
    registrations: &mut Registrations,
    is_enough: impl Fn(&Life) -> bool,
) -> Vec<String> {
    let life = Life::default();
    let mut broken = Vec::new();
    std::thread::scope(|scope| {
        for person in people {
            let life = &life;
            scope.spawn(move || person.live(server, life));
        }
        let clients: Vec<_> = (0..2)
            .map(|client| {
                let life = &life;
                scope.spawn(move || register(server, life, &format!("user-{round}-{client}")))
            })
            .collect();
        let begun = Instant::now();
        while !is_enough(&life) {
            assert!(!clients.iter().any(std::thread::ScopedJoinHandle::is_finished));
            assert!(begun.elapsed() < Duration::from_mins(3), "too little happens to kill it over");
            std::thread::sleep(Duration::from_millis(1));
        }
        server.signal("KILL");
        life.over.store(true, Ordering::Relaxed);
        for client in clients {
            let (promised, last) = client.join().unwrap();
            registrations.promised.extend(promised);
            broken.extend(last);
        }
    });
    broken
}

/// A server that is killed again and again, and all who use it.
struct Lives<'a> {
    database: &'a str,
    server: Server,
    people: Vec<Person>,
    registrations: Registrations,
    broken: Vec<String>,
}

impl<'a> Lives<'a> {
    fn begin(database: &'a str) -> Self {
        let server = start(tempdir().unwrap(), database);
        let people = (0..2).map(|number| Person::new(&server, number)).collect();
        Self { database, server, people, registrations: Registrations::default(), broken: Vec::new() }
    }

    /// One life more, its end, and the next server; what is between sees what was left behind.
    fn killed(mut self, round: u32, is_enough: impl Fn(&Life) -> bool, between: impl FnOnce(&Path)) -> Self {
        self.broken = life(&self.server, round, &mut self.people, &mut self.registrations, is_enough);
        self.restarted(between)
    }

    fn restarted(self, between: impl FnOnce(&Path)) -> Self {
        let left = self.server.leave();
        between(left.path());
        Self { server: start(left, self.database), ..self }
    }

    fn checked(mut self) -> Self {
        for person in &mut self.people {
            person.check(&self.server);
        }
        self.registrations.repeat(&self.server, std::mem::take(&mut self.broken));
        self.registrations.look(&self.server);
        self
    }

    fn many(database: &'a str) -> Self {
        let lives = |lives: Self, round| {
            let answers = 8 + round * 7 % 23;
            lives.killed(round, |life| life.answers.load(Ordering::Relaxed) >= answers, |_| ()).checked()
        };
        (1..=kills()).fold(Self::begin(database), lives)
    }

    /// With nothing left to do: every promised mail came, those that were not asked for again once, and what they say is good.
    fn end(mut self, place: &str) {
        self.registrations.look(&self.server);
        let Self { server, people, registrations, .. } = self;
        assert_eq!(registrations.missing(), Vec::<&String>::new(), "no mail came");
        for email in registrations.promised.difference(&registrations.repeated) {
            assert_eq!(registrations.mails_to(email), 1, "mails to {email}");
        }
        let (promised, repeated) = (registrations.promised.len(), registrations.repeated.len());
        let figures = people.iter().fold(Figures::default(), |sum, person| sum + person.figures);
        println!(
            "proof kills: {} kills of the example server over {place}; {promised} registrations, {repeated} of them \
             repeated; {figures:?}; 0 acknowledged lost, 0 mails lost",
            kills()
        );
        let newest = registrations.repeated.iter().chain(&registrations.promised).next().unwrap();
        let newest = registrations.mails.iter().find(|(to, _)| to == newest).unwrap();
        let (_, token) = newest.1.split_once("/#/verify-email?token=").unwrap();
        let token = token.split_whitespace().next().unwrap();
        server.post("/auth/verify-email").json(&json!({"token": token})).send().expect(200);
        server.log_in(&newest.0);
    }
}

/// Waits until nothing is queued. A lease of a killed worker ends after 30 s.
#[track_caller]
fn drains(outbox: impl Future<Output = impl Outbox>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let outbox = outbox.await;
        let begun = Instant::now();
        while outbox.stats().await.unwrap().queued > 0 {
            assert!(begun.elapsed() < Duration::from_mins(1), "the outbox does not drain");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(outbox.stats().await.unwrap().dead, 0, "dead letters");
    });
}

fn drains_sqlite(server: &Server) {
    let file = server.directory().join("auth.db");
    drains(async { SqliteStore::open(&file).await.unwrap() });
}

#[test]
fn a_killed_server_keeps_what_it_acknowledged_in_sqlite() {
    let lives = Lives::many("sqlite://auth.db");
    drains_sqlite(&lives.server);
    lives.end("SQLite");
}

#[test]
fn a_killed_server_keeps_what_it_acknowledged_in_mysql() {
    let database = Database::empty();
    let lives = Lives::many(database.url());
    drains(async { MySqlStore::connect(database.url()).await.unwrap() });
    lives.end("MySQL or MariaDB");
}

/// Every file of a folder, to another.
fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// The control: a disk on which nothing of a life is left.
#[test]
fn what_a_killed_server_lost_is_seen() {
    let kept = tempdir().unwrap();
    let mut lives = Lives::begin("sqlite://auth.db").restarted(|left| copy(left, kept.path()));
    lives.people.iter_mut().for_each(|person| person.stays = u32::MAX);
    let is_enough = |life: &Life| life.registrations.load(Ordering::Relaxed) >= 3;
    lives = lives.killed(1, is_enough, |left| copy(kept.path(), left));
    let mut seen = 0;
    for person in &mut lives.people {
        let acknowledged = person.figures.rotations > 0;
        let checked = panic::catch_unwind(AssertUnwindSafe(|| person.check(&lives.server)));
        let said = checked.err().map(said).unwrap_or_default();
        let is_seen = said.ends_with("is gone") || said.ends_with("are gone");
        assert!(is_seen || !acknowledged, "nobody saw what {} lost", person.email);
        seen += u32::from(is_seen);
    }
    drains_sqlite(&lives.server);
    lives.registrations.look(&lives.server);
    let missing = lives.registrations.missing().len();
    println!(
        "proof kills: control: a disk without the last life: {seen} people and {missing} mails seen to miss"
    );
    assert!(seen > 0 && missing > 0);
}
