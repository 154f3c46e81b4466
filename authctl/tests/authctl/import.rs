//! Imports of users: each good line is written once and each bad line is reported, even after a kill.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use auth_core::{Mailbox, Password};
use serde_json::{Value, json};

use crate::place::{PASSWORD, Place, logs_in};

/// The hash of the password `a`, from the test vectors of jBCrypt.
const BCRYPT: &str = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";

/// This number of lines, of which each hundredth is bad in one of five ways, and the number of good lines.
fn lines(count: u32) -> (String, u32) {
    let mut text = String::new();
    for number in 0..count {
        let (id, email) = (number, format!("user{number}@example.com"));
        let good = json!({ "id": id, "email": email, "password_hash": BCRYPT, "email_verified": true });
        let line = match (number % 100, number / 100 % 5) {
            (50, 0) => json!({ "id": id, "email": "user@nowhere@", "password_hash": BCRYPT }).to_string(),
            (50, 1) => json!({ "id": id, "email": email, "password_hash": "hunter2" }).to_string(),
            (50, 2) => json!({ "id": id, "email": "user1@example.com", "password_hash": BCRYPT }).to_string(),
            (50, 3) => json!({ "id": id, "email": email, "passwordHash": BCRYPT }).to_string(),
            (50, 4) => good.to_string()[..40].to_owned(),
            _ => good.to_string(),
        };
        writeln!(text, "{line}").unwrap();
    }
    (text, count - count / 100)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_import_after_a_kill_writes_every_good_line_once() {
    // Enough that the import cannot finish before the test has seen it start.
    let count = 10_000;
    for place in Place::each("import").await {
        let (text, good) = lines(count);
        fs::write(place.directory.path().join("users.jsonl"), text).unwrap();
        place.run(&["clean-up", "--create-database"]).expect(0);

        let mut killed = place.command(&["import", "users.jsonl"]).spawn().unwrap();
        let begun = Instant::now();
        while place.users().await < i64::from(good / 20) {
            assert!(begun.elapsed() < Duration::from_mins(1), "nothing is written");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        let written = place.users().await;
        assert!(written < i64::from(good), "it was done before it was killed");

        let again = place.run(&["import", "users.jsonl", "--json"]).expect(65);
        let expected = json!({
            "lines": count, "inserted": i64::from(good) - written, "present": written, "refused": count - good,
            "done": 0, "deleted": 0, "unverified": 0, "without_password": 0, "bcrypt_cost": 6, "legacy_hashes": "", "cut_names": 0,
            "dropped_hashes": 0, "columns_never_found": [], "repeat_restores_deleted": true, "report_lost": false,
        });
        assert_eq!(again.json(), expected);
        let reported: Vec<Value> =
            again.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let numbers: Vec<&Value> = reported.iter().map(|line| &line["line"]).collect();
        assert_eq!(numbers, (0..count / 100).map(|hundred| 100 * hundred + 51).collect::<Vec<_>>());
        assert!(!again.err.contains("nowhere") && !again.err.contains("hunter2"), "values are not repeated");
        assert_eq!(place.users().await, i64::from(good));
        let auth = place.service(Mailbox::new()).await;
        for number in [0, count / 2, count - 1] {
            assert!(logs_in(&auth, &format!("user{number}@example.com"), "a").await, "{number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imported_users_log_in_with_the_passwords_they_had() {
    for place in Place::each("hashes").await {
        let auth = place.service(Mailbox::new()).await;
        let argon2 = auth.hashing().hash(&Password::new(PASSWORD)).await.unwrap();
        let text = format!(
            "email,password_hash,name,email_verified_at,disabled,id\n\
             bcrypt@example.com,{BCRYPT},Ada,2024-01-02T03:04:05Z,,17\n\
             argon2@example.com,\"{}\",\"Grace, Admiral\",2024-01-02T03:04:05.5+01:00,false,\n\
             banned@example.com,{BCRYPT},,2024-01-02T03:04:05Z,true,01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a\n\
             none@example.com,,,2024-01-02T03:04:05Z,,\n",
            argon2.expose()
        );
        let done = place.run_with(&["import", "-", "--format", "csv", "--json"], &text).expect(0);
        let (json, without) = (done.json(), 1);
        assert_eq!((&json["inserted"], &json["without_password"]), (&4.into(), &without.into()));
        assert!(logs_in(&auth, "bcrypt@example.com", "a").await);
        assert!(logs_in(&auth, "argon2@example.com", PASSWORD).await);
        assert!(!logs_in(&auth, "banned@example.com", "a").await);
        assert!(!logs_in(&auth, "none@example.com", "").await);
        let user = auth.find_user("banned@example.com").await.unwrap();
        assert_eq!(user.id.to_string(), "01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a");
        let user = auth.find_user("argon2@example.com").await.unwrap();
        assert_eq!(user.name.unwrap().as_str(), "Grace, Admiral");
        assert_eq!(user.email_verified_at.unwrap().to_rfc3339(), "2024-01-02T02:04:05.500+00:00");
        let again = place.run_with(&["import", "-", "--format", "csv"], &text).expect(0).out;
        assert!(again.contains("\n4 lines: 0 written, 4 there already, 0 refused\n"), "{again}");
    }
}

/// The command names the setting with which a server accepts the hashes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hashes_of_other_systems_log_in_with_the_named_setting() {
    // Of Django 5.2.19, passlib 1.7.4 and PHP 8.2 (as WordPress 6.8 calls it).
    let text = "email,password_hash,email_verified\n\
        django@example.com,pbkdf2_sha256$1000$seasalt2026$WRlqyw3Sv16VUn0ZG6z+nKFG6ssu93/RjlI/Jz9vwNE=,true\n\
        old@example.com,$P$5UgqspQPOg9638wjIwP5tFT8ptWdFC/,true\n\
        wordpress@example.com,$wp$2y$04$YtO9MIP4etZeQnh5ANMXqe6BlyeXq.cw4Mc.LTtEVbl0gOGWMlm56,true\n";
    for place in Place::each("legacy").await {
        let auth = place.service(Mailbox::new()).await;
        let done = place.run_with(&["import", "-", "--format", "csv"], text).expect(0).out;
        assert!(done.contains("BCRYPT_IMPORT_COST=4 or more"), "{done}");
        assert!(done.contains("LEGACY_HASHES=pbkdf2-sha256:1000,phpass:7\n"), "{done}");
        for name in ["django", "old", "wordpress"] {
            let address = format!("{name}@example.com");
            assert!(!logs_in(&auth, &address, "correct horse").await);
            assert!(logs_in(&auth, &address, "correct horse \u{e9} battery").await, "{name}");
        }
    }
}

/// A field, a bad value, and the message.
const BAD: &[(&str, &str, &str)] = &[
    ("email", "\"\"", "email: is missing"),
    ("email", "\"nobody\"", "email: this is not an e-mail address"),
    ("email", "[\"ada@example.com\"]", "email: must be one value"),
    (
        "password_hash",
        "\"$2x$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe\"",
        "password_hash: is no hash of bcrypt: it begins with none of",
    ),
    (
        "password_hash",
        "\"$2b$16$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe\"",
        "password_hash: is a hash of bcrypt that costs 16: at most 15 is accepted",
    ),
    ("password_hash", "\"$2b$06$short\"", "password_hash: is no hash of bcrypt: it is not the 60 characters"),
    (
        "password_hash",
        "\"$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA\"",
        "password_hash: is a hash of Argon2 that costs 4194304x2 KiB: at most 131072x4 is accepted",
    ),
    ("password_hash", "\"5f4dcc3b5aa765d61d8327deb882cf99\"", "password_hash: is no hash of a known kind"),
    (
        "password_hash",
        "\"pbkdf2_sha256$2000001$c2FsdA$MDEyMzQ1Njc4OWFiY2RlZg==\"",
        "costs 2000001 iterations: at most 2000000",
    ),
    (
        "password_hash",
        "\"$firebase-scrypt$ln=14,r=8,ss=Bw==$42xEC+ixf3L2lw==$MDEyMzQ1Njc4OWFiY2RlZg==\"",
        "password_hash: is a hash of Firebase's scrypt, and the signer key of its project is not set",
    ),
    ("name", "\"a\\u0007b\"", "name: a name must not contain control characters"),
    ("email_verified", "\"maybe\"", "email_verified: must be true or false"),
    ("disabled", "2", "disabled: must be true or false"),
    ("created_at", "\"yesterday\"", "created_at: is no time"),
    ("created_at", "\"0001-01-01T00:00:00Z\"", "created_at: is before 1970"),
    ("created_at", "\"2999-01-01T00:00:00Z\"", "created_at: is in the future"),
    ("email_verified_at", "45360", "email_verified_at: is no time"),
    ("created_at", "\"03/09/2024\"", "created_at: is no time"),
    ("passwordHash", "\"x\"", "has an unknown field"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_value_is_reported_by_line_and_field_but_not_repeated() {
    let place = Place::sqlite();
    let mut text = String::new();
    for (field, value, _) in BAD {
        let email = if *field == "email" { "name" } else { "email" };
        writeln!(text, "{{\"{email}\":\"ada@example.com\",\"{field}\":{value}}}").unwrap();
    }
    let reported =
        place.run_with(&["import", "-", "--format", "jsonl", "--create-database"], &text).expect(65);
    let lines: Vec<&str> = reported.err.lines().collect();
    assert_eq!(lines.len(), BAD.len(), "{}", reported.err);
    for (number, (line, (_, value, expected))) in lines.iter().zip(BAD).enumerate() {
        assert!(line.starts_with(&format!("line {}: ", number + 1)) && line.contains(expected), "{line}");
        assert!(value.len() < 5 || !line.contains(value.trim_matches('"')), "{line}");
    }
    assert_eq!(place.users().await, 0);
}

#[test]
fn a_file_without_known_columns_is_refused_before_any_write() {
    let place = Place::sqlite();
    let import = |text: &str| {
        place.run_with(&["import", "-", "--format", "csv", "--create-database"], text).expect(65).err
    };
    let headless = import(&format!("ada@example.com,{BCRYPT}\n"));
    assert!(headless.contains("column 1 of the first line has no known name"), "{headless}");
    assert!(!headless.contains("ada") && !headless.contains("$2a"), "the first line may be a user's");
    assert!(import("id,name\n1,Ada\n").contains("no column has the name email"));
    assert!(import("email,name\nada@example.com\n").contains("line 2: has 1 columns instead of 2"));
    let done = place.run_with(&["import", "-", "--format", "csv"], "\u{feff}email\r\nada@example.com\r\n");
    assert!(done.expect(0).out.contains("\n1 lines: 1 written"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_leaves_existing_users_unchanged() {
    let place = Place::sqlite();
    place.create("ada@example.com");
    let import = |text: &str| place.run_with(&["import", "-", "--format", "jsonl", "--json"], text);
    let strangers = import("{\"id\":7,\"email\":\"Ada@example.com\"}\n").expect(65);
    assert!(strangers.err.contains("email: a user with another id has it"));
    let done = import("{\"email\":\"ada@example.com\"}\n").expect(0).json();
    assert_eq!(
        (&done["present"], &done["inserted"]),
        (&1.into(), &0.into()),
        "without an id the user counts as present"
    );
    import("{\"id\":7,\"email\":\"grace@example.com\"}\n").expect(0);
    assert!(
        import("{\"id\":7,\"email\":\"other@example.com\"}\n")
            .expect(65)
            .err
            .contains("id: a user with another address has it")
    );
    let twice = "{\"id\":8,\"email\":\"b@example.com\"}\n\n{\"id\":8,\"email\":\"c@example.com\"}\n";
    assert!(import(twice).expect(65).err.contains("\"line\":3,\"problem\":\"id: line 1 has the same\""));
    let auth = place.service(Mailbox::new()).await;
    assert!(logs_in(&auth, "ada@example.com", PASSWORD).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_clean_up_keeps_imported_unverified_users() {
    let place = Place::sqlite();
    let text = "{\"email\":\"ada@example.com\",\"created_at\":\"2020-01-02T03:04:05Z\"}\n";
    let import = ["import", "-", "--format", "jsonl", "--create-database"];
    let done = place.run_with(&import, text).expect(0).out;
    assert!(done.contains("1 unverified: clean-up deletes them unless"), "{done}");
    place.run(&["clean-up"]).expect(0);
    assert_eq!(place.users().await, 1);
    let other = Place::sqlite();
    other.run_with(&[&import[..], &["--verified"]].concat(), text).expect(0);
    let shown = other.run(&["user", "show", "ada@example.com", "--json"]).expect(0).json();
    assert_eq!(shown["email_verified_at"], "2020-01-02T03:04:05Z");
}
