//! Serves the service's metrics for Prometheus on a separate address.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use auth_core::Auth;
use auth_metrics::Sampler;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

/// Upper bounds of the histograms in seconds: from a primary-key read in memory to a slow mail server.
const BOUNDS: [f64; 12] = [0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Records metrics from now on and listens for scrapes.
#[derive(Debug)]
pub(crate) struct Exporter {
    handle: PrometheusHandle,
    listener: std::net::TcpListener,
}

impl Exporter {
    pub(crate) fn start(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let handle = recorder().map_err(io::Error::other)?;
        auth_metrics::describe();
        Ok(Self { handle, listener })
    }

    /// Answers until `stop` completes.
    pub(crate) async fn serve(self, auth: Auth, stop: impl Future<Output = ()> + Send + 'static) {
        if let Ok(address) = self.listener.local_addr() {
            tracing::info!("metrics at http://{address}/metrics");
        }
        let sources = Sources { handle: self.handle, sampler: Sampler::new(auth).into() };
        let routes = Router::new().route("/metrics", get(metrics)).with_state(sources);
        let served = async {
            axum::serve(TcpListener::from_std(self.listener)?, routes).with_graceful_shutdown(stop).await
        };
        if let Err(error) = served.await {
            tracing::error!(%error, "metrics are not served any more");
        }
    }
}

fn recorder() -> Result<PrometheusHandle, BuildError> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    PrometheusBuilder::new().set_buckets_for_metric(seconds, &BOUNDS)?.install_recorder()
}

#[derive(Debug, Clone)]
struct Sources {
    handle: PrometheusHandle,
    sampler: std::sync::Arc<Sampler>,
}

async fn metrics(State(sources): State<Sources>) -> impl IntoResponse {
    if let Err(error) = sources.sampler.sample().await {
        // Everything else is answered alike, also while the server shuts down.
        tracing::warn!(%error, "the outbox could not be counted for metrics");
    }
    sources.handle.run_upkeep();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], sources.handle.render())
}
