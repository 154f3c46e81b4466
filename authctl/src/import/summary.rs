//! What an import did.

use serde_json::{Value, json};

use super::costs::Costs;

/// The numbers of an import.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) lines: u64,
    pub(super) inserted: u64,
    pub(super) present: u64,
    /// Users that `--done` remembers.
    pub(super) done: u64,
    /// Users that were deleted in the other system.
    pub(super) deleted: u64,
    pub(super) refused: u64,
    pub(super) cut_names: u64,
    pub(super) dropped_hashes: u64,
    pub(super) unverified: u64,
    pub(super) without_password: u64,
    pub(super) costs: Costs,
}

impl Counts {
    /// `never_found` are the columns of `--map` that no line has; `is_remembered` says whether there is `--done`.
    pub(super) fn text(&self, never_found: &[&str], is_remembered: bool, is_report_lost: bool) -> String {
        let Self { lines, inserted, present, done, deleted, refused, .. } = *self;
        let mut text = Vec::new();
        if !is_remembered && inserted + present > 0 {
            text.push(
                "run again, this import would bring back users that are deleted meanwhile; to prevent that, run it \
                 again now with --done FILE, and never without"
                    .to_owned(),
            );
        }
        if is_report_lost {
            text.push("reports about lines were lost: standard error could not be written".to_owned());
        }
        let earlier = if is_remembered { format!("{done} done earlier, ") } else { String::new() };
        text.push(format!(
            "{lines} lines: {inserted} written, {earlier}{present} there already, {refused} refused"
        ));
        let mut line = |number: u64, what: &str| {
            if number > 0 {
                text.push(format!("{number} {what}"));
            }
        };
        line(deleted, "left out: deleted in the other system");
        line(self.cut_names, "with a name that was cut to 100 characters");
        line(self.dropped_hashes, "with a hash that was dropped: a reset sets a password");
        line(self.unverified, "unverified: clean-up deletes them unless they verify their address in time");
        line(self.without_password, "without a password: a reset sets one");
        text.extend(self.costs.lines());
        text.extend(never_found.iter().map(|columns| format!("no line has a value for --map {columns}")));
        text.join("\n")
    }

    pub(super) fn json(&self, never_found: &[&str], is_remembered: bool, is_report_lost: bool) -> Value {
        json!({
            "repeat_restores_deleted": !is_remembered,
            "report_lost": is_report_lost,
            "lines": self.lines,
            "inserted": self.inserted,
            "present": self.present,
            "done": self.done,
            "deleted": self.deleted,
            "refused": self.refused,
            "cut_names": self.cut_names,
            "dropped_hashes": self.dropped_hashes,
            "unverified": self.unverified,
            "without_password": self.without_password,
            "bcrypt_cost": self.costs.bcrypt,
            "legacy_hashes": self.costs.legacy.to_string(),
            "columns_never_found": never_found,
        })
    }
}
