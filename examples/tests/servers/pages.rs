//! The commands that the README and single pages of `docs/` show do what is said of them there.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use auth_tests::page::all;
use serde_json::Value;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use url::Url;

use crate::fixture::ADA;
use crate::server::{Server, spawn};

const README: &str = include_str!("../../../README.md");
const SERVER: &str = include_str!("../../../docs/server.md");
const METRICS: &str = include_str!("../../../docs/metrics.md");

/// The server that a command starts: `cargo run` with variables before it. What cargo would build first is built
/// already; that it would run this program is shown by `cargo_runs_the_example_server`.
fn typed(command: &str) -> Server {
    let cargo =
        format!("cargo() {{ [ \"$*\" = run ] && exec '{}'; exit 64; }}", env!("CARGO_BIN_EXE_server"));
    let directory = tempfile::tempdir().unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("{cargo}\n{command}")]).env_clear().env("PORT", "0");
    let shell = spawn(&mut shell, directory.path());
    Server::listening(shell, directory, &[])
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn cargo_runs_the_example_server() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--locked", "--offline", "--format-version", "1"])
        .current_dir(repository())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    // Of several packages cargo takes the only one that has a program to run by default.
    let members = metadata["workspace_default_members"].as_array().unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let with_default: Vec<_> = packages
        .filter(|package| members.contains(&package["id"]) && !package["default_run"].is_null())
        .map(|package| (&package["name"], &package["default_run"]))
        .collect();
    assert_eq!(with_default, [(&"auth-examples".into(), &"server".into())]);
}

#[test]
fn the_two_commands_of_the_readme() {
    let [commands] = all(README, "sh");
    let [run, test] = commands.lines().collect::<Vec<_>>().try_into().unwrap();
    let server = typed(run);
    server.root("GET", "/").send().expect(200);
    server.session(ADA);
    // Running it here would run this test again.
    let script = test.split_whitespace().next().unwrap();
    assert!(fs::metadata(repository().join(script)).unwrap().permissions().mode() & 0o111 != 0);
    let ci = fs::read_to_string(repository().join(".ci/run")).unwrap();
    assert!(ci.lines().any(|line| line == script), "CI does not run {script}");
}

#[test]
fn metrics_are_where_the_page_says() {
    let [run, read] = all(METRICS, "sh").map(|command: &str| {
        assert!(command.contains("127.0.0.1:9464"));
        command
    });
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let server = typed(&run.replace("9464", &port));
    server.session(ADA);
    let read = Command::new("bash").args(["-c", &read.replace("9464", &port)]).output().unwrap();
    let printed = String::from_utf8(read.stdout).unwrap();
    assert!(printed.contains("\nauth_log_ins_total{outcome=\"success\"} 1\n"), "{printed}");
}

/// The page's commands with another name of the database, and on the server of the tests.
fn here(text: &str, name: &str, place: String, authorities: String) -> String {
    let adapted = [
        ("DATABASE auth;", format!("DATABASE {name};")),
        ("DATABASE auth OWNER auth", format!("DATABASE {name} OWNER {name}")),
        ("ROLE auth ", format!("ROLE {name} ")),
        ("'auth'@", format!("'{name}'@")),
        ("ON auth.*", format!("ON {name}.*")),
        ("'...'", "'PASSWORD'".to_owned()),
        ("//auth:", format!("//{name}:")),
        ("/auth?", format!("/{name}?")),
        ("db.internal:3306", place.clone()),
        ("db.internal:5432", place),
        ("/etc/ssl/db-ca.pem", authorities),
    ];
    adapted.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
}

/// The server of the tests, and the file of its authority.
fn server_of(kind: &str) -> (Url, String) {
    let [url, authorities] = ["URL", "CA"].map(|name| {
        let name = format!("AUTH_TEST_{kind}_{name}");
        env::var(&name)
            .unwrap_or_else(|_| panic!("no server to test with: run `scripts/test`, or set {name}"))
    });
    (url.split(',').next().unwrap().parse().unwrap(), authorities)
}

#[tokio::test]
async fn the_page_makes_a_mysql_database_and_an_account() {
    let [statements, _] = all(SERVER, "sql");
    let [run, _] = all(SERVER, "sh");
    let (server, authorities) = server_of("MYSQL");
    let name = "auth_test_page";
    let mut connection = server.as_str().parse::<MySqlConnectOptions>().unwrap().connect().await.unwrap();
    let place = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap_or(3306));
    let here = |text| here(text, name, place.clone(), authorities.clone());
    let away = format!("DROP DATABASE IF EXISTS {name}; DROP USER IF EXISTS '{name}'@'%';");
    for sql in [&away, &here(statements)] {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.clone()))).await.unwrap();
    }
    let server = typed(&here(run));
    server.session(ADA);
    let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ?";
    let tables: i64 = sqlx::query_scalar(tables).bind(name).fetch_one(&mut connection).await.unwrap();
    assert!(tables > 4, "{tables} tables");
    drop(server);
    connection.execute(sqlx::raw_sql(AssertSqlSafe(away))).await.unwrap();
}

#[tokio::test]
async fn the_page_makes_a_postgres_database_and_a_role() {
    let [_, statements] = all(SERVER, "sql");
    let [_, run] = all(SERVER, "sh");
    let (server, authorities) = server_of("POSTGRES");
    let name = "auth_test_page";
    let mut connection = server.as_str().parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    let place = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap_or(5432));
    let here = |text| here(text, name, place.clone(), authorities.clone());
    let away = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE);\nDROP ROLE IF EXISTS {name};\n");
    // One at a time: PostgreSQL makes no database in a transaction.
    for sql in format!("{away}{}", here(statements)).lines() {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.unwrap();
    }
    let server = typed(&here(run));
    server.session(ADA);
    drop(server);
    for sql in away.lines() {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.unwrap();
    }
}
