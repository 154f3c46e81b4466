//! `ClientWarning`: warns the operator that clients share the address, and so the rate limits, of one.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::client_ip::Proxies;

/// How often the warning about an untrusted proxy is repeated: once an hour. Anyone can send the header, so
/// each request must not write a line.
const REPEATED_AFTER: Duration = Duration::from_hours(1);

/// Which warnings were given.
#[derive(Debug, Default)]
pub(crate) struct ClientWarning {
    without_peer: AtomicBool,
    untrusted_at: Mutex<Option<Instant>>,
}

impl ClientWarning {
    /// Looks at where a request comes from.
    pub(crate) fn check(&self, proxies: &Proxies, peer: Option<IpAddr>, headers: &HeaderMap) {
        let Some(peer) = peer else {
            if !self.without_peer.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "requests come without the address of their peer, so all clients share the rate limits of one; \
                     on axum, serve with `auth_axum::serve` or `into_make_service_with_connect_info`"
                );
            }
            return;
        };
        if let Some(header) = proxies.untrusted_header(peer, headers)
            && self.is_due()
        {
            tracing::warn!(
                %peer,
                header,
                "a peer that is no trusted proxy sent a forwarding header, which is ignored: if the peer is your \
                 proxy, trust it, or all clients behind it share the rate limits of one"
            );
        }
    }

    fn is_due(&self) -> bool {
        let Ok(mut last) = self.untrusted_at.try_lock() else { return false };
        let is_due = last.is_none_or(|at| at.elapsed() >= REPEATED_AFTER);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use tracing::{Event, Subscriber};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt as _};

    use super::*;
    use crate::client_ip::ProxyHeader;

    #[derive(Debug, Clone, Default)]
    struct Warnings(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Warnings {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many warnings these requests cause, each with or without a peer and a forwarding header.
    fn warnings(requests: &[(Option<&str>, Option<&'static str>)]) -> usize {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()], ProxyHeader::XForwardedFor);
        let (warning, counted) = (ClientWarning::default(), Warnings::default());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(counted.clone()), || {
            for (peer, header) in requests {
                let mut headers = HeaderMap::new();
                if let Some(header) = header {
                    headers.insert(*header, "192.0.2.1".parse().unwrap());
                }
                warning.check(&proxies, peer.map(|peer| peer.parse().unwrap()), &headers);
            }
        });
        counted.0.load(Ordering::Relaxed)
    }

    #[test]
    fn a_missing_peer_is_warned_of_once() {
        assert_eq!(warnings(&[(None, None), (None, Some("forwarded")), (None, None)]), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_warning_comes_again_after_an_hour() {
        let warning = ClientWarning::default();
        assert!(warning.is_due() && !warning.is_due());
        tokio::time::advance(Duration::from_secs(3599)).await;
        assert!(!warning.is_due());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(warning.is_due());
    }

    #[test]
    fn an_untrusted_forwarding_header_is_warned_of_once_an_hour() {
        let untrusted = |header| (Some("192.0.2.7"), Some(header));
        assert_eq!(warnings(&[untrusted("x-forwarded-for"), untrusted("forwarded")]), 1);
        assert_eq!(warnings(&[(Some("10.1.2.3"), Some("x-forwarded-for")), (Some("192.0.2.7"), None)]), 0);
        assert_eq!(warnings(&[(Some("::ffff:10.1.2.3"), Some("x-forwarded-for"))]), 0);
    }
}
