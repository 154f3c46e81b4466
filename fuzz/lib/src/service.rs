//! A service over memory, without limits, that records its events.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex};

use auth_core::{Auth, Event, EventSink, KeyRing, Mailbox, MemoryStore, Policy, RateLimits, SigningKey};
use auth_http::{Api, Endpoint, HttpConfig, ProxyHeader, Response, endpoints};
use auth_testkit::{FakeClock, cheap_hashing};
use bytes::Bytes;
use http::{HeaderMap, Request};
use tokio::runtime::{Builder, Runtime};

/// The key of the service's access tokens, with the id `k`.
pub(crate) const SECRET: &str = "n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P";

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());
/// The runtime has one thread; harnesses may have more.
static TURN: Mutex<()> = Mutex::new(());

/// Waits for an answer.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    RUNTIME.block_on(work)
}

/// Records the client's address of the last event.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastAddress(Arc<Mutex<Option<IpAddr>>>);

impl LastAddress {
    pub(crate) fn take(&self) -> Option<IpAddr> {
        self.0.lock().unwrap().take()
    }
}

impl EventSink for LastAddress {
    fn record(&self, event: &Event) {
        *self.0.lock().unwrap() = event.ip;
    }
}

pub(crate) struct Service {
    pub(crate) api: Api,
    pub(crate) auth: Auth,
    pub(crate) seen: LastAddress,
    endpoints: Vec<Endpoint>,
}

impl Service {
    pub(crate) fn new(header: ProxyHeader) -> Self {
        let (store, seen) = (MemoryStore::new(), LastAddress::default());
        let mut policy = Policy::default();
        policy.hashing = cheap_hashing();
        policy.limits = RateLimits::none();
        let key = SigningKey::hs256(SECRET).unwrap().with_kid("k").unwrap();
        let auth = Auth::builder(store, Mailbox::new())
            .clock(FakeClock::default())
            .event_sink(seen.clone())
            .secret(SECRET)
            .key_ring(KeyRing::new(key))
            .policy(policy)
            .build()
            .unwrap();
        let config = HttpConfig::builder("https://auth.example.com").trust_proxy("10.0.0.0/8");
        let config = config.trust_proxy("2001:db8:1::/48").proxy_header(header).build().unwrap();
        Self { api: Api::new(auth.clone(), config), auth, seen, endpoints: endpoints() }
    }

    /// POSTs a JSON body, under the base path.
    pub(crate) fn post(&self, path: &str, headers: HeaderMap, peer: IpAddr, body: &[u8]) -> Response {
        let path = format!("/api/v1{path}");
        let of_path = |endpoint: &&Endpoint| {
            endpoint.method() == http::Method::POST && endpoint.paths(self.api.config()).contains(&path)
        };
        let endpoint = self.endpoints.iter().find(of_path).unwrap();
        let (mut head, ()) = Request::post(path).body(()).unwrap().into_parts();
        head.headers = headers;
        let body = Bytes::copy_from_slice(body);
        wait(self.api.serve(endpoint, head, Some(peer), async move { Ok(body) }))
    }
}
