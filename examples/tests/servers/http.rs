//! A client that sends anything, one connection per request: bytes out, bytes in.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::answer::Answer;
use crate::every_answer;
use crate::server::Server;

/// A request that is being put together.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    server: &'a Server,
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    chunked: bool,
}

impl<'a> Request<'a> {
    pub(crate) fn new(server: &'a Server, method: &str, path: &str) -> Self {
        Self {
            server,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
            chunked: false,
        }
    }

    /// One more header line; earlier ones of the same name stay.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The body as it is, with its length and no content type.
    pub(crate) fn raw(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_owned());
        self
    }

    /// Any text that is declared to be JSON.
    pub(crate) fn body(self, body: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type", "application/json").raw(body)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    /// Sends the body in pieces, without a `Content-Length`.
    pub(crate) fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// The refresh cookie, by the name that this server gives it.
    pub(crate) fn cookie(self, value: &str) -> Self {
        let line = format!("{}={value}", self.server.cookie_name());
        self.header("Cookie", line)
    }

    /// The refresh token travels in bodies.
    pub(crate) fn in_body(self) -> Self {
        self.header("X-Token-Transport", "body")
    }

    pub(crate) fn origin(self, origin: &str) -> Self {
        self.header("Origin", origin)
    }

    /// Sends it; the answer obeys all that every answer must.
    #[track_caller]
    pub(crate) fn send(self) -> Answer {
        let answer = self.exchange().expect("an answer");
        every_answer::check(self.server, &self.method, &self.path, &answer);
        if answer.status < 300 {
            self.server.served.lock().unwrap().insert(format!("{} {}", self.method, self.path));
        }
        answer
    }

    /// Sends it, where even the connection may be refused, and a server may die over it. Nothing is asked
    /// of the answer.
    #[track_caller]
    pub(crate) fn exchange(&self) -> Option<Answer> {
        let ask = |stream: &mut TcpStream| {
            stream.write_all(&self.head())?;
            self.write_body(stream)
        };
        let answer = Answer::parse(&exchange(self.server.addr, ask)?, self.method == "HEAD")?;
        self.server.answered(&answer);
        Some(answer)
    }

    fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        };
        let has = |wanted: &str| self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        if !has("host") {
            line("Host", self.server.addr.to_string().as_bytes());
        }
        line("Connection", b"close");
        for (name, value) in &self.headers {
            line(name, value);
        }
        match &self.body {
            Some(_) if self.chunked => line("Transfer-Encoding", b"chunked"),
            Some(body) if !has("content-length") => line("Content-Length", body.len().to_string().as_bytes()),
            _ => {}
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    fn write_body(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let Some(body) = &self.body else { return Ok(()) };
        if !self.chunked {
            return stream.write_all(body);
        }
        for piece in body.chunks(1000) {
            write!(stream, "{:x}\r\n", piece.len())?;
            stream.write_all(piece)?;
            stream.write_all(b"\r\n")?;
        }
        stream.write_all(b"0\r\n\r\n")
    }
}

/// All that comes back on a new connection; nothing if the connection fails.
pub(crate) fn exchange(
    addr: SocketAddr,
    ask: impl FnOnce(&mut TcpStream) -> std::io::Result<()>,
) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(addr).ok()?;
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    // A server may answer and close before it has read all: what it answered counts.
    let _ = ask(&mut stream);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    Some(bytes)
}
