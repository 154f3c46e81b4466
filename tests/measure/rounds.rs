//! Samples that are interleaved: each round asks for every class once, in an order of its own.

use std::time::Duration;

use crate::classes::Class;

/// The times of one class, in microseconds.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) class: Class,
    pub(crate) times: Vec<f64>,
}

/// Orders that nobody chose: the generator of Knuth's MMIX, always from the same start.
#[derive(Debug)]
pub(crate) struct Orders(u64);

impl Orders {
    pub(crate) const fn new() -> Self {
        Self(0x5DEE_CE66_D5EE_CE66)
    }

    /// All numbers below this one.
    pub(crate) fn next(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for at in (1..count).rev() {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let drawn = usize::try_from(self.0 >> 33).unwrap() % (at + 1);
            order.swap(at, drawn);
        }
        order
    }
}

pub(crate) fn samples(classes: &[Class]) -> Vec<Sample> {
    classes.iter().map(|class| Sample { class: *class, times: Vec::new() }).collect()
}

impl Sample {
    pub(crate) fn add(&mut self, time: Duration) {
        self.times.push(time.as_secs_f64() * 1e6);
    }
}
