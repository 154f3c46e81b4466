//! Between a server and its database: forwards everything until a test closes it, as if the database were gone.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) struct Relay {
    pub(crate) addr: SocketAddr,
    target: SocketAddr,
    /// One for each time it was opened; a closed one ends its thread.
    open: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    pub(crate) fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mut relay = Self { addr, target, open: Arc::default(), streams: Arc::default() };
        relay.pass_on(listener);
        relay
    }

    /// The database is gone: nothing listens, and what was connected breaks off.
    pub(crate) fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
        // Wakes the thread, which then drops the listener.
        let closed_at = Instant::now();
        while TcpStream::connect(self.addr).is_ok() {
            assert!(closed_at.elapsed() < Duration::from_secs(20), "the relay still listens");
            std::thread::yield_now();
        }
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// The database is back.
    pub(crate) fn reopen(&mut self) {
        self.pass_on(TcpListener::bind(self.addr).unwrap());
    }

    fn pass_on(&mut self, listener: TcpListener) {
        self.open = Arc::new(AtomicBool::new(true));
        let (open, streams, target) = (Arc::clone(&self.open), Arc::clone(&self.streams), self.target);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if !open.load(Ordering::SeqCst) {
                    return;
                }
                let (near, far) = (stream.unwrap(), TcpStream::connect(target).unwrap());
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                streams.lock().unwrap().extend([near, far]);
            }
        });
    }
}
