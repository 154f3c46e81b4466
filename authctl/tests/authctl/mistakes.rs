//! Mistakes on the command line: each has its status and a message that helps.

use serde_json::Value;

use crate::place::{ADA, Place, Ran, finish};

/// A command, its status, and a part of its message.
const MISTAKES: &[(&str, i32, &str)] = &[
    ("", 64, "a command is missing"),
    ("user", 64, "a command is missing"),
    ("usr show ada@example.com", 64, "a similar subcommand exists: 'user'"),
    ("user show", 64, "<USER>"),
    ("user show ada", 64, "a user is named by an e-mail address or by an id"),
    ("user show bob@example.com", 67, "there is no such user"),
    ("user show 01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a", 67, "there is no such user"),
    ("user create bob@example.com", 64, "give --password-stdin or --invite"),
    ("user create bob@example.com --invite --password-stdin", 64, "cannot be used with"),
    ("user create bob@example.com --password hunter2", 64, "unexpected argument '--password'"),
    ("user create ada@example.com --invite", 65, "the e-mail address is taken"),
    ("user disable bob@example.com", 67, "there is no such user"),
    ("user delete ada@example.com", 64, "give --yes"),
    ("user list --after ada@example.com", 64, "--after takes the id of a user"),
    ("user list --limit 0", 64, "0 is not in 1..=1000"),
    ("session end", 64, "<USER>"),
    ("session end ada@example.com", 64, "<SESSION|--all|--everyone>"),
    ("session end ada@example.com", 64, "Usage: authctl session end [OPTIONS] <USER> <SESSION|--all>\n"),
    ("session end ada@example.com --everyone", 64, "cannot be used with"),
    ("session end --everyone --all", 64, "cannot be used with"),
    ("session end ada@example.com 7", 64, "`authctl session list` shows the ids"),
    ("session end ada@example.com 01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a", 67, "no such session"),
    ("dead-letter requeue", 64, "<ID|--all>"),
    ("dead-letter requeue x", 64, "`authctl dead-letter list` shows the ids"),
    ("dead-letter requeue 01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a", 67, "there is no such dead letter"),
    ("dead-letter list --limit many", 64, "invalid value 'many'"),
    ("reset bob@example.com", 67, "there is no such user"),
    ("import nowhere.csv", 66, "nowhere.csv cannot be read"),
    ("import users", 64, "give --format csv, --format jsonl or --format json"),
    ("import . --format csv", 66, "is a directory"),
    ("key generate", 64, "--out"),
    ("key generate --algorithm rsa --out k.pem", 64, "[possible values: ed25519, es256, secret]"),
    ("key generate --out nowhere/k.pem", 73, "nowhere/k.pem cannot be created"),
    ("key jwks", 64, "set JWT_PRIVATE_KEY_FILE"),
    ("key jwks nowhere.pem", 66, "nowhere.pem: cannot be read"),
    ("key jwks auth.db", 65, "holds no Ed25519 or P-256 key"),
];

fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().collect()
}

fn assert_refused(ran: &Ran, status: i32, piece: &str) {
    assert!(ran.err.contains(piece), "{piece} is not in {ran:?}");
    assert!(ran.err.starts_with("authctl: "), "{ran:?}");
    assert_eq!((ran.status, ran.out.as_str()), (status, ""), "{ran:?}");
}

#[test]
fn every_mistake_has_its_status_and_a_hint() {
    let place = Place::sqlite();
    place.create(ADA);
    for (command, status, piece) in MISTAKES {
        assert_refused(&place.run(&words(command)), *status, piece);
        let refused = place.run(&[words(command), vec!["--json"]].concat()).expect(*status);
        let error: Value = serde_json::from_str(&refused.err).unwrap_or_else(|_| panic!("{refused:?}"));
        assert_eq!(error["error"]["exit"], *status, "{command}");
        assert!(error["error"]["message"].as_str().unwrap().contains(piece), "{refused:?}");
    }
}

#[test]
fn an_unusable_database_is_reported_without_its_password() {
    let place = Place::sqlite();
    for (url, status, piece) in [
        ("mysql://root:hunter2@127.0.0.1:1/auth", 69, "DATABASE_URL: the database cannot be reached"),
        ("mysql://root:hunter2@127.0.0.1:1", 78, "no database"),
        ("postgres://root:hunter2@127.0.0.1:1/auth", 69, "DATABASE_URL: the database cannot be reached"),
        ("postgres://root:hunter2@127.0.0.1:1", 78, "no database"),
        ("oracle://root:hunter2@127.0.0.1/auth", 78, "DATABASE_URL must be `sqlite://FILE`"),
        ("memory:", 78, "a database in memory"),
        ("sqlite::memory:", 78, "a database in memory"),
        ("sqlite://nowhere.db", 66, "nowhere.db: no such file"),
        ("sqlite://", 78, "names no file"),
        ("sqlite:///proc/nowhere/auth.db", 66, "/proc/nowhere/auth.db: no such file"),
    ] {
        let output = place.command(&["user", "show", ADA]).env("DATABASE_URL", url).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ran =
            Ran { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) };
        assert_refused(&ran, status, piece);
        assert!(!ran.err.contains("hunter2"), "{ran:?}");
    }
    assert_eq!(std::fs::read_dir(place.directory.path()).unwrap().count(), 0, "no file was created");
}

#[test]
fn every_command_has_a_help_page() {
    let place = Place::sqlite();
    let commands = [
        "",
        "user",
        "user create",
        "user list",
        "user show",
        "user disable",
        "user enable",
        "user delete",
        "session",
        "session list",
        "session end",
        "reset",
        "import",
        "clean-up",
        "dead-letter",
        "dead-letter list",
        "dead-letter requeue",
        "key",
        "key generate",
        "key jwks",
        "config",
        "config check",
    ];
    for command in commands {
        let help = place.run(&[words(command), vec!["--help"]].concat()).expect(0);
        let usage = format!("Usage: authctl {command}");
        assert!(help.out.contains(usage.trim_end()) && help.err.is_empty(), "{help:?}");
        assert!(help.out.lines().next().unwrap().len() > 10, "{help:?}");
    }
}

/// No `PG*` variable has an effect; one that would have is refused.
#[tokio::test]
async fn the_environment_of_postgres_changes_nothing() {
    for place in Place::each("environment").await.iter().filter(|place| place.url.starts_with("postgres:")) {
        place.create(ADA);
        let ours = |name: &str, value: &str| {
            let child = place.command(&["user", "show", ADA]).env(name, value).spawn().unwrap();
            finish(child, b"")
        };
        for (name, value) in [
            ("PGHOST", "nowhere.invalid"),
            ("PGHOSTADDR", "192.0.2.1"),
            ("PGPORT", "1"),
            ("PGUSER", "nobody"),
            ("PGPASSWORD", "wrong"),
            ("PGDATABASE", "nothing"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/nowhere/ca.pem"),
            ("PGAPPNAME", "other"),
        ] {
            ours(name, value).expect(0);
        }
        for name in ["PGOPTIONS", "PGSSLCERT", "PGSSLKEY"] {
            let ran = ours(name, "-c default_transaction_read_only=on").expect(69);
            assert!(ran.err.contains(name), "{}", ran.err);
        }
    }
}
