//! The memory that a thread reuses.

use super::*;
use crate::hashing::memory::Memory;
use crate::hashing::settings::SALT_BYTES;

/// After a single pass the first blocks are a fast hash of the password.
#[test]
fn a_single_pass_leaves_nothing_in_memory() {
    let mut memory = Memory::default();
    for (passes, clear) in [(2, false), (1, true)] {
        let params = Params::new(256, passes, 1, None).unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        memory.compute(&argon2, b"password", &[0; SALT_BYTES], &mut [0; 32]).unwrap();
        assert_eq!(memory.blocks.iter().flat_map(AsRef::as_ref).all(|word| *word == 0), clear, "{passes}");
    }
}

#[tokio::test]
async fn a_thread_takes_its_memory_at_the_start() {
    assert_eq!(pool().submit(Share::default(), |engine| Ok(engine.buffer_blocks())).await.unwrap(), 256);
}
