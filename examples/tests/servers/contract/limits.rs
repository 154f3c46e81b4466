//! The limits of each operation, as one client address meets them.

use std::thread::{available_parallelism, scope};
use std::time::Instant;

use serde_json::json;

use crate::answer::Answer;
use crate::fixture::{OTHER_PASSWORD, PASSWORD};
use crate::limit_headers::limit;
use crate::server::{Program, Server};

contract!(
    five_wrong_passwords_close_an_account_to_an_address,
    concurrent_guesses_do_not_overshoot,
    success_gives_the_place_back,
    fifty_failures_close_an_address,
    a_wrong_current_password_counts_per_session,
    five_registrations_per_address,
    ten_mail_requests_per_address,
    three_mails_per_mailbox_silently,
    ten_tokens_per_address,
    sixty_refreshes_per_session_once_proven,
    three_hundred_refreshes_per_address,
    a_busy_server_says_so,
);

/// Minutes and hours in seconds, the unit of windows in the headers.
const QUARTER: i64 = 900;
const HOUR: i64 = 3600;

fn guess(server: &Server, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    server.post("/auth/login").json(&body).send()
}

/// A 429 names a wait that fits its window, and touches nothing.
#[track_caller]
fn limited(answer: &Answer, quota: i64, window: i64) {
    let answer = answer.clone().problem(429, "rate_limited").touches_no_cookie();
    let standing = limit(&answer, quota, window);
    assert_eq!(standing.left, 0, "{standing:?}");
    let wait: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=window).contains(&wait), "{wait}");
    assert!(standing.reset.is_some_and(|reset| (wait - reset).abs() <= 1), "{standing:?} and {wait}");
}

fn five_wrong_passwords_close_an_account_to_an_address(program: Program) {
    let server = program.start_limited();
    server.user("ada@example.com").user("bob@example.com");
    for email in ["ada@example.com", "unknown@example.com"] {
        for left in (0..5).rev() {
            let answer = guess(&server, email, OTHER_PASSWORD).problem(401, "invalid_credentials");
            assert_eq!(limit(&answer, 5, QUARTER).left, left, "{email}");
            limit(&answer, 50, QUARTER);
        }
    }
    let known = guess(&server, "ada@example.com", PASSWORD);
    limited(&known, 5, QUARTER);
    limited(&guess(&server, " ADA@example.com", PASSWORD), 5, QUARTER);
    assert_eq!(guess(&server, "unknown@example.com", PASSWORD).text(), known.text());
    guess(&server, "bob@example.com", PASSWORD).expect(200);
}

fn concurrent_guesses_do_not_overshoot(program: Program) {
    let server = program.start_limited();
    server.user("ada@example.com");
    for email in ["ada@example.com", "unknown@example.com"] {
        let statuses: Vec<u16> = scope(|scope| {
            let guesses: Vec<_> =
                (0..60).map(|_| scope.spawn(|| guess(&server, email, OTHER_PASSWORD).status)).collect();
            guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
        });
        let count = |status| statuses.iter().filter(|own| **own == status).count();
        assert_eq!((count(401), count(429)), (5, 55), "{statuses:?}");
    }
}

fn success_gives_the_place_back(program: Program) {
    let server = program.start_limited();
    server.user("ada@example.com").unverified("waiting@example.com");
    for _ in 0..4 {
        guess(&server, "ada@example.com", OTHER_PASSWORD).expect(401);
    }
    for _ in 0..8 {
        guess(&server, "ada@example.com", PASSWORD).expect(200);
        // A 403 proved the password too.
        guess(&server, "waiting@example.com", PASSWORD).problem(403, "email_not_verified");
    }
    for _ in 0..5 {
        guess(&server, "waiting@example.com", OTHER_PASSWORD).expect(401);
    }
    limited(&guess(&server, "waiting@example.com", PASSWORD), 5, QUARTER);
}

fn fifty_failures_close_an_address(program: Program) {
    let server = program.start_limited();
    server.user("ada@example.com");
    let start = Instant::now();
    let refused = until_limited(50, QUARTER, |taken| {
        let answer = guess(&server, &format!("unknown{taken}@example.com"), OTHER_PASSWORD);
        if answer.status == 429 {
            return answer;
        }
        let answer = answer.expect(401);
        let (left, least) = (limit(&answer, 50, QUARTER).left, (49 - taken).max(0));
        let most = least + come_back(start, 50, QUARTER);
        assert!((least..=most).contains(&left), "{left} left after {taken} and this one");
        answer
    });
    limited(&refused, 50, QUARTER);
    // The right password takes no place, so it is asked for right after a failure that finds none.
    let right = still_limited(|| {
        guess(&server, "another@example.com", OTHER_PASSWORD);
        guess(&server, "ada@example.com", PASSWORD)
    });
    limited(&right, 50, QUARTER);
}

fn a_wrong_current_password_counts_per_session(program: Program) {
    let server = program.start_limited();
    let (first, second) = (server.session("ada@example.com"), server.log_in("ada@example.com"));
    let change = |access: &str, current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        server.post("/users/me/password").bearer(access).json(&body).send()
    };
    for left in (0..5).rev() {
        let answer =
            change(&first.access, OTHER_PASSWORD, "something quite new").refused_field("current_password");
        assert_eq!(limit(&answer, 5, QUARTER).left, left);
    }
    limited(&change(&first.access, PASSWORD, "something quite new"), 5, QUARTER);
    assert!(server.lives(&first));
    // The other session's count is its own, and success gives its place back.
    for _ in 0..4 {
        change(&second.access, OTHER_PASSWORD, "something quite new").refused_field("current_password");
    }
    change(&second.access, PASSWORD, "something quite new").expect(200);
}

fn five_registrations_per_address(program: Program) {
    let server = program.start_limited();
    let register = |email: &str| {
        server.post("/auth/register").json(&json!({"email": email, "password": PASSWORD})).send()
    };
    for number in 0..5 {
        let answer = register(&format!("user{number}@example.com")).expect(202);
        assert_eq!(limit(&answer, 5, HOUR).left, 4 - number);
    }
    limited(&register("user5@example.com"), 5, HOUR);
    limited(&register("user0@example.com"), 5, HOUR);
    guess(&server, "user0@example.com", PASSWORD).problem(403, "email_not_verified");
    guess(&server, "user5@example.com", PASSWORD).problem(401, "invalid_credentials");
}

fn ten_mail_requests_per_address(program: Program) {
    for path in ["/auth/forgot-password", "/auth/resend-verification"] {
        let server = program.start_limited();
        let post = |number: i64| {
            server.post(path).json(&json!({"email": format!("user{number}@example.com")})).send()
        };
        for number in 0..10 {
            assert_eq!(limit(&post(number).expect(202), 10, HOUR).left, 9 - number);
        }
        limited(&post(10), 10, HOUR);
    }
}

/// The answer stays the same; only the mails stop. Each purpose counts apart.
fn three_mails_per_mailbox_silently(program: Program) {
    let server = program.start_limited();
    server.user("ada@example.com");
    let likeness = |path: &str, email: &str| {
        let answer = server.post(path).json(&json!({"email": email})).send();
        let mut kept = answer.expect(202);
        kept.headers.retain(|(name, _)| name != "ratelimit");
        kept.likeness()
    };
    let first = likeness("/auth/forgot-password", "ada@example.com");
    for _ in 0..4 {
        assert_eq!(likeness("/auth/forgot-password", "ada@example.com"), first);
    }
    server.mailed("ada@example.com", "reset-password", 3);
    // One of the five registrations of this address is ada's.
    for _ in 0..4 {
        server.unverified("bob@example.com");
    }
    server.mailed("bob@example.com", "verify-email", 3);
    likeness("/auth/resend-verification", "cleo@example.com");
    std::thread::sleep(std::time::Duration::from_millis(1300));
    assert_eq!(server.mailed("ada@example.com", "reset-password", 3).len(), 3);
    assert_eq!(server.mails_to("bob@example.com").len(), 3);
    likeness("/auth/forgot-password", "bob@example.com");
    server.mailed("bob@example.com", "reset-password", 1);
}

fn ten_tokens_per_address(program: Program) {
    for (path, body) in [
        ("/auth/verify-email", json!({"token": "AA.AA"})),
        ("/auth/reset-password", json!({"token": "AA.AA", "password": OTHER_PASSWORD})),
    ] {
        let server = program.start_limited();
        for left in (0..10).rev() {
            let answer = server.post(path).json(&body).send().problem(400, "invalid_token");
            assert_eq!(limit(&answer, 10, QUARTER).left, left, "{path}");
        }
        limited(&server.post(path).json(&body).send(), 10, QUARTER);
    }
}

fn sixty_refreshes_per_session_once_proven(program: Program) {
    let server = program.start_limited();
    let session = server.session("ada@example.com");
    let (own, secret) = session.refresh.split_once('.').unwrap();
    let forged = format!("{own}.{}", secret.chars().rev().collect::<String>());
    let me = |token: &str| server.get("/auth/me").cookie(token).send();
    for _ in 0..61 {
        me(&forged).problem(401, "invalid_refresh_token");
    }
    let refused = until_limited(60, 60, |_| me(&session.refresh));
    limited(&refused, 60, 60);
    // Another session has its own quota, and the limited one still lives.
    let other = server.log_in("ada@example.com");
    server.refresh(&other);
    server.get("/users/me").bearer(&session.access).send().expect(200);
}

/// Asks until a 429 comes, each time with how many were not. Places come back one by one, so that as many may be
/// added to a full bucket while it is emptied, and no more.
#[track_caller]
fn until_limited(quota: i64, window: i64, ask: impl Fn(i64) -> Answer) -> Answer {
    let start = Instant::now();
    for taken in 0.. {
        let answer = ask(taken);
        if answer.status == 429 {
            assert!(taken >= quota, "only {taken} were taken");
            return answer;
        }
        let most = quota + come_back(start, quota, window);
        assert!(taken < most, "{taken} and one more were taken, at most {most}");
    }
    unreachable!()
}

/// How many places may have come back since then, at most.
fn come_back(since: Instant, quota: i64, window: i64) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap() * quota / (1000 * window) + 1
}

/// Asks until a 429 comes, which it does soon where the places are used up: one may have come back meanwhile.
#[track_caller]
fn still_limited(ask: impl Fn() -> Answer) -> Answer {
    (0..5).map(|_| ask()).find(|answer| answer.status == 429).expect("a 429")
}

fn three_hundred_refreshes_per_address(program: Program) {
    let server = program.start_limited();
    let session = server.session("ada@example.com");
    let refused = until_limited(300, 60, |_| server.post("/auth/refresh").cookie("AA.AA").send());
    server.post("/auth/me").send().problem(405, "method_not_allowed");
    limited(&refused, 300, 60);
    limited(&still_limited(|| server.post("/auth/refresh").send()), 300, 60);
    server.get("/users/me").bearer(&session.access).send().expect(200);
}

/// Without limits, more guesses than can be hashed: some get `busy`, none is lost. The more cores hash, the
/// longer each hash takes, or nobody would have to wait.
fn a_busy_server_says_so(program: Program) {
    let cores = available_parallelism().unwrap().get();
    let iterations = (cores / 4).clamp(2, 16).to_string();
    let server = program.start_with(&[("ARGON2_ITERATIONS", iterations.as_str())]);
    let answers: Vec<Answer> = scope(|scope| {
        let guesses: Vec<_> =
            (0..300).map(|_| scope.spawn(|| guess(&server, "unknown@example.com", OTHER_PASSWORD))).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    for answer in &answers {
        match answer.status {
            401 => answer.clone().problem(401, "invalid_credentials"),
            // Nor are there as many connections to a database server as there are guesses.
            _ if server.database.is_some() && answer.json()["code"] == "unavailable" => answer.clone(),
            _ => answer.clone().problem(503, "busy"),
        }
        .touches_no_cookie();
    }
    let judged = answers.iter().filter(|answer| answer.status == 401).count();
    let busy =
        answers.iter().filter(|answer| answer.status == 503 && answer.json()["code"] == "busy").count();
    assert!(judged > 0 && busy > 0, "{judged} of 300 were judged, {busy} were refused as busy");
}
