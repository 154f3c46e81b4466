//! Failures on their way to the log: a client is told nothing of the cause.

use http::{HeaderValue, Method};

use crate::Response;

/// The cause of a failure, on its way from the operation to the log.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    pub(crate) text: String,
    /// Turned away because there was too much to do, and told when to come back.
    pub(crate) busy: bool,
}

/// An event that tells of a failure. To be busy is to do as configured: a warning, however many are turned away.
macro_rules! failed {
    (busy: $busy:expr, $($field:tt)*) => {
        if $busy {
            tracing::warn!($($field)*, "request turned away");
        } else {
            tracing::error!($($field)*, "request failed");
        }
    };
}
pub(crate) use failed;

/// Logs an answer that tells of a failure of ours.
pub(crate) fn log_failure(
    response: &Response,
    method: &Method,
    path: &str,
    request_id: Option<&HeaderValue>,
) {
    if !response.status().is_server_error() {
        return;
    }
    let status = response.status().as_u16();
    let (cause, busy) = response
        .extensions()
        .get::<Cause>()
        .map_or(("no cause given", false), |cause| (cause.text.as_str(), cause.busy));
    let request_id = request_id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    failed!(busy: busy, request_id, %method, path, status, cause);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{Event, Level, Subscriber};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt as _};

    use super::*;
    use crate::problem::{Code, Problem};

    #[derive(Default, Clone)]
    struct Levels(Arc<Mutex<Vec<Level>>>);

    impl<S: Subscriber> Layer<S> for Levels {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
    }

    #[test]
    fn only_what_was_turned_away_as_busy_is_a_warning_and_a_refusal_is_nothing() {
        for (code, expected) in [
            (Code::Busy, &[Level::WARN] as &[_]),
            (Code::Unavailable, &[Level::ERROR]),
            (Code::InternalError, &[Level::ERROR]),
            (Code::InvalidToken, &[]),
        ] {
            let levels = Levels::default();
            tracing::subscriber::with_default(tracing_subscriber::registry().with(levels.clone()), || {
                let response = Problem::new(code).because("a cause").into_http();
                log_failure(&response, &Method::POST, "/auth/login", None);
            });
            assert_eq!(*levels.0.lock().unwrap(), expected, "{code:?}");
        }
    }
}
