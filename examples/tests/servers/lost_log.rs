//! A log that cannot be written, or that nobody reads, ends and holds no request.

use std::fs::{self, File};
use std::io::PipeReader;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use auth_tests::Route;
use tempfile::tempdir;

use crate::fixture::ADA;
use crate::server::{PROGRAMS, Program, STDERR, STDOUT, Server, ended_within};

/// More than a pipe holds (64 KiB), at the level of `trace`.
const REFRESHES: usize = 100;

fn full_disk() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A server that logs all it can to this. Nobody reads it.
fn logging_to(program: Program, log: Stdio) -> Server {
    let dir = tempdir().unwrap();
    let variables = [("DATABASE_URL", "memory:"), ("RATE_LIMIT_STORE", "none"), ("RUST_LOG", "trace")];
    // What a failing test prints.
    fs::write(dir.path().join(STDERR), "").unwrap();
    let stdout = File::create(dir.path().join(STDOUT)).unwrap();
    let mut command = program.command(dir.path(), &variables);
    let child = command.stdin(Stdio::null()).stdout(stdout).stderr(log).spawn().unwrap();
    Server::listening(child, dir, &variables)
}

/// Every operation of a session is answered, so no answer is lost, repeated and taken for reuse.
fn works(mut server: Server, why: &str) {
    let mut session = server.session(ADA);
    let begun = Instant::now();
    for _ in 0..REFRESHES {
        session = server.refresh(&session);
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{why}: held up for {:?}", begun.elapsed());
    server.get("/users/me").bearer(&session.access).send().expect(200);
    server.get("/users/me/sessions").bearer(&session.access).send().expect(200);
    server.root("GET", "/health").send().expect(200);
    server.reset(ADA);
    server.post("/auth/refresh").cookie("x").send().problem(401, "invalid_refresh_token");
    // Every route answers something.
    let document = server.root("GET", "/openapi.json").send().expect(200).json();
    for route in Route::all(&document) {
        server.root(&route.method, &route.path).send();
    }
    server.post("/auth/logout").cookie(&session.refresh).send().expect(204);
    let (status, took) = server.terminate();
    assert_eq!(status.code(), Some(0), "{why}: after {took:?}");
    assert!(took < Duration::from_secs(10), "{why}: {took:?}");
}

#[test]
fn a_log_whose_reader_is_gone_ends_nothing() {
    for program in PROGRAMS {
        let (reader, writer) = std::io::pipe().unwrap();
        let server = logging_to(program, writer.into());
        drop(reader);
        works(server, "the reader is gone");
    }
}

#[test]
fn a_log_on_a_full_disk_ends_nothing() {
    for program in PROGRAMS {
        works(logging_to(program, full_disk()), "the disk is full");
    }
}

#[test]
fn a_log_that_nobody_reads_holds_nothing() {
    for program in PROGRAMS {
        let (reader, writer): (PipeReader, _) = std::io::pipe().unwrap();
        works(logging_to(program, writer.into()), "the pipe is full");
        drop(reader);
    }
}

/// Neither the line that says where it listens nor the reason why it does not start.
#[test]
fn a_server_starts_and_fails_without_its_output() {
    for program in PROGRAMS {
        let dir = tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port_text = port.to_string();
        let variables = [("DATABASE_URL", "memory:"), ("PORT", port_text.as_str())];
        let mut command = program.command(dir.path(), &variables);
        let mut child = command.stdout(full_disk()).stderr(full_disk()).spawn().unwrap();
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let mut command = program.command(dir.path(), &[("JWT_SECRET", "short")]);
        let mut child = command.stdout(full_disk()).stderr(full_disk()).spawn().unwrap();
        assert_eq!(
            ended_within(&mut child, Duration::from_secs(20)).unwrap().code(),
            Some(78),
            "{program:?}"
        );
    }
}
