use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use auth_core::store::{
    GuardedWrite, OneTimeInsert, Revocation, SessionRotation, Spend, StoreError, TokenStore,
};
use auth_core::{
    IntentId, MemoryStore, Name, OneTimeToken, PasswordHash, Registration, Session, SessionId, UserId,
};
use chrono::{DateTime, TimeDelta, Utc};

use self::TokenDefect as D;
use crate::{ascii, cut, defects, delay, lock, skip_the_busy, whole_seconds};

defects! {
    /// A defect of a token store.
    TokenDefect {
        /// Times are kept in whole seconds.
        WholeSeconds => [
            the_times_of_a_session_keep_their_microseconds,
            the_times_of_a_one_time_token_keep_their_microseconds,
        ],
        /// Texts are kept in columns that know no Unicode.
        TextsAreAscii => [a_session_reads_back_as_written, a_one_time_token_reads_back_as_written],
        /// What is absent is read as empty.
        AbsentIsEmpty => [
            a_session_with_empty_fields_reads_back_as_written,
            a_one_time_token_with_empty_fields_reads_back_as_written,
        ],
        /// Client addresses are kept in four bytes.
        AddressesAreIpv4 => [ip_addresses_of_both_families_read_back_as_written],
        /// Generations are kept in a signed column.
        GenerationsAreSigned => [
            large_generations_and_epochs_read_back_as_written, the_last_generation_can_be_reached,
        ],
        /// Not found is an error.
        NotFoundIsAnError => [an_unknown_session_is_not_found, a_revoked_session_is_gone],
        /// Reads a clock and hides sessions that expired.
        ExpiredIsHidden => [an_expired_session_is_still_found],
        /// Inserting a session that exists replaces it.
        InsertReplaces => [
            an_existing_session_id_is_a_conflict_and_changes_nothing,
            racing_inserts_of_one_session_id_have_one_winner,
        ],
        /// Sessions are listed newest first.
        NewestFirst => [the_sessions_of_a_user_come_oldest_first],
        /// Rotating keeps the client of the log-in.
        RotateKeepsTheClient => [a_rotation_writes_what_it_says_and_nothing_else],
        /// Rotating also moves the absolute expiry.
        RotateMovesTheExpiry => [a_rotation_writes_what_it_says_and_nothing_else],
        /// Rotating does not look at the generation.
        RotateIgnoresTheGeneration => [a_rotation_is_guarded_by_the_generation],
        /// Rotating does not look at the digest.
        RotateIgnoresTheDigest => [a_rotation_is_guarded_by_the_digest],
        /// Rotating reads its guard before it writes.
        RotateReadsThenWrites => [racing_rotations_have_one_winner],
        /// Rotating has no condition on the id.
        RotateHitsTwins => [a_rotation_touches_one_session_only],
        /// Rotating reads the session and saves it whole, inserting it where it is gone.
        RotateSavesTheWholeSession => [a_rotation_never_brings_a_revoked_session_back],
        /// Revoking does not look at the user.
        RevokeIgnoresTheUser => [a_revocation_is_guarded_by_the_user],
        /// Revoking says so and leaves the session there.
        RevokeKeepsTheSession => [a_revoked_session_is_gone],
        /// Revoking reads whether there is a session before it deletes.
        RevokeReadsThenDeletes => [racing_revocations_have_one_winner],
        /// Inserting a one-time token that exists replaces it, and revives it when spent.
        InsertOneTimeReplaces => [
            an_existing_one_time_token_is_left_alone, racing_inserts_of_one_token_have_one_winner,
        ],
        /// Spending deletes the token.
        SpendDeletes => [a_spent_token_is_still_found],
        /// Spending does not look at an earlier spending.
        SpendRepeats => [a_token_is_spent_once, racing_spends_have_one_winner],
        /// Spending reads its guard before it writes.
        SpendReadsThenWrites => [racing_spends_have_one_winner],
        /// Spending an unknown token succeeds.
        SpendInventsTokens => [an_unknown_token_is_not_spendable],
        /// A purge spares what expires at exactly the given time.
        PurgeSparesTheBoundary => [
            purging_takes_sessions_at_the_end_of_either_lifetime,
            purging_takes_one_time_tokens_at_their_expiry,
        ],
        /// A purge does not look at any expiry.
        PurgeIgnoresTheExpiry => [
            purging_takes_sessions_at_the_end_of_either_lifetime,
            purging_takes_one_time_tokens_at_their_expiry,
        ],
        /// A purge looks at the idle expiry only.
        PurgeLooksAtIdleOnly => [purging_takes_sessions_at_the_end_of_either_lifetime],
        /// A purge does not look at its limit.
        PurgeIgnoresTheLimit => [
            purging_sessions_stops_at_its_limit,
            purging_one_time_tokens_stops_at_its_limit,
        ],
        /// A purge reads which sessions to delete, and deletes them by id.
        PurgeReadsThenDeletes => [a_session_refreshed_meanwhile_is_not_purged],
        /// A purge takes half of what it may, though more is left.
        PurgeTakesHalf => [
            racing_purges_of_sessions_leave_none, racing_purges_of_one_time_tokens_leave_none,
        ],
        /// User agents are kept in 255 characters.
        UserAgentsAreCut => [a_session_reads_back_as_written],
        /// Password hashes are kept in 255 bytes.
        HashesAreCut => [a_one_time_token_reads_back_as_written],
        /// A session is written by one write, and listed by another.
        InsertInTwoSteps => [a_dropped_insert_leaves_a_whole_session_or_none],
        /// A purge finds nothing while another is at work.
        PurgeSkipsTheBusy => [
            racing_purges_of_sessions_leave_none, racing_purges_of_one_time_tokens_leave_none,
        ],
        /// A handle remembers what it read, whatever another writes.
        RemembersReads => [the_token_writes_of_one_handle_are_read_by_another],
    }
}

/// A [`TokenStore`] with one defect.
#[derive(Debug)]
pub(crate) struct BrokenTokenStore {
    defect: TokenDefect,
    inner: MemoryStore,
    ids: Mutex<Vec<SessionId>>,
    /// One-time tokens that replaced others.
    replaced: Mutex<HashMap<IntentId, OneTimeToken>>,
    unlisted: Mutex<HashSet<SessionId>>,
    purging: AtomicBool,
}

impl BrokenTokenStore {
    /// An empty store with this defect.
    pub(crate) fn new(defect: TokenDefect) -> Self {
        Self {
            defect,
            inner: MemoryStore::new(),
            ids: Mutex::default(),
            replaced: Mutex::default(),
            unlisted: Mutex::default(),
            purging: AtomicBool::new(false),
        }
    }

    fn is(&self, defect: TokenDefect) -> bool {
        self.defect == defect
    }

    /// Every session that was ever inserted and is still there.
    async fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        let mut sessions = Vec::new();
        let ids = lock(&self.ids).clone();
        for id in ids {
            sessions.extend(self.inner.find_session(id).await?);
        }
        Ok(sessions)
    }

    /// Writes a session whole, over whatever is there.
    async fn save(&self, session: &Session) -> Result<(), StoreError> {
        let _revoked = self.inner.revoke_session(session.user_id, session.id).await?;
        // Somebody else may have saved it in between, which is as good.
        self.inner.insert_session(session).await.or(Ok(()))
    }

    /// What a reader gets to see of a kept session.
    fn read(&self, session: Session) -> Option<Session> {
        let time = |at| if self.is(D::WholeSeconds) { whole_seconds(at) } else { at };
        let agent = session.user_agent;
        let read = Session {
            created_at: time(session.created_at),
            rotated_at: time(session.rotated_at),
            idle_expires_at: time(session.idle_expires_at),
            expires_at: time(session.expires_at),
            generation: match self.defect {
                D::GenerationsAreSigned => session.generation.min(i32::MAX.unsigned_abs()),
                _ => session.generation,
            },
            ip: match self.defect {
                D::AddressesAreIpv4 => session.ip.filter(IpAddr::is_ipv4),
                _ => session.ip,
            },
            user_agent: match self.defect {
                D::TextsAreAscii => agent.as_deref().map(ascii),
                D::UserAgentsAreCut => agent.as_deref().map(|agent| cut(agent, 255)),
                D::AbsentIsEmpty => agent.or_else(|| Some(String::new())),
                _ => agent,
            },
            ..session
        };
        let hidden = self.is(D::ExpiredIsHidden) && read.expires_at <= read.rotated_at;
        (!hidden).then_some(read)
    }

    fn read_one_time(&self, token: OneTimeToken) -> Option<OneTimeToken> {
        let time = |at| if self.is(D::WholeSeconds) { whole_seconds(at) } else { at };
        let registration = match (self.defect, token.registration) {
            (D::TextsAreAscii, Some(Registration { password_hash, name })) => {
                let name = name.and_then(|name| Name::parse(&ascii(name.as_str())).ok());
                Some(Registration { password_hash, name })
            }
            (D::HashesAreCut, Some(Registration { password_hash, name })) => {
                let password_hash = PasswordHash::from_stored(cut(password_hash.expose(), 255));
                Some(Registration { password_hash, name })
            }
            (D::AbsentIsEmpty, None) => {
                Some(Registration { password_hash: PasswordHash::from_stored(""), name: None })
            }
            (_, registration) => registration,
        };
        let hidden = self.is(D::SpendDeletes) && token.spent_at.is_some();
        (!hidden).then(|| OneTimeToken {
            created_at: time(token.created_at),
            expires_at: time(token.expires_at),
            spent_at: token.spent_at.map(time),
            registration,
            ..token
        })
    }

    /// The rotation with the guards that the defect leaves.
    async fn loosened(&self, rotation: &SessionRotation) -> Result<SessionRotation, StoreError> {
        let mut loosened = rotation.clone();
        if let Some(session) = self.inner.find_session(rotation.id).await? {
            if self.is(D::RotateIgnoresTheGeneration) {
                loosened.from_generation = session.generation;
            }
            if self.is(D::RotateIgnoresTheDigest) {
                loosened.from_digest = session.digest;
            }
        }
        Ok(loosened)
    }

    /// Reads the session, compares in the process, and writes later without a guard.
    async fn rotate_late(&self, rotation: &SessionRotation) -> Result<GuardedWrite, StoreError> {
        let current = |session: &Session| {
            session.generation == rotation.from_generation && session.digest.matches(&rotation.from_digest)
        };
        let Some(read) = self.inner.find_session(rotation.id).await?.filter(current) else {
            return Ok(GuardedWrite::Stale);
        };
        delay().await;
        let there = self.inner.find_session(rotation.id).await?.is_some();
        if there || self.is(D::RotateSavesTheWholeSession) {
            self.save(&applied(&read, rotation)).await?;
        }
        Ok(GuardedWrite::Applied)
    }
}

fn applied(session: &Session, rotation: &SessionRotation) -> Session {
    Session {
        generation: rotation.generation,
        digest: rotation.digest,
        rotated_at: rotation.rotated_at,
        idle_expires_at: rotation.idle_expires_at,
        ip: rotation.ip,
        user_agent: rotation.user_agent.clone(),
        ..session.clone()
    }
}

#[async_trait]
impl TokenStore for BrokenTokenStore {
    async fn insert_session(&self, session: &Session) -> Result<(), StoreError> {
        lock(&self.ids).push(session.id);
        if self.is(D::InsertReplaces) {
            if let Some(old) = self.inner.find_session(session.id).await? {
                let _revoked = self.inner.revoke_session(old.user_id, old.id).await?;
            }
            return self.inner.insert_session(session).await.or(Ok(()));
        }
        if self.is(D::InsertInTwoSteps) {
            let outcome = self.inner.insert_session(session).await;
            if outcome.is_ok() {
                lock(&self.unlisted).insert(session.id);
                delay().await;
                lock(&self.unlisted).remove(&session.id);
            }
            return outcome;
        }
        self.inner.insert_session(session).await
    }

    async fn find_session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        match self.inner.find_session(id).await? {
            None if self.is(D::NotFoundIsAnError) => Err(StoreError::corrupt("no such session")),
            found => Ok(found.and_then(|session| self.read(session))),
        }
    }

    async fn find_sessions_by_user(&self, user_id: UserId) -> Result<Vec<Session>, StoreError> {
        let mut sessions = self.inner.find_sessions_by_user(user_id).await?;
        sessions.retain(|session| !lock(&self.unlisted).contains(&session.id));
        if self.is(D::NewestFirst) {
            sessions.reverse();
        }
        Ok(sessions.into_iter().filter_map(|session| self.read(session)).collect())
    }

    async fn rotate(&self, rotation: &SessionRotation) -> Result<GuardedWrite, StoreError> {
        match self.defect {
            D::RotateReadsThenWrites | D::RotateSavesTheWholeSession => self.rotate_late(rotation).await,
            D::RotateHitsTwins => {
                let mut outcome = GuardedWrite::Stale;
                for session in self.sessions().await? {
                    let twin = SessionRotation { id: session.id, ..rotation.clone() };
                    if self.inner.rotate(&twin).await? == GuardedWrite::Applied {
                        outcome = GuardedWrite::Applied;
                    }
                }
                Ok(outcome)
            }
            _ => {
                let before = self.inner.find_session(rotation.id).await?;
                let outcome = self.inner.rotate(&self.loosened(rotation).await?).await?;
                if self.is(D::RotateKeepsTheClient)
                    && let Some(Session { ip, user_agent, .. }) = before
                    && let Some(session) = self.inner.find_session(rotation.id).await?
                {
                    self.save(&Session { ip, user_agent, ..session }).await?;
                }
                let moves = self.is(D::RotateMovesTheExpiry) && outcome == GuardedWrite::Applied;
                if moves && let Some(session) = self.inner.find_session(rotation.id).await? {
                    self.save(&Session { expires_at: session.expires_at + TimeDelta::hours(1), ..session })
                        .await?;
                }
                Ok(outcome)
            }
        }
    }

    async fn revoke_session(&self, user_id: UserId, id: SessionId) -> Result<Revocation, StoreError> {
        let found = self.inner.find_session(id).await?;
        match (self.defect, found) {
            (D::RevokeIgnoresTheUser, Some(session)) => self.inner.revoke_session(session.user_id, id).await,
            (D::RevokeKeepsTheSession, Some(session)) if session.user_id == user_id => {
                Ok(Revocation::Revoked)
            }
            (D::RevokeReadsThenDeletes, Some(session)) if session.user_id == user_id => {
                delay().await;
                let _revoked = self.inner.revoke_session(user_id, id).await?;
                Ok(Revocation::Revoked)
            }
            _ => self.inner.revoke_session(user_id, id).await,
        }
    }

    async fn insert_one_time(&self, token: &OneTimeToken) -> Result<OneTimeInsert, StoreError> {
        let outcome = self.inner.insert_one_time(token).await?;
        if self.is(D::InsertOneTimeReplaces) {
            lock(&self.replaced).insert(token.id, token.clone());
            return Ok(OneTimeInsert::Inserted);
        }
        Ok(outcome)
    }

    async fn find_one_time(&self, id: IntentId) -> Result<Option<OneTimeToken>, StoreError> {
        let kept = self.inner.find_one_time(id).await?;
        let found = lock(&self.replaced).get(&id).cloned().or(kept);
        Ok(found.and_then(|token| self.read_one_time(token)))
    }

    async fn spend(&self, id: IntentId, at: DateTime<Utc>) -> Result<Spend, StoreError> {
        if let Some(token) = lock(&self.replaced).get_mut(&id) {
            token.spent_at = Some(at);
            return Ok(Spend::Spent);
        }
        let found = self.inner.find_one_time(id).await?;
        let before = match &found {
            None => self.is(D::SpendInventsTokens),
            Some(token) => match self.defect {
                D::SpendRepeats => true,
                D::SpendReadsThenWrites => token.spent_at.is_none(),
                _ => false,
            },
        };
        if self.is(D::SpendReadsThenWrites) {
            delay().await;
        }
        let outcome = self.inner.spend(id, at).await?;
        Ok(if before { Spend::Spent } else { outcome })
    }

    async fn purge_sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        match self.defect {
            D::PurgeLooksAtIdleOnly | D::PurgeReadsThenDeletes => {
                let mut over = self.sessions().await?;
                over.retain(|session| match self.defect {
                    D::PurgeLooksAtIdleOnly => session.idle_expires_at <= now,
                    _ => session.expired(now),
                });
                delay().await;
                let mut purged = 0;
                for (session, _) in over.iter().zip(0..limit) {
                    let revoked = self.inner.revoke_session(session.user_id, session.id).await?;
                    purged += u64::from(revoked == Revocation::Revoked);
                }
                Ok(purged)
            }
            D::PurgeSkipsTheBusy => skip_the_busy(&self.purging, self.inner.purge_sessions(now, limit)).await,
            _ => self.inner.purge_sessions(self.purge_time(now), self.purge_limit(limit)).await,
        }
    }

    async fn purge_one_time(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let purge = self.inner.purge_one_time(self.purge_time(now), self.purge_limit(limit));
        if self.is(D::PurgeSkipsTheBusy) {
            return skip_the_busy(&self.purging, purge).await;
        }
        purge.await
    }
}

impl BrokenTokenStore {
    fn purge_time(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self.defect {
            D::PurgeSparesTheBoundary => now - TimeDelta::microseconds(1),
            D::PurgeIgnoresTheExpiry => DateTime::<Utc>::MAX_UTC,
            _ => now,
        }
    }

    fn purge_limit(&self, limit: u32) -> u32 {
        match self.defect {
            D::PurgeIgnoresTheLimit => u32::MAX,
            D::PurgeTakesHalf => limit / 2,
            _ => limit,
        }
    }
}
