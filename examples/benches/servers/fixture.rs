//! The users of a run, and the work of their clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use auth_core::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::http::{Connection, request};
use crate::load::Client;
use crate::process::Server;
use crate::results::Failure;

const PASSWORD: &str = "correct horse battery";
const USERS: usize = 64;

/// Verified users of a server.
pub(crate) struct Fixture {
    addresses: Vec<String>,
    /// Part of every address, so that a database can be used again.
    run: i64,
    next: Arc<AtomicU64>,
}

fn credentials(address: &str) -> String {
    json!({"email": address, "password": PASSWORD}).to_string()
}

fn log_in(address: &str) -> Vec<u8> {
    log_in_from("", address)
}

fn log_in_from(headers: &str, address: &str) -> Vec<u8> {
    request("POST", "/api/v1/auth/login", headers, &credentials(address))
}

fn register(address: &str) -> Vec<u8> {
    request("POST", "/api/v1/auth/register", "", &credentials(address))
}

impl Fixture {
    pub(crate) fn set(server: &Server, store: &str) -> Result<Self, Failure> {
        let run = SystemClock.now().timestamp_millis();
        let store = store.to_lowercase();
        let addresses: Vec<_> = (0..USERS).map(|nth| format!("{store}-{run}-{nth}@example.com")).collect();
        let mut connection = Connection::open(server.address)?;
        for address in &addresses {
            connection.expect(202, &register(address))?;
        }
        let begun = Instant::now();
        let tokens = loop {
            let mails: Value = serde_json::from_str(
                &connection.expect(200, &request("GET", "/dev/mailbox.json", "", ""))?.body,
            )?;
            let tokens: Vec<_> = mails.as_array().into_iter().flatten().filter_map(token_of).collect();
            if tokens.len() >= USERS {
                break tokens;
            }
            if begun.elapsed() > Duration::from_secs(30) {
                return Err("the mails do not arrive".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        for token in tokens {
            let body = json!({"token": token}).to_string();
            connection.expect(200, &request("POST", "/api/v1/auth/verify-email", "", &body))?;
        }
        Ok(Self { addresses, run, next: Arc::new(AtomicU64::new(0)) })
    }

    /// Logs in the users in turn, over this number of connections from one network. A request that has no place in
    /// the hashing queue is answered, too.
    pub(crate) fn log_ins(&self, connections: usize) -> Vec<Client> {
        let requests: Arc<Vec<Vec<u8>>> =
            Arc::new(self.addresses.iter().map(|address| log_in(address)).collect());
        let log_in = |nth: usize| -> Client {
            let (requests, mut nth) = (Arc::clone(&requests), nth);
            Box::new(move |connection| {
                nth += connections;
                let request = requests.get(nth % requests.len()).ok_or("no user")?;
                match connection.send(request)?.status {
                    200 | 503 => Ok(()),
                    status => Err(format!("{status} instead of 200 or 503").into()),
                }
            })
        };
        (0..connections).map(log_in).collect()
    }

    /// Tries to log in to one account with wrong passwords, each client from another network. What the server has
    /// no place for is sent again at once.
    pub(crate) fn one_account(&self, networks: usize) -> Vec<Client> {
        let address = self.addresses.first().cloned().unwrap_or_default();
        let guess = move |network: usize| -> Client {
            let body = json!({"email": address, "password": "not the right password"}).to_string();
            let from = format!("x-forwarded-for: 10.0.{network}.1\r\n");
            let request = request("POST", "/api/v1/auth/login", &from, &body);
            Box::new(move |connection| match connection.send(&request)?.status {
                401 | 503 => Ok(()),
                status => Err(format!("{status} instead of 401 or 503").into()),
            })
        };
        (0..networks).map(guess).collect()
    }

    /// Logs in to another account, from another network.
    pub(crate) fn another_account(&self) -> Vec<u8> {
        let address = self.addresses.get(1).map_or("", String::as_str);
        log_in_from("x-forwarded-for: 192.0.2.1\r\n", address)
    }

    /// Refreshes each client's own session repeatedly.
    pub(crate) fn refreshes(&self, server: &Server, connections: usize) -> Result<Vec<Client>, Failure> {
        self.sessions(server, connections, |mut cookie, _| {
            Box::new(move |connection| {
                let headers = format!("cookie: {cookie}\r\n");
                let answer =
                    connection.expect(200, &request("POST", "/api/v1/auth/refresh", &headers, ""))?;
                cookie = answer.cookie()?;
                Ok(())
            })
        })
    }

    /// Calls a route with a session check, each client with its own access token.
    pub(crate) fn reads(&self, server: &Server, connections: usize) -> Result<Vec<Client>, Failure> {
        self.sessions(server, connections, |_, access_token| {
            let headers = format!("authorization: Bearer {access_token}\r\n");
            let request = request("GET", "/api/v1/users/me", &headers, "");
            Box::new(move |connection| connection.expect(200, &request).map(drop))
        })
    }

    /// Registers a new user each time.
    pub(crate) fn registrations(&self, connections: usize) -> Vec<Client> {
        let register = |_| -> Client {
            let (next, run) = (Arc::clone(&self.next), self.run);
            Box::new(move |connection| {
                let address = format!("new-{run}-{}@example.com", next.fetch_add(1, Relaxed));
                connection.expect(202, &register(&address)).map(drop)
            })
        };
        (0..connections).map(register).collect()
    }

    /// Sessions of users who are not in the network of [`log_ins`](Self::log_ins).
    fn sessions(
        &self,
        server: &Server,
        connections: usize,
        client: impl Fn(String, String) -> Client,
    ) -> Result<Vec<Client>, Failure> {
        let mut connection = Connection::open(server.address)?;
        let mut client_of = |address: &String| {
            let session =
                connection.expect(200, &log_in_from("x-forwarded-for: 198.51.100.1\r\n", address))?;
            Ok(client(session.cookie()?, session.access_token()?))
        };
        self.addresses.iter().take(connections).map(&mut client_of).collect()
    }
}

fn token_of(mail: &Value) -> Option<String> {
    let (_, link) = mail.get("text")?.as_str()?.split_once("/#/verify-email?token=")?;
    link.split_whitespace().next().map(str::to_owned)
}
