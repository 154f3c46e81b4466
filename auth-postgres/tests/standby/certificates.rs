//! A store connects only to a server with the right certificate, unless an option allows plain text.

use auth_postgres::{OpenError, PgOptions};
use sqlx::{Executor as _, Row as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::private_server::PrivateServer;

fn options(host: &str, port: u16) -> PgOptions {
    PgOptions::new(host, "authtest").port(port).user("authtest").password("authtest-pw")
}

async fn refusal(options: PgOptions) -> String {
    match options.open().await.unwrap_err() {
        OpenError::Unreachable(cause) => format!("{cause:?} {cause}"),
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn only_a_valid_certificate_of_this_host_is_accepted() {
    let server = PrivateServer::start("certificates");
    let verified = || options("localhost", server.port).tls_ca_file(server.authority());
    verified().open().await.unwrap().ping().await.unwrap();
    // No public authority signed this certificate.
    let cause = refusal(options("localhost", server.port).verified_tls()).await;
    assert!(cause.contains("UnknownIssuer"), "{cause}");
    for (certificate, because) in
        [("wrong-host", "not valid for name"), ("expired", "expired"), ("self-signed", "CaUsedAsEndEntity")]
    {
        server.present(certificate);
        // The server reads its files again a moment later.
        let mut cause = String::new();
        for _ in 0..100 {
            match verified().open().await {
                Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                Err(error) => {
                    cause = auth_core::error_chain(&error);
                    if cause.contains(because) {
                        break;
                    }
                }
            }
        }
        assert!(cause.contains(because), "{certificate}: {cause}");
    }
}

/// An address that leads to this machine, but does not count as local.
const ELSEWHERE: &str = "0.0.0.0";

#[tokio::test]
async fn plain_text_to_another_host_needs_an_explicit_option() {
    let server = PrivateServer::start("plain");
    // On this machine, TLS is used if the server offers it.
    let store = options("127.0.0.1", server.port).open().await.unwrap();
    store.ping().await.unwrap();
    let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE application_name = 'auth'";
    let mut administrator = server.administrator().await;
    assert!(administrator.fetch_one(encrypted).await.unwrap().get::<bool, _>(0));
    store.close().await;
    let cause = refusal(options(ELSEWHERE, server.port)).await;
    assert!(cause.contains("certificate"), "{cause}");
    let store = options(ELSEWHERE, server.port).plaintext().open().await.unwrap();
    store.ping().await.unwrap();
    assert!(!administrator.fetch_one(encrypted).await.unwrap().get::<bool, _>(0));
}

/// A server that refuses TLS, or somebody on the way who says so. Returns what the client sends after that.
async fn without_tls() -> (u16, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let received = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut first = [0; 8];
        client.read_exact(&mut first).await.unwrap();
        let mut received = Vec::new();
        if first == [0, 0, 0, 8, 4, 210, 22, 47] {
            client.write_all(b"N").await.unwrap();
        } else {
            received.extend(first);
        }
        let mut more = [0; 1024];
        let read = client.read(&mut more).await.unwrap_or(0);
        received.extend(&more[..read]);
        received
    });
    (port, received)
}

#[tokio::test]
async fn a_client_that_requires_tls_sends_nothing_without_it() {
    for verified in [false, true] {
        let (port, received) = without_tls().await;
        let stripped = options(if verified { "127.0.0.1" } else { ELSEWHERE }, port);
        let cause = refusal(if verified { stripped.verified_tls() } else { stripped }).await;
        assert!(cause.contains("TLS"), "{cause}");
        assert_eq!(received.await.unwrap(), b"", "a client that requires TLS sent plain text");
    }
    let (port, received) = without_tls().await;
    let opening = tokio::spawn(options(ELSEWHERE, port).plaintext().open());
    let received = received.await.unwrap();
    assert!(received.windows(8).any(|bytes| bytes == b"authtest"), "allowed plain text is received");
    assert!(
        !received.windows(11).any(|bytes| bytes == b"authtest-pw"),
        "the password is not sent in plain text"
    );
    opening.await.unwrap().unwrap_err();
}
