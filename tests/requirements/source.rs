//! What the source itself must not say.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::path::Path;

use auth_core::{AccessToken, MailedToken, Password, PasswordHash, Pepper, RefreshToken, RootSecret, Secret};

use crate::{file, root};

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

fn files(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources(&root().join(folder), &mut found);
    found
}

/// sqlx takes SQL as static text only, unless `AssertSqlSafe` asserts that it is safe. Three places do: a list
/// of placeholders whose number differs, and the name of a schema that the service configures, quoted.
#[test]
fn no_statement_contains_input_of_a_client() {
    let mut asserting: Vec<String> =
        ["auth-mysql/src", "auth-postgres/src", "auth-sql/src", "auth-sqlite/src"]
            .into_iter()
            .flat_map(files)
            .filter(|(_, text)| text.contains("AssertSqlSafe("))
            .map(|(name, _)| name)
            .collect();
    asserting.sort_unstable();
    let expected = [
        ("auth-mysql/src/purge.rs", r#"format!("{delete} AND id IN ({marks})")"#),
        ("auth-postgres/src/migration.rs", r#"format!("CREATE SCHEMA {schema}")"#),
        ("auth-postgres/src/pool.rs", "pooler::begin(schema)"),
    ];
    assert_eq!(asserting, expected.map(|(name, _)| name));
    for (name, made) in expected {
        let text = file(name);
        assert_eq!(text.matches("AssertSqlSafe(").count(), 1, "{name}");
        assert!(text.contains(made), "{name}");
    }
    let quoted = file("auth-postgres/src/options.rs");
    assert!(quoted.contains("self.schema.as_deref().map(quoted)"), "no other text becomes a schema");
}

#[test]
fn a_new_database_has_no_account() {
    for folder in ["auth-mysql/migrations", "auth-postgres/migrations", "auth-sqlite/migrations"] {
        for (name, text) in files(folder) {
            let upper = text.to_uppercase();
            let code = upper.lines().filter(|line| !line.trim_start().starts_with("--"));
            assert!(code.clone().count() > 20, "{name}");
            assert!(
                !code.clone().any(|line| line.contains("INSERT ") || line.contains("REPLACE ")),
                "{name}"
            );
        }
    }
}

/// The operator can create an account and have a reset mailed, but cannot choose the password of an
/// account that has an owner.
#[test]
fn only_its_owner_chooses_a_password() {
    let mut texts = vec![file("auth-core/src/auth.rs")];
    texts.extend(files("auth-core/src/auth").into_iter().map(|(_, text)| text));
    let taking: BTreeSet<&str> = texts
        .iter()
        .flat_map(|text| text.split("    pub ").skip(1))
        .filter_map(|item| {
            let method = item.strip_prefix("async ").unwrap_or(item).strip_prefix("fn ")?;
            let (name, rest) = method.split_once('(')?;
            let name = name.split('<').next()?;
            let arguments = rest.split(") ->").next()?;
            [": Password", "Option<Password>"].iter().any(|kind| arguments.contains(kind)).then_some(name)
        })
        .collect();
    // At `change_email` it is the current one.
    let owners = [
        "register",
        "verify_email",
        "log_in",
        "reset_password",
        "change_password",
        "change_email",
        "create_user",
    ];
    assert_eq!(taking, owners.into());
}

/// Password fields hide what is typed and are open to password managers and to pasting.
#[test]
fn the_pages_let_password_managers_in() {
    let page = file("examples/pages/index.html");
    let fields: Vec<&str> =
        page.split("<input ").skip(1).filter(|field| field.contains("password")).collect();
    let fields: Vec<&str> = fields.into_iter().filter_map(|field| field.split('>').next()).collect();
    let of_passwords: Vec<&&str> = fields
        .iter()
        .filter(|field| field.contains("name=\"password\"") || field.contains("_password\""))
        .collect();
    assert_eq!(of_passwords.len(), 8, "{of_passwords:?}");
    for field in of_passwords {
        assert!(field.contains("type=\"password\""), "{field}");
        let right = if field.contains("data-hint") { "new-password" } else { "current-password" };
        assert!(field.contains(&format!("autocomplete=\"{right}\"")), "{field}");
        assert!(!field.contains("maxlength"), "{field}");
    }
    for (name, text) in files("examples/pages") {
        assert!(!text.contains("onpaste") && !text.contains("'paste'"), "{name}");
    }
}

/// Does not compile where a type has the trait: `lacks` would be ambiguous.
macro_rules! lacks {
    ($forbidden:path: $($secret:ty),+) => {
        $({
            trait Ambiguous<A> {
                fn lacks() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + $forbidden> Ambiguous<u8> for T {}
            let _ = <$secret as Ambiguous<_>>::lacks;
        })+
    };
}

/// No secret can be compared byte by byte, or shown, by mistake: its type has no trait for it.
#[test]
fn no_secret_can_be_compared_or_shown() {
    lacks!(PartialEq: Password, PasswordHash, Secret, RefreshToken, MailedToken, AccessToken, RootSecret, Pepper);
    lacks!(Display: Password, PasswordHash, Secret, RefreshToken, MailedToken, AccessToken, RootSecret, Pepper);
}
