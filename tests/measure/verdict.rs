//! Whether two samples of times distinguish two classes.

use statrs::stats_tests::Alternative;
use statrs::stats_tests::mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu};

use crate::rounds::Sample;

/// The threshold of the TVLA methodology, which dudect uses too.
const MOST_T: f64 = 4.5;
/// The chance of a false alarm, over all comparisons of one operation.
const LEAST_P: f64 = 0.001;
/// The slowest twentieth is left out of the t: what the machine did meanwhile.
const KEPT: f64 = 0.95;

/// What every class that is compared must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Not distinguishable.
    Alike,
    /// Distinguishable: a negative control, which shows that the comparison can fail.
    Noticed,
}

#[derive(Debug)]
struct Line {
    operation: String,
    class: &'static str,
    count: usize,
    median: f64,
    /// None for what the others are compared with.
    compared: Option<Compared>,
}

#[derive(Debug, Clone, Copy)]
struct Compared {
    against: &'static str,
    gap: f64,
    t: f64,
    p: f64,
    noticed: bool,
}

/// Everything that was compared.
#[derive(Debug)]
pub(crate) struct Report {
    expected: Expected,
    lines: Vec<Line>,
}

impl Report {
    pub(crate) const fn new(expected: Expected) -> Self {
        Self { expected, lines: Vec::new() }
    }

    /// Compares every class of an operation with its base.
    pub(crate) fn add(&mut self, operation: &str, samples: &[Sample]) {
        let compared = samples.iter().enumerate().filter(|(at, sample)| sample.class.against != *at).count();
        for (at, sample) in samples.iter().enumerate() {
            let base = &samples[sample.class.against];
            self.lines.push(Line {
                operation: operation.to_owned(),
                class: sample.class.name,
                count: sample.times.len(),
                median: quantile(&sample.times, 0.5),
                compared: (sample.class.against != at).then(|| compare(base, sample, compared)),
            });
        }
    }

    /// Prints a table and a line that counts; gives whether everything was as expected.
    pub(crate) fn print(&self) -> bool {
        println!(
            "| operation | class | compared with | samples | median | gap | Welch t | Mann-Whitney p | distinguishable |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        let (mut classes, mut wrong) = (0, 0);
        for line in &self.lines {
            let (operation, class, count, median) =
                (&line.operation, line.class, line.count, line.median / 1e3);
            print!("| {operation} | {class} | ");
            let Some(Compared { against, gap, t, p, noticed }) = line.compared else {
                println!("| {count} | {median:.4} ms | | | | |");
                continue;
            };
            let verdict = if noticed { "yes" } else { "no" };
            let gap = gap / 1e3;
            println!("{against} | {count} | {median:.4} ms | {gap:+.4} ms | {t:.2} | {p:.1e} | {verdict} |");
            classes += 1;
            if noticed != (self.expected == Expected::Noticed) {
                wrong += 1;
                let what =
                    if noticed { "DISTINGUISHABLE" } else { "A NEGATIVE CONTROL THAT WAS NOT NOTICED" };
                eprintln!("{what}: {operation}: {class}");
            }
        }
        match self.expected {
            Expected::Alike => println!("proof timing: {classes} classes compared, {wrong} distinguishable"),
            Expected::Noticed => {
                println!(
                    "proof timing: {classes} negative controls, {} of them distinguishable",
                    classes - wrong
                );
            }
        }
        wrong == 0
    }
}

/// `comparisons` is how many are made of one operation.
fn compare(base: &Sample, sample: &Sample, comparisons: usize) -> Compared {
    let (t, p) = (welch(&base.times, &sample.times), p_of(&base.times, &sample.times));
    Compared {
        against: base.class.name,
        gap: quantile(&sample.times, 0.5) - quantile(&base.times, 0.5),
        t,
        p,
        noticed: t.abs() > MOST_T || p * f64::from(u32::try_from(comparisons).unwrap()) < LEAST_P,
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list of some thousand"
)]
fn quantile(times: &[f64], part: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

/// Welch's t of two samples, both cut where the slowest of both together begin.
fn welch(base: &[f64], other: &[f64]) -> f64 {
    let most = quantile(&[base, other].concat(), KEPT);
    let moments = |times: &[f64]| {
        let kept: Vec<f64> = times.iter().copied().filter(|time| *time <= most).collect();
        let count = f64::from(u32::try_from(kept.len()).unwrap());
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((base, base_error), (other, other_error)) = (moments(base), moments(other));
    (other - base) / (base_error + other_error).sqrt()
}

fn p_of(base: &[f64], other: &[f64]) -> f64 {
    let method = MannWhitneyUMethod::AsymptoticInclContinuityCorrection;
    mannwhitneyu(base, other, method, Alternative::TwoSided).unwrap().1
}
