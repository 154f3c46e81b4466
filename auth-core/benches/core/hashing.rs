//! The pool against the argon2 crate: its ordinary API, which allocates for each hash, and its bare
//! computation in reused memory.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};
use auth_core::{HashingPolicy, HashingPool, Password, SystemRandom};

use crate::ratio::{Failure, medians, print};

const PASSWORD: &str = "correct horse battery staple";
const SALT: [u8; 16] = [7; 16];

pub(crate) fn compare() -> Result<(), Failure> {
    // Whether memory for each hash is dear is the allocator's affair. glibc keeps freed blocks up to
    // 32 MiB once it has seen one, unless told otherwise (`GLIBC_TUNABLES=glibc.malloc.mmap_threshold=131072`),
    // and gives larger ones back each time, as other allocators do with all of them.
    let mut larger = HashingPolicy::default();
    (larger.memory_kib, larger.iterations) = (47_104, 1);
    compare_with(&HashingPolicy::default(), 1.05, 1.05)?;
    // After a single pass the pool wipes its memory: the early blocks would be a fast hash of the password.
    compare_with(&larger, 0.75, 1.15)
}

fn compare_with(policy: &HashingPolicy, of_default: f64, of_bare: f64) -> Result<(), Failure> {
    let params = Params::new(policy.memory_kib, policy.iterations, policy.parallelism, Some(32))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());

    let pool = HashingPool::start(policy, None, Arc::new(SystemRandom))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let password = Password::new(PASSWORD);

    let default = Worker::start({
        let argon2 = argon2.clone();
        move || {
            let hash: Result<phc::PasswordHash, _> =
                argon2.hash_password_with_salt(PASSWORD.as_bytes(), &SALT);
            hash.is_ok_and(|hash| !hash.to_string().is_empty())
        }
    });
    let bare = Worker::start({
        let mut memory = vec![Block::new(); params.block_count()];
        move || {
            let mut output = [0; 32];
            argon2
                .hash_password_into_with_memory(
                    PASSWORD.as_bytes(),
                    &SALT,
                    &mut output,
                    memory.as_mut_slice(),
                )
                .is_ok()
        }
    });

    let title = format!("one password hash, {} KiB, {} passes", policy.memory_kib, policy.iterations);
    let [pool, default, bare] = medians(
        &title,
        21,
        8,
        [
            ("HashingPool::hash, awaited", Box::new(|| drop(runtime.block_on(pool.hash(&password))))),
            ("argon2, memory allocated for each hash", Box::new(|| default.once())),
            ("argon2, bare, memory reused", Box::new(|| bare.once())),
        ],
    );
    print("pool / argon2 with memory for each hash", pool, default, of_default);
    print("pool / bare argon2", pool, bare, of_bare);
    Ok(())
}

/// A plain thread, as a runtime's blocking pool has them, that does one piece of work when asked.
struct Worker {
    ask: SyncSender<()>,
    answer: Receiver<bool>,
}

impl Worker {
    fn start(mut work: impl FnMut() -> bool + Send + 'static) -> Self {
        let (ask, asked) = sync_channel::<()>(1);
        let (reply, answer) = sync_channel(1);
        thread::spawn(move || {
            for () in asked {
                if reply.send(work()).is_err() {
                    return;
                }
            }
        });
        Self { ask, answer }
    }

    fn once(&self) {
        let done = self.ask.send(()).is_ok() && self.answer.recv().unwrap_or(false);
        assert!(done, "the work failed");
    }
}
