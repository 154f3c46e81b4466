//! Keys, and the check of a configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use auth_core::{KeyRing, RootSecret, SigningKey};
use serde_json::Value;

use crate::place::{ADA, Place};

#[test]
fn the_server_reads_a_generated_key_which_is_never_printed() {
    for (algorithm, name) in [("ed25519", "EdDSA"), ("es256", "ES256")] {
        let place = Place::sqlite();
        let made =
            place.run(&["key", "generate", "--algorithm", algorithm, "--out", "key.pem", "--json"]).expect(0);
        let path = place.directory.path().join("key.pem");
        let pem = fs::read_to_string(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let key = SigningKey::from_pem(&pem).unwrap();
        assert_eq!((&made.json()["kid"], &made.json()["jwk"]["alg"]), (&key.kid().into(), &name.into()));
        let secret = pem.lines().nth(1).unwrap();
        assert!(!made.out.contains(secret) && made.json()["jwk"].get("d").is_none());

        let refused = place.run(&["key", "generate", "--out", "key.pem"]).expect(73);
        assert!(refused.err.starts_with("authctl: key.pem cannot be created"), "{refused:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), pem, "the key in use is still there");

        let set = place.run(&["key", "jwks", "key.pem", "--json"]).expect(0).json();
        assert_eq!(set["keys"][0], made.json()["jwk"]);
        let text: Value =
            serde_json::from_str(&place.run(&["key", "jwks", "key.pem"]).expect(0).out).unwrap();
        assert_eq!(text, set);
        let mut by_environment = place.command(&["key", "jwks", "--json"]);
        let output = by_environment.env("JWT_PRIVATE_KEY_FILE", "key.pem").output().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), set);
    }
}

#[test]
fn a_generated_secret_is_good_enough_for_the_server() {
    let place = Place::sqlite();
    let made = place.run(&["key", "generate", "--algorithm", "secret", "--out", "secret"]).expect(0);
    let secret = fs::read_to_string(place.directory.path().join("secret")).unwrap();
    KeyRing::hs256(&secret).unwrap();
    RootSecret::new(&secret).unwrap();
    assert!(!made.out.contains(&secret));
}

#[test]
fn config_check_agrees_with_the_server_and_creates_no_file() {
    let place = Place::sqlite();
    let checked = place.run(&["config", "check", "--json"]).expect(0).json();
    assert_eq!((&checked["environment"], &checked["database"]), (&"development".into(), &"sqlite".into()));
    assert_eq!(checked["database_reached"], Value::Null);
    let unreached = place.run(&["config", "check", "--connect"]);
    assert_eq!((unreached.status, unreached.err.as_str()), (66, ""), "{unreached:?}");
    assert!(unreached.out.starts_with("the settings are usable, but"), "{unreached:?}");
    assert!(unreached.out.contains("sqlite, not reached: ") && unreached.out.contains("no such file"));
    assert!(
        unreached.out.contains("\nmail           development mailbox\n"),
        "all the rest, too: {unreached:?}"
    );
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 0, "neither database nor secret");

    let mut bad = place.command(&["config", "check"]);
    let variables = [("APP_ENV", "production"), ("JWT_SECRET", "hunter2"), ("ACCESS_TOKEN_EXP", "soon")];
    let output = bad.envs(variables).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    for name in ["PUBLIC_URL", "JWT_SECRET", "ACCESS_TOKEN_EXP", "SMTP_URL"] {
        assert!(said.lines().any(|line| line.starts_with(&format!("  {name} "))), "{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn config_check_connects_and_reports_everything_at_once() {
    let place = Place::sqlite();
    place.create(ADA);
    let check = |variables: &[(&str, &str)]| {
        let mut command = place.command(&["config", "check", "--connect", "--json"]);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let (status, out, _) = check(&[]);
    assert_eq!((status, &json(&out)["database_reached"]), (0, &true.into()));
    assert_eq!(json(&out)["rate_limits_reached"], Value::Null);

    // Port 1 of this machine answers to nobody.
    let limits = [("RATE_LIMIT_STORE", "redis://:hunter2@127.0.0.1:1/0"), ("JWT_SECRETS", "hunter2")];
    let (status, out, err) = check(&limits);
    assert_eq!((status, err.as_str()), (69, ""), "{out}");
    assert_eq!(json(&out)["database_reached"], true);
    assert_eq!(json(&out)["rate_limits_reached"], false);
    assert!(json(&out)["rate_limits_problem"].as_str().unwrap().starts_with("RATE_LIMIT_STORE: "), "{out}");
    assert_eq!(json(&out)["misspelt"], serde_json::json!(["JWT_SECRETS"]));
    assert!(!out.contains("hunter2"), "{out}");

    let wrong = [("PORT", "http"), ("PAGES", "yes"), ("JWT_SECRETS", "hunter2")];
    for (url, said) in [
        (place.url.as_str(), "the database was reached"),
        ("sqlite://nowhere.db", "the database was not reached: nowhere.db: no such file"),
    ] {
        let (status, out, err) = check(&[&wrong[..], &[("DATABASE_URL", url)]].concat());
        assert_eq!((status, out.as_str()), (78, ""));
        let message = json(&err)["error"]["message"].as_str().unwrap().to_owned();
        for piece in ["PORT must be", "PAGES must be", "perhaps JWT_SECRET is meant", said] {
            assert!(message.contains(piece), "{piece}: {message}");
        }
        assert!(!message.contains("hunter2"), "{message}");
    }
    let (_, _, err) = check(&[("PORT", "http"), ("DATABASE_URL", "postgres://x")]);
    assert_eq!(err.matches("DATABASE_URL").count(), 1, "said once: {err}");
}
