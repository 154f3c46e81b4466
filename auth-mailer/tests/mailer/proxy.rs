//! A proxy between the mailer and the sink.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// The manipulation of connections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mischief {
    /// Forwards everything.
    None,
    /// Sends nothing.
    Silent,
    /// Closes at once.
    Closes,
    /// Greets with this and closes.
    Greets(&'static str),
    /// Adds this text after the server's reply to STARTTLS, in the same packet.
    AddsToStartTls(&'static str),
    /// Drops NOOP, by which the client tests an idle connection.
    DropsNoop,
}

/// A listening proxy.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    /// Starts a proxy for a port; it manipulates the first `times` connections.
    pub(crate) async fn start(to: u16, mischief: Mischief, times: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), said: Arc::default() };
        let said = Arc::clone(&proxy.said);
        tokio::spawn(async move {
            let mut met = 0;
            while let Ok((client, _)) = listener.accept().await {
                met += 1;
                let mischief = if met <= times { mischief } else { Mischief::None };
                tokio::spawn(serve(client, to, mischief, Arc::clone(&said)));
            }
        });
        proxy
    }

    /// All bytes that clients sent.
    pub(crate) fn said(&self) -> Vec<u8> {
        self.said.lock().unwrap().clone()
    }
}

async fn serve(mut client: TcpStream, to: u16, mischief: Mischief, said: Arc<Mutex<Vec<u8>>>) {
    match mischief {
        Mischief::Closes => return,
        Mischief::Silent => return drop(client.read_to_end(&mut Vec::new()).await),
        Mischief::Greets(greeting) => return drop(client.write_all(greeting.as_bytes()).await),
        Mischief::None | Mischief::AddsToStartTls(_) | Mischief::DropsNoop => {}
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = TcpStream::connect(("127.0.0.1", to)).await.unwrap().into_split();
    let asked = Arc::new(Mutex::new(false));
    tokio::join!(
        forward(from_client, to_server, |bytes| {
            said.lock().unwrap().extend_from_slice(bytes);
            *asked.lock().unwrap() |= bytes.starts_with(b"STARTTLS");
            if mischief == Mischief::DropsNoop && bytes.starts_with(b"NOOP") {
                bytes.clear();
            }
        }),
        forward(from_server, to_client, |bytes| {
            if let (Mischief::AddsToStartTls(added), true) =
                (mischief, std::mem::take(&mut *asked.lock().unwrap()))
            {
                bytes.extend_from_slice(added.as_bytes());
            }
        }),
    );
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut look: impl FnMut(&mut Vec<u8>)) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let mut bytes = buffer[..length].to_vec();
        look(&mut bytes);
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
