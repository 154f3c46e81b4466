//! Imports users of another system.

mod costs;
mod lines;
mod record;

use std::collections::HashMap;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::sync::Arc;

use auth_core::store::{ImportProgress, StoreError, import_users};
use auth_core::{Clock as _, SystemClock, User, UserId};
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget};
use serde_json::json;

use crate::cli::ImportArguments;
use crate::report::{Problem, Report, Status};
use crate::service::Service;

use self::costs::Costs;
use self::record::{Reader, Record};

/// The number of users written at the same time.
const BATCH: NonZeroUsize = NonZeroUsize::new(32).unwrap();

pub(crate) async fn run(
    service: &Service,
    arguments: &ImportArguments,
    json: bool,
) -> Result<Report, Problem> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    if !json {
        // Drawn only if standard error is a terminal.
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
    let lines = lines::open(&arguments.file, arguments.format, &bar)?;
    let reader = Reader::new(service.auth.hashing().clone(), arguments.verified, SystemClock.now());
    let (counts, emails, ids) = (Counts::default(), HashMap::new(), HashMap::new());
    let mut import = Import { service, bar, json, counts, emails, ids, reader };
    let mut batch = Vec::with_capacity(BATCH.get());
    for line in lines {
        let record = line.problem.map_or_else(|| import.reader.read(&line.fields), Err);
        import.counts.lines += 1;
        match record.and_then(|record| import.first_of_its_kind(line.number, record)) {
            Ok(record) => batch.push((line.number, record)),
            Err(problem) => import.refuse(line.number, &problem),
        }
        if batch.len() == BATCH.get() {
            import.write(std::mem::take(&mut batch)).await?;
        }
    }
    import.write(batch).await?;
    Ok(import.finish())
}

#[derive(Debug, Default)]
struct Counts {
    lines: u64,
    inserted: u64,
    present: u64,
    refused: u64,
    unverified: u64,
    without_password: u64,
    costs: Costs,
}

struct Import<'a> {
    service: &'a Service,
    bar: ProgressBar,
    json: bool,
    counts: Counts,
    /// The line of each address.
    emails: HashMap<String, u64>,
    /// The line of each id.
    ids: HashMap<UserId, u64>,
    reader: Reader,
}

impl Import<'_> {
    /// Refuses a record whose address or id an earlier line has.
    fn first_of_its_kind(&mut self, line: u64, record: Record) -> Result<Record, String> {
        let first = *self.emails.entry(record.user.email.canonical().to_owned()).or_insert(line);
        if first != line {
            return Err(format!("email: line {first} has the same"));
        }
        let first = *self.ids.entry(record.user.id).or_insert(line);
        if first != line {
            return Err(format!("id: line {first} has the same"));
        }
        Ok(record)
    }

    fn refuse(&mut self, line: u64, problem: &str) {
        self.counts.refused += 1;
        let text = if self.json {
            json!({ "line": line, "problem": problem }).to_string()
        } else {
            format!("line {line}: {problem}")
        };
        self.bar.suspend(|| _ = writeln!(std::io::stderr(), "{text}"));
    }

    async fn write(&mut self, batch: Vec<(u64, Record)>) -> Result<(), Problem> {
        let users: Vec<User> = batch.iter().map(|(_, record)| record.user.clone()).collect();
        let written = import_users(Arc::clone(&self.service.users), users, BATCH, |_| {}).await;
        let written = written.map_err(|error| self.interrupted(error))?;
        self.counts.inserted += written.inserted;
        self.counts.present += written.present;
        for (line, record) in batch {
            self.count(line, &record, &written);
        }
        let Counts { inserted, present, refused, .. } = self.counts;
        self.bar.set_message(format!(
            "{} written, {} there already, {} refused",
            HumanCount(inserted),
            HumanCount(present),
            HumanCount(refused)
        ));
        Ok(())
    }

    fn count(&mut self, line: u64, Record { user, named, hash_kind }: &Record, written: &ImportProgress) {
        if written.id_taken.contains(&user.id) {
            return self.refuse(line, "id: a user with another address has it");
        }
        if written.email_taken.contains(&user.id) {
            if *named {
                return self.refuse(line, "email: a user with another id has it");
            }
            // Without an id, an earlier run and a registration of the user look the same.
            self.counts.present += 1;
        }
        self.counts.unverified += u64::from(!user.email_verified());
        self.counts.without_password += u64::from(user.password_hash.is_none());
        if let Some(kind) = *hash_kind {
            self.counts.costs.add(kind);
        }
    }

    fn interrupted(&self, error: StoreError) -> Problem {
        self.bar.finish_and_clear();
        let cause = Problem::from(error);
        let Counts { inserted, present, .. } = self.counts;
        let text = format!(
            "interrupted after {inserted} written and {present} there already; run it again to continue: {cause}"
        );
        Problem::new(cause.status, text)
    }

    fn finish(self) -> Report {
        self.bar.finish_and_clear();
        let Counts { lines, inserted, present, refused, unverified, without_password, costs } = self.counts;
        let mut text =
            vec![format!("{lines} lines: {inserted} written, {present} there already, {refused} refused")];
        if unverified > 0 {
            text.push(format!(
                "{unverified} unverified: clean-up deletes them unless they verify their address in time"
            ));
        }
        if without_password > 0 {
            text.push(format!("{without_password} without a password: a reset sets one"));
        }
        text.extend(costs.lines());
        let json = json!({
            "lines": lines,
            "inserted": inserted,
            "present": present,
            "refused": refused,
            "unverified": unverified,
            "without_password": without_password,
            "bcrypt_cost": costs.bcrypt,
            "legacy_hashes": costs.legacy.to_string(),
        });
        let status = if refused > 0 { Status::Refused } else { Status::Done };
        Report { status, ..Report::new(text.join("\n"), json) }
    }
}
