//! The keys that sign access tokens, and the root of all other secrets.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use auth_core::{KeyError, KeyRing, RootSecret, SigningKey, SystemRandom, VerifyingKey};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::reader::Reader;
use super::{Database, Environment};

const VERIFY_KEY_FILES: &str = "JWT_VERIFY_KEY_FILES";

/// The file in the working directory where a development server stores its generated secret.
const DEVELOPMENT_FILE: &str = ".auth-dev-secret";

/// The key for access tokens, and the root of refresh tokens and of mailed tokens.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Signs and verifies access tokens.
    pub key_ring: KeyRing,
    /// The root of all other secrets.
    pub root: RootSecret,
    /// The earlier or the next root, whose refresh tokens are accepted, too.
    pub previous_root: Option<RootSecret>,
}

/// The configured secrets: development generates each one that is `None`.
pub(super) struct Given {
    key_ring: Option<KeyRing>,
    root: Option<RootSecret>,
    previous_root: Option<RootSecret>,
}

pub(super) fn read(reader: &mut Reader<'_>, environment: Environment) -> Given {
    let (jwt, token) = (reader.text("JWT_SECRET"), reader.text("TOKEN_SECRET"));
    let key_file = reader.text("JWT_PRIVATE_KEY_FILE");
    if environment == Environment::Production {
        if jwt.is_none() && key_file.is_none() {
            reader.problem("JWT_SECRET", "or JWT_PRIVATE_KEY_FILE is required in production");
        } else if jwt.is_none() && token.is_none() {
            reader.problem("TOKEN_SECRET", "is required in production where JWT_PRIVATE_KEY_FILE signs");
        }
    }
    let hs256 = jwt.and_then(|secret| {
        let key_ring = KeyRing::hs256(secret).map_err(|error| match error {
            KeyError::Weak(weak) => weak.to_string(),
            other => other.to_string(),
        });
        reader.take("JWT_SECRET", key_ring)
    });
    let private = key_file.and_then(|path| {
        let pem = fs::read(path).map(Zeroizing::new);
        let pem = pem.map_err(|error| format!("cannot be read: {}", error.kind()));
        let pem = reader.take("JWT_PRIVATE_KEY_FILE", pem)?;
        let key = SigningKey::from_pem(&*pem).map_err(|error| format!("holds no usable key: {error}"));
        reader.take("JWT_PRIVATE_KEY_FILE", key).map(KeyRing::new)
    });
    let mut key_ring = private.or(hs256);
    let others = verifying_keys(reader);
    if !others.is_empty() && key_file.is_none() {
        reader.problem(
            VERIFY_KEY_FILES,
            "is for JWT_PRIVATE_KEY_FILE: beside a shared secret no public key verifies",
        );
    } else {
        for key in others {
            key_ring = key_ring.and_then(|ring| reader.take(VERIFY_KEY_FILES, ring.also_verify(key)));
        }
    }
    let root = match (token, jwt) {
        (Some(secret), _) => reader.take("TOKEN_SECRET", RootSecret::new(secret)),
        // Its problem is recorded above.
        (None, Some(secret)) => RootSecret::new(secret).ok(),
        (None, None) => None,
    };
    let previous = reader.text("PREVIOUS_TOKEN_SECRET");
    let previous_root =
        previous.and_then(|secret| reader.take("PREVIOUS_TOKEN_SECRET", RootSecret::new(secret)));
    Given { key_ring, root, previous_root }
}

/// Reads the public keys of `JWT_VERIFY_KEY_FILES`: the ones before or after the key that signs.
fn verifying_keys(reader: &mut Reader<'_>) -> Vec<VerifyingKey> {
    let mut keys = Vec::new();
    for (number, path) in (1..).zip(reader.list(VERIFY_KEY_FILES)) {
        let pem = fs::read(path).map_err(|error| format!("(file {number}) cannot be read: {}", error.kind()));
        let key = reader.take(VERIFY_KEY_FILES, pem).map(VerifyingKey::from_pem);
        let key = key
            .map(|key| key.map_err(|error| format!("(file {number}) holds no usable public key: {error}")));
        keys.extend(key.and_then(|key| reader.take(VERIFY_KEY_FILES, key)));
    }
    keys
}

impl Given {
    /// Generates the secrets that a development server lacks, and stores them if its database is on disk.
    pub(super) fn complete(self, database: &Database) -> io::Result<Secrets> {
        let previous_root = self.previous_root;
        if let (Some(key_ring), Some(root)) = (&self.key_ring, &self.root) {
            return Ok(Secrets { key_ring: key_ring.clone(), root: root.clone(), previous_root });
        }
        let made = match database {
            Database::Memory => generate()?,
            Database::Sqlite(_) | Database::MySql(_) | Database::Postgres(_) => {
                kept(Path::new(DEVELOPMENT_FILE))?
            }
        };
        let invalid = |error: String| {
            let advice = format!("delete {DEVELOPMENT_FILE}, what it holds is no secret: {error}");
            io::Error::new(io::ErrorKind::InvalidData, advice)
        };
        let key_ring = match self.key_ring {
            Some(key_ring) => key_ring,
            None => KeyRing::hs256(made.as_bytes()).map_err(|error| invalid(error.to_string()))?,
        };
        let root = match self.root {
            Some(root) => root,
            None => RootSecret::new(made.as_bytes()).map_err(|error| invalid(error.to_string()))?,
        };
        Ok(Secrets { key_ring, root, previous_root })
    }
}

/// Reads the secret in the file. If there is none, creates it, readable by its owner alone.
///
/// The file gets its name when it is complete: a server that is killed meanwhile, or another one that starts,
/// finds either no file or the complete one.
fn kept(path: &Path) -> io::Result<Zeroizing<String>> {
    if !path.exists() {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut file = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
        file.write_all(generate()?.as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => return Err(error.error),
            _ => {}
        }
    }
    fs::read_to_string(path).map(|text| Zeroizing::new(text.trim().to_owned()))
}

fn generate() -> io::Result<Zeroizing<String>> {
    use std::fmt::Write as _;
    let mut bytes = Zeroizing::new([0; 32]);
    auth_core::RandomSource::fill(&SystemRandom, &mut *bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().fold(Zeroizing::new(String::new()), |mut text, byte| {
        // Writing to a string cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn of_many_first_starts_at_once_all_keep_one_whole_secret() {
        for _ in 0..50 {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("secret");
            let together = Barrier::new(8);
            let secrets: Vec<String> = std::thread::scope(|threads| {
                let start = || {
                    together.wait();
                    kept(&path).unwrap().to_string()
                };
                let starts: Vec<_> = (0..8).map(|_| threads.spawn(start)).collect();
                starts.into_iter().map(|start| start.join().unwrap()).collect()
            });
            assert_eq!(secrets[0].len(), 64);
            assert!(secrets.iter().all(|secret| *secret == secrets[0]));
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left");
        }
    }
}
