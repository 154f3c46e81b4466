//! Serves a router to many clients, some of them slow or hostile.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

/// How long the head of a request may take, and how long a connection may be idle: 30 s, hyper's default. A
/// client that is slower holds a connection for nothing (a "slow loris"). The end of a response that is still
/// on its way counts as idle: at most 400 KiB, which takes a client of 14 KiB/s as long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may read nothing while it has a response to read: 30 s.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a stop waits for requests under way: 10 s, as long as Docker waits before it kills.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Most connections at once: three quarters of the usual limit of 1,024 open files. The others wait in the
/// backlog of the listener.
const MAX_CONNECTIONS: usize = 768;

/// How long to wait when no connection can be accepted, for instance because no file can be opened: 100 ms.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Serves a router over HTTP/1.1 until `stop`, then finishes the requests under way, for at most 10 s.
///
/// Unlike `axum::serve`, it
///
/// - gives every handler the peer's address (`ConnectInfo<SocketAddr>`), which rate limits count by;
/// - closes a connection whose request head takes longer than 30 s, one that is idle for 30 s, and one whose
///   client reads nothing of a response for 30 s;
/// - holds at most 768 connections at once.
///
/// # Security
///
/// There is no cap per client: 768 idle connections of one client keep others waiting until they are closed. Put
/// a proxy in front that limits connections per address, if that matters to you.
///
/// # Errors
///
/// None today: an error of the listener is tried again, and an error of a connection ends that connection.
/// The `Result` is that of `axum::serve`.
///
/// # Examples
///
/// ```no_run
/// # async fn doc(app: axum::Router) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// let stop = async { _ = tokio::signal::ctrl_c().await };
/// auth_axum::serve(listener, app, stop).await
/// # }
/// ```
pub async fn serve(
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    serve_within(MAX_CONNECTIONS, HEAD_TIMEOUT, listener, app, stop).await;
    Ok(())
}

async fn serve_within(
    max_connections: usize,
    head_timeout: Duration,
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()> + Send,
) {
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(max_connections));
    let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
    server.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout);
    let (stopping, stopped) = watch::channel(());
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (accept(&listener).await, place)
        };
        let ((stream, peer), place) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let app = app.clone();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            app.clone().oneshot(request.map(Body::new))
        });
        let (server, watcher, stopped) = (server.clone(), connections.watcher(), stopped.clone());
        tokio::spawn(async move {
            if sends_something(&stream, head_timeout, stopped).await {
                let mut stream = TimeoutStream::new(stream);
                stream.set_write_timeout(Some(WRITE_TIMEOUT));
                let io = TokioIo::new(Box::pin(stream));
                // The client went away, or sent what is no request: its connection ends, and nothing else does.
                _ = watcher.watch(server.serve_connection_with_upgrades(io, service).into_owned()).await;
            }
            drop(place);
        });
    }
    drop((listener, stopping));
    _ = tokio::time::timeout(STOP_TIMEOUT, connections.shutdown()).await;
}

/// Waits for the first byte of a client, until a stop; hyper's timer starts with it.
async fn sends_something(stream: &TcpStream, within: Duration, mut stopped: watch::Receiver<()>) -> bool {
    let mut first = [0];
    tokio::select! {
        peeked = tokio::time::timeout(within, stream.peek(&mut first)) => matches!(peeked, Ok(Ok(1))),
        // The sender is dropped.
        _ = stopped.changed() => false,
    }
}

/// Accepts the next connection, whatever became of those before.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_connection(&error) => {}
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
}

/// Whether an error is about one connection that was reset before it was accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use axum::extract::ConnectInfo;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    use super::*;

    async fn started(
        max_connections: usize,
        head_timeout: Duration,
    ) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let peer =
            |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { format!("you are {}", peer.ip()) };
        let app = Router::new().route("/", get(peer));
        let (stop, stopped) = oneshot::channel();
        let stopped = async { _ = stopped.await };
        (addr, stop, tokio::spawn(serve_within(max_connections, head_timeout, listener, app, stopped)))
    }

    async fn ask(stream: &mut TcpStream) -> String {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 512];
        let length = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    #[tokio::test]
    async fn a_handler_gets_the_address_of_the_peer() {
        let (addr, _stop, _server) = started(10, HEAD_TIMEOUT).await;
        let answer = ask(&mut TcpStream::connect(addr).await.unwrap()).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("you are 127.0.0.1"), "{answer}");
    }

    #[tokio::test]
    async fn a_connection_beyond_the_most_waits_for_a_place() {
        let (addr, _stop, _server) = started(2, HEAD_TIMEOUT).await;
        let mut connections = Vec::new();
        for _ in 0..2 {
            let mut connection = TcpStream::connect(addr).await.unwrap();
            ask(&mut connection).await;
            connections.push(connection);
        }
        let mut third = TcpStream::connect(addr).await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(200), ask(&mut third)).await;
        assert!(early.is_err(), "served without a place: {early:?}");
        connections.pop();
        let mut answer = [0; 12];
        third.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }

    #[tokio::test]
    async fn silent_slow_and_idle_connections_are_closed() {
        let (addr, _stop, _server) = started(10, Duration::from_millis(100)).await;
        for sent in ["", "GET / HTTP/1.1\r\nhost:", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"] {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
            assert!(closed.is_ok(), "open after {sent:?}");
        }
    }

    #[tokio::test]
    async fn a_stop_closes_idle_and_silent_connections() {
        let (addr, stop, server) = started(10, HEAD_TIMEOUT).await;
        let mut silent = TcpStream::connect(addr).await.unwrap();
        let mut idle = TcpStream::connect(addr).await.unwrap();
        ask(&mut idle).await;
        stop.send(()).unwrap();
        // Much less than the time that a stop waits for requests under way.
        tokio::time::timeout(Duration::from_secs(5), server).await.unwrap().unwrap();
        assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
        assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
        assert!(TcpStream::connect(addr).await.is_err());
    }
}
