//! The settings that a server needs for the imported hashes.

use auth_core::{HashKind, LegacyHashes};

/// The highest costs among imported hashes.
#[derive(Debug, Default)]
pub(super) struct Costs {
    pub(super) bcrypt: Option<u32>,
    pub(super) legacy: LegacyHashes,
}

impl Costs {
    pub(super) fn add(&mut self, kind: HashKind) {
        // Argon2 within the limits of a policy always matches.
        if let HashKind::Bcrypt { cost } = kind {
            self.bcrypt = self.bcrypt.max(Some(cost));
        } else if let HashKind::Legacy { algorithm, cost } = kind {
            self.legacy.accept(algorithm, cost);
        }
    }

    /// A line for each setting that a server needs.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { bcrypt, legacy } = self;
        let bcrypt = bcrypt.map(|cost| {
            format!(
                "bcrypt hashes: they match only on servers started with BCRYPT_IMPORT_COST={cost} or more"
            )
        });
        let legacy = (!legacy.is_empty()).then(|| {
            format!("hashes of other kinds: they match only on servers started with LEGACY_HASHES={legacy}")
        });
        bcrypt.into_iter().chain(legacy).collect()
    }
}
