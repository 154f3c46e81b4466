//! The check against a local server that plays every fault.

#![expect(clippy::unwrap_used, reason = "a server of a test that fails must fail the test")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth_core::{
    Auth, BreachCheck as _, BreachPolicy, Client, Failure, Mailbox, MemoryStore, Password, PasswordError,
    Policy, RegisterError,
};
use auth_hibp::{HibpBreachCheck, HibpError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// SHA-1 of "seventeen blue herons", in two parts.
const PREFIX: &str = "A890A";
const SUFFIX: &str = "3FF4933CA8BEFC5BF2E731852A325AA2F5C";
const HERONS: &str = "seventeen blue herons";

/// What a server does with each connection.
#[derive(Debug, Clone, Copy)]
enum Plays {
    /// Answers with these lines.
    Lines(&'static str),
    /// Answers with this status line and more headers.
    Status(&'static str),
    /// Answers with more than a megabyte.
    Endless,
    /// Announces more than it sends, and closes.
    Truncated,
    /// Answers with bytes that are no text.
    NoText,
    /// Closes at once.
    Closes,
    /// Reads and never answers.
    Silent,
    /// Sends the head, and then nothing.
    Stalls,
}

/// A server, and the requests that it got.
#[derive(Debug, Clone)]
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(plays: Plays) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/range/", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, plays, Arc::clone(&seen)));
            }
        });
        Self { url, requests }
    }

    fn check(&self) -> HibpBreachCheck {
        HibpBreachCheck::at(&self.url).unwrap().timeout(Duration::from_millis(500))
    }
}

async fn serve(mut stream: TcpStream, plays: Plays, seen: Arc<Mutex<Vec<String>>>) {
    if let Plays::Closes = plays {
        return;
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    seen.lock().unwrap().push(String::from_utf8(head).unwrap());
    let ok =
        |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let answer = match plays {
        Plays::Lines(lines) => [ok(lines.len()).into_bytes(), lines.as_bytes().to_vec()].concat(),
        Plays::Status(status) => {
            format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
        }
        Plays::Endless => {
            let line = format!("{}:1\r\n", "A".repeat(35)).repeat(60_000);
            [ok(line.len()), line].concat().into_bytes()
        }
        Plays::Truncated => [ok(1000), format!("{}:1\r\n", "A".repeat(35))].concat().into_bytes(),
        Plays::NoText => [ok(2).into_bytes(), vec![0xff, 0xfe]].concat(),
        Plays::Stalls => ok(1000).into_bytes(),
        Plays::Silent | Plays::Closes => Vec::new(),
    };
    // The client hangs up on what is too much.
    let _ = stream.write_all(&answer).await;
    if let Plays::Silent | Plays::Stalls = plays {
        std::future::pending::<()>().await;
    }
}

async fn register(check: HibpBreachCheck, policy: BreachPolicy) -> Result<(), RegisterError> {
    let mut settings = Policy::default();
    settings.password.breach = policy;
    let auth = Auth::builder(MemoryStore::new(), Mailbox::new())
        .secret("n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P")
        .policy(settings)
        .breach_check(check)
        .build()
        .unwrap();
    auth.register("ada@example.com", Password::new(HERONS), None, &Client::unknown()).await
}

const CLEAN: &str = "0018A45C4D1DEF81644B54AB7F969B88D65:10\r\n00D4F6E8FA6EECAD2A3AA415EEC418D38EC:0\r\n";
const BREACHED: &str = "0018A45C4D1DEF81644B54AB7F969B88D65:10\r\n3FF4933CA8BEFC5BF2E731852A325AA2F5C:3\r\n";
const PADDING: &str = "0018A45C4D1DEF81644B54AB7F969B88D65:10\r\n3FF4933CA8BEFC5BF2E731852A325AA2F5C:0\r\n";

#[tokio::test]
async fn a_breached_password_is_refused_and_padding_is_no_hit() {
    for policy in [BreachPolicy::FailOpen, BreachPolicy::FailClosed] {
        let breached = register(Server::start(Plays::Lines(BREACHED)).await.check(), policy).await;
        let Err(RegisterError::Invalid(invalid)) = breached else { panic!("{breached:?}") };
        assert!(matches!(invalid.password, Some(PasswordError::Breached)));
        for clean in [CLEAN, PADDING] {
            register(Server::start(Plays::Lines(clean)).await.check(), policy).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_server_learns_five_digits_and_nothing_else() {
    let server = Server::start(Plays::Lines(CLEAN)).await;
    register(server.check(), BreachPolicy::FailClosed).await.unwrap();
    let requests = server.requests.lock().unwrap().clone();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    let lower = request.to_ascii_lowercase();
    assert!(request.starts_with(&format!("GET /range/{PREFIX} HTTP/1.1\r\n")), "{request}");
    assert!(
        lower.contains("\r\nadd-padding: true\r\n") && lower.contains("\r\nuser-agent: auth-hibp/"),
        "{request}"
    );
    assert!(
        !lower.contains(&SUFFIX.to_ascii_lowercase())
            && !lower.contains("heron")
            && !lower.contains("cookie")
    );
}

#[tokio::test]
async fn every_fault_is_decided_by_the_policy_and_in_time() {
    for plays in [
        Plays::Status("500 Internal Server Error"),
        Plays::Status("429 Too Many Requests\r\nRetry-After: 2"),
        Plays::Status("204 No Content"),
        // Not followed: it leads to the next question.
        Plays::Status("302 Found\r\nLocation: /range/00000"),
        Plays::Lines("<html>A page of a proxy</html>"),
        Plays::Endless,
        Plays::Truncated,
        Plays::NoText,
        Plays::Closes,
        Plays::Silent,
        Plays::Stalls,
    ] {
        let server = Server::start(plays).await;
        let asked_at = Instant::now();
        let closed = register(server.check(), BreachPolicy::FailClosed).await;
        assert!(
            matches!(closed, Err(RegisterError::Failed(Failure::BreachCheck(_)))),
            "{plays:?}: {closed:?}"
        );
        register(server.check(), BreachPolicy::FailOpen)
            .await
            .unwrap_or_else(|error| panic!("{plays:?}: {error}"));
        assert!(asked_at.elapsed() < Duration::from_secs(20), "{plays:?}");
        assert!(server.requests.lock().unwrap().len() <= 2, "{plays:?}: nothing is asked twice");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let check = HibpBreachCheck::at(&format!("http://{nobody}/")).unwrap();
    assert!(matches!(register(check, BreachPolicy::FailClosed).await, Err(RegisterError::Failed(_))));
    // A server without TLS.
    let plain = Server::start(Plays::Lines(CLEAN)).await.url.replace("http:", "https:");
    let check = HibpBreachCheck::at(&plain).unwrap().timeout(Duration::from_secs(5));
    assert!(matches!(register(check, BreachPolicy::FailClosed).await, Err(RegisterError::Failed(_))));
}

#[tokio::test]
async fn an_answer_is_cached_and_a_fault_is_not() {
    let server = Server::start(Plays::Lines(CLEAN)).await;
    let check = server.check();
    for _ in 0..3 {
        assert_eq!(check.suffixes("ABCDE").await.unwrap(), CLEAN);
    }
    check.suffixes("00000").await.unwrap();
    assert_eq!(server.requests.lock().unwrap().len(), 2);
    let without_slash = HibpBreachCheck::at(server.url.trim_end_matches('/')).unwrap();
    without_slash.suffixes("FFFFF").await.unwrap();
    assert!(server.requests.lock().unwrap().pop().unwrap().starts_with("GET /range/FFFFF "));
    let fresh = server.check().cached_for(Duration::ZERO);
    for _ in 0..2 {
        fresh.suffixes("ABCDE").await.unwrap();
    }
    assert_eq!(server.requests.lock().unwrap().len(), 4);
    let faulty = Server::start(Plays::Status("503 Service Unavailable")).await;
    let check = faulty.check();
    for _ in 0..2 {
        let error = check.suffixes("ABCDE").await.unwrap_err();
        assert!(!format!("{error:?} {error}").contains("ABCDE"), "{error:?}");
    }
    assert_eq!(faulty.requests.lock().unwrap().len(), 2);
}

#[test]
fn only_tls_leaves_this_machine() {
    for url in
        ["http://mirror.internal/range/", "ftp://localhost/", "mirror", "file:///range/", "http://192.0.2.1/"]
    {
        assert!(matches!(HibpBreachCheck::at(url), Err(HibpError::Url)), "{url}");
    }
    for url in
        ["https://mirror.internal/range/", "http://localhost:1/", "http://127.0.0.1:1/", "http://[::1]:1/"]
    {
        assert!(HibpBreachCheck::at(url).is_ok(), "{url}");
    }
    HibpBreachCheck::new().unwrap();
}
