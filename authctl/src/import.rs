//! Imports users of another system.

mod arguments;
mod columns;
mod costs;
mod csv_rows;
mod done;
mod field;
mod input;
mod json_rows;
mod preset;
mod progress;
mod record;
mod source;
mod summary;
mod tidy;
mod value;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use auth_core::store::{ImportProgress, StoreError, import_users};
use auth_core::{Clock as _, SystemClock, User, UserId};
use chrono::SubsecRound as _;

use crate::report::{Problem, Report, Status};
use crate::service::Service;

pub(crate) use self::arguments::ImportArguments;

use self::columns::Columns;
use self::done::Done;
use self::progress::Progress;
use self::record::{Reader, Record};
use self::source::Line;
use self::summary::Counts;

/// The number of users written at the same time.
const BATCH: NonZeroUsize = NonZeroUsize::new(32).unwrap();

pub(crate) async fn run(
    service: &Service,
    arguments: &ImportArguments,
    json: bool,
) -> Result<Report, Problem> {
    let mut columns = Columns::new(&arguments.map, arguments.from, arguments.ignore_unknown);
    let progress = Progress::new(json, arguments.progress);
    let lines = input::open(arguments, &columns, &progress)?;
    let done = arguments.done.as_deref().map(|path| Done::open(path, &service.database)).transpose()?;
    let reader = Reader {
        hashing: service.auth.hashing().clone(),
        verified: arguments.verified,
        drops_hashes: arguments.drop_unknown_hashes,
        now: SystemClock.now().trunc_subsecs(6),
    };
    let (counts, emails, ids) = (Counts::default(), HashMap::new(), HashMap::new());
    let mut import = Import { service, progress, counts, done, emails, ids };
    let mut batch = Vec::with_capacity(BATCH.get());
    for Line { number, row } in lines {
        import.counts.lines += 1;
        let fields = row.and_then(|row| columns.fields(&*row));
        let record = fields.and_then(|fields| reader.read(fields));
        let chosen = match record {
            Ok(Some(record)) => import.choose(number, record),
            Ok(None) => {
                import.counts.deleted += 1;
                Ok(None)
            }
            Err(problem) => Err(problem),
        };
        match chosen {
            Ok(record) => batch.extend(record.map(|record| (number, record))),
            Err(problem) => import.refuse(number, &problem),
        }
        if batch.len() == BATCH.get() {
            import.write(std::mem::take(&mut batch)).await?;
        }
        import.progress.show(&import.counts);
    }
    import.write(batch).await?;
    import.finish(&columns.never_found())
}

struct Import<'a> {
    service: &'a Service,
    progress: Progress,
    counts: Counts,
    done: Option<Done>,
    /// The line of each address.
    emails: HashMap<String, u64>,
    /// The line of each id.
    ids: HashMap<UserId, u64>,
}

impl Import<'_> {
    /// Refuses a record whose address or id an earlier line has, and leaves out a user that is done.
    fn choose(&mut self, line: u64, record: Record) -> Result<Option<Record>, String> {
        let first = *self.emails.entry(record.user.email.canonical().to_owned()).or_insert(line);
        if first != line {
            return Err(format!("email: line {first} has the same"));
        }
        let first = *self.ids.entry(record.user.id).or_insert(line);
        if first != line {
            return Err(format!("id: line {first} has the same"));
        }
        if self.done.as_ref().is_some_and(|done| done.has(&record)) {
            self.counts.done += 1;
            return Ok(None);
        }
        Ok(Some(record))
    }

    fn refuse(&mut self, line: u64, problem: &str) {
        self.counts.refused += 1;
        self.progress.report(line, "problem", problem);
    }

    async fn write(&mut self, batch: Vec<(u64, Record)>) -> Result<(), Problem> {
        let users: Vec<User> = batch.iter().map(|(_, record)| record.user.clone()).collect();
        let written = import_users(Arc::clone(&self.service.users), users, BATCH, |_| {}).await;
        let written = written.map_err(|error: StoreError| self.interrupted(&Problem::from(error)))?;
        self.counts.inserted += written.inserted;
        self.counts.present += written.present;
        let users = Arc::clone(&self.service.users);
        let mut remembered = Vec::with_capacity(batch.len());
        for (line, record) in batch {
            let holder = if !record.named && written.email_taken.contains(&record.user.id) {
                let found = users.find_by_email(&record.user.email).await;
                found.map_err(|error| self.interrupted(&Problem::from(error)))?
            } else {
                None
            };
            if self.count(line, &record, &written, holder) {
                remembered.push(record);
            }
        }
        if let Some(mut done) = self.done.take() {
            done.add(remembered.iter()).map_err(|problem| self.interrupted(&problem))?;
            self.done = Some(done);
        }
        Ok(())
    }

    /// Counts a record, and returns whether its user is done: no later run may bring it back.
    fn count(&mut self, line: u64, record: &Record, written: &ImportProgress, holder: Option<User>) -> bool {
        let user = &record.user;
        if written.id_taken.contains(&user.id) {
            // An earlier run wrote this user, who has changed the address since.
            self.refuse(line, "id: a user with another address has it");
            return true;
        }
        if holder.is_some_and(|holder| !holder.email_verified()) && user.email_verified() {
            self.refuse(
                line,
                "email: somebody registered it and did not verify it; delete that user, and import again",
            );
            return false;
        }
        if written.email_taken.contains(&user.id) {
            if record.named {
                self.refuse(line, "email: a user with another id has it");
                return false;
            }
            // Without an id, an earlier run and a registration of the user look the same.
            self.counts.present += 1;
        }
        if record.has_cut_name {
            self.counts.cut_names += 1;
            self.progress.report(line, "note", "name: was cut to 100 characters");
        }
        self.counts.dropped_hashes += u64::from(record.has_dropped_hash);
        self.counts.unverified += u64::from(!user.email_verified());
        self.counts.without_password += u64::from(user.password_hash.is_none());
        if let Some(kind) = record.hash_kind {
            self.counts.costs.add(kind);
        }
        true
    }

    fn interrupted(&self, cause: &Problem) -> Problem {
        self.progress.end();
        let Counts { inserted, present, .. } = self.counts;
        let text = format!(
            "interrupted after {inserted} written and {present} there already; run it again to continue: {cause}"
        );
        Problem::new(cause.status, text)
    }

    fn finish(self, never_found: &[&str]) -> Result<Report, Problem> {
        self.progress.end();
        if let Some(done) = &self.done {
            done.end()?;
        }
        let (is_remembered, is_lost) = (self.done.is_some(), self.progress.lost.get());
        let text = self.counts.text(never_found, is_remembered, is_lost);
        let json = self.counts.json(never_found, is_remembered, is_lost);
        let status = match (is_lost, self.counts.refused) {
            (true, _) => Status::ReportLost,
            (false, 0) => Status::Done,
            (false, 1..) => Status::Refused,
        };
        Ok(Report { status, needs_reader: true, ..Report::new(text, json) })
    }
}
