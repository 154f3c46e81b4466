//! Makes a Redis client from a URL.

use std::{fs, io};

use redis::{Client, ConnectionAddr, IntoConnectionInfo as _, TlsCertificates};

use crate::ConnectError;

/// Reads the URL. Refuses every parameter that would weaken TLS.
pub(crate) fn client(url: &str) -> Result<Client, ConnectError> {
    let mut url = redis::parse_redis_url(url).ok_or(ConnectError::MalformedUrl)?;
    let over_tcp = url.has_host();
    let mut authority = None;
    if over_tcp {
        for (name, value) in url.query_pairs() {
            if name != "ca" || authority.replace(value.into_owned()).is_some() {
                return Err(ConnectError::MalformedUrl);
            }
        }
        url.set_query(None);
    }
    if url.fragment().is_some() {
        return Err(ConnectError::MalformedUrl);
    }
    // The cause may contain the password, so the error drops it.
    let info = url.into_connection_info().map_err(|_| ConnectError::MalformedUrl)?;
    match (info.addr(), authority) {
        (ConnectionAddr::TcpTls { .. }, authority) => {
            // The service may have chosen a backend already. If several are compiled in and none is chosen,
            // rustls panics.
            let _chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
            let root_cert = authority.map(certificates).transpose()?;
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
                .map_err(|error| ConnectError::Authority(io::Error::other(error)))
        }
        (_, Some(_)) => Err(ConnectError::MalformedUrl),
        (_, None) => Client::open(info).map_err(|_| ConnectError::MalformedUrl),
    }
}

/// Reads the certificates of a file. A file without one would fail only at the first handshake.
fn certificates(path: String) -> Result<Vec<u8>, ConnectError> {
    let pem = fs::read(path).map_err(ConnectError::Authority)?;
    if pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
        Ok(pem)
    } else {
        Err(ConnectError::Authority(io::Error::other("the file holds no certificate")))
    }
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_url_makes_a_client() {
        for url in [
            "redis://127.0.0.1",
            "redis://:p%40ss@localhost:6380/3",
            "rediss://user:pass@localhost:6380/0",
            "valkey://[::1]:6379",
            "unix:///run/redis.sock?db=2&pass=secret",
        ] {
            assert!(client(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn an_invalid_url_is_refused_but_not_repeated() {
        for url in [
            "",
            "hunter2",
            "http://:hunter2@localhost",
            "redis://:hunter2@",
            "redis://:hunter2@localhost:65536",
            "redis://:hunter2@localhost/first",
            "redis://:hunter2@localhost/0?timeout=5",
            "redis://:hunter2@localhost/0?ca=/etc/ssl/cert.pem",
            "rediss://:hunter2@localhost/0?ca=/a&ca=/b",
            "rediss://:hunter2@localhost/0#insecure",
        ] {
            let error = client(url).unwrap_err();
            assert!(matches!(error, ConnectError::MalformedUrl), "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
        }
    }

    #[test]
    fn an_unusable_authority_file_is_refused_at_the_start() {
        for file in ["/nowhere/ca.pem", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
            let error = client(&format!("rediss://:hunter2@localhost/0?ca={file}")).unwrap_err();
            assert!(matches!(error, ConnectError::Authority(_)), "{file}: {error:?}");
        }
    }
}
