//! Issuer, audience, lifetime and clock leeway of access tokens.

use std::time::Duration;

use crate::user::disturbs_text;

/// Longest issuer or audience.
const MAX_NAME_BYTES: usize = 255;

/// Names and limits of access tokens. The builder of `Auth` refuses values that make no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessPolicy {
    /// Who makes the tokens (`iss`), compared byte for byte. Default `auth`; with public keys rather
    /// the URL of the service.
    pub issuer: String,
    /// The audience (`aud`), compared byte for byte. Default `auth`. Two environments that
    /// share a key must differ here or in `issuer`.
    pub audience: String,
    /// How long a token lives. Default 15 minutes, at least 1 second, at most 24 hours. A route without
    /// a session check accepts a token that long after its session ended.
    pub lifetime: Duration,
    /// How long a token counts after its `exp`, for verifiers whose clock is behind. Default none, at most 60
    /// seconds. Times that lie ahead (`iat`, `nbf`) are accepted up to this far, and up to 5 seconds in any case,
    /// so instances whose clocks differ by less accept each other's tokens without it.
    pub leeway: Duration,
}

impl AccessPolicy {
    /// Longest lifetime of any token, by any signer.
    pub(crate) const MAX_LIFETIME: Duration = Duration::from_hours(24);
    const MIN_LIFETIME: Duration = Duration::from_secs(1);
    const MAX_LEEWAY: Duration = Duration::from_mins(1);

    /// Each setting that cannot be used, by name, with what is wrong with it.
    pub(crate) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        for (setting, name) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(disturbs_text) {
                problems.push((
                    setting,
                    format!("must have 1 to {MAX_NAME_BYTES} bytes, without control characters"),
                ));
            }
        }
        if !(Self::MIN_LIFETIME..=Self::MAX_LIFETIME).contains(&self.lifetime) {
            problems.push(("lifetime", "must be between 1 s and 24 h".to_owned()));
        }
        if self.leeway > Self::MAX_LEEWAY {
            problems.push(("leeway", "must be at most 60 s".to_owned()));
        }
        problems
    }
}

impl Default for AccessPolicy {
    fn default() -> Self {
        Self {
            issuer: "auth".to_owned(),
            audience: "auth".to_owned(),
            lifetime: Duration::from_mins(15),
            leeway: Duration::ZERO,
        }
    }
}
