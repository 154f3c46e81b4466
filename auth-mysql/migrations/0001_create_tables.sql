-- Times are UTC with microseconds. No table has a foreign key: users, tokens and mails may be in
-- different databases, and no guarantee needs two rows. A session or token whose user was deleted
-- by hand grants nothing: every decision reads the user.

-- One row per user.
CREATE TABLE IF NOT EXISTS auth_users (
    -- UUIDv7, as bytes. Never reused.
    id                  BINARY(16)      NOT NULL,
    -- Compared and unique: ASCII, lower case. As bytes, because text collations equate different
    -- strings.
    email_canonical     VARBINARY(254)  NOT NULL,
    -- Mails go to this address: the owner's spelling.
    email               VARCHAR(320)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name                VARCHAR(100)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    -- A PHC or bcrypt string. Offline guessing needs this column alone, so protect the database and
    -- its backups.
    password_hash       VARCHAR(512)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    password_changed_at DATETIME(6)     NOT NULL,
    -- Advanced by each operation that ends all sessions. The guard of writes that must not overtake
    -- one.
    epoch               BIGINT UNSIGNED NOT NULL,
    status              VARCHAR(8)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- NULL until the owner proves the mailbox.
    email_verified_at   DATETIME(6),
    -- When another registration of this address was last attempted.
    contested_at        DATETIME(6),
    created_at          DATETIME(6)     NOT NULL,
    -- The later of both times. Clean-up finds abandoned registrations by it.
    unverified_since    DATETIME(6)     GENERATED ALWAYS AS (CASE
        WHEN email_verified_at IS NULL AND status = 'active'
        THEN GREATEST(created_at, IFNULL(contested_at, created_at)) END) STORED,
    PRIMARY KEY (id),
    UNIQUE KEY auth_users_email (email_canonical),
    KEY auth_users_unverified (unverified_since),
    CONSTRAINT auth_users_status CHECK (status IN ('active', 'disabled'))
) ENGINE = InnoDB;

-- One row per log-in. Rotations of its refresh token update the row.
CREATE TABLE IF NOT EXISTS auth_sessions (
    id              BINARY(16)      NOT NULL,
    user_id         BINARY(16)      NOT NULL,
    -- The user's epoch, read before the password was checked.
    epoch           BIGINT UNSIGNED NOT NULL,
    -- The number of rotations.
    generation      INT UNSIGNED    NOT NULL,
    -- SHA-256 of the current refresh token.
    digest          BINARY(32)      NOT NULL,
    created_at      DATETIME(6)     NOT NULL,
    rotated_at      DATETIME(6)     NOT NULL,
    -- Moved by each rotation.
    idle_expires_at DATETIME(6)     NOT NULL,
    -- Never changes.
    expires_at      DATETIME(6)     NOT NULL,
    -- An IPv4 or IPv6 address in its usual text form.
    ip              VARCHAR(45)     CHARACTER SET ascii COLLATE ascii_bin,
    user_agent      VARCHAR(256)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    -- The earlier of both ends. Clean-up finds ended sessions by it.
    ends_at         DATETIME(6)     GENERATED ALWAYS AS (LEAST(idle_expires_at, expires_at)) STORED,
    PRIMARY KEY (id),
    KEY auth_sessions_of_user (user_id, created_at, id),
    KEY auth_sessions_by_end (ends_at)
) ENGINE = InnoDB;

-- One row per mailed link.
CREATE TABLE IF NOT EXISTS auth_one_time_tokens (
    -- The id of the intent whose mail carries the token.
    id                         BINARY(16)      NOT NULL,
    user_id                    BINARY(16)      NOT NULL,
    purpose                    VARCHAR(32)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    email                      VARCHAR(320)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    epoch                      BIGINT UNSIGNED NOT NULL,
    -- SHA-256 of the mailed secret and of everything that the token is bound to.
    digest                     BINARY(32)      NOT NULL,
    -- Password and name that verifying activates; both NULL if the user keeps the stored ones.
    registration_password_hash VARCHAR(512)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    registration_name          VARCHAR(100)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    created_at                 DATETIME(6)     NOT NULL,
    expires_at                 DATETIME(6)     NOT NULL,
    spent_at                   DATETIME(6),
    PRIMARY KEY (id),
    KEY auth_one_time_tokens_by_end (expires_at),
    CONSTRAINT auth_one_time_tokens_registration
        CHECK (registration_name IS NULL OR registration_password_hash IS NOT NULL)
) ENGINE = InnoDB;

-- One row per mail request: queued while dead_lettered_at is NULL, a dead letter afterwards.
CREATE TABLE IF NOT EXISTS auth_outbox (
    id               BINARY(16)    NOT NULL,
    -- auth_core::store::Intent::payload. Holds no secret from which a link could be made.
    payload          TEXT          CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at       DATETIME(6)   NOT NULL,
    -- When it may be claimed: its creation, the end of a lease, or the time of a retry.
    due_at           DATETIME(6)   NOT NULL,
    -- The number of claims. The guard of complete, retry and move to dead letters.
    attempts         INT UNSIGNED  NOT NULL DEFAULT 0,
    dead_lettered_at DATETIME(6),
    -- Why delivery was given up, for the operator.
    reason           VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    PRIMARY KEY (id),
    -- The queue, the longest due first.
    KEY auth_outbox_due (dead_lettered_at, due_at, id),
    -- The age of the queue.
    KEY auth_outbox_age (dead_lettered_at, created_at),
    -- Dead letters, the oldest first.
    KEY auth_outbox_dead_letters (dead_lettered_at, id),
    CONSTRAINT auth_outbox_reason CHECK ((dead_lettered_at IS NULL) = (reason IS NULL))
) ENGINE = InnoDB;
