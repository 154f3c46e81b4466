-- No table has a foreign key: users, tokens and mails may be in different databases, and no guarantee
-- needs two rows. A session or token whose user was deleted by hand grants nothing: every decision
-- reads the user.

-- One row per user.
CREATE TABLE auth_users (
    -- UUIDv7, as bytes. Never reused.
    id                  bytea        NOT NULL CONSTRAINT auth_users_id CHECK (octet_length(id) = 16),
    -- Compared and unique byte by byte: ASCII, lower case.
    email_canonical     varchar(254) COLLATE "C" NOT NULL,
    -- Mails go to this address: the owner's spelling.
    email               varchar(320) NOT NULL,
    name                varchar(100),
    -- A PHC or bcrypt string. Offline guessing needs this column alone, so protect the database and
    -- its backups.
    password_hash       varchar(512),
    password_changed_at timestamptz  NOT NULL,
    -- Advanced by each operation that ends all sessions. The guard of writes that must not overtake
    -- one.
    epoch               bigint       NOT NULL CONSTRAINT auth_users_epoch CHECK (epoch >= 0),
    status              varchar(8)   NOT NULL CONSTRAINT auth_users_status CHECK (status IN ('active', 'disabled')),
    -- NULL until the owner proves the mailbox.
    email_verified_at   timestamptz,
    -- When another registration of this address was last attempted.
    contested_at        timestamptz,
    created_at          timestamptz  NOT NULL,
    CONSTRAINT auth_users_pkey PRIMARY KEY (id),
    CONSTRAINT auth_users_email UNIQUE (email_canonical)
) WITH (fillfactor = 90);

-- The later of both times. Clean-up finds abandoned registrations by it.
CREATE INDEX auth_users_unverified ON auth_users (greatest(created_at, contested_at))
    WHERE email_verified_at IS NULL AND status = 'active';

-- One row per log-in. Rotations of its refresh token update the row. No index has a column that a
-- rotation changes, except `ends_in`, which changes once an hour: so an update stays in its page and
-- writes no index (HOT), and the fill factor leaves room for it.
CREATE TABLE auth_sessions (
    id              bytea        NOT NULL CONSTRAINT auth_sessions_id CHECK (octet_length(id) = 16),
    user_id         bytea        NOT NULL CONSTRAINT auth_sessions_user_id CHECK (octet_length(user_id) = 16),
    -- The user's epoch, read before the password was checked.
    epoch           bigint       NOT NULL CONSTRAINT auth_sessions_epoch CHECK (epoch >= 0),
    -- The number of rotations.
    generation      bigint       NOT NULL CONSTRAINT auth_sessions_generation CHECK (generation BETWEEN 0 AND 4294967295),
    -- SHA-256 of the current refresh token.
    digest          bytea        NOT NULL CONSTRAINT auth_sessions_digest CHECK (octet_length(digest) = 32),
    created_at      timestamptz  NOT NULL,
    rotated_at      timestamptz  NOT NULL,
    -- Moved by each rotation.
    idle_expires_at timestamptz  NOT NULL,
    -- Never changes.
    expires_at      timestamptz  NOT NULL,
    -- An IPv4 or IPv6 address in its usual text form.
    ip              varchar(45),
    user_agent      varchar(256),
    -- The hour, in UTC, in which the session ends. Clean-up finds ended sessions by it.
    ends_in         timestamp    NOT NULL
        GENERATED ALWAYS AS (date_trunc('hour', least(idle_expires_at, expires_at) AT TIME ZONE 'UTC')) STORED,
    CONSTRAINT auth_sessions_pkey PRIMARY KEY (id)
) WITH (fillfactor = 70);

CREATE INDEX auth_sessions_of_user ON auth_sessions (user_id, created_at, id);

CREATE INDEX auth_sessions_by_end ON auth_sessions (ends_in);

-- One row per mailed link.
CREATE TABLE auth_one_time_tokens (
    -- The id of the intent whose mail carries the token.
    id                         bytea        NOT NULL CONSTRAINT auth_one_time_tokens_id CHECK (octet_length(id) = 16),
    user_id                    bytea        NOT NULL CONSTRAINT auth_one_time_tokens_user_id CHECK (octet_length(user_id) = 16),
    purpose                    varchar(32)  NOT NULL,
    email                      varchar(320) NOT NULL,
    epoch                      bigint       NOT NULL CONSTRAINT auth_one_time_tokens_epoch CHECK (epoch >= 0),
    -- SHA-256 of the mailed secret and of everything that the token is bound to.
    digest                     bytea        NOT NULL CONSTRAINT auth_one_time_tokens_digest CHECK (octet_length(digest) = 32),
    -- Password and name that verifying activates; both NULL if the user keeps the stored ones.
    registration_password_hash varchar(512),
    registration_name          varchar(100),
    created_at                 timestamptz  NOT NULL,
    expires_at                 timestamptz  NOT NULL,
    spent_at                   timestamptz,
    CONSTRAINT auth_one_time_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT auth_one_time_tokens_registration
        CHECK (registration_name IS NULL OR registration_password_hash IS NOT NULL)
) WITH (fillfactor = 90);

CREATE INDEX auth_one_time_tokens_by_end ON auth_one_time_tokens (expires_at);

-- One row per mail request: queued while dead_lettered_at is NULL, a dead letter afterwards.
CREATE TABLE auth_outbox (
    id               bytea       NOT NULL CONSTRAINT auth_outbox_id CHECK (octet_length(id) = 16),
    -- auth_core::store::Intent::payload. Holds no secret from which a link could be made.
    payload          text        NOT NULL,
    created_at       timestamptz NOT NULL,
    -- When it may be claimed: its creation, the end of a lease, or the time of a retry.
    due_at           timestamptz NOT NULL,
    -- The number of claims. The guard of complete, retry and move to dead letters.
    attempts         bigint      NOT NULL DEFAULT 0 CONSTRAINT auth_outbox_attempts CHECK (attempts BETWEEN 0 AND 4294967295),
    dead_lettered_at timestamptz,
    -- Why delivery was given up, for the operator.
    reason           varchar(1000),
    CONSTRAINT auth_outbox_pkey PRIMARY KEY (id),
    CONSTRAINT auth_outbox_reason CHECK ((dead_lettered_at IS NULL) = (reason IS NULL))
);

-- The queue, the longest due first.
CREATE INDEX auth_outbox_due ON auth_outbox (due_at, id) WHERE dead_lettered_at IS NULL;

-- The age of the queue.
CREATE INDEX auth_outbox_age ON auth_outbox (created_at) WHERE dead_lettered_at IS NULL;

-- Dead letters, the oldest first.
CREATE INDEX auth_outbox_dead_letters ON auth_outbox (dead_lettered_at, id) WHERE dead_lettered_at IS NOT NULL;
