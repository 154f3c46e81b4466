//! A TCP proxy between store and server. It closes a connection after a given number of bytes,
//! drops all bytes, or delays answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// More bytes than any test sends: no cut.
const ENDLESS: i64 = i64::MAX / 2;

/// The direction of counted bytes.
#[derive(Debug, Clone, Copy)]
pub enum Direction {
    /// From the store to the server.
    ToServer = 0,
    /// From the server to the store.
    ToStore = 1,
}

#[derive(Debug)]
struct Plan {
    left: [AtomicI64; 2],
    passed: [AtomicI64; 2],
    cuts: AtomicU64,
    /// The proxy drops all bytes of connections of an earlier generation.
    generation: AtomicU64,
    /// Whether answers are delayed.
    delays: AtomicBool,
    /// The number of connections.
    open: AtomicU64,
    /// The port of the server to which new connections lead.
    target: AtomicU16,
}

/// The proxy. It accepts connections until its runtime ends.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    plan: Arc<Plan>,
}

impl Proxy {
    /// Starts a proxy for the server of this URL; returns the URL through the proxy. It has no
    /// parameters: the certificate is for the server's name, and a socket would bypass the proxy.
    pub async fn before(url: &str) -> (Self, String) {
        let mut url: url::Url = url.parse().unwrap();
        let proxy = Self::new(url.host_str().unwrap().to_owned(), url.port().expect("a port")).await;
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(proxy.port)).unwrap();
        url.set_query(None);
        (proxy, url.into())
    }

    async fn new(host: String, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plan = Arc::new(Plan {
            left: [AtomicI64::new(ENDLESS), AtomicI64::new(ENDLESS)],
            passed: [AtomicI64::new(0), AtomicI64::new(0)],
            cuts: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            delays: AtomicBool::new(false),
            open: AtomicU64::new(0),
            target: AtomicU16::new(port),
        });
        let proxy = Self { port: listener.local_addr().unwrap().port(), plan: Arc::clone(&plan) };
        tokio::spawn(async move {
            while let Ok((store, _)) = listener.accept().await {
                let port = plan.target.load(Ordering::SeqCst);
                // A server that is gone refuses the connection, and so does this proxy.
                let Ok(server) = TcpStream::connect((host.as_str(), port)).await else { continue };
                store.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let ((from_store, to_store), (from_server, to_server)) =
                    (store.into_split(), server.into_split());
                let cut = Arc::new(Notify::new());
                let requests =
                    pump(from_store, to_server, Direction::ToServer, Arc::clone(&plan), Arc::clone(&cut));
                plan.open.fetch_add(1, Ordering::SeqCst);
                let counted = Arc::clone(&plan);
                tokio::spawn(async move {
                    requests.await;
                    counted.open.fetch_sub(1, Ordering::SeqCst);
                });
                tokio::spawn(pump(from_server, to_store, Direction::ToStore, Arc::clone(&plan), cut));
            }
        });
        proxy
    }

    /// Makes new connections lead to another server on the same host.
    pub fn lead_to(&self, port: u16) {
        self.plan.target.store(port, Ordering::SeqCst);
    }

    /// Cuts the next connection that passes this number of bytes in this direction.
    pub fn cut_after(&self, direction: Direction, bytes: i64) {
        self.plan.left[direction as usize].store(bytes, Ordering::SeqCst);
    }

    /// Cancels a planned cut.
    pub fn disarm(&self) {
        self.plan.left.iter().for_each(|left| left.store(ENDLESS, Ordering::SeqCst));
    }

    /// The number of bytes in each direction since the last call.
    pub fn passed(&self) -> [i64; 2] {
        [Direction::ToServer, Direction::ToStore]
            .map(|way| self.plan.passed[way as usize].swap(0, Ordering::SeqCst))
    }

    /// Drops all further bytes of the open connections without closing them, like a firewall that
    /// forgot them.
    pub fn drop_bytes(&self) {
        self.plan.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Starts or stops delaying answers.
    pub fn delay_answers(&self, delays: bool) {
        self.plan.delays.store(delays, Ordering::SeqCst);
    }

    /// Waits until there are this number of connections.
    pub async fn until_open(&self, connections: u64) {
        let reached = async {
            while self.plan.open.load(Ordering::SeqCst) != connections {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(20), reached).await.expect("the number of connections");
    }

    /// The number of connections that were cut.
    pub fn cuts(&self) -> u64 {
        self.plan.cuts.load(Ordering::SeqCst)
    }
}

/// Forwards bytes until the end, a cut, or a cut of the other direction. Both halves are then
/// dropped.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Direction,
    plan: Arc<Plan>,
    cut: Arc<Notify>,
) {
    let mut buffer = vec![0; 16 * 1024];
    let generation = plan.generation.load(Ordering::SeqCst);
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            () = cut.notified() => return,
        };
        if read == 0 {
            cut.notify_one();
            return;
        }
        if plan.generation.load(Ordering::SeqCst) != generation {
            continue;
        }
        while matches!(way, Direction::ToStore) && plan.delays.load(Ordering::SeqCst) {
            tokio::select! {
                () = sleep(Duration::from_millis(1)) => {}
                () = cut.notified() => return,
            }
        }
        let counted = i64::try_from(read).unwrap();
        plan.passed[way as usize].fetch_add(counted, Ordering::SeqCst);
        let left = plan.left[way as usize].fetch_sub(counted, Ordering::SeqCst);
        if left > counted {
            if to.write_all(&buffer[..read]).await.is_err() {
                cut.notify_one();
                return;
            }
            continue;
        }
        // The bytes before the cut arrive; those after it are lost.
        plan.left[way as usize].store(ENDLESS, Ordering::SeqCst);
        plan.cuts.fetch_add(1, Ordering::SeqCst);
        let _ = to.write_all(&buffer[..usize::try_from(left.max(0)).unwrap()]).await;
        cut.notify_one();
        return;
    }
}
