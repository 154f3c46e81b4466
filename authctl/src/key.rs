//! Generates keys for access tokens, and prints public keys.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use auth_core::{SigningKey, VerifyingKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use pem::{EncodeConfig, LineEnding, Pem};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::cli::{Algorithm, KeyCommand};
use crate::password;
use crate::report::{Problem, Report, Status};

pub(crate) fn run(command: KeyCommand) -> Result<Report, Problem> {
    match command {
        KeyCommand::Generate { algorithm, out } => generate(algorithm, &out),
        KeyCommand::Jwks { files } => jwks(files),
    }
}

fn generate(algorithm: Algorithm, out: &Path) -> Result<Report, Problem> {
    let failed = || Problem::new(Status::Internal, "no key could be generated");
    let text = match algorithm {
        Algorithm::Ed25519 => {
            let pair = Ed25519KeyPair::generate().map_err(|_| failed())?;
            private_pem(pair.to_pkcs8v1().map_err(|_| failed())?.as_ref())
        }
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| failed())?;
            private_pem(pair.to_pkcs8v1().map_err(|_| failed())?.as_ref())
        }
        Algorithm::Secret => {
            write_new(out, &secret()?)?;
            let text = format!("{}: a secret for JWT_SECRET or TOKEN_SECRET", out.display());
            return Ok(Report::new(text, json!({ "file": out, "algorithm": "secret" })));
        }
    };
    // Parsed as the server parses it, before it is written.
    let key = SigningKey::from_pem(text.as_bytes()).map_err(|_| failed())?.verifying_key();
    let jwk = key.jwk().ok_or_else(failed)?;
    write_new(out, &text)?;
    let text = format!("{}: key {}, for JWT_PRIVATE_KEY_FILE\n{jwk}", out.display(), key.kid());
    Ok(Report::new(text, json!({ "file": out, "kid": key.kid(), "jwk": jwk })))
}

fn private_pem(der: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(pem::encode_config(
        &Pem::new("PRIVATE KEY", der),
        EncodeConfig::new().set_line_ending(LineEnding::LF),
    ))
}

/// 48 random bytes as hexadecimal digits.
fn secret() -> Result<Zeroizing<String>, Problem> {
    password::random_text::<48>()
}

/// Writes a new file that only its owner can read. It never replaces a file, which may hold the key in use.
fn write_new(path: &Path, text: &str) -> Result<(), Problem> {
    let failed = |error: std::io::Error| {
        Problem::new(Status::CannotCreate, format!("{} cannot be created: {error}", path.display()))
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

fn jwks(mut files: Vec<PathBuf>) -> Result<Report, Problem> {
    if files.is_empty() {
        files
            .extend(std::env::var_os("JWT_PRIVATE_KEY_FILE").filter(|name| !name.is_empty()).map(Into::into));
    }
    if files.is_empty() {
        let advice = "name PEM files, or set JWT_PRIVATE_KEY_FILE; a shared secret has no public key";
        return Err(Problem::new(Status::Usage, advice));
    }
    let keys: Vec<Value> = files.iter().map(|path| public_key(path)).collect::<Result<_, _>>()?;
    let set = json!({ "keys": keys });
    Ok(Report::new(format!("{set:#}"), set))
}

/// Reads the public half of the private or public key in a PEM file.
fn public_key(path: &Path) -> Result<Value, Problem> {
    let problem = |status, text: String| Problem::new(status, format!("{}: {text}", path.display()));
    let text = fs::read(path).map(Zeroizing::new);
    let text = text.map_err(|error| problem(Status::NoInput, format!("cannot be read: {error}")))?;
    let private = SigningKey::from_pem(&*text).map(|key| key.verifying_key());
    let key = private.or_else(|_| VerifyingKey::from_pem(&*text));
    let key = key.map_err(|_| {
        problem(
            Status::Refused,
            "holds no Ed25519 or P-256 key, as one PEM block PRIVATE KEY or PUBLIC KEY".to_owned(),
        )
    })?;
    key.jwk().ok_or_else(|| problem(Status::Refused, "is a secret".to_owned()))
}
