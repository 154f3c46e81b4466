//! A client of little cost: one open connection, requests and answers as bytes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::results::Failure;

/// An open connection.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// The bytes of a request.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{kind}{headers}\r\n{body}"
    )
    .into_bytes()
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new() })
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        self.stream.write_all(request)?;
        self.read.clear();
        let mut chunk = [0; 4096];
        loop {
            let length = self.stream.read(&mut chunk)?;
            if length == 0 {
                return Err("the server closed the connection".into());
            }
            self.read.extend_from_slice(chunk.get(..length).unwrap_or_default());
            if let Some(answer) = Answer::read(&self.read) {
                return Ok(answer);
            }
        }
    }

    /// Sends a request and panics at another status.
    pub(crate) fn expect(&mut self, status: u16, request: &[u8]) -> Result<Answer, Failure> {
        let answer = self.send(request)?;
        if answer.status == status {
            return Ok(answer);
        }
        Err(format!("{} instead of {status}: {}", answer.status, answer.body).into())
    }
}

impl Answer {
    /// `None` while the answer is incomplete.
    fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let answer = Self { status, head: head.to_owned(), body: body.to_owned() };
        let length = answer.header("content-length").map_or(Some(0), |length| length.parse().ok())?;
        (body.len() == length).then_some(answer)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// `name=value` of the cookie that the answer sets.
    pub(crate) fn cookie(&self) -> Result<String, Failure> {
        let cookie = self.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        Ok(cookie.ok_or("no cookie")?.to_owned())
    }

    pub(crate) fn access_token(&self) -> Result<String, Failure> {
        let body: serde_json::Value = serde_json::from_str(&self.body)?;
        Ok(body.get("access_token").and_then(|token| token.as_str()).ok_or("no access token")?.to_owned())
    }
}
