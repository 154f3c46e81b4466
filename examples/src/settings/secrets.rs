//! The keys that sign access tokens, and the root of everything else that is secret.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use auth_core::{KeyError, KeyRing, RootSecret, SigningKey, SystemRandom};
use zeroize::Zeroizing;

use super::reader::Reader;
use super::{Database, Environment};

/// Where a development server keeps the secret it made, in its working directory.
const DEVELOPMENT_FILE: &str = ".auth-dev-secret";

/// What signs access tokens, and the root of the refresh chain and of mailed tokens.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Signs and verifies access tokens.
    pub key_ring: KeyRing,
    /// The root of all else.
    pub root: RootSecret,
}

/// What the variables say: each `None` is for development to make up.
pub(super) struct Given {
    key_ring: Option<KeyRing>,
    root: Option<RootSecret>,
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
    let root = match (token, jwt) {
        (Some(secret), _) => reader.take("TOKEN_SECRET", RootSecret::new(secret)),
        // Its problem is noted above.
        (None, Some(secret)) => RootSecret::new(secret).ok(),
        (None, None) => None,
    };
    Given { key_ring: private.or(hs256), root }
}

impl Given {
    /// Makes up what a development server was not given, and keeps it beside a database that is kept.
    pub(super) fn complete(self, database: &Database) -> io::Result<Secrets> {
        if let Self { key_ring: Some(key_ring), root: Some(root) } = self {
            return Ok(Secrets { key_ring, root });
        }
        let made = match database {
            Database::Memory => generate()?,
            Database::Sqlite(_) | Database::MySql(_) => kept(Path::new(DEVELOPMENT_FILE))?,
        };
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let key_ring = match self.key_ring {
            Some(key_ring) => key_ring,
            None => KeyRing::hs256(made.as_bytes()).map_err(|error| invalid(error.to_string()))?,
        };
        let root = match self.root {
            Some(root) => root,
            None => RootSecret::new(made.as_bytes()).map_err(|error| invalid(format!("it {error}")))?,
        };
        Ok(Secrets { key_ring, root })
    }
}

/// The secret in the file, which is made, readable by its owner alone, if there is none.
fn kept(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            let secret = generate()?;
            file.write_all(secret.as_bytes())?;
            file.sync_all()?;
            Ok(secret)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::read_to_string(path).map(|text| Zeroizing::new(text.trim().to_owned()))
        }
        Err(error) => Err(error),
    }
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
