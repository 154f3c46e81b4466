//! Imports that are run again, and reports that nobody reads.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::{ADA, Place, Ran};

const USERS: &str =
    "id,email,email_verified\n1,ada@example.com,t\n2,grace@example.com,t\n,linus@example.com,t\n";
const WARNING: &str = "run again, this import would bring back users that are deleted meanwhile";

fn place() -> Place {
    let place = Place::sqlite();
    fs::write(place.directory.path().join("users.csv"), USERS).unwrap();
    place
}

fn import(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["import", "users.csv", "--create-database"], more].concat())
}

#[test]
fn deleted_users_do_not_come_back_with_done() {
    let place = place();
    let first = import(&place, &["--done", "users.done"]).expect(0).out;
    assert!(first.starts_with("3 lines: 3 written, 0 done earlier, 0 there already, 0 refused\n"), "{first}");
    for email in [ADA, "linus@example.com"] {
        place.run(&["user", "delete", email, "--yes"]).expect(0);
    }
    let again = import(&place, &["--done", "users.done", "--json"]).expect(0).json();
    assert_eq!((&again["inserted"], &again["done"], &again["present"]), (&0.into(), &3.into(), &0.into()));
    assert_eq!(again["repeat_restores_deleted"], false);
    for email in [ADA, "linus@example.com"] {
        place.run(&["user", "show", email]).expect(67);
    }
    // Users of a run without the file are remembered by the next run.
    let other = self::place();
    import(&other, &[]).expect(0);
    let present = import(&other, &["--done", "users.done", "--json"]).expect(0).json();
    assert_eq!((&present["present"], &present["done"]), (&3.into(), &0.into()));
    other.run(&["user", "delete", ADA, "--yes"]).expect(0);
    assert_eq!(import(&other, &["--done", "users.done", "--json"]).expect(0).json()["inserted"], 0);
}

#[test]
fn an_import_without_done_says_first_what_a_second_one_does() {
    let place = place();
    let done = import(&place, &[]).expect(0).out;
    assert!(done.starts_with(WARNING) && done.contains("--done FILE"), "{done}");
    assert_eq!(import(&place, &["--json"]).expect(0).json()["repeat_restores_deleted"], true);
    place.run(&["user", "delete", ADA, "--yes"]).expect(0);
    import(&place, &[]).expect(0);
    place.run(&["user", "show", ADA]).expect(0);
    let help = place.run(&["import", "--help"]).expect(0).out;
    assert!(help.starts_with("Run again, an import brings back users that were deleted"), "{help}");
}

#[test]
fn a_file_of_done_that_a_crash_cut_is_read() {
    let place = place();
    import(&place, &["--done", "users.done"]).expect(0);
    let path = place.directory.path().join("users.done");
    let whole = fs::read_to_string(&path).unwrap();
    assert_eq!(whole.lines().count(), 4);
    assert!(!whole.contains('@'), "no address: {whole}");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let again = import(&place, &["--done", "users.done", "--json"]).expect(0).json();
        let done = u64::try_from(whole[..length].lines().count().saturating_sub(1)).unwrap();
        let done = if whole[..length].ends_with('\n') { done } else { done.saturating_sub(1) };
        assert_eq!((&again["inserted"], &again["done"]), (&0.into(), &done.into()), "{length}");
        let mut lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
        let mut expected: Vec<&str> = whole.lines().collect();
        lines.sort();
        expected.sort_unstable();
        assert_eq!(lines, expected, "{length}");
    }
}

#[test]
fn a_file_of_done_is_for_one_database_and_one_import() {
    let place = place();
    import(&place, &["--done", "users.done"]).expect(0);
    let path = place.directory.path().join("users.done");
    let url = format!("sqlite://{}", place.directory.path().join("other.db").display());
    let mut command = place.command(&["import", "users.csv", "--done", "users.done", "--create-database"]);
    let other = command.env("DATABASE_URL", url).output().unwrap();
    let problem = String::from_utf8(other.stderr).unwrap();
    assert_eq!((other.status.code(), other.stdout.len()), (Some(65), 0), "{problem}");
    assert!(problem.contains("users.done is about another database, sqlite /"), "{problem}");

    let locked = File::open(&path).unwrap();
    locked.lock().unwrap();
    let second = import(&place, &["--done", "users.done"]).expect(73);
    assert!(second.err.contains("another import has locked it"), "{second:?}");
    drop(locked);

    for text in [USERS, "x", "\u{fffd}\n"] {
        fs::write(&path, text).unwrap();
        let foreign = import(&place, &["--done", "users.done"]).expect(65);
        assert!(foreign.err.contains("is no file of --done"), "{foreign:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "it is not touched");
    }
    let own = import(&place, &["--done", "users.csv"]).expect(65);
    assert!(own.err.contains("is no file of --done"), "{own:?}");
    import(&place, &["--done", "nowhere/users.done"]).expect(73);
    import(&place, &["--done", "/dev/full"]).expect(73);
}

#[test]
fn an_import_continues_when_nobody_reads_its_reports() {
    let count = 2_000;
    let lines: Vec<String> =
        (0..count).map(|number| format!("user{number}@example.com\nbad{number}\n")).collect();
    let text = format!("email\n{}", lines.concat());
    for (out, err) in [(true, true), (false, true), (true, false)] {
        let place = Place::sqlite();
        fs::write(place.directory.path().join("users.csv"), &text).unwrap();
        let mut command =
            place.command(&["import", "users.csv", "--create-database", "--done", "users.done"]);
        if out {
            command.stdout(closed());
        }
        if err {
            command.stderr(closed());
        }
        let ended = command.output().unwrap();
        assert_eq!(ended.status.code(), Some(74), "{ended:?}");
        let (out, err) = (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap());
        assert!(out.is_empty() || out.contains("reports about lines were lost"), "{out}");
        assert!(err.is_empty() || err.contains("done, but the report is lost: standard output"), "{err}");
        let again = place.run(&["import", "users.csv", "--done", "users.done", "--json"]).expect(65).json();
        let expected = json!({ "done": count, "refused": count, "inserted": 0 });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&again[field], value, "{field}");
        }
    }
}

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_closed_pipe_ends_a_command_quietly_and_a_full_disk_loudly() {
    let place = place();
    place.create(ADA);
    for command in
        [&["user", "show", ADA][..], &["--help"], &["session", "list", ADA, "--json"], &["clean-up"]]
    {
        let ended = place.command(command).stdout(closed()).output().unwrap();
        assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0), "{command:?}");
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = place.command(command).stdout(full).output().unwrap();
        let problem = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(74), "{command:?}");
        assert!(problem.contains("the report is lost: standard output cannot be written"), "{problem}");
    }
    for streams in [["/dev/full", "/dev/null"], ["/dev/null", "/dev/full"], ["/dev/full", "/dev/full"]] {
        let bad = format!("{USERS},bad,\n");
        fs::write(place.directory.path().join("bad.csv"), bad).unwrap();
        let [out, err] = streams.map(|path| OpenOptions::new().write(true).open(path).unwrap());
        let ended = place.command(&["import", "bad.csv"]).stdout(out).stderr(err).status().unwrap();
        assert_eq!(ended.code(), Some(74), "{streams:?}");
    }
}

#[test]
fn a_password_from_standard_input_has_no_byte_order_mark() {
    let place = Place::sqlite();
    let create = ["user", "create", ADA, "--password-stdin", "--create-database"];
    place.run_with(&create, "\u{feff}correct horse battery\r\n").expect(0);
    let auth_sees = |password: &str| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let auth = place.service(auth_core::Mailbox::new()).await;
            crate::place::logs_in(&auth, ADA, password).await
        })
    };
    assert!(auth_sees("correct horse battery"));
    assert!(!auth_sees("\u{feff}correct horse battery"));
    let longest = "\u{e9}".repeat(auth_core::MAX_PASSWORD_BYTES / 2);
    let create = ["user", "create", "grace@example.com", "--password-stdin"];
    place.run_with(&create, &format!("\u{feff}{longest}x\r\n")).expect(65);
    let utf16: Vec<u8> = "\u{feff}correct horse".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let refused = place.run_with_bytes(&create, &utf16).expect(65);
    assert!(refused.err.contains("the password is UTF-16"), "{refused:?}");
}

#[test]
fn progress_is_written_to_a_pipe_only_if_asked() {
    let place = place();
    assert_eq!(import(&place, &[]).expect(0).err, "");
    let mut asked = place
        .command(&["import", "-", "--format", "csv", "--progress", "--json"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = asked.stdin.take().unwrap();
    let reports = BufReader::new(asked.stderr.take().unwrap());
    let first = thread::spawn(move || reports.lines().next().unwrap().unwrap());
    writeln!(input, "email").unwrap();
    let begun = Instant::now();
    for number in 0.. {
        if first.is_finished() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "there is no line of progress");
        writeln!(input, "u{number}@example.com").unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    drop(input);
    let line: Value = serde_json::from_str(&first.join().unwrap()).unwrap();
    assert!(line["progress"]["lines"].as_u64().unwrap() > 0, "{line}");
    assert_eq!(asked.wait_with_output().unwrap().status.code(), Some(0));
}
