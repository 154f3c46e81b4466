//! Connecting a limiter to Redis.

use std::error::Error;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use auth_core::RateLimiter;
use auth_redis::{ConnectError, RedisLimiter};
use tokio::task::JoinSet;

use crate::server::{SHARED, Server, bucket, hourly};

/// The text, the debug text and the sources of an error.
fn all_of(error: &ConnectError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, " {cause} {cause:?}").unwrap();
        source = cause.source();
    }
    text
}

async fn refusal(url: &str) -> ConnectError {
    let error = RedisLimiter::connect(url).await.unwrap_err();
    println!("{}", all_of(&error));
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_reported_but_not_repeated() {
    for url in [
        SHARED.url().replace("auth-test-pw", "hunter2"),
        SHARED.url().replace(":auth-test-pw", "nobody:hunter2"),
        SHARED.url().replace(":auth-test-pw@", ""),
        SHARED.tls_url().replace("auth-test-pw", "hunter2")
            + "?ca="
            + SHARED.certificate("ca.pem").to_str().unwrap(),
    ] {
        let error = refusal(&url).await;
        assert!(matches!(error, ConnectError::Refused(_)), "{error:?}");
        assert!(!all_of(&error).contains("hunter2"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_server_is_reported_in_time() {
    // No server listens on the port, and the address is reserved (RFC 5737).
    for address in ["127.0.0.1:1", "192.0.2.1:6379"] {
        let asked = Instant::now();
        let error = refusal(&format!("redis://:hunter2@{address}/0")).await;
        assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
        assert!(!all_of(&error).contains("hunter2"));
        assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_count_is_refused() {
    // A TLS server that receives plain text closes the connection.
    let error = refusal(&SHARED.tls_url().replace("rediss", "redis")).await;
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");

    let server = Server::start();
    let name = "reader";
    let _: () = server
        .command(&["ACL", "SETUSER", name, "on", ">hunter2", "~*", "+@read", "+client", "+select"])
        .await;
    let url = server.url().replace(":auth-test-pw", &format!("{name}:hunter2"));
    let error = refusal(&url).await;
    assert!(matches!(error, ConnectError::Unusable(_)), "{error:?}");
    assert!(!all_of(&error).contains("hunter2"));

    // The rights in the README are enough.
    let rights = ["+evalsha", "+script|load", "+get", "+set", "+del", "+time"];
    let command = [&["ACL", "SETUSER", name, "reset", "on", ">hunter2", "~auth:*"][..], &rights].concat();
    let _: () = server.command(&command).await;
    let limiter = RedisLimiter::connect(&url).await.unwrap();
    assert!(limiter.acquire(&bucket("rights", 1), &hourly(1)).await.is_ok());

    let _: () = server.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let error = refusal(server.url()).await;
    assert!(matches!(error, ConnectError::Unusable(_)), "{error:?}");
}

/// A probe of a full bucket would write nothing, and accept a replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_is_probed_by_a_write() {
    let server = Server::start();
    let connecting: JoinSet<_> = (0..50)
        .map(|_| {
            let url = server.url().to_owned();
            async move { RedisLimiter::connect(&url).await.unwrap() }
        })
        .collect();
    connecting.join_all().await;
    let stats: String = server.command(&["INFO", "commandstats"]).await;
    let written = stats.lines().find(|line| line.starts_with("cmdstat_set:")).unwrap();
    assert!(written.starts_with("cmdstat_set:calls=50,"), "{written}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_checks_the_authority_and_the_name() {
    // The certificate is for 127.0.0.1 and localhost, from an authority that no system trusts.
    let trusted = |url: &str, file: &str| format!("{url}?ca={}", SHARED.certificate(file).display());
    let named = SHARED.tls_url().replace("127.0.0.1", "localhost");
    let limiter = RedisLimiter::connect(&trusted(&named, "ca.pem")).await.unwrap();
    assert!(limiter.acquire(&bucket("tls", 1), &hourly(1)).await.is_ok());

    for url in [SHARED.tls_url().to_owned(), trusted(SHARED.tls_url(), "self-signed.pem")] {
        let error = refusal(&url).await;
        assert!(matches!(error, ConnectError::Unreachable(_)), "{url}: {error:?}");
    }
    let insecure = SHARED.tls_url().to_owned() + "#insecure";
    assert!(matches!(refusal(&insecure).await, ConnectError::MalformedUrl));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_or_foreign_certificate_is_refused() {
    let server = Server::start();
    let url = format!("{}?ca={}", server.tls_url(), server.certificate("ca.pem").display());
    for (name, good) in [("wrong-host", false), ("expired", false), ("self-signed", false), ("server", true)]
    {
        let file = |end| server.certificate(&format!("{name}.{end}")).into_os_string().into_string().unwrap();
        let (certificate, key) = (file("pem"), file("key"));
        let _: () =
            server.command(&["CONFIG", "SET", "tls-cert-file", &certificate, "tls-key-file", &key]).await;
        let connected = RedisLimiter::connect(&url).await;
        assert_eq!(connected.is_ok(), good, "{name}: {connected:?}");
        assert!(good || matches!(connected, Err(ConnectError::Unreachable(_))), "{name}: {connected:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_is_printed() {
    let limiter = SHARED.limiter().await;
    let printed = format!("{limiter:?} {limiter:#?}");
    assert!(printed.contains("127.0.0.1"), "{printed}");
    assert!(!printed.contains("auth-test-pw"), "{printed}");
}
