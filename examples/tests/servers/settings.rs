//! Settings: what is wrong is said, all at once, by the name of the variable and never by its value.

use std::collections::BTreeSet;

use auth_examples::settings::{Database, Mail, Settings, Variables};
use regex::Regex;

use crate::server::{PROGRAMS, Program};

const SECRET: &str = "t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE";
const OTHER_SECRET: &str = "n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P";
const SIGNER_KEY: &str =
    "CzBVep/E6Q4zWH2ix+wRNluApcrvFDleg6jN8hc8YYar0PUaP2SJrtP4HUJnjLHW+yBFao+02f4jSG2St9wBJg==";

/// Enough for production.
const PRODUCTION: [(&str, &str); 7] = [
    ("APP_ENV", "production"),
    ("PUBLIC_URL", "https://auth.example.com"),
    ("TRUSTED_PROXIES", "none"),
    ("DATABASE_URL", "memory:"),
    ("JWT_SECRET", SECRET),
    ("SMTP_URL", "smtps://user:secret@mail.example.com:465"),
    ("MAIL_FROM", "no-reply@example.com"),
];

/// Development over memory: nothing is left behind.
fn development(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    read(&[&[("DATABASE_URL", "memory:")], variables].concat())
}

fn production(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    read(&[&PRODUCTION, variables].concat())
}

/// Later variables replace earlier ones.
fn read(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let variables: Variables = variables.iter().copied().collect();
    Settings::read(&variables, 3000).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// One variable, a bad value, and a piece of what must be said.
const BAD: &[(&str, &str, &str)] = &[
    ("APP_ENV", "staging", "must be `development` or `production`"),
    ("PORT", "http", "must be a port"),
    ("PORT", "65536", "must be a port"),
    ("PORT", "-1", "must be a port"),
    ("HOST", "everywhere", "must be an address of this machine"),
    ("METRICS_ADDRESS", "9464", "METRICS_ADDRESS must be an address and a port"),
    ("PUBLIC_URL", "api.internal", "must be a URL"),
    ("PUBLIC_URL", "ftp://auth.example.com", "must start with `https://`"),
    ("PUBLIC_URL", "http://user:pass@auth.example.com", "must not contain credentials"),
    ("PUBLIC_URL", "http://auth.example.com/?x=1", "must have no query"),
    ("PUBLIC_URL", "http://auth.example.com/a/%2E./b", "must have no white space, no backslash"),
    ("PUBLIC_URL", " http://auth.example.com", "PUBLIC_URL must have no white space"),
    ("FRONTEND_URL", "www.internal", "must be a URL"),
    ("FRONTEND_URL", "https://app.example.com\\evil", "FRONTEND_URL must have no white space, no backslash"),
    ("FRONTEND_URL", "https://app.example.com/../b", "and no segment `.` or `..`"),
    ("FRONTEND_URL", "https://app.example.com/#here", "must have no query and no fragment"),
    ("ALLOWED_ORIGINS", "*", "must not contain a wildcard"),
    (
        "ALLOWED_ORIGINS",
        "https://app.example.com,https://*.example.com",
        "(entry 2) must not contain a wildcard",
    ),
    ("ALLOWED_ORIGINS", "https://app.example.com/", "must be one origin as browsers write it"),
    ("ALLOWED_ORIGINS", "null", "must be one origin as browsers write it"),
    ("TRUSTED_PROXIES", "10.0.0.0/33", "is no address and no network"),
    ("TRUSTED_PROXIES", "10.0.0.1, proxy.internal", "(entry 2) is no address and no network"),
    ("TRUSTED_PROXY_HEADER", "x-real-ip", "must be `x-forwarded-for` or `forwarded`"),
    ("DEV_MAILBOX", "everybody", "must be `loopback` or `public`"),
    ("BREACH_CHECK", "yes", "must be `off` or `open` or `closed`"),
    ("BREACH_CHECK_URL", "http://mirror.internal/range/", "must start with `https://`"),
    ("PAGES", "yes", "must be `on` or `off`"),
    ("DATABASE_URL", "oracle://localhost/auth", "must be `sqlite://FILE`"),
    ("DATABASE_URL", "postgres://localhost/auth", "no user"),
    ("DATABASE_URL", "postgres://auth@db.internal/auth?sslmode=prefer", "sslmode is neither"),
    ("DATABASE_URL", "sqlite://", "names no file"),
    ("DATABASE_URL", "sqlite://auth.db?mode=ro", "must have no parameters"),
    ("DATABASE_URL", "memory", "must be `sqlite://FILE`"),
    ("DATABASE_URL", "mysql://user:hunter2hunter2@db.internal", "no database"),
    ("DATABASE_URL", "mysql://db.internal/auth?ssl-mode=PREFERRED", "ssl-mode is neither"),
    ("DATABASE_NAME", "auth", "must not be set together with DATABASE_NAME"),
    ("JWT_SECRET", "short", "is shorter than 32 bytes"),
    ("JWT_SECRET", "changeme-changeme-changeme-changeme", "looks like a placeholder"),
    ("JWT_SECRET", "abababababababababababababababababab", "repeats itself"),
    ("TOKEN_SECRET", "short", "is shorter than 32 bytes"),
    ("PREVIOUS_TOKEN_SECRET", "short", "is shorter than 32 bytes"),
    ("JWT_PRIVATE_KEY_FILE", "/nowhere/key.pem", "cannot be read"),
    ("JWT_PRIVATE_KEY_FILE", "Cargo.toml", "expected exactly one PEM block"),
    ("ACCESS_TOKEN_EXP", "15", "must be a duration"),
    ("ACCESS_TOKEN_EXP", "0s", "must be between 1 s and 24 h"),
    ("ACCESS_TOKEN_EXP", "25h", "must be between 1 s and 24 h"),
    ("ACCESS_TOKEN_EXP", "15 minutes", "must be a duration"),
    ("REFRESH_TOKEN_EXP", "401d", "must be between 1 s and 400 d"),
    ("REFRESH_TOKEN_EXP", "31d", "must not be longer than SESSION_EXP"),
    ("SESSION_EXP", "401d", "must be between 1 s and 400 d"),
    ("EMAIL_VERIFICATION_TOKEN_EXP", "8d", "must be between 1 min and 7 d"),
    ("PASSWORD_RESET_TOKEN_EXP", "25h", "must be between 1 min and 1 d"),
    ("REFRESH_REUSE_LEEWAY", "61s", "must be between 0 s and 1 min"),
    ("REFRESH_REUSE_LEEWAY", "ten seconds", "must be a duration"),
    ("VERIFY_REQUIRES_PASSWORD", "yes", "must be `false` or `true`"),
    ("MAIL_FROM", "not an address", "MAIL_FROM must be an address"),
    ("MAIL_LANGUAGE", "es", "must be `en` or `de` or `fr` or `accept`"),
    ("REAUTHENTICATION_WINDOW", "59s", "must be between 1 min and 1 d"),
    ("JWT_VERIFY_KEY_FILES", "/nowhere/public.pem", "(file 1) cannot be read"),
    ("JWT_VERIFY_KEY_FILES", "Cargo.toml", "(file 1) holds no usable public key"),
    ("SMTP_URL", "mail.example.com:587", "must be"),
    ("SMTP_URL", "http://mail.example.com", "must be `smtps` or `smtp`"),
    ("SMTP_URL", "smtp://mail.example.com:25?tls=none", "may be `none` for this machine only"),
    ("SMTP_URL", "smtps://user@mail.example.com", "belong together"),
    ("SMTP_URL", "smtps://mail.example.com?ca=/nowhere.pem", "cannot be read"),
    ("MAILER_SERVICE", "gmail", "MAILER_EMAIL is missing"),
    ("RATE_LIMIT_STORE", "postgres", "must be `memory`"),
    ("CLEANUP_SCHEDULE", "daily", "must be five cron fields"),
    ("ARGON2_MEMORY_KIB", "lots", "must be a whole number"),
    ("ARGON2_MEMORY_KIB", "1024", "is weaker than OWASP recommends"),
    ("ARGON2_ITERATIONS", "0", "must be 1 to"),
    ("LEGACY_HASHES", "django", "must be a list of NAME:COST; the names are pbkdf2-sha1, "),
    ("LEGACY_HASHES", "pbkdf2-sha256:2000001", "LEGACY_HASHES pbkdf2-sha256 must be 1 to 2000000 iterations"),
    ("FIREBASE_SIGNER_KEY", "dG9vIHNob3J0", "FIREBASE_SIGNER_KEY has fewer than 32 bytes"),
    ("PASSWORD_MIN_LENGTH", "7", "must be 8 to 64 characters"),
    ("PASSWORD_SITE_WORDS", "acme,2024", "must each contain a letter"),
    ("LOG_FORMAT", "xml", "must be `text` or `json`"),
    ("LOG_CLIENT_ADDRESSES", "yes", "must be `false` or `true`"),
    ("DRAIN_DELAY", "5", "must be a duration"),
    ("DRAIN_DELAY", "6m", "must be between 0 s and 5 min"),
];

#[test]
fn every_bad_value_gets_its_own_message_and_is_never_repeated() {
    let mut messages = BTreeSet::new();
    for &(name, value, expected) in BAD {
        let problems = development(&[(name, value)]).expect_err(name);
        let found = problems.iter().find(|problem| problem.contains(expected));
        let found = found.unwrap_or_else(|| panic!("{name}={value}: {problems:?}"));
        messages.insert(found.clone());
        // Shorter values are words of the messages themselves.
        if value.len() >= 10 {
            assert!(!problems.iter().any(|problem| problem.contains(value)), "{name}: {problems:?}");
        }
    }
    assert!(messages.len() >= 40, "{} messages", messages.len());
}

#[test]
fn all_problems_are_said_at_once() {
    // One bad value of each variable, and what goes with it.
    let mut all: Vec<(&str, &str)> = BAD.iter().map(|(name, value, _)| (*name, *value)).collect();
    // Either is wrong beside a good value of the other alone, and the first lacks its company.
    let alone = [("MAILER_SERVICE", "gmail"), ("REFRESH_TOKEN_EXP", "31d"), ("SESSION_EXP", "1d")];
    all.retain(|variable| !alone.contains(variable));
    let problems = read(&all).unwrap_err();
    let names: BTreeSet<_> =
        all.iter().map(|(name, _)| *name).filter(|name| *name != "DATABASE_NAME").collect();
    for name in names {
        assert!(
            problems.iter().any(|problem| problem.starts_with(&format!("{name} "))),
            "{name}: {problems:#?}"
        );
    }
}

#[test]
fn production_makes_nothing_up() {
    assert!(production(&[]).is_ok());
    let cases: [(&[(&str, &str)], &str); 14] = [
        (&[("PUBLIC_URL", "http://auth.example.com")], "PUBLIC_URL must be an https URL in production"),
        (&[("PUBLIC_URL", "")], "PUBLIC_URL must be an https URL in production"),
        (&[("FRONTEND_URL", "http://app.example.com")], "FRONTEND_URL must be an https URL in production"),
        (&[("JWT_SECRET", "")], "JWT_SECRET or JWT_PRIVATE_KEY_FILE is required in production"),
        (&[("JWT_SECRET", ""), ("TOKEN_SECRET", SECRET)], "JWT_SECRET or JWT_PRIVATE_KEY_FILE is required"),
        (&[("SMTP_URL", "")], "SMTP_URL or MAILER_SERVICE is required in production"),
        (&[("MAIL_FROM", "")], "MAIL_FROM is required with SMTP_URL"),
        (&[("MAIL_FROM", "nobody")], "MAIL_FROM "),
        (&[("MAILER_SERVICE", "gmail")], "SMTP_URL must not be set together with MAILER_SERVICE"),
        (&[("SMTP_URL", "smtp://localhost:25?tls=none")], "must not be `none` outside development"),
        (&[("RATE_LIMIT_STORE", "none")], "RATE_LIMIT_STORE must not be `none` in production"),
        (&[("RATE_LIMIT_STORE", "redis://:secret@cache.internal/0")], "RATE_LIMIT_STORE must use TLS"),
        (&[("TRUSTED_PROXIES", "")], "TRUSTED_PROXIES is required in production"),
        (
            &[("JWT_SECRET", ""), ("JWT_PRIVATE_KEY_FILE", "/nowhere")],
            "TOKEN_SECRET is required in production where JWT_PRIVATE_KEY_FILE signs",
        ),
    ];
    let nameless = production(&[("PUBLIC_URL", "")]).unwrap_err();
    assert_eq!(nameless, ["PUBLIC_URL must be an https URL in production"], "and no variable that is unset");
    for (variables, expected) in cases {
        let problems = production(variables).expect_err(expected);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
    }
}

#[test]
fn production_takes_a_limit_store_with_tls_or_on_this_machine() {
    for url in
        ["rediss://cache.internal/0", "redis://127.0.0.1:6379/0", "redis://[::1]/", "unix:///run/redis.sock"]
    {
        assert!(production(&[("RATE_LIMIT_STORE", url)]).is_ok(), "{url}");
    }
    assert!(development(&[("RATE_LIMIT_STORE", "redis://cache.internal/0")]).is_ok());
    assert!(production(&[("TRUSTED_PROXIES", "10.0.0.0/8")]).is_ok());
}

/// A reader of the mailbox takes over any account.
#[test]
fn development_does_not_show_its_mails_to_the_world() {
    let smtp = [("SMTP_URL", "smtp://127.0.0.1:9?tls=none"), ("MAIL_FROM", "no-reply@example.com")];
    let published: [&[(&str, &str)]; 3] = [
        &[("HOST", "0.0.0.0")],
        &[("PUBLIC_URL", "https://auth.example.com")],
        &[("HOST", "::"), ("PUBLIC_URL", "https://auth.example.com")],
    ];
    for variables in published {
        let problems = development(variables).unwrap_err();
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(problem.contains("APP_ENV=production, a mail server, or DEV_MAILBOX=public"), "{problem}");
        for public in [&[("DEV_MAILBOX", "public")] as &[_], &smtp] {
            assert!(development(&[variables, public].concat()).is_ok(), "{variables:?} {public:?}");
        }
    }
    assert!(development(&[("HOST", "::1"), ("PUBLIC_URL", "http://localhost:3000")]).is_ok());
}

#[test]
fn good_values_arrive() {
    let settings = development(&[
        ("ACCESS_TOKEN_EXP", "5m"),
        ("REFRESH_TOKEN_EXP", "1d"),
        ("SESSION_EXP", "2d12h"),
        ("REFRESH_REUSE_LEEWAY", "10s"),
        ("EMAIL_VERIFICATION_TOKEN_EXP", "7d"),
        ("PASSWORD_MIN_LENGTH", "15"),
        ("PASSWORD_SITE_WORDS", "acme, rocket"),
        ("CLEANUP_SCHEDULE", "30 4 * * *"),
        ("BCRYPT_IMPORT_COST", "10"),
        ("LEGACY_HASHES", "pbkdf2-sha256:1000000, scrypt:16384x5"),
        ("FIREBASE_SIGNER_KEY", SIGNER_KEY),
        ("ALLOWED_ORIGINS", "https://app.example.com, https://admin.example.com"),
        ("JWT_SECRET", SECRET),
        ("TOKEN_SECRET", OTHER_SECRET),
        ("LOG_FORMAT", ""),
    ])
    .unwrap();
    let policy = &settings.policy;
    assert_eq!(policy.access.lifetime.as_secs(), 300);
    assert_eq!(policy.refresh.refresh_lifetime.as_secs(), 86_400);
    assert_eq!(policy.refresh.session_lifetime.as_secs(), 216_000);
    assert_eq!(policy.refresh.reuse_leeway.as_secs(), 10);
    assert_eq!(policy.refresh.min_rotation_age.as_secs(), 20);
    assert_eq!(policy.password.min_length, 15);
    assert_eq!(policy.password.site_words, ["acme", "rocket"]);
    assert_eq!(policy.clean_up.schedule, "30 4 * * *");
    assert_eq!(policy.hashing.bcrypt, auth_core::BcryptImport::Accept { cost: 10 });
    assert_eq!(policy.hashing.legacy.to_string(), "pbkdf2-sha256:1000000,scrypt:16384x5");
    assert!(settings.signer_key.is_some());
    assert_eq!(settings.http.origins().len(), 4, "its own under two names, and two");
    assert!(matches!(settings.database, Database::Memory));
    assert!(matches!(settings.mail, Mail::Mailbox(_)));
    let shown = format!("{settings:?}");
    assert!(![SECRET, OTHER_SECRET, SIGNER_KEY].iter().any(|secret| shown.contains(secret)));
}

/// Browsers leave the default port out of an origin, and so must the server's own.
#[test]
fn every_port_gives_origins_as_browsers_write_them() {
    for (host, port, origins) in [
        ("127.0.0.1", 80, ["http://localhost", "http://127.0.0.1"]),
        ("127.0.0.1", 443, ["http://localhost:443", "http://127.0.0.1:443"]),
        ("::1", 3000, ["http://localhost:3000", "http://[::1]:3000"]),
    ] {
        let variables: Variables = [("DATABASE_URL", "memory:"), ("HOST", host)].into_iter().collect();
        let settings = Settings::read(&variables, port).unwrap();
        assert_eq!(settings.http.origins(), origins);
    }
}

#[test]
fn a_default_gives_way_to_what_was_set() {
    let short = development(&[("SESSION_EXP", "5s")]).unwrap().policy;
    assert_eq!(short.refresh.refresh_lifetime.as_secs(), 5);
    assert_eq!(short.access.lifetime.as_secs(), 5);
    assert!(development(&[("SESSION_EXP", "5s"), ("REFRESH_TOKEN_EXP", "6s")]).is_err());
    assert!(development(&[("REFRESH_TOKEN_EXP", "2s")]).is_ok());
}

#[test]
fn names_are_not_guessed() {
    assert!(development(&[("JWT_SECRETS", "x"), ("AUTH_PORT", "x"), ("port", "x")]).is_ok());
}

#[test]
fn the_server_says_all_of_it_and_exits_with_78() {
    for program in PROGRAMS {
        let directory = tempfile::tempdir().unwrap();
        let bad = [("JWT_SECRET", "hunter2"), ("ACCESS_TOKEN_EXP", "eternity"), ("LOG_FORMAT", "papyrus")];
        let output = program.command(directory.path(), &bad).output().unwrap();
        assert_eq!(output.status.code(), Some(78));
        assert!(output.stdout.is_empty());
        let said = String::from_utf8(output.stderr).unwrap();
        for (name, value) in bad {
            assert!(said.contains(name) && !said.contains(value), "{said}");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was made");
    }
}

#[test]
fn a_database_that_cannot_be_had_is_69() {
    let directory = tempfile::tempdir().unwrap();
    let no_such = [("DATABASE_URL", "sqlite:///nowhere/at/all/auth.db")];
    let output = Program::Axum.command(directory.path(), &no_such).output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("DATABASE_URL: the database file cannot be created")
    );
}

/// The table of `docs/server.md` has a row for each variable that is read, and no other.
#[test]
fn every_setting_is_documented() {
    let quoted = Regex::new("\"([A-Z][A-Z0-9_]{3,})\"").unwrap();
    let mut read = BTreeSet::from(["RUST_LOG".to_owned()]);
    for file in [
        "settings.rs",
        "settings/database.rs",
        "settings/mail.rs",
        "settings/policy.rs",
        "settings/secrets.rs",
    ] {
        let source = std::fs::read_to_string(format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        read.extend(quoted.captures_iter(&source).map(|found| found[1].to_owned()));
    }
    let row = Regex::new(r"(?m)^\| `([A-Z0-9_]+)` \|").unwrap();
    let docs = include_str!("../../../docs/server.md");
    let documented: BTreeSet<String> = row.captures_iter(docs).map(|found| found[1].to_owned()).collect();
    assert_eq!(documented, read);
}

#[test]
fn a_server_is_named_by_a_url_or_in_pieces() {
    let pieces = [("DATABASE_HOST", "db.internal"), ("DATABASE_USER", "auth"), ("DATABASE_NAME", "shop")];
    let settings = read(&[&pieces[..], &[("DATABASE_PASSWORD", "hunter2"), ("JWT_SECRET", SECRET)]].concat());
    let Database::MySql(options) = settings.unwrap().database else { panic!() };
    assert!(format!("{options:?}").contains("3306") && !format!("{options:?}").contains("hunter2"));
    let postgres = read(&[&pieces[..], &[("DATABASE_ENGINE", "postgres"), ("JWT_SECRET", SECRET)]].concat());
    let Database::Postgres(options) = postgres.unwrap().database else { panic!() };
    assert_eq!(options.location(), "db.internal:5432/shop");
    for (name, _) in pieces {
        let rest: Vec<_> = pieces.into_iter().filter(|(other, _)| *other != name).collect();
        assert_eq!(
            read(&rest).unwrap_err(),
            [format!("{name} is missing beside the other DATABASE_ variables")]
        );
    }
    let bad = read(
        &[&pieces[..], &[("DATABASE_ENGINE", "oracle"), ("DATABASE_PORT", "x"), ("DATABASE_SSL", "maybe")]]
            .concat(),
    )
    .unwrap_err();
    let problems = [
        "DATABASE_ENGINE must be `mysql` or `postgres`",
        "DATABASE_PORT must be a port",
        "DATABASE_SSL must be `true` or `false`",
    ];
    assert_eq!(bad, problems);
    for (tls, file, problem) in [
        ("true", "/nowhere/ca.pem", "cannot be read: entity not found"),
        ("false", "Cargo.toml", "must not be set where DATABASE_SSL is `false`"),
    ] {
        let tls = [("DATABASE_SSL", tls), ("DATABASE_SSL_CA", file)];
        let problems = read(&[&pieces[..], &tls].concat()).unwrap_err();
        assert_eq!(problems, [format!("DATABASE_SSL_CA {problem}")]);
    }
}
