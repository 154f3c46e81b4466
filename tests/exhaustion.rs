//! Guarantee 13 under a flood of keys, counted to the byte.
//!
//! A separate program, because it counts what the whole process allocates. How a running server
//! stands a thousand log-ins at once is measured by `scripts/soak/exhaustion`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::env;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use auth_core::{Bucket, InProcessLimiter, RateLimiter as _, Rule, SystemClock};

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// What a bucket takes at most, as the documentation of the limiter says.
const BYTES_PER_KEY: usize = 240;

/// How many keys; `scripts/soak/exhaustion` asks for a million.
fn keys() -> u32 {
    env::var("AUTH_TEST_FLOOD").map_or(100_000, |keys| keys.parse().unwrap())
}

fn key(number: u32) -> [u8; 16] {
    // Spread like the keyed hashes that buckets really have.
    let mixed = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    mixed.to_be_bytes()
}

/// Many keys, with room for each of them and with room for a tenth.
#[tokio::test]
async fn a_flood_of_keys_stays_within_the_memory_configured_for_them() {
    let heap = dhat::Profiler::builder().testing().build();
    let quota = Rule::Quota { count: 5, window: Duration::from_mins(15) };
    let in_a_row = Rule::ConsecutiveFailures { failures: 100, then_every: Duration::from_mins(15) };
    let keys = keys();
    for room in [keys / 10, keys] {
        let (room, before) = (usize::try_from(room).unwrap(), dhat::HeapStats::get().curr_bytes);
        let limiter =
            InProcessLimiter::with_capacity(Arc::new(SystemClock), NonZeroUsize::new(room).unwrap());
        for number in 0..keys {
            // A quarter of the keys count consecutive failures.
            let (limit, rule) = if number % 4 == 0 { ("in_a_row", &in_a_row) } else { ("quota", &quota) };
            _ = limiter.acquire(&Bucket { limit, key: key(number) }, rule).await.unwrap();
        }
        let taken = dhat::HeapStats::get().curr_bytes - before;
        println!(
            "proof exhaustion: {keys} keys where {room} have room: {taken} bytes, {} each",
            taken / limiter.len()
        );
        assert!(taken <= room * BYTES_PER_KEY, "room for {room}: {taken}");
        // As many are kept as there is room for, but for the shards' chance.
        assert!(limiter.len() > room * 9 / 10 && limiter.len() <= room, "{} of {room}", limiter.len());
    }
    drop(heap);
}
