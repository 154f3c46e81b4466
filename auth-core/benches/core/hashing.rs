//! Compares the pool with the bare computation in reused memory, at several numbers of threads.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};
use auth_core::{HashingPolicy, HashingPool, Password, SystemRandom};
use futures_util::future::join_all;

use crate::ratio::{Failure, Named, compare, medians};

const PASSWORD: &str = "correct horse battery staple";
const SALT: [u8; 16] = [7; 16];

pub(crate) fn compare_all() -> Result<(), Failure> {
    for threads in [1, 2, 4] {
        let policy = HashingPolicy::default();
        with_threads(threads, &policy, 1.05)?;
    }
    // The cost of memory for each hash depends on the allocator. glibc reuses freed blocks of up to 32 MiB,
    // unless configured otherwise (`GLIBC_TUNABLES=glibc.malloc.mmap_threshold=131072`), and returns larger
    // blocks to the system each time. Other allocators return all of them.
    let mut larger = HashingPolicy::default();
    (larger.memory_kib, larger.iterations) = (47_104, 1);
    // After a single pass the pool wipes its memory: the early blocks would be a fast hash of the password.
    with_threads(1, &larger, 1.15)
}

/// Measures one hash on each thread at the same time.
fn with_threads(threads: u32, policy: &HashingPolicy, of_bare: f64) -> Result<(), Failure> {
    let mut policy = policy.clone();
    policy.threads = threads;
    let params = Params::new(policy.memory_kib, policy.iterations, policy.parallelism, Some(32))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let pool = HashingPool::start(&policy, None, Arc::new(SystemRandom))?;
    let allocating = Team::start(threads, || allocating(argon2.clone()));
    let bare = Team::start(threads, || bare(argon2.clone()));

    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let password = Password::new(PASSWORD);
    let at_once = || {
        let hashes = (0..threads).map(|_| pool.hash(&password));
        assert!(runtime.block_on(join_all(hashes)).iter().all(Result::is_ok), "a hash failed");
    };
    let cost = format!("{} KiB, {} passes", policy.memory_kib, policy.iterations);
    let [pooled, allocating, bare] = medians(
        &format!("{threads} password hashes at once, {cost}"),
        21,
        8,
        [
            ("HashingPool::hash, awaited", Box::new(at_once)),
            ("argon2, memory allocated for each hash", Box::new(|| allocating.once())),
            ("argon2, bare, memory reused", Box::new(|| bare.once())),
        ],
    );
    let threads = format!("{threads} thread{}", if threads == 1 { "" } else { "s" });
    let floor = Named("argon2 bare, memory reused", bare);
    compare(&format!("password hash, {cost}, {threads}"), pooled, floor, Some(of_bare));
    compare(&format!("argon2 with memory for each hash, {cost}, {threads}"), allocating, floor, None);
    Ok(())
}

fn allocating(argon2: Argon2<'static>) -> impl FnMut() -> bool + Send {
    move || {
        let hash: Result<phc::PasswordHash, _> = argon2.hash_password_with_salt(PASSWORD.as_bytes(), &SALT);
        hash.is_ok_and(|hash| !hash.to_string().is_empty())
    }
}

fn bare(argon2: Argon2<'static>) -> impl FnMut() -> bool + Send {
    let mut memory = vec![Block::new(); argon2.params().block_count()];
    move || {
        let (password, memory) = (PASSWORD.as_bytes(), memory.as_mut_slice());
        argon2.hash_password_into_with_memory(password, &SALT, &mut [0; 32], memory).is_ok()
    }
}

/// Plain threads, like those of a runtime's blocking pool. Each does one piece of work on request.
struct Team(Vec<(SyncSender<()>, Receiver<bool>)>);

impl Team {
    fn start<W: FnMut() -> bool + Send + 'static>(threads: u32, work: impl Fn() -> W) -> Self {
        let start = |_| {
            let mut work = work();
            let (ask, asked) = sync_channel::<()>(1);
            let (reply, answer) = sync_channel(1);
            thread::spawn(move || {
                for () in asked {
                    if reply.send(work()).is_err() {
                        return;
                    }
                }
            });
            (ask, answer)
        };
        Self((0..threads).map(start).collect())
    }

    fn once(&self) {
        let asked = self.0.iter().all(|(ask, _)| ask.send(()).is_ok());
        let done = self.0.iter().all(|(_, answer)| answer.recv().unwrap_or(false));
        assert!(asked && done, "the work failed");
    }
}
