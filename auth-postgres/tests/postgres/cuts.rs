//! Connections break at any byte; see [`auth_tests::server::cuts`].

use auth_postgres::{PgOptions, PgStore};
use auth_tests::server::Proxy;

use crate::server::Scratch;

async fn behind_a_proxy(purpose: &str) -> (Proxy, PgStore) {
    let (proxy, url) = Proxy::before(Scratch::new(purpose).await.url()).await;
    let store = PgOptions::from_url(&url).unwrap().connections(1).open().await.unwrap();
    (proxy, store)
}

auth_tests::cut_tests!(behind_a_proxy);
