//! `kill -9` of the database server, on durable settings, while services write: what was acknowledged
//! is there afterwards, nothing happened twice, and the outbox drains.

#[cfg(test)]
mod tests {
    use std::env;
    use std::path::Path;
    use std::process::Command;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use auth_core::store::{Guarded, Settlement};
    use auth_core::{Outbox, TokenStore};
    use auth_mysql::{MySqlOptions, MySqlStore};
    use auth_testkit::samples;

    /// Beside the ports of the shared servers.
    fn port() -> u16 {
        env::var("AUTH_TEST_PORT").map_or(33306, |port| port.parse::<u16>().unwrap()) + 10
    }

    /// Kills; `scripts/prove-mysql` asks for more.
    fn kills() -> u32 {
        env::var("AUTH_TEST_MYSQL_KILLS").map_or(6, |kills| kills.parse().unwrap())
    }

    /// The server of this test alone.
    struct Server {
        folder: String,
    }

    impl Server {
        fn run(&self, verb: &str) {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/servers/mariadb");
            let done = Command::new(script)
                .args([verb, &self.folder])
                .env("PORT", port().to_string())
                .env("DURABLE", "1")
                .output()
                .unwrap();
            assert!(done.status.success(), "{verb}: {}", String::from_utf8_lossy(&done.stderr));
        }

        async fn open(&self) -> MySqlStore {
            let url = format!("mysql://authtest:authtest-pw@127.0.0.1:{}/authtest", port());
            MySqlOptions::from_url(&url).unwrap().connections(2).open().await.unwrap()
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.run("wipe");
        }
    }

    /// What the server acknowledged: the generation of the session, and the mails.
    type Acknowledged = Arc<Mutex<(u32, Vec<u32>)>>;

    /// Rotates one session and promises mails until the server is gone.
    async fn write(store: MySqlStore, round: u32, acknowledged: Acknowledged) {
        for number in 0.. {
            let generation = acknowledged.lock().unwrap().0;
            match store.rotate(&samples::rotation(1, generation)).await {
                Ok(Guarded::Applied) => acknowledged.lock().unwrap().0 += 1,
                Ok(Guarded::Lost) => panic!("nobody else rotates this session"),
                Err(_) => return,
            }
            let mail = round * 100_000 + number;
            match Outbox::insert(&store, &samples::intent(mail)).await {
                Ok(()) => acknowledged.lock().unwrap().1.push(mail),
                Err(_) => return,
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_a_killed_server_acknowledged_is_kept() {
        let folder = env::temp_dir().join(format!("auth-crash-{}", std::process::id()));
        let server = Server { folder: folder.to_str().unwrap().to_owned() };
        server.run("start");
        server.open().await.insert_session(&samples::session(1)).await.unwrap();
        let (mut generation, mut promised, mut in_flight) = (0, 0, 0);
        for round in 1..=kills() {
            let acknowledged = Acknowledged::new(Mutex::new((generation, Vec::new())));
            let writing = tokio::spawn(write(server.open().await, round, Arc::clone(&acknowledged)));
            tokio::time::sleep(Duration::from_millis(u64::from(20 + round * 37 % 150))).await;
            server.run("kill9");
            // What is in flight would wait for a server; nobody will hear how it ended.
            writing.abort();
            assert!(!writing.await.is_err_and(|end| end.is_panic()));
            let (acknowledged, mails) = acknowledged.lock().unwrap().clone();
            server.run("start");
            let store = server.open().await;
            let kept = store.find_session(samples::session_id(1)).await.unwrap().unwrap();
            // The one rotation in flight may have come through or not; every acknowledged one did.
            assert!((acknowledged..=acknowledged + 1).contains(&kept.generation), "{acknowledged}: {kept:?}");
            assert!(kept.digest.matches(&samples::digest(kept.generation)));
            in_flight += kept.generation - acknowledged;
            generation = kept.generation;
            promised += mails.len();
            let mut missing: std::collections::HashSet<_> =
                mails.into_iter().map(samples::intent_id).collect();
            loop {
                let claimed = store.claim(samples::at(1), samples::at(600), 200).await.unwrap();
                for claim in &claimed {
                    missing.remove(&claim.intent.id);
                    let done = store.complete(claim.intent.id, claim.attempt).await.unwrap();
                    assert_eq!(done, Settlement::Settled);
                }
                if claimed.is_empty() {
                    break;
                }
            }
            assert!(missing.is_empty(), "round {round}: promised mails are gone: {missing:?}");
            assert_eq!(store.stats().await.unwrap().queued, 0, "the outbox drains");
        }
        println!(
            "{} kills, {generation} rotations, {promised} mails, {in_flight} unknown outcomes applied",
            kills()
        );
        assert!(generation > 0 && promised > 0);
    }
}
