//! Connections break at any byte: nothing is lost, nothing is applied twice, and no failure is
//! reported as a wrong token. Negative controls: a store that skips a write of an interrupted
//! request must be noticed.

use auth_mysql::{MySqlOptions, MySqlStore};
use auth_tests::server::Proxy;

use crate::server::Scratch;

async fn behind_a_proxy(purpose: &str) -> (Proxy, MySqlStore) {
    let (proxy, url) = Proxy::before(Scratch::new(purpose).await.url()).await;
    let store = MySqlOptions::from_url(&url).unwrap().connections(1).open().await.unwrap();
    (proxy, store)
}

auth_tests::cut_tests!(behind_a_proxy);
