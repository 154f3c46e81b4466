//! A store connects only to a server with the right certificate, unless an option allows plain
//! text.

use auth_mysql::{MySqlOptions, MySqlStore, OpenError};

use crate::private_server::{self, PrivateServer};
use crate::tls_stripping;

fn options(host: &str, port: u16, database: &str) -> MySqlOptions {
    MySqlOptions::new(host, database).port(port).user("app").password("app-pw")
}

async fn refusal(options: MySqlOptions) -> String {
    match options.open().await.unwrap_err() {
        OpenError::Unreachable(cause) => cause.to_string(),
        error => panic!("{error:?}"),
    }
}

fn authority() -> String {
    format!("{}/certificates/ca.pem", private_server::folder())
}

#[tokio::test]
async fn only_a_valid_certificate_of_this_host_is_accepted() {
    let mut server = PrivateServer::new("certificates").await;
    let verified =
        || options("localhost", private_server::port(), "auth_test_certificates").tls_ca_file(authority());
    verified().open().await.unwrap().ping().await.unwrap();
    // No public authority signed this certificate.
    let public = options("localhost", private_server::port(), "auth_test_certificates").verified_tls();
    let mut refused = vec![("server", refusal(public).await, "UnknownIssuer")];
    for (certificate, because) in
        [("wrong-host", "not valid for name"), ("expired", "expired"), ("self-signed", "CaUsedAsEndEntity")]
    {
        // MySQL itself refuses an expired certificate.
        let presented = server.present_certificate(certificate).await;
        assert_eq!(presented, private_server::kind() != "mysql" || certificate != "expired", "{certificate}");
        if presented {
            refused.push((certificate, refusal(verified()).await, because));
        }
    }
    assert!(server.present_certificate("server").await);
    for (certificate, cause, because) in refused {
        assert!(cause.contains(because), "{certificate}: {cause}");
    }
    verified().open().await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn plain_text_to_another_host_needs_an_explicit_option() {
    let mut server = PrivateServer::new("plain").await;
    let secure = "CREATE USER IF NOT EXISTS 'secure'@'%' IDENTIFIED BY 'secure-pw' REQUIRE SSL";
    server.run(secure).await;
    server.run("GRANT ALL ON auth_test_plain.* TO 'secure'@'%'").await;
    // Over plain text, MySQL accepts only an account that has logged in over TLS before.
    for account in ["app:app-pw", "secure:secure-pw"] {
        let url = format!("mysql://{account}@127.0.0.1:{}/auth_test_plain", private_server::port());
        MySqlStore::connect(&url).await.expect("on this machine, TLS is used if the server offers it");
    }
    // This address leads to this machine, but does not count as local.
    let elsewhere = || options("0.0.0.0", private_server::port(), "auth_test_plain");
    let cause = refusal(elsewhere()).await;
    assert!(cause.contains("certificate"), "{cause}");
    elsewhere().plaintext().open().await.unwrap().ping().await.unwrap();
    let cause = refusal(elsewhere().user("secure").password("secure-pw").plaintext()).await;
    assert!(cause.contains("denied"), "the account requires TLS: {cause}");
}

#[tokio::test]
async fn a_client_that_requires_tls_sends_nothing_without_it() {
    let _server = PrivateServer::new("stripped").await;
    for verified in [false, true] {
        let (port, received) = tls_stripping::proxy().await;
        let stripped = options(if verified { "127.0.0.1" } else { "0.0.0.0" }, port, "auth_test_stripped");
        let cause = refusal(if verified { stripped.verified_tls() } else { stripped }).await;
        assert!(cause.contains("TLS"), "{cause}");
        assert_eq!(received.await.unwrap(), b"", "a client that requires TLS sent plain text");
    }
    let (port, received) = tls_stripping::proxy().await;
    let opening = tokio::spawn(options("0.0.0.0", port, "auth_test_stripped").plaintext().open());
    let received = received.await.unwrap();
    assert!(received.windows(3).any(|bytes| bytes == b"app"), "allowed plain text is received");
    assert!(!received.windows(6).any(|bytes| bytes == b"app-pw"), "the password is not sent in plain text");
    opening.await.unwrap().unwrap_err();
}

/// This account has not logged in since MySQL started, so the password itself goes over the socket.
#[tokio::test]
async fn a_socket_accepts_an_account_new_to_the_server() {
    let mut server = PrivateServer::new("socket").await;
    server.run("DROP USER IF EXISTS 'newcomer'@'%'").await;
    server.run("CREATE USER 'newcomer'@'%' IDENTIFIED BY 'newcomer-pw'").await;
    server.run("GRANT ALL ON auth_test_socket.* TO 'newcomer'@'%'").await;
    let socket = format!("{}/run/mysqld.sock", private_server::folder());
    let url = format!("mysql://newcomer:newcomer-pw@localhost/auth_test_socket?socket={socket}");
    MySqlStore::connect(&url).await.unwrap().ping().await.unwrap();
}
