//! Lifetimes, limits and costs.

use std::net::Ipv4Addr;
use std::time::Duration;

use auth_core::{
    BcryptImport, BreachPolicy, FirebaseSignerKey, LegacyHashes, Policy, RateLimits, VerificationProof,
};
use auth_hibp::HibpBreachCheck;
use url::{Host, Url};
use zeroize::Zeroizing;

use super::reader::Reader;
use super::{Environment, duration};

/// The variable of each setting of the policy.
const NAMES: [(&str, &str); 15] = [
    ("access.lifetime", "ACCESS_TOKEN_EXP"),
    ("access.issuer", "PUBLIC_URL"),
    ("access.audience", "PUBLIC_URL"),
    ("refresh.refresh_lifetime", "REFRESH_TOKEN_EXP"),
    ("refresh.session_lifetime", "SESSION_EXP"),
    ("refresh.reuse_leeway", "REFRESH_REUSE_LEEWAY"),
    ("refresh.min_rotation_age", "REFRESH_REUSE_LEEWAY"),
    ("links.verification_lifetime", "EMAIL_VERIFICATION_TOKEN_EXP"),
    ("links.reset_lifetime", "PASSWORD_RESET_TOKEN_EXP"),
    ("reauthentication_window", "REAUTHENTICATION_WINDOW"),
    ("clean_up.schedule", "CLEANUP_SCHEDULE"),
    ("hashing.memory_kib", "ARGON2_MEMORY_KIB"),
    ("hashing.iterations", "ARGON2_ITERATIONS"),
    ("hashing.bcrypt.cost", "BCRYPT_IMPORT_COST"),
    ("password.min_length", "PASSWORD_MIN_LENGTH"),
];

pub(super) fn read(reader: &mut Reader<'_>, public_url: &str) -> Policy {
    let mut policy = Policy::default();
    let mut time =
        |name: &str, setting: &mut Duration| *setting = reader.read(name, *setting, duration::parse);
    time("ACCESS_TOKEN_EXP", &mut policy.access.lifetime);
    time("REFRESH_TOKEN_EXP", &mut policy.refresh.refresh_lifetime);
    time("SESSION_EXP", &mut policy.refresh.session_lifetime);
    time("REFRESH_REUSE_LEEWAY", &mut policy.refresh.reuse_leeway);
    time("EMAIL_VERIFICATION_TOKEN_EXP", &mut policy.links.verification_lifetime);
    time("PASSWORD_RESET_TOKEN_EXP", &mut policy.links.reset_lifetime);
    time("REAUTHENTICATION_WINDOW", &mut policy.reauthentication_window);
    policy.refresh.min_rotation_age = policy.refresh.reuse_leeway.saturating_mul(2);
    // A default yields to a set variable.
    if reader.text("REFRESH_TOKEN_EXP").is_none() {
        policy.refresh.refresh_lifetime =
            policy.refresh.refresh_lifetime.min(policy.refresh.session_lifetime);
    }
    if reader.text("ACCESS_TOKEN_EXP").is_none() {
        policy.access.lifetime = policy.access.lifetime.min(policy.refresh.session_lifetime);
    }
    // No user is deleted before the second link expires.
    let patience = policy.links.verification_lifetime.saturating_mul(2);
    policy.clean_up.unverified_user_lifetime = policy.clean_up.unverified_user_lifetime.max(patience);
    public_url.clone_into(&mut policy.access.issuer);
    public_url.clone_into(&mut policy.access.audience);

    let proofs = [("false", VerificationProof::Link), ("true", VerificationProof::LinkAndPassword)];
    policy.links.verification_proof =
        reader.choice("VERIFY_REQUIRES_PASSWORD", VerificationProof::Link, &proofs);
    let mut number = |name: &str, setting: &mut u32| {
        *setting = reader.read(name, *setting, |text| text.parse().map_err(|_| "must be a whole number"));
    };
    number("ARGON2_MEMORY_KIB", &mut policy.hashing.memory_kib);
    number("ARGON2_ITERATIONS", &mut policy.hashing.iterations);
    number("PASSWORD_MIN_LENGTH", &mut policy.password.min_length);
    // Zero means no limit until here.
    let mut bcrypt_cost = 0;
    number("BCRYPT_IMPORT_COST", &mut bcrypt_cost);
    if bcrypt_cost > 0 || reader.text("BCRYPT_IMPORT_COST").is_some() {
        policy.hashing.bcrypt = BcryptImport::Accept { cost: bcrypt_cost };
    }
    policy.hashing.legacy = reader.read("LEGACY_HASHES", LegacyHashes::default(), str::parse);
    policy.password.site_words = reader.list("PASSWORD_SITE_WORDS").into_iter().map(str::to_owned).collect();
    if let Some(schedule) = reader.text("CLEANUP_SCHEDULE") {
        schedule.clone_into(&mut policy.clean_up.schedule);
    }
    for problem in policy.problems() {
        let named = |text: &str| {
            NAMES.iter().fold(text.to_owned(), |text, (setting, name)| text.replace(setting, name))
        };
        let name = if problem.setting == "password.site_words" {
            "PASSWORD_SITE_WORDS".to_owned()
        } else {
            named(&problem.setting)
        };
        reader.problem(&name, named(&problem.problem));
    }
    policy
}

/// Returns the signer key of the Firebase project that users were imported from, if there is one.
pub(super) fn read_signer_key(reader: &mut Reader<'_>) -> Option<FirebaseSignerKey> {
    let key = FirebaseSignerKey::from_base64(reader.text("FIREBASE_SIGNER_KEY")?);
    reader.take("FIREBASE_SIGNER_KEY", key)
}

/// Returns the check for breached passwords, if there is one.
pub(super) fn read_breach_check(reader: &mut Reader<'_>, policy: &mut Policy) -> Option<HibpBreachCheck> {
    let choices =
        [("off", None), ("open", Some(BreachPolicy::FailOpen)), ("closed", Some(BreachPolicy::FailClosed))];
    let choice = reader.choice("BREACH_CHECK", None, &choices);
    if choice.is_none() && reader.text("BREACH_CHECK_URL").is_some() {
        reader
            .problem("BREACH_CHECK_URL", "must not be set without BREACH_CHECK=open or BREACH_CHECK=closed");
    }
    let check = match reader.text("BREACH_CHECK_URL") {
        Some(url) => HibpBreachCheck::at(url),
        None if choice.is_none() => return None,
        None => HibpBreachCheck::new(),
    };
    let check = reader.take("BREACH_CHECK_URL", check);
    policy.password.breach = choice?;
    check
}

/// The schemes of a shared limit store.
const SCHEMES: [&str; 6] = ["redis:", "rediss:", "valkey:", "valkeys:", "unix:", "valkey+unix:"];

/// Whether the URL is of a server on another machine, reached without TLS.
fn is_remote_plaintext(url: &str) -> bool {
    let is_plain = url.starts_with("redis:") || url.starts_with("valkey:");
    let is_local = Url::parse(url).is_ok_and(|url| match url.host() {
        // In a URL of this scheme an IPv4 address is a name like any other.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => true,
    });
    is_plain && !is_local
}

/// Returns the shared limit store, if there is one; `none` removes the limits from the policy.
pub(super) fn read_limits(
    reader: &mut Reader<'_>,
    environment: Environment,
    policy: &mut Policy,
) -> Option<Zeroizing<String>> {
    match reader.text("RATE_LIMIT_STORE") {
        None | Some("memory") => None,
        Some("none") if environment == Environment::Development => {
            policy.limits = RateLimits::none();
            None
        }
        Some("none") => {
            reader.problem("RATE_LIMIT_STORE", "must not be `none` in production");
            None
        }
        Some(url) if environment == Environment::Production && is_remote_plaintext(url) => {
            let problem = "must use TLS (`rediss://`) to another machine in production: its password and the \
                           counts travel in clear text";
            reader.problem("RATE_LIMIT_STORE", problem);
            None
        }
        Some(url) if SCHEMES.iter().any(|scheme| url.starts_with(scheme)) => {
            Some(Zeroizing::new(url.to_owned()))
        }
        Some(_) => {
            reader.problem("RATE_LIMIT_STORE", "must be `memory`, `redis://...` or, in development, `none`");
            None
        }
    }
}
