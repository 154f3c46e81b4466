//! What operators do: arguments, signals, misspelt settings, and a load balancer that asks before a stop.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use auth_examples::settings::describe_variables;
use serde_json::json;
use tempfile::tempdir;

use crate::fixture::{ADA, PASSWORD};
use crate::server::{PROGRAMS, Program, Server, ended_within, spawn};

const USUAL: [(&str, &str); 2] = [("DATABASE_URL", "memory:"), ("RATE_LIMIT_STORE", "none")];

fn started(program: Program, variables: &[(&str, &str)]) -> Server {
    program.start_in(tempdir().unwrap(), &[&USUAL, variables].concat())
}

/// A server whose parent left it this disposition of SIGHUP: the tests themselves may be run under `nohup`.
fn started_from_a_shell(program: Program, disposition: &str) -> Server {
    let directory = tempdir().unwrap();
    let mut command = Command::new("/usr/bin/env");
    command.arg(disposition).arg(program.command(directory.path(), &USUAL).get_program());
    let child = spawn(command.env_clear().envs(USUAL).env("PORT", "0"), directory.path());
    Server::listening(child, directory, &USUAL)
}

#[test]
fn arguments_are_refused_and_never_repeated() {
    for program in PROGRAMS {
        for arguments in [
            &["--port", "3000"][..],
            &["JWT_SECRET=hunter2hunter2"],
            &["--help", "hunter2hunter2"],
            &["-h"],
            &["help"],
            &[""],
        ] {
            let directory = tempdir().unwrap();
            let output = program.command(directory.path(), &USUAL).args(arguments).output().unwrap();
            assert_eq!(output.status.code(), Some(64), "{program:?} {arguments:?}");
            assert!(output.stdout.is_empty());
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains("takes no arguments but --help and --version"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was made");
        }
    }
}

#[test]
fn help_and_version_are_printed_and_nothing_starts() {
    for (program, name) in [(Program::Axum, "server"), (Program::Actix, "server_actix")] {
        let directory = tempdir().unwrap();
        // Settings that no server starts with.
        let bad = [("PORT", "no port")];
        let ask = |argument| {
            let output = program.command(directory.path(), &bad).arg(argument).output().unwrap();
            assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
            String::from_utf8(output.stdout).unwrap()
        };
        let help = ask("--help");
        assert!(help.contains(&format!("Usage: {name} [--help | --version]")), "{help}");
        assert!(help.contains(&describe_variables()) && help.contains("  78  the environment"), "{help}");
        assert_eq!(ask("--version"), format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was made");
        let full = File::options().write(true).open("/dev/full").unwrap();
        let lost = program.command(directory.path(), &[]).arg("--help").stdout(full).status().unwrap();
        assert_eq!(lost.code(), Some(74), "{program:?}");
    }
}

/// A registration whose body is still to come.
fn begun(server: &Server, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr).unwrap();
    let head = format!(
        "POST /api/v1/auth/register HTTP/1.1\r\nhost: server\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut awaited = [0; 25];
    stream.read_exact(&mut awaited).unwrap();
    assert_eq!(&awaited, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[test]
fn each_signal_to_stop_finishes_the_open_requests() {
    for program in PROGRAMS {
        for signal in ["TERM", "INT", "HUP"] {
            let mut server = started_from_a_shell(program, "--default-signal=HUP,INT");
            let body = json!({"email": ADA, "password": PASSWORD}).to_string();
            let mut open = begun(&server, &body);
            server.signal(signal);
            server.logged(&format!("SIG{signal}"));
            open.write_all(body.as_bytes()).unwrap();
            let mut answer = String::new();
            open.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 202"), "{program:?} {signal}: {answer}");
            assert_eq!(server.ended().code(), Some(0), "{program:?} {signal}");
            assert!(server.log().contains("all_done=true"), "{program:?} {signal}: {}", server.log());
        }
    }
}

/// `nohup` ignores the signal for the program that it starts.
#[test]
fn a_server_under_nohup_outlives_its_terminal() {
    for program in PROGRAMS {
        let mut server = started_from_a_shell(program, "--ignore-signal=HUP");
        server.signal("HUP");
        server.root("GET", "/health").send().expect(200);
        let (status, _) = server.terminate();
        assert_eq!(status.code(), Some(0));
        assert!(!server.log().contains("SIGHUP"), "{}", server.log());
    }
}

fn is_ready(server: &Server) -> bool {
    server.root("GET", "/health/ready").send().status == 200
}

#[test]
fn a_stop_ends_readiness_before_the_listener() {
    for program in PROGRAMS {
        let mut server = started(program, &[("DRAIN_DELAY", "5m")]);
        assert!(is_ready(&server));
        server.signal("TERM");
        let deadline = Instant::now() + Duration::from_secs(20);
        while is_ready(&server) {
            assert!(Instant::now() < deadline, "{program:?}: still ready");
        }
        let unready = json!({"status": "unavailable", "checks": {"database": "ok"}});
        server.root("GET", "/health/ready").send().expect_json(503, &unready);
        server.get("/health/ready").send().expect_json(503, &unready);
        server.root("GET", "/health/live").send().expect(200);
        server.root("GET", "/health").send().expect(200);
        server.session(ADA);
        // Asked once more, it waits for no load balancer.
        let (status, took) = server.terminate();
        assert_eq!(status.code(), Some(0), "{program:?}");
        assert!(took < Duration::from_secs(10), "{program:?}: {took:?}");
    }
}

#[test]
fn a_drain_delay_passes_by_itself() {
    for program in PROGRAMS {
        let mut server = started(program, &[("DRAIN_DELAY", "1s")]);
        let (status, took) = server.terminate();
        assert_eq!(status.code(), Some(0), "{program:?}");
        assert!((Duration::from_secs(1)..Duration::from_secs(10)).contains(&took), "{program:?}: {took:?}");
    }
}

#[test]
fn a_misspelt_setting_is_named_at_the_start() {
    let misspelt = [("JWT_SECRETS", "hunter2hunter2"), ("PUBLIC_ULR", "https://hunter2.example")];
    for program in PROGRAMS {
        let server = started(program, &[&misspelt[..], &[("PAGER", "less"), ("PATH", "/bin")]].concat());
        server.logged("JWT_SECRETS");
        server.logged("PUBLIC_ULR");
        let log = server.log();
        assert_eq!(log.matches("perhaps it is misspelt").count(), 2, "{log}");
        assert!(!log.contains("hunter2"), "{log}");

        let directory = tempdir().unwrap();
        let wrong = [&misspelt[..], &[("PORT", "no port")]].concat();
        let mut child = program.command(directory.path(), &wrong).stderr(Stdio::piped()).spawn().unwrap();
        let status = ended_within(&mut child, Duration::from_secs(20));
        assert_eq!(status.and_then(|status| status.code()), Some(78));
        let mut said = String::new();
        child.stderr.unwrap().read_to_string(&mut said).unwrap();
        assert!(
            said.contains("  JWT_SECRETS is no setting and was ignored: perhaps JWT_SECRET is meant"),
            "{said}"
        );
        assert!(said.contains("  PORT must be a port") && !said.contains("hunter2"), "{said}");
    }
}
