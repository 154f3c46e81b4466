//! A store that asks another node of the cluster at every call.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use auth_core::methods_of;
use auth_mysql::MySqlStore;

use crate::server;

#[derive(Debug)]
pub(crate) struct Spread {
    nodes: Vec<MySqlStore>,
    calls: AtomicUsize,
}

impl Spread {
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

macro_rules! spread {
    ($trait:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl $trait for Spread {
            $(async fn $method(&self, $($argument: $type),*) -> $answer {
                $trait::$method(self.node(), $($argument),*).await
            })*
        }
    };
}

methods_of! { UserStore => spread }
methods_of! { TokenStore => spread }
methods_of! { JoinedStore => spread }
methods_of! { Outbox => spread }
