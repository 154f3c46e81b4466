-- What the migrations make, to be read. A test keeps this file equal to them; it is not run.
--
-- Times are UTC with microseconds. Nothing refers to another table: users, tokens and mails may live
-- in different databases, and no promise needs two rows. A session or token whose user was deleted by
-- hand opens nothing: every decision reads the user.

-- One row per user.
CREATE TABLE IF NOT EXISTS auth_users (
    -- UUIDv7, as bytes. Never reused.
    id                  BINARY(16)      NOT NULL,
    -- What is compared and unique: ASCII, lower case, byte by byte. Text collations are not equality.
    email_canonical     VARBINARY(254)  NOT NULL,
    -- What is mailed to: the owner's spelling.
    email               VARCHAR(320)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name                VARCHAR(100)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    -- A PHC or bcrypt string. The one place where offline guessing starts: protect the database.
    password_hash       VARCHAR(512)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    password_changed_at DATETIME(6)     NOT NULL,
    -- Moved by each act that ends all sessions; the guard of every write that must not cross one.
    epoch               BIGINT UNSIGNED NOT NULL,
    status              VARCHAR(8)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- NULL until the mailbox is proven.
    email_verified_at   DATETIME(6),
    -- When somebody else last tried to register this address.
    contested_at        DATETIME(6),
    created_at          DATETIME(6)     NOT NULL,
    -- What purging abandoned registrations walks: the later of both times.
    unverified_since    DATETIME(6)     GENERATED ALWAYS AS (CASE
        WHEN email_verified_at IS NULL AND status = 'active'
        THEN GREATEST(created_at, IFNULL(contested_at, created_at)) END) STORED,
    PRIMARY KEY (id),
    UNIQUE KEY auth_users_email (email_canonical),
    KEY auth_users_unverified (unverified_since),
    CONSTRAINT auth_users_status CHECK (status IN ('active', 'disabled'))
) ENGINE = InnoDB;

-- One row per log-in on one client, however often its refresh token rotates.
CREATE TABLE IF NOT EXISTS auth_sessions (
    id              BINARY(16)      NOT NULL,
    user_id         BINARY(16)      NOT NULL,
    -- The user's epoch, read before the password was checked.
    epoch           BIGINT UNSIGNED NOT NULL,
    -- How often the refresh token was rotated.
    generation      INT UNSIGNED    NOT NULL,
    -- SHA-256 of the current generation's refresh token.
    digest          BINARY(32)      NOT NULL,
    created_at      DATETIME(6)     NOT NULL,
    rotated_at      DATETIME(6)     NOT NULL,
    -- Moved by each rotation.
    idle_expires_at DATETIME(6)     NOT NULL,
    -- Never moves.
    expires_at      DATETIME(6)     NOT NULL,
    ip              VARCHAR(45)     CHARACTER SET ascii COLLATE ascii_bin,
    user_agent      VARCHAR(256)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    -- What purging walks: the end of whichever lifetime ends first.
    ends_at         DATETIME(6)     GENERATED ALWAYS AS (LEAST(idle_expires_at, expires_at)) STORED,
    PRIMARY KEY (id),
    KEY auth_sessions_of_user (user_id, created_at, id),
    KEY auth_sessions_by_end (ends_at)
) ENGINE = InnoDB;

-- One row per verification or reset link that was mailed.
CREATE TABLE IF NOT EXISTS auth_one_time_tokens (
    id                         BINARY(16)      NOT NULL,
    user_id                    BINARY(16)      NOT NULL,
    purpose                    VARCHAR(32)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    email                      VARCHAR(320)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    epoch                      BIGINT UNSIGNED NOT NULL,
    -- SHA-256 of the mailed secret and everything it is bound to.
    digest                     BINARY(32)      NOT NULL,
    -- What verifying activates: both NULL when it keeps the user's own.
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

-- One row per promised mail: queued while dead_at is NULL, a dead letter afterwards.
CREATE TABLE IF NOT EXISTS auth_outbox (
    id         BINARY(16)   NOT NULL,
    -- auth_core::store::Intent::payload. Holds no secret from which a link could be made.
    payload    TEXT         CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at DATETIME(6)  NOT NULL,
    -- When it may be claimed: its creation, the end of a lease, or the time of a retry.
    due_at     DATETIME(6)  NOT NULL,
    -- How often it was claimed; the guard of every settlement.
    attempts   INT UNSIGNED NOT NULL DEFAULT 0,
    dead_at    DATETIME(6),
    reason     VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    PRIMARY KEY (id),
    KEY auth_outbox_due (dead_at, due_at, id),
    KEY auth_outbox_age (dead_at, created_at),
    KEY auth_outbox_dead (dead_at, id),
    CONSTRAINT auth_outbox_reason CHECK ((dead_at IS NULL) = (reason IS NULL))
) ENGINE = InnoDB;
