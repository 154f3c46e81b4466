//! The environment: it is read the same way each time, each problem names a known variable, and no secret is repeated.
//!
//! One variable for each line, `NAME=value`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use auth_examples::settings::{Environment, Settings, Variables};

/// Without the variables that name files.
const NAMES: [&str; 34] = [
    "ACCESS_TOKEN_EXP",
    "ALLOWED_ORIGINS",
    "APP_ENV",
    "ARGON2_ITERATIONS",
    "ARGON2_MEMORY_KIB",
    "CLEANUP_SCHEDULE",
    "DATABASE_HOST",
    "DATABASE_NAME",
    "DATABASE_PASSWORD",
    "DATABASE_PORT",
    "DATABASE_SSL",
    "DATABASE_URL",
    "DATABASE_USER",
    "EMAIL_VERIFICATION_TOKEN_EXP",
    "FRONTEND_URL",
    "HOST",
    "JWT_SECRET",
    "LOG_FORMAT",
    "MAILER_EMAIL",
    "MAILER_SECRET_KEY",
    "MAILER_SERVICE",
    "MAIL_FROM",
    "PASSWORD_MIN_LENGTH",
    "PASSWORD_RESET_TOKEN_EXP",
    "PASSWORD_SITE_WORDS",
    "PORT",
    "PUBLIC_URL",
    "RATE_LIMIT_STORE",
    "REFRESH_REUSE_LEEWAY",
    "REFRESH_TOKEN_EXP",
    "SESSION_EXP",
    "SMTP_URL",
    "TOKEN_SECRET",
    "TRUSTED_PROXIES",
];
const SECRETS: [&str; 7] = [
    "DATABASE_PASSWORD",
    "DATABASE_URL",
    "JWT_SECRET",
    "MAILER_SECRET_KEY",
    "RATE_LIMIT_STORE",
    "SMTP_URL",
    "TOKEN_SECRET",
];
/// The shapes of URLs that a problem may show.
const SHAPES: [&str; 3] = [
    "smtps://user:password@host:465",
    "smtp://user:password@host:587",
    "mysql://user:password@host:port/database",
];
const OTHERS: [&str; 3] = ["PRODUCT_NAME", "TRUSTED_PROXY_HEADER", "VERIFY_REQUIRES_PASSWORD"];

type Given<'a> = BTreeMap<&'a str, &'a str>;

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let known = |name: &&str| NAMES.contains(name) || OTHERS.contains(name);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let mut given: Given = pairs.filter(|(name, value)| known(name) && !value.is_empty()).collect();
    if given.get("SMTP_URL").is_some_and(|url| url.contains("ca=")) {
        return;
    }
    // In development the server would write the missing ones to a file.
    for name in ["JWT_SECRET", "TOKEN_SECRET"] {
        given.entry(name).or_insert("n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P");
    }
    let read = || Settings::read(&given.iter().collect::<Variables>(), 3000);
    let (first, second) = (read(), read());
    let (shown, shown_again) = (format!("{first:?}"), format!("{second:?}"));
    assert_eq!(shown, shown_again);
    for name in SECRETS {
        let value = given.get(name).copied().unwrap_or_default();
        for secret in [Some(value), password(value)].into_iter().flatten() {
            // A text that is in a public value, too, is no secret.
            let public = given.iter().any(|(name, value)| !SECRETS.contains(name) && value.contains(secret))
                || SHAPES.iter().any(|shape| shape.contains(secret));
            assert!(public || secret.len() < 16 || !shown.contains(secret), "{name} is repeated: {shown}");
        }
    }
    match first {
        Ok(settings) => in_bounds(&settings, &given),
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(known(&problem.setting.as_str()), "{problem:?} is of no variable");
            }
        }
    }
}

/// The password in a URL.
fn password(url: &str) -> Option<&str> {
    let (authority, _) = url.split_once("://")?.1.rsplit_once('@')?;
    Some(authority.split_once(':')?.1)
}

/// What the table of the server's documentation says.
fn in_bounds(settings: &Settings, given: &Given) {
    const DAY: u64 = 86_400;
    let within = |name: &str, value: Duration, seconds: RangeInclusive<u64>| {
        assert!(seconds.contains(&value.as_secs()), "{name}: {value:?} of {:?}", given.get(name));
    };
    let policy = &settings.policy;
    within("ACCESS_TOKEN_EXP", policy.access.lifetime, 1..=DAY);
    within("REFRESH_TOKEN_EXP", policy.refresh.refresh_lifetime, 1..=400 * DAY);
    within("SESSION_EXP", policy.refresh.session_lifetime, 1..=400 * DAY);
    within("REFRESH_REUSE_LEEWAY", policy.refresh.reuse_leeway, 0..=60);
    within("PASSWORD_RESET_TOKEN_EXP", policy.links.reset_lifetime, 1..=DAY);
    assert!(policy.refresh.min_rotation_age >= 2 * policy.refresh.reuse_leeway);
    assert!(given["JWT_SECRET"].len() >= 32 && given["TOKEN_SECRET"].len() >= 32);
    if settings.environment == Environment::Production {
        assert!(settings.http.https(), "{:?}", given.get("PUBLIC_URL"));
        assert!(given.contains_key("SMTP_URL") || given.contains_key("MAILER_SERVICE"));
        assert!(given.get("RATE_LIMIT_STORE") != Some(&"none"));
    }
}
