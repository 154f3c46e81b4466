//! Every guarantee of the trait, over each way to connect to Redis.

use std::sync::Arc;

use auth_redis::RedisLimiter;

use crate::server::{PATIENCE, SHARED};

mod over_tcp {
    use super::*;

    auth_testkit::limiter_tests!(async { Arc::new(SHARED.limiter().await) });
}

mod over_tls {
    use super::*;

    auth_testkit::limiter_tests!(async {
        let url = format!("{}?ca={}", SHARED.tls_url(), SHARED.certificate("ca.pem").display());
        Arc::new(RedisLimiter::connect(&url).await.unwrap().patience(PATIENCE))
    });
}
