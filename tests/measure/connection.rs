//! One connection that is kept, so that nothing but the request is timed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// An answer and how long it took.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) took: Duration,
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let head = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        self.send(&format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{head}\r\n{body}"))
    }

    pub(crate) fn get(&mut self, path: &str, bearer: &str) -> Answer {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {bearer}\r\n\r\n"
        ))
    }

    /// The token of the newest link to this page in the development mailbox, once there is one for this
    /// address.
    pub(crate) fn mailed_link(&mut self, page: &str, to: &str) -> String {
        let (deadline, page) = (Instant::now() + Duration::from_secs(30), format!("/#/{page}?token="));
        loop {
            let mails = self.get("/dev/mailbox.json", "").body;
            let mut mails = mails.as_array().unwrap().iter().rev().filter(|mail| mail["to"] == to);
            let link = mails.find_map(|mail| Some(mail["text"].as_str()?.split_once(&page)?.1.to_owned()));
            if let Some(link) = link {
                return link.chars().take_while(|c| c.is_alphanumeric() || "-_.".contains(*c)).collect();
            }
            assert!(Instant::now() < deadline, "no mail to {to} with {page}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn send(&mut self, request: &str) -> Answer {
        let begun = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut line, mut status, mut length) = (String::new(), 0, 0);
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let text = line.trim_end().to_ascii_lowercase();
            if text.is_empty() {
                break;
            }
            if let Some(rest) = text.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(rest) = text.strip_prefix("content-length:") {
                length = rest.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        let took = begun.elapsed();
        Answer { status, body: serde_json::from_slice(&body).unwrap_or(Value::Null), took }
    }
}
