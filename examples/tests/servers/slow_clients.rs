//! Clients that send nothing, or half of a request, or read nothing of a response, hold no connection for long,
//! and keep nobody else from an answer.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::server::{PROGRAMS, Program};

/// More than the descriptors that a small server has.
const CLIENTS: usize = 300;
/// Longer than both servers wait for the head of a request, or for the next one.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn slow_and_idle_clients_lose_their_connections_soon() {
    for program in PROGRAMS {
        let server = program.start();
        let connect = || {
            let stream = TcpStream::connect(server.addr).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream
        };
        let mut slow: Vec<TcpStream> = (0..CLIENTS).map(|_| connect()).collect();
        for stream in &mut slow {
            stream.write_all(b"POST /api/v1/auth/login HTTP/1.1\r\nhost: a\r\n").unwrap();
        }
        slow.push(connect());
        let mut deaf = connect();
        deaf.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        // Asks until the server, whose responses nobody reads, reads no more itself.
        while deaf.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n").is_ok() {}
        let mut idle = connect();
        idle.write_all(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let begun = Instant::now();
        server.root("GET", "/health").send().expect(200);
        assert!(begun.elapsed() < Duration::from_secs(2), "{program:?}: {:?}", begun.elapsed());
        let mut answer = Vec::new();
        idle.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{program:?}: {}", String::from_utf8_lossy(&answer));
        for mut stream in slow {
            // An answer such as 408 may come first.
            stream.read_to_end(&mut answer).unwrap();
        }
        if program == Program::Axum {
            let mut closed = || deaf.write(b"GET").is_err_and(|error| error.kind() != ErrorKind::WouldBlock);
            while !closed() {
                assert!(begun.elapsed() < PATIENCE, "a client that reads nothing keeps its connection");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        assert!(begun.elapsed() < PATIENCE, "{program:?}: {:?}", begun.elapsed());
    }
}
