//! Whether two samples of times tell two classes apart.

use statrs::stats_tests::Alternative;
use statrs::stats_tests::mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu};

use crate::rounds::Sample;

/// The threshold of the TVLA methodology, which dudect uses too.
const MOST_T: f64 = 4.5;
/// The chance of a false alarm, over all comparisons of one operation.
const LEAST_P: f64 = 0.001;
/// The slowest twentieth is left out of the t: what the machine did meanwhile.
const KEPT: f64 = 0.95;

/// What a class must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Not told apart.
    Alike,
    /// Told apart: a control, without which the rest would show nothing.
    Noticed,
}

#[derive(Debug)]
struct Line {
    operation: String,
    class: &'static str,
    count: usize,
    median: f64,
    gap: f64,
    t: f64,
    p: f64,
    noticed: bool,
    expected: Expected,
}

/// Everything that was compared.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Line>);

impl Report {
    /// Compares every class with the first. The last `controls` are the controls.
    pub(crate) fn add(&mut self, operation: &str, samples: &[Sample], controls: usize) {
        let base = &samples[0].times;
        let compared = samples.len() - 1;
        for (number, sample) in samples.iter().enumerate() {
            let is_control = number + controls >= samples.len();
            let expected = if is_control { Expected::Noticed } else { Expected::Alike };
            let (t, p) = if number == 0 {
                (0.0, 1.0)
            } else {
                (welch(base, &sample.times), p_of(base, &sample.times))
            };
            self.0.push(Line {
                operation: operation.to_owned(),
                class: sample.class,
                count: sample.times.len(),
                median: quantile(&sample.times, 0.5),
                gap: quantile(&sample.times, 0.5) - quantile(base, 0.5),
                t,
                p,
                noticed: t.abs() > MOST_T || p * f64::from(u32::try_from(compared).unwrap()) < LEAST_P,
                expected,
            });
        }
    }

    pub(crate) fn print(&self) {
        println!("| operation | class | samples | median | gap | Welch t | p (Mann-Whitney) | told apart |");
        println!("|---|---|---|---|---|---|---|---|");
        for line in &self.0 {
            let verdict = match (line.noticed, line.expected) {
                (false, Expected::Alike) => "no",
                (true, Expected::Noticed) => "yes, as it must be",
                (true, Expected::Alike) => "YES",
                (false, Expected::Noticed) => "NO, a control that was not noticed",
            };
            println!(
                "| {} | {} | {} | {:.3} ms | {:+.4} ms | {:.2} | {:.2e} | {verdict} |",
                line.operation,
                line.class,
                line.count,
                line.median / 1e3,
                line.gap / 1e3,
                line.t,
                line.p
            );
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.0.iter().all(|line| line.noticed == (line.expected == Expected::Noticed))
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
