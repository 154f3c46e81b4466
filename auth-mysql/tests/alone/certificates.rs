//! Whom the store talks to: a server with the right certificate, unless it was told otherwise.

use auth_mysql::{MySqlOptions, MySqlStore, OpenError};

use crate::server::{self, Alone};
use crate::strip;

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
    format!("{}/certificates/ca.pem", server::folder())
}

#[tokio::test]
async fn only_a_certificate_that_is_current_known_and_for_this_host_is_accepted() {
    let mut alone = Alone::new("certificates").await;
    let verified = || options("localhost", server::port(), "auth_test_certificates").tls_ca_file(authority());
    verified().open().await.unwrap().ping().await.unwrap();
    // The public authorities know nothing of this one.
    let public = options("localhost", server::port(), "auth_test_certificates").verified_tls();
    let mut refused = vec![("server", refusal(public).await, "UnknownIssuer")];
    for (certificate, because) in
        [("wrong-host", "not valid for name"), ("expired", "expired"), ("self-signed", "CaUsedAsEndEntity")]
    {
        // MySQL itself shows none that has expired.
        let shown = alone.show(certificate).await;
        assert_eq!(shown, server::kind() != "mysql" || certificate != "expired", "{certificate}");
        if shown {
            refused.push((certificate, refusal(verified()).await, because));
        }
    }
    assert!(alone.show("server").await);
    for (certificate, cause, because) in refused {
        assert!(cause.contains(because), "{certificate}: {cause}");
    }
    verified().open().await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn plain_text_goes_to_another_host_only_when_it_was_asked_for() {
    let mut alone = Alone::new("plain").await;
    let secure = "CREATE USER IF NOT EXISTS 'secure'@'%' IDENTIFIED BY 'secure-pw' REQUIRE SSL";
    alone.run(secure).await;
    alone.run("GRANT ALL ON auth_test_plain.* TO 'secure'@'%'").await;
    // MySQL lets nobody in by plain text whom it has not met over TLS.
    for account in ["app:app-pw", "secure:secure-pw"] {
        let url = format!("mysql://{account}@127.0.0.1:{}/auth_test_plain", server::port());
        MySqlStore::connect(&url).await.expect("this machine, where TLS is taken if it is offered");
    }
    // Nobody says that this address is this machine, though it leads there.
    let elsewhere = || options("0.0.0.0", server::port(), "auth_test_plain");
    let cause = refusal(elsewhere()).await;
    assert!(cause.contains("certificate"), "{cause}");
    elsewhere().plaintext().open().await.unwrap().ping().await.unwrap();
    let cause = refusal(elsewhere().user("secure").password("secure-pw").plaintext()).await;
    assert!(cause.contains("denied"), "it was plain text: {cause}");
}

#[tokio::test]
async fn a_greeting_without_tls_gets_not_a_byte_out_of_a_client_that_requires_it() {
    let _alone = Alone::new("stripped").await;
    for verified in [false, true] {
        let (port, heard) = strip::between().await;
        let stripped = options(if verified { "127.0.0.1" } else { "0.0.0.0" }, port, "auth_test_stripped");
        let cause = refusal(if verified { stripped.verified_tls() } else { stripped }).await;
        assert!(cause.contains("TLS"), "{cause}");
        assert_eq!(heard.await.unwrap(), b"", "a client that requires TLS said something in plain text");
    }
    let (port, heard) = strip::between().await;
    let asked = tokio::spawn(options("0.0.0.0", port, "auth_test_stripped").plaintext().open());
    let heard = heard.await.unwrap();
    assert!(heard.windows(3).any(|heard| heard == b"app"), "plain text that was asked for is heard");
    assert!(!heard.windows(6).any(|heard| heard == b"app-pw"), "even so the password is not");
    asked.await.unwrap().unwrap_err();
}

/// MySQL has not met this account since it started, so the password itself has to go over the socket.
#[tokio::test]
async fn a_socket_lets_in_whom_the_server_has_not_met() {
    let mut alone = Alone::new("socket").await;
    alone.run("DROP USER IF EXISTS 'stranger'@'%'").await;
    alone.run("CREATE USER 'stranger'@'%' IDENTIFIED BY 'stranger-pw'").await;
    alone.run("GRANT ALL ON auth_test_socket.* TO 'stranger'@'%'").await;
    let socket = format!("{}/run/mysqld.sock", server::folder());
    let url = format!("mysql://stranger:stranger-pw@localhost/auth_test_socket?socket={socket}");
    MySqlStore::connect(&url).await.unwrap().ping().await.unwrap();
}
