//! A bounded table of buckets in shards.

use std::collections::HashMap;
use std::hash::BuildHasher;

use crate::limit::Bucket;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Shards of a table that is large enough to be shared by many threads.
const SHARDS: usize = 16;

/// A smaller table has fewer shards, so that their bounds add up and eviction stays fair.
const LEAST_PER_SHARD: usize = 1024;

/// Number of entries, drawn at random, that are compared to find the one to evict.
const COMPARED: u64 = 8;

/// Number of entries checked for each new one, to drop expired entries. More than one, so that a table
/// shrinks to its live entries.
const SWEPT: usize = 2;

/// The state of a bucket. The default is the state of an unknown bucket.
pub(super) trait Entry: Copy + Default {
    /// The cost of forgetting the entry. An entry of weight zero equals an unknown bucket.
    fn weight(&self, now: u64) -> u64;
}

/// Buckets and their states.
pub(super) struct Table<E> {
    first: Mutex<Shard<E>>,
    others: Vec<Mutex<Shard<E>>>,
    /// Most entries of one shard.
    room: usize,
}

impl<E: Entry> Table<E> {
    pub(super) fn new(max_keys: usize) -> Self {
        let shards = (max_keys / LEAST_PER_SHARD).clamp(1, SHARDS);
        Self {
            first: Mutex::default(),
            others: (1..shards).map(|_| Mutex::default()).collect(),
            room: (max_keys / shards).max(1),
        }
    }

    pub(super) fn len(&self) -> usize {
        [&self.first].into_iter().chain(&self.others).map(|shard| locked(shard).entries.len()).sum()
    }

    /// Replaces the state of a bucket by the result of `change`, in one step. An entry of weight zero is
    /// not stored.
    pub(super) fn update<T>(&self, bucket: &Bucket, now: u64, change: impl FnOnce(E) -> (E, T)) -> T {
        let mut shard = self.shard(bucket);
        if let Some(kept) = shard.entry_mut(bucket) {
            let (next, outcome) = change(*kept);
            *kept = next;
            if next.weight(now) == 0 {
                shard.remove(bucket);
            }
            outcome
        } else {
            let (next, outcome) = change(E::default());
            if next.weight(now) > 0 {
                shard.make_room(self.room, now);
                shard.insert(*bucket, next);
            }
            outcome
        }
    }

    pub(super) fn remove(&self, bucket: &Bucket) {
        self.shard(bucket).remove(bucket);
    }

    /// The keys are keyed hashes: their bytes are evenly distributed, and no client chooses them.
    fn shard(&self, bucket: &Bucket) -> MutexGuard<'_, Shard<E>> {
        let [byte, ..] = bucket.key;
        let other = usize::from(byte) % (self.others.len() + 1);
        locked(self.others.get(other).unwrap_or(&self.first))
    }
}

/// A panic of another thread cannot have left an entry half written: entries are replaced whole.
fn locked<E>(shard: &Mutex<Shard<E>>) -> MutexGuard<'_, Shard<E>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Entries without gaps, so that one can be drawn at random, and the index of each bucket.
struct Shard<E> {
    entries: Vec<(Bucket, E)>,
    places: HashMap<Bucket, usize>,
    /// Which entry is swept next.
    hand: usize,
    /// The number of draws so far.
    draws: u64,
}

impl<E> Default for Shard<E> {
    fn default() -> Self {
        Self { entries: Vec::new(), places: HashMap::new(), hand: 0, draws: 0 }
    }
}

impl<E: Entry> Shard<E> {
    fn entry_mut(&mut self, bucket: &Bucket) -> Option<&mut E> {
        let place = *self.places.get(bucket)?;
        self.entries.get_mut(place).map(|(_, entry)| entry)
    }

    fn insert(&mut self, bucket: Bucket, entry: E) {
        self.places.insert(bucket, self.entries.len());
        self.entries.push((bucket, entry));
    }

    fn remove(&mut self, bucket: &Bucket) {
        if let Some(place) = self.places.remove(bucket) {
            self.entries.swap_remove(place);
            if let Some((moved, _)) = self.entries.get(place) {
                self.places.insert(*moved, place);
            }
        }
    }

    /// Makes room for one more entry. Drops expired entries first; if there is none, the lightest of a few
    /// drawn at random, so that no client can arrange which entries are compared.
    fn make_room(&mut self, room: usize, now: u64) {
        for _ in 0..SWEPT {
            match self.entries.get(self.hand) {
                Some((bucket, entry)) if entry.weight(now) == 0 => self.remove(&bucket.clone()),
                Some(_) => self.hand += 1,
                None => self.hand = 0,
            }
        }
        if self.entries.len() >= room {
            let drawn = (0..COMPARED).filter_map(|nth| self.draw(nth));
            let lightest = drawn.min_by_key(|(_, entry)| entry.weight(now)).map(|(bucket, _)| *bucket);
            self.draws = self.draws.wrapping_add(COMPARED);
            if let Some(bucket) = lightest {
                self.remove(&bucket);
            }
        }
    }

    /// Draws an entry by the map's own hash, which is keyed at random.
    fn draw(&self, nth: u64) -> Option<&(Bucket, E)> {
        let random = self.places.hasher().hash_one(self.draws.wrapping_add(nth));
        let place = random.checked_rem(self.entries.len() as u64)?;
        self.entries.get(usize::try_from(place).ok()?)
    }
}
