//! Exports of other systems, in the formats that those systems document, imported by the commands of
//! `docs/import.md`.

use std::fs;
use std::path::Path;
use std::process::Command;

use auth_tests::page;
use regex::Regex;
use serde_json::{Value, json};

use crate::place::Place;

const GUIDE: &str = include_str!("../../../docs/import.md");

/// A file that a system exports, and what is read from it.
struct Export {
    /// The section of the guide, and which of its commands imports the file.
    section: &'static str,
    command: usize,
    file: &'static str,
    /// The address, and what `authctl user show` prints about it; `Null` for a user who is not imported.
    users: Vec<(&'static str, Value)>,
    /// The end of the summary.
    summary: &'static str,
}

/// The hash of the password `a`, from the test vectors of jBCrypt.
macro_rules! bcrypt {
    () => {
        "$2y$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"
    };
}

/// What is shown of a user with this hash.
fn ada(name: impl Into<Value>, status: &str, verified_at: impl Into<Value>, created_at: &str) -> Value {
    let (name, verified_at) = (name.into(), verified_at.into());
    json!({ "name": name, "status": status, "email_verified_at": verified_at, "password": "bcrypt",
        "created_at": created_at })
}

/// As the documents of each system show them, with other people.
#[expect(clippy::too_many_lines, reason = "a table")]
fn exports() -> Vec<Export> {
    let created = "2024-03-09T13:11:12Z";
    let verified = "2024-03-10T01:02:03Z";
    let at = |time: &str| Value::from(time);
    vec![
        // `mysql --batch`: tabs, escapes, NULL, no quotes.
        Export {
            section: "MySQL and MariaDB",
            command: 0,
            file: concat!(
                "id\temail\tpassword_hash\tname\temail_verified_at\tcreated_at\n",
                "7\tada@example.com\t",
                bcrypt!(),
                "\t\"Ada\" \\\\ Lovelace\t2024-03-10 01:02:03\t2024-03-09 13:11:12\n",
                "8\tgrace@example.com\tNULL\tNULL\tNULL\t0000-00-00 00:00:00\n",
            ),
            users: vec![
                ("ada@example.com", ada("\"Ada\" \\ Lovelace", "active", at(verified), created)),
                ("grace@example.com", json!({ "name": null, "email_verified_at": null, "password": null })),
            ],
            summary: "2 lines: 2 written, 0 done earlier, 0 there already, 0 refused",
        },
        // `psql --csv`: RFC 4180, `t` and `f`, times with a zone of two digits.
        Export {
            section: "PostgreSQL",
            command: 0,
            file: concat!(
                "id,email,password_hash,name,email_verified,created_at\n",
                "7,ada@example.com,",
                bcrypt!(),
                ",\"Lovelace, Ada\",t,2024-03-09 13:11:12.123456+00\n",
                "8,grace@example.com,,,f,2024-03-09 13:11:12+00\n",
            ),
            users: vec![
                ("ada@example.com", ada("Lovelace, Ada", "active", at(created), created)),
                ("grace@example.com", json!({ "name": null, "email_verified_at": null, "password": null })),
            ],
            summary: "2 lines: 2 written, 0 done earlier, 0 there already, 0 refused",
        },
        // The columns of `auth.users`.
        Export {
            section: "Supabase",
            command: 0,
            file: concat!(
                "id,email,encrypted_password,email_confirmed_at,created_at,banned_until,deleted_at,raw_user_meta_data\n",
                "01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a,ada@example.com,",
                bcrypt!(),
                ",2024-03-10 01:02:03.5+00,2024-03-09 13:11:12+00,,,\"{\"\"name\"\": \"\"Ada\"\", \"\"age\"\": 36}\"\n",
                "01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5b,grace@example.com,",
                bcrypt!(),
                ",2024-03-10 01:02:03+00,2024-03-09 13:11:12+00,2999-01-01 00:00:00+00,,{}\n",
                "01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5c,linus@example.com,",
                bcrypt!(),
                ",2024-03-10 01:02:03+00,2024-03-09 13:11:12+00,2024-03-11 00:00:00+00,,\n",
                "01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5d,gone@example.com,",
                bcrypt!(),
                ",2024-03-10 01:02:03+00,2024-03-09 13:11:12+00,,2024-03-12 00:00:00+00,\n",
            ),
            users: vec![
                ("ada@example.com", ada("Ada", "active", at(verified), created)),
                ("grace@example.com", ada(Value::Null, "disabled", at(verified), created)),
                ("linus@example.com", ada(Value::Null, "active", at(verified), created)),
                ("gone@example.com", Value::Null),
            ],
            summary: "1 left out: deleted in the other system",
        },
        // The job of an export of users, in JSON.
        Export {
            section: "Auth0",
            command: 0,
            file: concat!(
                r#"{"user_id":"auth0|5f7c8ec7c33c6c004bbafe82","email":"ada@example.com","email_verified":true,"#,
                r#""name":"Ada Lovelace","created_at":"2024-03-09T13:11:12.123Z"}"#,
                "\n",
                r#"{"user_id":"google-oauth2|103547991597142817347","email":"grace@example.com","email_verified":true,"#,
                r#""name":"Grace","created_at":"2024-03-09T13:11:12.123Z","blocked":true}"#,
                "\n",
            ),
            users: vec![
                (
                    "ada@example.com",
                    json!({ "name": "Ada Lovelace", "status": "active", "created_at": created }),
                ),
                ("grace@example.com", json!({ "name": "Grace", "status": "disabled", "password": null })),
            ],
            summary: "2 without a password: a reset sets one",
        },
        // The file of hashes that support makes.
        Export {
            section: "Auth0",
            command: 1,
            file: concat!(
                r#"{"_id":{"$oid":"60425dc43519d90068f82973"},"email_verified":true,"email":"ada@example.com","#,
                r#""passwordHash":""#,
                bcrypt!(),
                r#"","password_set_date":{"$date":"2021-03-05T16:35:16.775Z"},"#,
                r#""tenant":"acme","connection":"Username-Password-Authentication","_tmp_is_unique":true}"#,
                "\n",
            ),
            users: vec![(
                "ada@example.com",
                json!({ "name": null, "status": "active", "password": "bcrypt" }),
            )],
            summary: "BCRYPT_IMPORT_COST=6 or more",
        },
        // firebase-tools/src/accountExporter.ts
        Export {
            section: "Firebase",
            command: 0,
            file: r#"{"users": [
{
  "localId": "yIBMcPjXkWXJ8GbXXpJYyMYbTuB3",
  "email": "ada@example.com",
  "emailVerified": true,
  "passwordHash": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
  "salt": "42xEC+ixf3L2lw==",
  "displayName": "Ada Lovelace",
  "lastSignedInAt": "1709989999000",
  "createdAt": "1709989872123",
  "disabled": false,
  "providerUserInfo": []
},
{
  "localId": "aB3dEfGhIjKlMnOpQrStUvWxYz01",
  "email": "grace@example.com",
  "emailVerified": false,
  "createdAt": "1709989872123",
  "disabled": true,
  "providerUserInfo": [
    {
      "providerId": "google.com",
      "rawId": "103547991597142817347",
      "email": "grace@example.com"
    }
  ]
}]}"#,
            users: vec![
                (
                    "ada@example.com",
                    json!({ "name": "Ada Lovelace", "email_verified_at": created, "created_at": created,
                        "status": "active", "password": null }),
                ),
                ("grace@example.com", json!({ "status": "disabled", "email_verified_at": null })),
            ],
            summary: "1 with a hash that was dropped: a reset sets a password",
        },
        // `kc.sh export`
        Export {
            section: "Keycloak",
            command: 0,
            file: r#"{
  "id" : "5b6d3f0c-8a3e-4a53-9f0e-2f6a0c1d7e11",
  "realm" : "acme",
  "notBefore" : 0,
  "roles" : { "realm" : [ { "name" : "users", "attributes" : { } } ] },
  "users" : [ {
    "id" : "826731b2-bf17-4bd9-b45c-6a26c76ddaae",
    "username" : "ada",
    "firstName" : "Ada",
    "lastName" : "Lovelace",
    "email" : "ada@example.com",
    "emailVerified" : true,
    "createdTimestamp" : 1709989872123,
    "enabled" : true,
    "totp" : false,
    "credentials" : [ {
      "id" : "c3f3759e-9d8a-4628-aad9-09e66f28a4e2",
      "type" : "password",
      "createdDate" : 1709989872700,
      "secretData" : "{\"value\":\"ng6oDRung/pBLayd5ro7IU3mL/p86pg3WvQNQc+N1Eg=\",\"salt\":\"RaXjs4RiUKgJGkX6kp277w==\"}",
      "credentialData" : "{\"hashIterations\":27500,\"algorithm\":\"pbkdf2-sha256\",\"additionalParameters\":{}}"
    } ],
    "requiredActions" : [ ],
    "realmRoles" : [ "default-roles-acme" ],
    "notBefore" : 0,
    "groups" : [ ]
  }, {
    "id" : "3cd03985-e069-4971-9201-e1aa31ccc8b0",
    "username" : "grace",
    "lastName" : "Hopper",
    "email" : "grace@example.com",
    "emailVerified" : false,
    "createdTimestamp" : 1709989872123,
    "enabled" : false
  } ],
  "scopeMappings" : [ ]
}
"#,
            users: vec![
                (
                    "ada@example.com",
                    json!({ "id": "826731b2-bf17-4bd9-b45c-6a26c76ddaae", "name": "Ada Lovelace",
                        "created_at": created, "email_verified_at": created, "status": "active" }),
                ),
                (
                    "grace@example.com",
                    json!({ "name": "Hopper", "status": "disabled", "email_verified_at": null }),
                ),
            ],
            summary: "2 lines: 2 written, 0 done earlier, 0 there already, 0 refused",
        },
        // `wp user list`, whose times are UTC.
        Export {
            section: "WordPress",
            command: 0,
            file: concat!(
                "ID,user_email,user_pass,display_name,user_registered\n",
                "1,ada@example.com,",
                bcrypt!(),
                ",\"Ada Lovelace\",\"2024-03-09 13:11:12\"\n",
                "2,grace@example.com,$P$B9nRr5QYGAi9pC4dC0tJ0q9mYbJb8S1,Grace,\"2024-03-09 13:11:12\"\n",
            ),
            users: vec![
                ("ada@example.com", ada("Ada Lovelace", "active", at(created), created)),
                ("grace@example.com", json!({ "name": "Grace", "email_verified_at": created })),
            ],
            summary: "LEGACY_HASHES=phpass:13",
        },
        // `manage.py dumpdata`, which writes one line.
        Export {
            section: "Django",
            command: 0,
            file: concat!(
                r#"[{"model": "auth.user", "pk": 1, "fields": {"password": "pbkdf2_sha256$870000$"#,
                r#"Kx0nGJLq1Yx1cJ8gT5wq2s$wq2dYy9m9m5P3nJ2m3vYkz6d0jB4m1WJ7wqkX5c0q3A=", "last_login": null, "#,
                r#""is_superuser": true, "username": "ada", "first_name": "Ada", "last_name": "Lovelace", "#,
                r#""email": "ada@example.com", "is_staff": true, "is_active": true, "#,
                r#""date_joined": "2024-03-09T13:11:12.123Z", "groups": [], "user_permissions": []}}, "#,
                r#"{"model": "auth.user", "pk": 2, "fields": {"password": "!J2vYx0nGJLq1Yx1cJ8gT5wq2s", "#,
                r#""username": "grace", "first_name": "", "last_name": "", "email": "grace@example.com", "#,
                r#""is_active": false, "date_joined": "2024-03-09T13:11:12.123Z"}}]"#,
            ),
            users: vec![
                (
                    "ada@example.com",
                    json!({ "name": "Ada Lovelace", "status": "active", "created_at": created,
                        "email_verified_at": created }),
                ),
                ("grace@example.com", json!({ "name": null, "status": "disabled", "password": null })),
            ],
            summary: "LEGACY_HASHES=pbkdf2-sha256:870000",
        },
        Export {
            section: "Laravel",
            command: 0,
            file: concat!(
                "id\tname\temail\temail_verified_at\tpassword\tcreated_at\n",
                "1\tAda Lovelace\tada@example.com\t2024-03-10 01:02:03\t",
                bcrypt!(),
                "\t2024-03-09 13:11:12\n",
                "2\tGrace\tgrace@example.com\tNULL\t",
                bcrypt!(),
                "\tNULL\n",
            ),
            users: vec![
                ("ada@example.com", ada("Ada Lovelace", "active", at(verified), created)),
                (
                    "grace@example.com",
                    json!({ "name": "Grace", "email_verified_at": null, "password": "bcrypt" }),
                ),
            ],
            summary: "1 unverified: clean-up deletes them unless they verify their address in time",
        },
        Export {
            section: "Rails with Devise",
            command: 0,
            file: concat!(
                "id,email,encrypted_password,confirmed_at,created_at\n",
                "1,ada@example.com,",
                bcrypt!(),
                ",2024-03-10 01:02:03.123456,2024-03-09 13:11:12.654321\n",
                "2,grace@example.com,",
                bcrypt!(),
                ",,2024-03-09 13:11:12.654321\n",
            ),
            users: vec![
                ("ada@example.com", ada(Value::Null, "active", at(verified), created)),
                ("grace@example.com", json!({ "email_verified_at": null, "password": "bcrypt" })),
            ],
            summary: "1 unverified: clean-up deletes them unless they verify their address in time",
        },
    ]
}

/// The commands of a section: each block, split before `authctl import`.
fn commands(section: &str) -> Vec<(String, String)> {
    let (_, rest) = GUIDE.split_once(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("no {section}"));
    let section = rest.split("\n## ").next().unwrap();
    let blocks = page::blocks(section);
    let split = |block: &str| {
        let start = block.find("authctl import").unwrap_or_else(|| panic!("imports nothing: {block}"));
        (block[..start].to_owned(), block[start..].trim().to_owned())
    };
    blocks.iter().map(|block| split(block.text)).collect()
}

/// The names of the columns that a command exports, if it names them.
fn exported(command: &str) -> Option<Vec<String>> {
    let sql = Regex::new(r"(?s)SELECT (.*?)\s+FROM ").unwrap();
    let fields = Regex::new(r"--fields=(\S+)").unwrap();
    let json = Regex::new(r#""name": "(\w+)""#).unwrap();
    let list = sql.captures(command).or_else(|| fields.captures(command));
    let names: Vec<String> = match list {
        // The name after `AS`.
        Some(list) => {
            list[1].split(',').map(|name| name.split(' ').next_back().unwrap().trim().to_owned()).collect()
        }
        None => json.captures_iter(command).map(|name| name[1].to_owned()).collect(),
    };
    (!names.is_empty()).then_some(names)
}

fn bash(place: &Place, command: &str) -> (i32, String) {
    let authctl = Path::new(env!("CARGO_BIN_EXE_authctl"));
    let path = format!("{}:{}", authctl.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &format!("{command} --create-database 2>&1")])
        .env_clear()
        .env("PATH", path)
        .env("DATABASE_URL", &place.url)
        .current_dir(place.directory.path())
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_export_of_each_system_is_imported_by_the_guides_command() {
    for Export { section, command, file, users, summary } in exports() {
        let (export, import) = commands(section).swap_remove(command);
        if let Some(columns) = exported(&export) {
            let first = file.lines().next().unwrap();
            let header: Vec<&str> = first.split([',', '\t']).collect();
            for column in columns {
                let is_there = header.contains(&column.as_str()) || file.contains(&format!("\"{column}\":"));
                assert!(is_there, "{section}: the file does not have the column {column} of the guide");
            }
        }
        let place = Place::sqlite();
        let name = import.split(' ').nth(2).unwrap();
        fs::write(place.directory.path().join(name), file).unwrap();
        let (status, printed) = bash(&place, &import);
        assert_eq!(status, 0, "{section}: {printed}");
        assert!(printed.lines().any(|line| line.ends_with(summary)), "{section}: {printed}");
        for (email, expected) in users {
            if expected.is_null() {
                place.run(&["user", "show", email]).expect(67);
                continue;
            }
            let shown = place.run(&["user", "show", email, "--json"]).expect(0).json();
            for (field, value) in expected.as_object().unwrap() {
                assert_eq!(&shown[field], value, "{section}: {field} of {email}");
            }
        }
        let (status, printed) = bash(&place, &import);
        assert!(
            printed.contains(" 0 written, ") && printed.contains(" 0 there already"),
            "{section}: {printed}"
        );
        assert_eq!(status, 0, "{section}: {printed}");
    }
}

#[test]
fn each_command_of_the_guide_and_each_system_has_an_export() {
    let used = exports().len();
    let blocks = page::blocks(GUIDE);
    assert!(blocks.iter().all(|block| block.kind == "sh"), "a block of another kind");
    assert_eq!(used, blocks.len(), "a command that no export uses");
    let help = Place::sqlite().run(&["import", "--help"]).expect(0).out;
    let list = Regex::new(r"--from <SYSTEM>(?s:.*?)\[possible values: ([^\]]+)\]").unwrap();
    let systems = list.captures(&help).unwrap()[1].replace('\n', " ");
    for system in systems.split(',').map(str::trim) {
        assert!(GUIDE.contains(&format!("--from {system} ")), "{system} is not in the guide");
    }
}
