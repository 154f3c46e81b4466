CREATE TABLE IF NOT EXISTS auth_users (
    id                  BINARY(16)      NOT NULL,
    email_canonical     VARBINARY(254)  NOT NULL,
    email               VARCHAR(320)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    name                VARCHAR(100)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    password_hash       VARCHAR(512)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    password_changed_at DATETIME(6)     NOT NULL,
    epoch               BIGINT UNSIGNED NOT NULL,
    status              VARCHAR(8)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    email_verified_at   DATETIME(6),
    contested_at        DATETIME(6),
    created_at          DATETIME(6)     NOT NULL,
    unverified_since    DATETIME(6)     GENERATED ALWAYS AS (CASE
        WHEN email_verified_at IS NULL AND status = 'active'
        THEN GREATEST(created_at, IFNULL(contested_at, created_at)) END) STORED,
    PRIMARY KEY (id),
    UNIQUE KEY auth_users_email (email_canonical),
    KEY auth_users_unverified (unverified_since),
    CONSTRAINT auth_users_status CHECK (status IN ('active', 'disabled'))
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS auth_sessions (
    id              BINARY(16)      NOT NULL,
    user_id         BINARY(16)      NOT NULL,
    epoch           BIGINT UNSIGNED NOT NULL,
    generation      INT UNSIGNED    NOT NULL,
    digest          BINARY(32)      NOT NULL,
    created_at      DATETIME(6)     NOT NULL,
    rotated_at      DATETIME(6)     NOT NULL,
    idle_expires_at DATETIME(6)     NOT NULL,
    expires_at      DATETIME(6)     NOT NULL,
    ip              VARCHAR(45)     CHARACTER SET ascii COLLATE ascii_bin,
    user_agent      VARCHAR(256)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    ends_at         DATETIME(6)     GENERATED ALWAYS AS (LEAST(idle_expires_at, expires_at)) STORED,
    PRIMARY KEY (id),
    KEY auth_sessions_of_user (user_id, created_at, id),
    KEY auth_sessions_by_end (ends_at)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS auth_one_time_tokens (
    id                         BINARY(16)      NOT NULL,
    user_id                    BINARY(16)      NOT NULL,
    purpose                    VARCHAR(32)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    email                      VARCHAR(320)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    epoch                      BIGINT UNSIGNED NOT NULL,
    digest                     BINARY(32)      NOT NULL,
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

CREATE TABLE IF NOT EXISTS auth_outbox (
    id         BINARY(16)   NOT NULL,
    payload    TEXT         CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at DATETIME(6)  NOT NULL,
    due_at     DATETIME(6)  NOT NULL,
    attempts   INT UNSIGNED NOT NULL DEFAULT 0,
    dead_at    DATETIME(6),
    reason     VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    PRIMARY KEY (id),
    KEY auth_outbox_due (dead_at, due_at, id),
    KEY auth_outbox_age (dead_at, created_at),
    KEY auth_outbox_dead (dead_at, id),
    CONSTRAINT auth_outbox_reason CHECK ((dead_at IS NULL) = (reason IS NULL))
) ENGINE = InnoDB;
