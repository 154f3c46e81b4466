//! A store that sends each call to another node of the cluster.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use auth_core::methods_of;
use auth_mysql::MySqlStore;

use crate::server;

#[derive(Debug)]
pub(crate) struct RoundRobin {
    nodes: Vec<MySqlStore>,
    calls: AtomicUsize,
}

impl RoundRobin {
    pub(crate) async fn open(urls: &[String]) -> Self {
        let mut nodes = Vec::new();
        for url in urls {
            nodes.push(server::open(url).await);
        }
        Self { nodes, calls: AtomicUsize::new(0) }
    }

    fn node(&self) -> &MySqlStore {
        &self.nodes[self.calls.fetch_add(1, Ordering::Relaxed) % self.nodes.len()]
    }
}

macro_rules! round_robin {
    ($trait:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl $trait for RoundRobin {
            $(async fn $method(&self, $($argument: $type),*) -> $answer {
                $trait::$method(self.node(), $($argument),*).await
            })*
        }
    };
}

methods_of! { UserStore => round_robin }
methods_of! { TokenStore => round_robin }
methods_of! { Store => round_robin }
methods_of! { Outbox => round_robin }
