//! The servers of the tests: started once for this process, and stopped with it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A started server and what its `env` says.
pub(crate) struct Server(HashMap<String, String>);

pub(crate) fn sink() -> &'static Server {
    static SINK: OnceLock<Server> = OnceLock::new();
    SINK.get_or_init(|| Server::start("smtp-sink", Path::new(env!("CARGO_TARGET_TMPDIR"))))
}

pub(crate) fn postfix() -> &'static Server {
    static POSTFIX: OnceLock<Server> = OnceLock::new();
    // Its processes run as other users, which cannot read the target directory or every TMPDIR.
    POSTFIX.get_or_init(|| Server::start("postfix", Path::new("/tmp")))
}

impl Server {
    fn start(name: &str, parent: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/servers").join(name);
        let directory = parent.join(format!("auth-mailer-{name}-{}", process::id()));
        // An earlier process with this id may have left files.
        let _ = fs::remove_dir_all(&directory);
        let run = |verb: &str| {
            let output = Command::new(&script)
                .args([verb.as_ref(), directory.as_os_str()])
                .env("OWNER", process::id().to_string())
                .output()
                .unwrap();
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{} {verb}: {complaint}", script.display());
            String::from_utf8(output.stdout).unwrap()
        };
        run("start");
        let variables = run("env");
        let pairs = variables.lines().filter_map(|line| line.split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("no {name}"))
    }

    pub(crate) fn port(&self, name: &str) -> u16 {
        self.get(name).parse().unwrap()
    }
}

/// A message as the sink received it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) tls: bool,
    pub(crate) user: Option<String>,
    pub(crate) hello: String,
    pub(crate) bytes: Vec<u8>,
}

impl Received {
    /// A header's text, decoded.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let message = mail_parser::MessageParser::default().parse(&self.bytes)?;
        message.header_raw(name).map(|value| value.trim().to_owned())
    }

    pub(crate) fn subject(&self) -> String {
        mail_parser::MessageParser::default().parse(&self.bytes).unwrap().subject().unwrap().to_owned()
    }

    pub(crate) fn text(&self) -> String {
        let message = mail_parser::MessageParser::default().parse(&self.bytes).unwrap();
        message.body_text(0).unwrap().replace("\r\n", "\n")
    }

    pub(crate) fn html(&self) -> String {
        let message = mail_parser::MessageParser::default().parse(&self.bytes).unwrap();
        message.body_html(0).unwrap().replace("\r\n", "\n")
    }

    /// The token of its link.
    pub(crate) fn token(&self) -> String {
        let text = self.text();
        let (_, rest) = text.split_once("?token=").expect("a link");
        rest.split_whitespace().next().unwrap().to_owned()
    }
}

/// The messages at the sink for recipients whose address contains `part`, the oldest first.
pub(crate) async fn received(part: &str) -> Vec<Received> {
    let Value::Array(messages) = ask(&format!("/messages?{part}")).await else { panic!() };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    messages
        .iter()
        .map(|message| Received {
            from: text(&message["from"]).unwrap(),
            to: text(&message["to"][0]).unwrap(),
            tls: message["tls"].as_bool().unwrap(),
            user: text(&message["user"]),
            hello: text(&message["hello"]).unwrap(),
            bytes: decoded(&text(&message["data"]).unwrap()),
        })
        .collect()
}

fn decoded(text: &str) -> Vec<u8> {
    mail_parser::decoders::base64::base64_decode(text.as_bytes()).unwrap()
}

pub(crate) async fn count(part: &str) -> u64 {
    ask(&format!("/count?{part}")).await.as_u64().unwrap()
}

/// The lines that one client sent to the sink: all of them, and those in clear.
pub(crate) struct Session {
    pub(crate) commands: Vec<String>,
    pub(crate) clear: Vec<String>,
}

/// The connections of the client that greets with this name.
pub(crate) async fn sessions(hello: &str) -> Vec<Session> {
    let Value::Array(sessions) = ask("/sessions").await else { panic!() };
    let lines = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    };
    sessions
        .iter()
        .map(|session| Session { commands: lines(&session["commands"]), clear: lines(&session["clear"]) })
        .filter(|session| session.commands.iter().any(|command| *command == format!("EHLO {hello}")))
        .collect()
}

async fn ask(path: &str) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", sink().port("SINK_API"))).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    serde_json::from_slice(&answer[body..]).unwrap()
}

/// Waits until a condition holds; panics after `limit`.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, limit: Duration, condition: impl Fn() -> F) {
    let begun = tokio::time::Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A new, empty folder, deleted on drop.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
