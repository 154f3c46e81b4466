//! A proxy that removes the offer of TLS from a server's greeting.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::private_server;

/// `CLIENT_SSL` in the upper of the first two bytes of the capabilities.
const OFFERS_TLS: u8 = 0x08;

/// Starts the proxy for one connection; returns its port, and the bytes that the client then sends
/// in plain text.
pub(crate) async fn proxy() -> (u16, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let listening = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", private_server::port())).await.unwrap();
        let mut header = [0; 4];
        server.read_exact(&mut header).await.unwrap();
        let mut greeting = vec![0; usize::from(u16::from_le_bytes([header[0], header[1]]))];
        server.read_exact(&mut greeting).await.unwrap();
        // Before them: protocol version, server version, connection id, half the salt, a filler.
        let version = greeting[1..].iter().position(|byte| *byte == 0).unwrap();
        let capabilities = &mut greeting[1 + version + 1 + 4 + 8 + 1..][..2];
        assert_ne!(capabilities[1] & OFFERS_TLS, 0, "the server offers TLS");
        capabilities[1] &= !OFFERS_TLS;
        client.write_all(&header).await.unwrap();
        client.write_all(&greeting).await.unwrap();
        let mut received = Vec::new();
        drop(client.read_buf(&mut received).await);
        received
    });
    (port, listening)
}
