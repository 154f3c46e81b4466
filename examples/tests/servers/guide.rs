//! The guides in `docs/` are true: their files and commands, in their order, print what the guides say.

use std::fmt::Debug;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use auth_tests::page::{Block, blocks, matches};

use crate::server::{PROGRAMS, ended_within};

const REST_API: &str = include_str!("../../../docs/http.md");
const ON_AXUM: &str = include_str!("../../../docs/start-axum.md");
const ON_ACTIX: &str = include_str!("../../../docs/start-actix.md");

/// Where a guide waits for what never comes, nobody else ends it. It may build a service first.
const PATIENCE: Duration = Duration::from_mins(30);

/// One thing that a reader does.
enum Step {
    /// Writes a file that the guide shows.
    Write { file: String, text: String },
    /// Types commands; the guide may say what they print.
    Type { commands: String, printed: String },
}

/// The steps of a guide.
fn steps(guide: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for Block { kind, file, text } in blocks(guide) {
        match (file, kind) {
            (Some(file), _) => steps.push(Step::Write { file: file.to_owned(), text: text.to_owned() }),
            (None, "sh") => steps.push(Step::Type { commands: text.to_owned(), printed: String::new() }),
            (None, "text") => match steps.last_mut() {
                Some(Step::Type { printed, .. }) => text.clone_into(printed),
                _ => panic!("nothing was typed that prints\n{text}"),
            },
            (None, other) => panic!("a block of an unknown kind: {other}"),
        }
    }
    steps
}

/// Does what the guide says in a directory, with a server at this port, and compares what it prints.
fn follow(guide: &str, directory: &Path, port: u16, who: impl Debug) {
    let steps = steps(guide);
    let script: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Step::Write { file, text } => format!("cat >{file} <<'THE END'\n{text}THE END\n"),
            Step::Type { commands, .. } => commands.clone(),
        })
        .collect();
    let script =
        script.join("\necho; echo '== next'\n").replace("localhost:3000", &format!("localhost:{port}"));
    let script = script.replace("127.0.0.1:3000", &format!("127.0.0.1:{port}"));
    let (out, err) = (directory.join("printed"), directory.join("errors"));
    let mut shell = Command::new("bash")
        .args(["-e", "-c", &script])
        .env("LC_ALL", "C")
        // What a reader would wait for is built already.
        // What was built here for the same features need not be built again.
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap())
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .process_group(0)
        .spawn()
        .unwrap();
    let group = format!("-{}", shell.id());
    let status = ended_within(&mut shell, PATIENCE);
    // What the guide left running; there may be nothing.
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let printed = fs::read_to_string(&out).unwrap();
    let succeeded = status.is_some_and(|status| status.success());
    assert!(succeeded, "{who:?}: {status:?}: {printed}\n{}", fs::read_to_string(&err).unwrap());
    let outputs: Vec<&str> = printed.split("\n== next\n").collect();
    assert_eq!(outputs.len(), steps.len());
    for (step, printed) in steps.iter().zip(outputs) {
        let Step::Type { commands, printed: expected } = step else { continue };
        // curl adds no end of line to an answer.
        let squeezed = |text: &str| {
            text.replace("}{", "}\n{").replace("}\"", "}\n\"").replace('\r', "").trim().to_owned()
        };
        let printed = printed.replace(&format!("127.0.0.1:{port}"), "127.0.0.1:3000");
        assert!(
            matches(&squeezed(&printed), expected.trim()),
            "{who:?}:\n{commands}\nprinted\n{printed}\ninstead of\n{expected}"
        );
    }
}

/// A service outside of this workspace, made as its guide says: with its own manifest, from an empty
/// directory.
fn build_and_run(guide: &str, who: &str) {
    let directory = tempfile::tempdir().unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::os::unix::fs::symlink(repository, directory.path().join("auth")).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // With the versions that this workspace was tested with, which are built already.
    let build = "cargo build --quiet\n";
    let guide = guide.replacen(build, &format!("cp ../auth/Cargo.lock .\n{build}"), 1);
    follow(&guide, directory.path(), port, who);
}

#[test]
fn the_rest_api_by_curl_answers_what_the_guide_says() {
    for program in PROGRAMS {
        let server = program.start_in(tempfile::tempdir().unwrap(), &[]);
        follow(REST_API, server.directory(), server.addr.port(), program);
    }
}

#[test]
fn a_new_service_on_axum_logs_its_first_user_in() {
    build_and_run(ON_AXUM, "axum");
}

#[test]
fn a_new_service_on_actix_web_logs_its_first_user_in() {
    build_and_run(ON_ACTIX, "actix-web");
}
