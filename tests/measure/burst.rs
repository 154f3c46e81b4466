//! Many log-ins at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

/// How long each answer took, by what it was.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// 401: a password was hashed.
    pub(crate) refused: Vec<Duration>,
    /// 503 with a time to come again.
    pub(crate) busy: Vec<Duration>,
    /// The first lines of all other answers.
    pub(crate) other: Vec<String>,
}

pub(crate) fn bursts(address: SocketAddr, clients: usize, bursts: usize) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut outcome = Outcome::default();
        for _ in 0..bursts {
            burst(address, clients, &mut outcome).await;
        }
        outcome
    })
}

/// Every client waits for all others once it is connected, and is timed from there.
async fn burst(address: SocketAddr, clients: usize, outcome: &mut Outcome) {
    let barrier = Arc::new(Barrier::new(clients));
    let tasks: Vec<_> = (0..clients)
        .map(|number| {
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let body =
                    json!({"email": format!("nobody{number}@example.com"), "password": "not the password"});
                let body = body.to_string();
                let request = format!(
                    "POST /api/v1/auth/login HTTP/1.1\r\nhost: server\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\n\r\n{body}",
                    body.len()
                );
                barrier.wait().await;
                let begun = Instant::now();
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut answer = Vec::with_capacity(4096);
                while !is_whole(&answer) {
                    assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "the server hung up");
                }
                (begun.elapsed(), String::from_utf8(answer).unwrap(), stream)
            })
        })
        .collect();
    // None hangs up before all have their answers: what that costs is not what is timed.
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    for (took, answer, _connection) in answers {
        let first = answer.lines().next().unwrap_or_default();
        let says_when = || answer.to_lowercase().contains("\r\nretry-after: ") && answer.contains("\"busy\"");
        match first.get(9..12) {
            Some("401") => outcome.refused.push(took),
            Some("503") if says_when() => outcome.busy.push(took),
            _ => outcome.other.push(first.to_owned()),
        }
    }
}

/// Whether an answer is there with as much body as it says.
fn is_whole(answer: &[u8]) -> bool {
    let text = str::from_utf8(answer).unwrap_or_default();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| length.parse() == Ok(body.len()))
}
