//! Backup and restore, by the commands of `docs/operations.md`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use auth_tests::Database;
use auth_tests::page::all;
use serde_json::json;
use tempfile::tempdir;
use url::Url;

use crate::fixture::{ADA, OTHER_PASSWORD};
use crate::server::{JWT_SECRET, PUBLIC_URL, Program};

const PAGE: &str = include_str!("../../../docs/operations.md");

/// What is typed beside a server, in its directory.
struct Commands {
    back_up: String,
    restore: String,
    end_all_sessions: String,
    /// Where the programs find the server.
    environment: Vec<(&'static str, String)>,
}

/// Types commands as somebody whose home is the directory.
fn run(commands: &str, environment: &[(&str, String)], directory: &Path) {
    let output = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", commands])
        .env("HOME", directory)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{commands}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Databases and their copies hold addresses and password hashes.
fn owner_alone_reads(directory: &Path) {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let data: Vec<_> = files.filter(|file| file.file_name().to_str().unwrap().starts_with("auth.")).collect();
    assert!(!data.is_empty());
    for file in data {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", file.path().display());
    }
}

/// A password that was reset since the backup, and a session that the reset ended, come back by a restore; the
/// page's statement ends that session. The server stands still meanwhile, as the page says.
fn a_restore(database_url: &str, commands: &Commands, home: &[(&str, &str)]) {
    let variables = [
        ("PUBLIC_URL", PUBLIC_URL),
        ("DATABASE_URL", database_url),
        ("JWT_SECRET", JWT_SECRET),
        ("RATE_LIMIT_STORE", "none"),
    ];
    let directory = tempdir().unwrap();
    for (file, text) in home {
        fs::write(directory.path().join(file), text).unwrap();
    }
    let mut server = Program::Axum.start_in(directory, &variables);
    let old = server.session(ADA);
    run(&commands.back_up, &commands.environment, server.directory());
    let token = server.reset(ADA);
    let reset = json!({"token": token, "password": OTHER_PASSWORD});
    server.post("/auth/reset-password").json(&reset).send().expect(200);
    let new = server.log_in_with(ADA, OTHER_PASSWORD);
    assert!(!server.lives(&old) && server.lives(&new));
    assert!(server.terminate().0.success());

    let directory = server.leave();
    run(&commands.restore, &commands.environment, directory.path());
    owner_alone_reads(directory.path());
    let mut server = Program::Axum.start_in(directory, &variables);
    assert!(server.lives(&old) && !server.lives(&new), "what the page warns of");
    server.log_in(ADA);
    assert!(server.terminate().0.success());

    let directory = server.leave();
    run(&commands.end_all_sessions, &commands.environment, directory.path());
    let server = Program::Axum.start_in(directory, &variables);
    server.is_dead(&old);
    server.is_dead(&new);
    server.log_in(ADA);
}

#[test]
fn one_statement_ends_all_sessions_of_a_restored_sqlite_file() {
    let [back_up, restore, ..] = all::<6>(PAGE, "sh").map(str::to_owned);
    let [statement] = all(PAGE, "sql");
    let end_all_sessions = format!("sqlite3 auth.db <<'END'\n{statement}END\n");
    a_restore(
        "sqlite://auth.db",
        &Commands { back_up, restore, end_all_sessions, environment: Vec::new() },
        &[],
    );
}

/// The commands of the page for a database with another name.
fn adapted(commands: [&str; 2], name: &str) -> [String; 2] {
    commands.map(|commands| {
        assert!(commands.contains(" auth "), "{commands}");
        commands.replace(" auth ", &format!(" {name} "))
    })
}

/// On the server of [`Database`].
#[test]
fn one_statement_ends_all_sessions_of_a_restored_database() {
    let database = Database::empty();
    let url: Url = database.url().parse().unwrap();
    let name = url.path().trim_start_matches('/');
    let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
    let (user, password) = (url.username(), url.password().unwrap_or_default());
    let [_, _, mariadb_back_up, mariadb_restore, postgres_back_up, postgres_restore] = all(PAGE, "sh");
    let [statement] = all(PAGE, "sql");
    if url.scheme() == "postgres" {
        let [back_up, restore] = adapted([postgres_back_up, postgres_restore], name);
        let end_all_sessions = format!("psql --quiet --set ON_ERROR_STOP=1 {name} <<'END'\n{statement}END\n");
        let environment = [("PGHOST", host), ("PGUSER", user), ("PGPASSWORD", password)];
        let mut environment: Vec<_> = environment.map(|(name, value)| (name, value.to_owned())).into();
        environment.push(("PGPORT", port.to_string()));
        let commands = Commands { back_up, restore, end_all_sessions, environment };
        return a_restore(database.url(), &commands, &[]);
    }
    let [back_up, restore] = adapted([mariadb_back_up, mariadb_restore], name);
    let end_all_sessions = format!("mariadb {name} <<'END'\n{statement}END\n");
    let account = format!("[client]\nhost={host}\nport={port}\nuser={user}\npassword={password}\n");
    let commands = Commands { back_up, restore, end_all_sessions, environment: Vec::new() };
    a_restore(database.url(), &commands, &[(".my.cnf", &account)]);
}
