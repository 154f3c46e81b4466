//! Three servers behind one Redis and one database do what one server does.

mod fleet;
mod rolling;

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use self::fleet::Fleet;
use crate::fixture::{ADA, PASSWORD};

/// So long an honest client may be late in the races here, on a machine that does much else.
const LATE: [(&str, &str); 2] = [("RATE_LIMIT_STORE", "none"), ("REFRESH_REUSE_LEEWAY", "60s")];
const UNLIMITED: [(&str, &str); 1] = [("RATE_LIMIT_STORE", "none")];

/// Does the work `times` times at once, and returns the results in the order of their numbers.
fn at_once<T: Send>(times: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (work, start) = (&work, &Barrier::new(times));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..times)
            .map(|nth| {
                scope.spawn(move || {
                    start.wait();
                    work(nth)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn a_limit_is_one_limit_over_three_servers() {
    let fleet = Fleet::limited("limits");
    fleet.user(ADA);
    let guess = |password: &str, nth| {
        let body = json!({"email": ADA, "password": password});
        fleet.server(nth).post("/auth/login").json(&body).send()
    };
    // A machine too busy to judge one gives its place back.
    let begun = Instant::now();
    let judged = |nth| loop {
        match guess("not the password", nth) {
            answer if answer.status == 503 => {
                assert!(begun.elapsed() < Duration::from_mins(3), "nobody judges it: {}", answer.text());
            }
            answer => return answer.status,
        }
    };
    let answers = at_once(30, judged);
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(401), count(429)), (5, 25));
    for nth in 0..3 {
        guess(PASSWORD, nth).problem(429, "rate_limited");
    }
}

#[test]
fn every_server_takes_every_token_and_sees_every_end_at_once() {
    let fleet = Fleet::start("tokens", &UNLIMITED);
    fleet.user(ADA);
    let session = fleet.server(0).log_in(ADA);
    let other = fleet.server(1).log_in(ADA);
    for nth in 0..3 {
        assert!(fleet.server(nth).lives(&session));
    }
    let renewed = fleet.server(1).refresh(&session);
    let renewed = fleet.server(2).refresh(&renewed);
    assert!(fleet.server(0).lives(&renewed));
    fleet.server(2).post("/auth/logout").cookie(&renewed.refresh).send().expect(204);
    for nth in 0..3 {
        fleet.server(nth).is_dead(&renewed);
        assert!(fleet.server(nth).lives(&other));
    }
    // A replay is noticed on every instance, and ends all sessions on all of them.
    let newest = fleet.server(0).refresh(&other);
    fleet.server(1).post("/auth/refresh").cookie(&other.refresh).send().problem(401, "invalid_refresh_token");
    for nth in 0..3 {
        fleet.server(nth).is_dead(&newest);
    }
}

#[test]
fn a_refresh_raced_over_three_servers_has_one_child() {
    let fleet = Fleet::start("races", &LATE);
    fleet.user(ADA);
    for round in 0..6 {
        let session = fleet.server(round).log_in(ADA);
        // Old enough to be rotated.
        fleet.sql("UPDATE auth_sessions SET rotated_at = rotated_at - INTERVAL 1 HOUR");
        let children = at_once(24, |nth| fleet.server(nth).refresh(&session).refresh);
        assert!(children.iter().all(|child| *child == children[0] && *child != session.refresh));
        let child = crate::fixture::Session { refresh: children[0].clone(), ..session };
        for nth in 0..3 {
            assert!(fleet.server(nth).lives(&child));
        }
    }
}

#[test]
fn each_mail_is_sent_once_by_one_of_the_servers() {
    let fleet = Fleet::start("mails", &UNLIMITED);
    let addresses: Vec<String> = (0..45).map(|nth| format!("user-{nth}@example.com")).collect();
    at_once(15, |client| {
        for (nth, address) in addresses.iter().enumerate().skip(client).step_by(15) {
            fleet.server(nth).unverified(address);
        }
    });
    fleet.wait_for_an_empty_outbox();
    let arrived = fleet.mails();
    let once: BTreeMap<String, usize> = addresses.into_iter().map(|address| (address, 1)).collect();
    assert_eq!(arrived, once);
}

/// The next full minute is waited for: no schedule is finer.
#[test]
fn three_servers_clean_up_at_once_what_ended_and_no_more() {
    let fleet = Fleet::start("clean_up", &[("RATE_LIMIT_STORE", "none"), ("CLEANUP_SCHEDULE", "* * * * *")]);
    fleet.user(ADA);
    let sessions: Vec<_> = (0..10).map(|nth| fleet.server(nth).log_in(ADA)).collect();
    let runs = |nth: usize| fleet.server(nth).log().matches("cleaned_up").count();
    let before = [0, 1, 2].map(runs);
    // Sessions that ended an hour ago: more than a batch.
    fleet.sql(
        "INSERT INTO auth_sessions (id, user_id, epoch, generation, digest, created_at, rotated_at, idle_expires_at, \
         expires_at) SELECT RANDOM_BYTES(16), a.user_id, a.epoch, 0, a.digest, a.created_at, a.rotated_at, \
         UTC_TIMESTAMP(6) - INTERVAL 1 HOUR, a.expires_at FROM auth_sessions a, auth_sessions b, auth_sessions c, \
         auth_sessions d LIMIT 5000",
    );
    let begun = Instant::now();
    let left = || fleet.count("SELECT COUNT(*) FROM auth_sessions WHERE ends_at < UTC_TIMESTAMP(6)");
    while (0..3).any(|nth| runs(nth) == before[nth]) || left() > 0 {
        assert!(begun.elapsed() < Duration::from_mins(3), "not all have cleaned up, {} are left", left());
        thread::sleep(Duration::from_millis(100));
    }
    let deleted: usize = (0..3).map(|nth| deleted_sessions(&fleet.server(nth).log())).sum();
    assert!(deleted <= 5000, "{deleted} were counted");
    assert_eq!(fleet.count("SELECT COUNT(*) FROM auth_sessions"), 10);
    for (nth, session) in sessions.iter().enumerate() {
        assert!(fleet.server(nth).lives(session));
    }
}

fn deleted_sessions(log: &str) -> usize {
    let runs = log.split("CleanedUp { sessions: ").skip(1);
    runs.map(|run| run.split(',').next().unwrap().parse::<usize>().unwrap()).sum()
}
