//! The limiter's table: each of several concurrent takers of one bucket is counted, while others evict
//! buckets.

use super::table::{Entry, Table};
use crate::limit::Bucket;
use crate::sync::{Arc, breaks, thread, try_orders};

/// The number of permits that a bucket has granted.
#[derive(Debug, Clone, Copy, Default)]
struct Taken(u64);

impl Entry for Taken {
    fn weight(&self, _now: u64) -> u64 {
        self.0
    }
}

fn bucket(number: u8) -> Bucket {
    Bucket { limit: "race", key: [number; 16] }
}

/// Takes a permit if fewer than two are taken.
fn take(table: &Table<Taken>, number: u8) -> bool {
    table.update(&bucket(number), 0, |Taken(taken)| (Taken((taken + 1).min(2)), taken < 2))
}

/// Reads and takes in two steps: another thread may take the permit between them.
fn take_unguarded(table: &Table<Taken>, number: u8) -> bool {
    let free = table.update(&bucket(number), 0, |Taken(taken)| (Taken(taken), taken < 2));
    free && table.update(&bucket(number), 0, |Taken(taken)| (Taken(taken + 1), true))
}

fn race(take: fn(&Table<Taken>, u8) -> bool) {
    try_orders(move || {
        let table = Arc::new(Table::new(8));
        let takers: Vec<_> = (0..4)
            .map(|number| {
                let table = Arc::clone(&table);
                thread::spawn(move || {
                    take(&table, 10 + number);
                    take(&table, 1)
                })
            })
            .collect();
        let granted = takers.into_iter().map(|taker| taker.join().unwrap());
        assert_eq!(granted.filter(|granted| *granted).count(), 2);
    });
}

#[test]
fn of_many_takers_as_many_are_granted_as_there_are_places() {
    race(take);
}

#[test]
fn a_taker_that_looks_first_is_seen() {
    assert!(breaks(|| race(take_unguarded)));
}
