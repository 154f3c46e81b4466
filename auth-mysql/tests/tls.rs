//! Connections are verified, over TCP with a private authority, and come by socket too.
//!
//! `scripts/test` says where: `AUTH_TEST_MYSQL_URL`, `AUTH_TEST_MYSQL_CA` (a PEM file) and
//! `AUTH_TEST_MYSQL_SOCKET`.

#[cfg(test)]
mod tests {
    use std::env;

    use auth_mysql::{MySqlOptions, OpenError};

    fn variable(name: &str) -> String {
        env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run `scripts/test`"))
    }

    fn options() -> MySqlOptions {
        let urls = variable("AUTH_TEST_MYSQL_URL");
        MySqlOptions::from_url(urls.split(',').next().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_certificate_of_a_private_authority_is_verified_for_this_host() {
        let store = options().tls_ca_file(variable("AUTH_TEST_MYSQL_CA")).open().await.unwrap();
        store.ping().await.unwrap();
    }

    #[tokio::test]
    async fn a_certificate_of_an_unknown_authority_is_refused() {
        let error = options().verified_tls().open().await.unwrap_err();
        let OpenError::Unreachable(cause) = error else { panic!("{error}") };
        assert!(cause.to_string().contains("certificate"), "{cause}");
    }

    #[tokio::test]
    async fn a_socket_needs_no_tls() {
        let store = options().socket(variable("AUTH_TEST_MYSQL_SOCKET")).plaintext().open().await.unwrap();
        store.ping().await.unwrap();
    }
}
