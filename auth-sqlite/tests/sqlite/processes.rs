//! Several processes on one file; some of them are killed.
//!
//! The other processes are this test program again. Environment variables set the part that each
//! plays.

use std::collections::HashMap;
use std::env;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use auth_core::store::{GuardedWrite, Spend};
use auth_core::{Outbox, TokenStore};
use auth_sqlite::SqliteStore;
use sqlx::Row as _;

use crate::scratch::{Scratch, raw_connection};
use auth_testkit::samples::{self, at};

const PART: &str = "AUTH_SQLITE_TEST_PART";
const FILE: &str = "AUTH_SQLITE_TEST_FILE";

/// The number of records of each kind that two processes compete for.
const RECORDS: u32 = 150;

/// Starts this program again, to play a part in `child_process`.
fn start(part: &str, file: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "processes::child_process", "--nocapture", "--test-threads=1"])
        .env(PART, part)
        .env(FILE, file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Parses a line that a child printed for its parent, `report word number number`. The test harness
/// may print text before it.
fn report(line: &str) -> Option<(&str, u32, u32)> {
    let mut words = line.split_once("report ")?.1.split(' ');
    let (word, one, other) = (words.next()?, words.next()?, words.next()?);
    Some((word, one.parse().ok()?, other.parse().ok()?))
}

/// Plays the part that the parent names. Without a parent, it writes some records and reads them
/// back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_process() {
    match env::var(PART).as_deref() {
        Ok("race") => race_for_everything(PathBuf::from(env::var_os(FILE).unwrap())).await,
        Ok("write") => {
            let store = SqliteStore::open(env::var_os(FILE).unwrap()).await.unwrap();
            let first: u32 = read_line().parse().unwrap();
            write(&store, first, u32::MAX, |word, one, other| println!("report {word} {one} {other}")).await;
        }
        Ok(part) => panic!("no part is called {part}"),
        Err(_) => {
            let scratch = Scratch::new();
            let store = SqliteStore::open(scratch.file("auth.db")).await.unwrap();
            let mut lines = Vec::new();
            write(&store, 7, 5, |word, one, other| lines.push((word.to_owned(), one, other))).await;
            assert_eq!(lines.len(), 30);
            assert!(lost(&store, &lines).await.is_empty());
        }
    }
}

fn read_line() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim().to_owned()
}

/// Inserts intents and sessions and rotates the sessions; reports each acknowledged write.
async fn write(store: &SqliteStore, first: u32, count: u32, mut report: impl FnMut(&str, u32, u32)) {
    for number in (first..).take(usize::try_from(count).unwrap()) {
        Outbox::insert_intent(store, &samples::intent(number)).await.unwrap();
        report("intent", number, 0);
        store.insert_session(&samples::session(number)).await.unwrap();
        report("session", number, 0);
        for generation in 0..4 {
            assert_eq!(
                store.rotate(&samples::rotation(number, generation)).await.unwrap(),
                GuardedWrite::Applied
            );
            report("session", number, generation + 1);
        }
    }
}

/// The acknowledged writes that are missing in the store.
async fn lost(store: &SqliteStore, acknowledged: &[(String, u32, u32)]) -> Vec<(String, u32, u32)> {
    let mut lost = Vec::new();
    for (word, number, generation) in acknowledged {
        let found = match word.as_str() {
            "session" => {
                let session = store.find_session(samples::session_id(*number)).await.unwrap();
                session.is_some_and(|session| {
                    session.generation >= *generation
                        && session.digest.matches(&samples::digest(session.generation))
                })
            }
            // A stored intent was never claimed, so its attempt is 0.
            _ => {
                store.retry(samples::intent_id(*number), 0, at(0)).await.unwrap()
                    == auth_core::store::Settlement::Settled
            }
        };
        if !found {
            lost.push((word.clone(), *number, *generation));
        }
    }
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_kill_9() {
    const KILLS: u32 = 25;
    let scratch = Scratch::new();
    let path = scratch.file("auth.db");
    let mut acknowledged = Vec::new();
    for kill in 0..KILLS {
        // In some rounds, another connection keeps the file open. In the others, the next process
        // finds a log that was not closed.
        let other = if kill % 3 == 0 { Some(SqliteStore::open(&path).await.unwrap()) } else { None };
        let mut child = start("write", &path);
        writeln!(child.stdin.as_mut().unwrap(), "{}", (kill + 1) * 1_000_000).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut seen = 0;
        let mut line = String::new();
        // Kills at a different point of the writes in each round: after this many, and a moment
        // later.
        while seen <= (kill * 7) % 31 {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the writer ended early");
            seen += u32::from(remember(&line, &mut acknowledged));
        }
        let moment = Instant::now();
        while moment.elapsed() < Duration::from_micros(u64::from(kill * 397 % 2_000)) {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "the writer was killed");
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        for line in rest.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            remember(line, &mut acknowledged);
        }

        let store = SqliteStore::open(&path).await.unwrap();
        assert_eq!(lost(&store, &acknowledged).await, [], "after kill {kill}");
        let checked =
            sqlx::query("PRAGMA integrity_check").fetch_one(&mut raw_connection(&path).await).await.unwrap();
        assert_eq!(checked.get::<String, _>(0), "ok", "after kill {kill}");
        store.close().await;
        drop(other);
    }
    println!("{KILLS} kills, {} acknowledged writes", acknowledged.len());
    assert!(acknowledged.len() > 300, "{} writes are too few", acknowledged.len());
}

fn remember(line: &str, acknowledged: &mut Vec<(String, u32, u32)>) -> bool {
    let reported = report(line.trim_end());
    acknowledged.extend(reported.map(|(word, one, other)| (word.to_owned(), one, other)));
    reported.is_some()
}

/// Competes for all records with eight tasks, after the parent's signal.
async fn race_for_everything(path: PathBuf) {
    let store = SqliteStore::open(path).await.unwrap();
    println!("report ready 0 0");
    assert_eq!(read_line(), "go");
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut won = String::new();
            for number in (0..RECORDS).map(|number| (number + task * RECORDS / 8) % RECORDS) {
                if store.rotate(&samples::rotation(number, 0)).await.unwrap() == GuardedWrite::Applied {
                    writeln!(won, "report rotate {number} 0").unwrap();
                }
                if store.spend(samples::intent_id(number), at(10)).await.unwrap() == Spend::Spent {
                    writeln!(won, "report spend {number} 0").unwrap();
                }
                for claimed in store.claim(at(10), at(60), 2).await.unwrap() {
                    let id = u128::from_be_bytes(*claimed.intent.id.as_bytes());
                    writeln!(won, "report claim {id} {}", claimed.attempt).unwrap();
                }
            }
            won
        });
    }
    print!("{}", tasks.join_all().await.concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_one_of_two_processes_wins_each_record() {
    let scratch = Scratch::new();
    let path = scratch.file("auth.db");
    let store = SqliteStore::open(&path).await.unwrap();
    for number in 0..RECORDS {
        store.insert_session(&samples::session(number)).await.unwrap();
        let _ = store.insert_one_time(&samples::one_time(number)).await.unwrap();
        Outbox::insert_intent(&store, &samples::intent(number)).await.unwrap();
    }
    let mut children = [start("race", &path), start("race", &path)];
    let mut outputs = Vec::new();
    for child in &mut children {
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while report(line.trim_end()) != Some(("ready", 0, 0)) {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "a process ended early");
        }
        outputs.push(lines);
    }
    for child in &mut children {
        child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }
    let mut wins: HashMap<(String, u32), Vec<u32>> = HashMap::new();
    for (child, mut output) in children.iter_mut().zip(outputs) {
        let (mut text, mut own) = (String::new(), 0);
        output.read_to_string(&mut text).unwrap();
        for (word, number, attempt) in text.lines().filter_map(report) {
            wins.entry((word.to_owned(), number)).or_default().push(attempt);
            own += 1;
        }
        assert!(child.wait().unwrap().success());
        println!("one process won {own} of {}", RECORDS * 3);
    }
    for (won, attempt) in [("rotate", 0), ("spend", 0), ("claim", 1)] {
        for number in 0..RECORDS {
            let winners = wins.remove(&(won.to_owned(), number)).unwrap_or_default();
            assert_eq!(winners, [attempt], "{won} of {number}");
        }
    }
    assert!(wins.is_empty(), "{wins:?}");
}
