//! Samples that are interleaved: each round draws as many classes as there are, each whatever the one before
//! was. What a request leaves behind, such as a mail to be sent, meets every class alike: in rounds that had
//! each class once, it met all but its own.

use std::time::Duration;

use crate::classes::Class;

/// The times of one class, in microseconds.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) class: Class,
    pub(crate) times: Vec<f64>,
}

/// Draws that nobody chose: the generator of Knuth's MMIX, always from the same start.
#[derive(Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) const fn new() -> Self {
        Self(0x5DEE_CE66_D5EE_CE66)
    }

    /// As many numbers below this one, any as likely as any other.
    pub(crate) fn next(&mut self, count: usize) -> Vec<usize> {
        let mut draw = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).unwrap() % count
        };
        (0..count).map(|_| draw()).collect()
    }
}

pub(crate) fn samples(classes: &[Class]) -> Vec<Sample> {
    classes.iter().map(|class| Sample { class: *class, times: Vec::new() }).collect()
}

impl Sample {
    pub(crate) fn add(&mut self, time: Duration) {
        self.times.push(self.class.measured(time).as_secs_f64() * 1e6);
    }
}
