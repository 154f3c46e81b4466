//! Every server is replaced in turn under load.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::UNLIMITED;
use super::fleet::Fleet;
use crate::answer::Answer;
use crate::fixture::Session;
use crate::http::exchange;
use crate::server::BASE;

const CLIENTS: usize = 6;

/// Where the servers are now, and what clients met.
struct Front {
    addresses: Mutex<Vec<SocketAddr>>,
    stop: AtomicBool,
    answered: AtomicUsize,
    refused: AtomicUsize,
}

impl Front {
    /// Sends to one server after another until one answers. A server that is gone refuses the connection, or
    /// had it in its backlog and never read it; either way it did nothing, so that even a refresh may be
    /// repeated. Half an answer, or another status, is a failure.
    fn ask(&self, mut nth: usize, status: u16, request: &str) -> Answer {
        let begun = Instant::now();
        loop {
            let address = { self.addresses.lock().unwrap()[nth % 3] };
            let bytes = exchange(address, |stream| stream.write_all(request.as_bytes()));
            if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
                let answer = Answer::parse(&bytes, false).expect("a whole answer");
                self.answered.fetch_add(1, Relaxed);
                return answer.expect(status);
            }
            self.refused.fetch_add(1, Relaxed);
            assert!(begun.elapsed() < Duration::from_mins(1), "no server answers");
            nth += 1;
        }
    }

    /// Until the clients have seen some more of every server.
    fn wait_for_answers(&self) {
        let (begun, before) = (Instant::now(), self.answered.load(Relaxed));
        while self.answered.load(Relaxed) < before + 10 * CLIENTS {
            assert!(begun.elapsed() < Duration::from_mins(2), "the clients are stuck");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn request(method: &str, path: &str, header: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {BASE}{path} HTTP/1.1\r\nhost: server\r\nconnection: close\r\n{header}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// The life of a client: refreshes with what it holds, reads with what it got, and asks for a mail now and then.
/// Gives how many mails it was promised. Nothing here is hashed, which could take long on a busy machine.
fn live(front: &Front, number: usize, mut session: Session) -> usize {
    let mut promised = 0;
    for turn in 0.. {
        if front.stop.load(Relaxed) {
            break;
        }
        let nth = number + turn;
        let cookie = format!("cookie: refresh={}", session.refresh);
        let answer = front.ask(nth, 200, &request("POST", "/auth/refresh", &cookie, ""));
        session.refresh = answer.new_cookie();
        answer.json()["access_token"].as_str().unwrap().clone_into(&mut session.access);
        let bearer = format!("authorization: Bearer {}", session.access);
        front.ask(nth + 1, 200, &request("GET", "/users/me", &bearer, ""));
        if turn % 4 == 0 {
            let body = json!({"email": session.user["email"]}).to_string();
            front.ask(nth + 2, 202, &request("POST", "/auth/forgot-password", "accept: */*", &body));
            promised += 1;
        }
    }
    promised
}

/// Strict: a refresh that was done and then repeated would end the session.
#[test]
fn a_rolling_restart_loses_nothing_that_was_answered() {
    let mut fleet = Fleet::start("rolling", &UNLIMITED);
    let clients: Vec<String> = (0..CLIENTS).map(|nth| format!("client-{nth}@example.com")).collect();
    for client in &clients {
        fleet.user(client);
    }
    let sessions: Vec<_> =
        clients.iter().enumerate().map(|(nth, client)| fleet.server(nth).log_in(client)).collect();
    let front = &Front {
        addresses: Mutex::new(fleet.addresses()),
        stop: AtomicBool::new(false),
        answered: AtomicUsize::new(0),
        refused: AtomicUsize::new(0),
    };
    let promised: Vec<usize> = thread::scope(|scope| {
        let threads: Vec<_> = sessions
            .into_iter()
            .enumerate()
            .map(|(number, session)| scope.spawn(move || live(front, number, session)))
            .collect();
        // Whatever happens here, the clients must end.
        let restarted = panic::catch_unwind(AssertUnwindSafe(|| {
            for nth in 0..3 {
                front.wait_for_answers();
                fleet.restart(nth);
                *front.addresses.lock().unwrap() = fleet.addresses();
            }
            front.wait_for_answers();
        }));
        front.stop.store(true, Relaxed);
        let promised = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        restarted.unwrap();
        promised
    });
    assert!(front.refused.load(Relaxed) > 0, "no client noticed anything");
    fleet.wait_for_an_empty_outbox();
    // Each once, and the one that verified the address.
    let all: BTreeMap<String, usize> =
        clients.into_iter().zip(promised).map(|(address, promised)| (address, promised + 1)).collect();
    assert_eq!(fleet.mails(), all);
}
