//! What a refresh costs: through `Auth` and `MySqlStore`, against the floor of the same statements by bare
//! sqlx on a held connection; then the same with many sessions in the table.
//!
//! `AUTH_TEST_MYSQL_URL=... SESSIONS=1000000 cargo bench -p auth-mysql`, on a database that may be filled.

#![expect(clippy::cast_precision_loss, reason = "figures, not accounts")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot be set up must fail"
)]

use std::env;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use auth_core::{
    Auth, Client, Clock as _, Email, Epoch, Mailbox, Password, Policy, SystemClock, SystemRandom,
    TokenStore as _, User, UserId, UserStatus, UserStore,
};
use auth_mysql::{MySqlOptions, MySqlStore};
use auth_testkit::cheap_hashing;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection};

const ROUND: Duration = Duration::from_secs(1);
const ROUNDS: usize = 3;
const PASSWORD: &str = "correct horse battery";

fn client() -> Client {
    Client::new("192.0.2.7".parse().ok(), Some("Firefox"))
}

/// Processor time of this process so far, in hundredths of a second.
fn cpu() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn service(store: &MySqlStore) -> Auth {
    let mut policy = Policy::default();
    policy.hashing = cheap_hashing();
    let limits = &mut policy.limits;
    (limits.refresh_client, limits.refresh_session, limits.log_in_client) = (None, None, None);
    Auth::builder(store.clone(), store.clone(), Mailbox::new())
        .outbox(store.clone())
        .secret("n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P")
        .policy(policy)
        .build()
        .unwrap()
}

/// A refresh token of a new user.
async fn token(auth: &Auth, store: &MySqlStore) -> (UserId, String) {
    static NUMBERS: AtomicU32 = AtomicU32::new(0);
    let now = SystemClock.now();
    let id = UserId::generate(now, &SystemRandom).unwrap();
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let email = format!("bench{}-{number}@example.com", now.timestamp_micros());
    let user = User {
        id,
        email: Email::parse(&email).unwrap(),
        name: None,
        password_hash: Some(auth.hashing().hash(&Password::new(PASSWORD)).await.unwrap()),
        password_changed_at: now,
        epoch: Epoch::from_u64(1),
        status: UserStatus::Active,
        email_verified_at: Some(now),
        contested_at: None,
        created_at: now,
    };
    let _ = UserStore::insert(store, &user).await.unwrap();
    let grant = auth.log_in(&email, Password::new(PASSWORD), &client()).await.unwrap();
    (id, grant.refresh_token.expose().to_string())
}

/// Refreshes per second, hundredths of processor seconds, and all latencies in microseconds.
#[derive(Default)]
struct Figures {
    done: usize,
    cpu: u64,
    latencies: Vec<u64>,
}

impl Figures {
    fn rate(&self, rounds: usize) -> f64 {
        self.done as f64 / (ROUND.as_secs_f64() * rounds as f64)
    }

    fn cpu_micros(&self) -> f64 {
        self.cpu as f64 * 10_000.0 / self.done as f64
    }

    fn percentile(&mut self, hundredths: usize) -> u64 {
        self.latencies.sort_unstable();
        self.latencies[self.latencies.len() * hundredths / 100]
    }

    async fn add(&mut self, tasks: Vec<tokio::task::JoinHandle<Vec<u64>>>, before: u64) {
        for task in tasks {
            let latencies = task.await.unwrap();
            self.done += latencies.len();
            self.latencies.extend(latencies);
        }
        self.cpu += cpu() - before;
    }
}

async fn through_auth(auth: &Auth, tokens: &[Arc<tokio::sync::Mutex<String>>], figures: &mut Figures) {
    let before = cpu();
    let tasks = tokens.iter().map(|token| {
        let (auth, token) = (auth.clone(), Arc::clone(token));
        tokio::spawn(async move {
            let (mut token, mut latencies, began) = (token.lock().await, Vec::new(), Instant::now());
            while began.elapsed() < ROUND {
                let start = Instant::now();
                *token = auth.refresh(&token, &client()).await.unwrap().refresh_token.expose().to_string();
                latencies.push(u64::try_from(start.elapsed().as_micros()).unwrap());
            }
            latencies
        })
    });
    let tasks = tasks.collect();
    figures.add(tasks, before).await;
}

/// A connection of its own, and whose session it refreshes.
type Held = (MySqlConnection, UserId, [u8; 16]);

async fn bare((mut connection, user, session): Held) -> (Held, Vec<u64>) {
    let (mut latencies, began) = (Vec::new(), Instant::now());
    while began.elapsed() < ROUND {
        let start = Instant::now();
        let columns = "SELECT id, user_id, epoch, generation, digest, created_at, rotated_at, idle_expires_at, \
            expires_at, ip, user_agent FROM auth_sessions WHERE id = ?";
        let row = sqlx::query(columns).bind(&session[..]).fetch_one(&mut connection).await.unwrap();
        let columns = "SELECT id, email_canonical, email, name, password_hash, password_changed_at, epoch, \
            status, email_verified_at, contested_at, created_at FROM auth_users WHERE id = ?";
        sqlx::query(columns).bind(&user.as_bytes()[..]).fetch_one(&mut connection).await.unwrap();
        let (generation, digest): (u32, Vec<u8>) = {
            use sqlx::Row as _;
            (row.get("generation"), row.get("digest"))
        };
        let now = SystemClock.now().naive_utc();
        let rotate = "UPDATE auth_sessions SET generation = ?, digest = ?, rotated_at = ?, idle_expires_at = ? \
            WHERE id = ? AND generation = ? AND digest = ?";
        let done = sqlx::query(rotate)
            .bind(generation + 1)
            .bind(digest.clone())
            .bind(now)
            .bind(now + chrono::TimeDelta::days(7))
            .bind(&session[..])
            .bind(generation)
            .bind(digest)
            .execute(&mut connection)
            .await
            .unwrap();
        assert_eq!(done.rows_affected(), 1);
        latencies.push(u64::try_from(start.elapsed().as_micros()).unwrap());
    }
    ((connection, user, session), latencies)
}

async fn compare(url: &str, store: &MySqlStore, auth: &Auth, connections: usize) {
    let (mut tokens, mut floors) = (Vec::new(), Vec::new());
    for _ in 0..connections {
        tokens.push(Arc::new(tokio::sync::Mutex::new(token(auth, store).await.1)));
        let (user, _) = token(auth, store).await;
        let session = *store.find_sessions_by_user(user).await.unwrap()[0].id.as_bytes();
        let mut connection = url.parse::<MySqlConnectOptions>().unwrap().connect().await.unwrap();
        MySqlStore::prepare(&mut connection).await.unwrap();
        floors.push((connection, user, session));
    }
    let (mut ours, mut floor) = (Figures::default(), Figures::default());
    through_auth(auth, &tokens, &mut Figures::default()).await;
    for _ in 0..ROUNDS {
        through_auth(auth, &tokens, &mut ours).await;
        let before = cpu();
        let tasks: Vec<_> = floors.drain(..).map(|held| tokio::spawn(bare(held))).collect();
        for task in tasks {
            let (held, latencies) = task.await.unwrap();
            floor.done += latencies.len();
            floor.latencies.extend(latencies);
            floors.push(held);
        }
        floor.cpu += cpu() - before;
    }
    println!(
        "{connections:>2} connections: {:.0}/s of {:.0}/s = {:.2}; {:.0} us of CPU against {:.0} = {:.2}; \
         p50 {} us against {}, p99 {} us against {}",
        ours.rate(ROUNDS),
        floor.rate(ROUNDS),
        ours.rate(ROUNDS) / floor.rate(ROUNDS),
        ours.cpu_micros(),
        floor.cpu_micros(),
        ours.cpu_micros() / floor.cpu_micros(),
        ours.percentile(50),
        floor.percentile(50),
        ours.percentile(99),
        floor.percentile(99),
    );
}

/// Sessions of nobody, half of them over.
async fn fill(url: &str, sessions: u64) {
    let mut connection = url.parse::<MySqlConnectOptions>().unwrap().connect().await.unwrap();
    let one = "SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
        UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9";
    let batch = 10_000;
    for first in (0..sessions).step_by(batch) {
        let sql = format!(
            "INSERT INTO auth_sessions (id, user_id, epoch, generation, digest, created_at, rotated_at, \
             idle_expires_at, expires_at, ip, user_agent) \
             SELECT UNHEX(CONCAT('00', LPAD(HEX({first} + a.d + 10 * b.d + 100 * c.d + 1000 * d.d), 14, '0'), \
             LEFT(MD5(RAND()), 16))), UNHEX(MD5(RAND())), 1, 1, UNHEX(SHA2(RAND(), 256)), UTC_TIMESTAMP(6), \
             UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL IF(RAND() < 0.5, -1, 1) * 5 DAY, \
             UTC_TIMESTAMP(6) + INTERVAL 30 DAY, '192.0.2.7', 'Firefox' \
             FROM ({one}) a, ({one}) b, ({one}) c, ({one}) d"
        );
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    }
}

/// Latencies of refreshes and log-ins by 4 clients; of refreshes while expired sessions are deleted.
async fn latencies(auth: &Auth, store: &MySqlStore, label: &str) {
    let mut tokens = Vec::new();
    let mut log_ins = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        let (_, token) = token(auth, store).await;
        log_ins.push(u64::try_from(began.elapsed().as_micros()).unwrap());
        tokens.push(Arc::new(tokio::sync::Mutex::new(token)));
    }
    log_ins.sort_unstable();
    tokens.truncate(4);
    let mut figures = Figures::default();
    for _ in 0..ROUNDS {
        through_auth(auth, &tokens, &mut figures).await;
    }
    let quiet = (figures.percentile(50), figures.percentile(99));
    let purging = tokio::spawn({
        let store = store.clone();
        async move {
            let (began, mut deleted, mut slowest) = (Instant::now(), 0, Duration::ZERO);
            while began.elapsed() < ROUND * 3 {
                let start = Instant::now();
                let done = store.purge_sessions(SystemClock.now(), 100).await.unwrap();
                slowest = slowest.max(start.elapsed());
                deleted += done;
                if done == 0 {
                    break;
                }
            }
            (deleted, slowest, began.elapsed())
        }
    });
    let mut busy = Figures::default();
    for _ in 0..ROUNDS {
        through_auth(auth, &tokens, &mut busy).await;
    }
    let (deleted, slowest, took) = purging.await.unwrap();
    println!(
        "{label}: refresh p50 {} us, p99 {} us; user and log-in p50 {} us; while purging p50 {} us, p99 {} us; \
         {deleted} deleted in {took:.1?}, slowest hundred {slowest:.1?}",
        quiet.0,
        quiet.1,
        log_ins[100],
        busy.percentile(50),
        busy.percentile(99),
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let url = env::var("AUTH_TEST_MYSQL_URL").expect("AUTH_TEST_MYSQL_URL names the server");
    let store = MySqlOptions::from_url(&url).unwrap().connections(32).open().await.unwrap();
    let auth = service(&store);
    for connections in [1, 8, 32] {
        compare(&url, &store, &auth, connections).await;
    }
    let Ok(sessions) = env::var("SESSIONS").map(|sessions| sessions.parse::<u64>().unwrap()) else { return };
    for sessions in [10_000, sessions] {
        let began = Instant::now();
        fill(&url, sessions).await;
        println!("{sessions} more sessions in {:.0?}", began.elapsed());
        latencies(&auth, &store, &format!("{sessions} sessions")).await;
    }
}
