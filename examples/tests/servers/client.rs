//! A client that sends whatever it is told to, byte by byte, and reads one answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// One request. Everything in it is sent as it is.
#[derive(Clone)]
pub(crate) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The request as it goes over the wire. A length is told where there is a body, unless a header
    /// says how the body travels.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nhost: server\r\nconnection: close\r\n", self.method, self.path)
                .into_bytes();
        let framed =
            self.headers.iter().any(|(name, _)| matches!(&**name, "content-length" | "transfer-encoding"));
        if !framed && (!self.body.is_empty() || self.method == "POST") {
            bytes.extend(format!("content-length: {}\r\n", self.body.len()).bytes());
        }
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }

    pub(crate) fn send_to(&self, address: SocketAddr) -> Answer {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // A server may answer, and close, before it has read everything.
        _ = stream.write_all(&self.bytes());
        let mut bytes = Vec::new();
        _ = stream.read_to_end(&mut bytes);
        Answer::read(&bytes, self.method == "HEAD")
    }
}

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8], to_head: bool) -> Self {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = head.parse(bytes).expect("no HTTP answer") else {
            panic!("an answer cut short: {}", String::from_utf8_lossy(bytes));
        };
        let status = head.code.unwrap();
        let headers: Vec<(String, String)> = head
            .headers
            .iter()
            .map(|header| {
                (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned())
            })
            .collect();
        let answer = Self { status, headers, body: bytes[length..].to_vec() };
        if let Some(length) = answer.header("content-length")
            && !to_head
        {
            assert_eq!(answer.body.len().to_string(), length, "a body cut short");
        }
        answer
    }

    /// The value of a header that must not be there twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values =
            self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text()))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Asserts a problem, in form and in content.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Self {
        let body = self.json();
        assert_eq!((self.status, body["code"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(body["status"], status);
        assert!(body["type"].is_string() && body["title"].is_string());
        for key in body.as_object().unwrap().keys() {
            assert!(["type", "title", "status", "code", "detail", "errors"].contains(&&**key), "{key}");
        }
        assert_eq!(body.get("errors").is_some(), status == 422);
        self
    }

    /// The name and value of the cookie that the answer sets.
    pub(crate) fn set_cookie(&self) -> Option<(&str, &str)> {
        self.header("set-cookie")?.split(';').next()?.split_once('=')
    }
}
