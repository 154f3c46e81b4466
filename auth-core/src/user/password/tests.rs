use proptest::prelude::*;

use super::*;

fn policy() -> PasswordPolicy {
    PasswordPolicy {
        site_words: vec!["Acme".to_owned(), "rocket skates".to_owned()],
        ..PasswordPolicy::default()
    }
}

fn check(text: &str) -> Result<(), PasswordError> {
    let email = Email::parse("Ada.Lovelace+news@engine.example").unwrap();
    policy().check(&Password::new(text), Some(&email))
}

#[test]
fn debug_shows_nothing() {
    assert_eq!(format!("{:?}", Password::new("hunter2hunter2")), "Password([redacted])");
}

#[test]
fn length_is_counted_in_code_points_and_bounded_in_bytes() {
    let min = PasswordError::TooShort { min: 8 };
    assert_eq!(check(""), Err(min));
    assert_eq!(check("zx8!qpw"), Err(min));
    assert_eq!(check("zx8!qpwK"), Ok(()));
    assert_eq!(check("ü¿€𝄞ßø"), Err(min));
    assert_eq!(check("ü¿€𝄞ßøåñ"), Ok(()));
    assert_eq!(check(&"xy ".repeat(341)), Ok(()));
    assert_eq!(check(&"x".repeat(1025)), Err(PasswordError::TooLong { max: 1024 }));
    let long = PasswordPolicy::nist_single_factor();
    assert_eq!(long.check(&Password::new("zx8!qpwKdmf4h2"), None), Err(PasswordError::TooShort { min: 15 }));
    assert_eq!(long.check(&Password::new("zx8!qpwKdmf4h2b"), None), Ok(()));
}

#[test]
fn common_passwords_and_their_twins_are_refused() {
    for text in [
        "password",
        "12345678",
        "Password1",
        "P@ssw0rd",
        "drowssap",
        "qwertyuiop",
        "aaaaaaaaaaaa",
        "abcdefgh",
        "abcabcabcabc",
        "iloveyou",
        "princess1",
        "87654321",
        "19841984",
    ] {
        assert_eq!(check(text), Err(PasswordError::TooCommon), "{text}");
    }
    let accept = PasswordPolicy { common: CommonPasswords::Accept, ..policy() };
    assert_eq!(accept.check(&Password::new("password"), None), Ok(()));
}

#[test]
fn passwords_made_of_the_sites_words_or_the_address_are_refused() {
    for text in [
        "Acme-2024!",
        "ACMEacme",
        "1234acme",
        "rocketskates",
        "Rocket-Skates 99",
        "acme_rocket_skates",
        "ada.lovelace",
        "AdaLovelace1815",
        "Ada.Lovelace+news",
        "ada.lovelace+news@engine.example",
        "engine.example",
        "engine99!",
        "acme-adalovelace",
    ] {
        assert_eq!(check(text), Err(PasswordError::SiteWord), "{text}");
    }
    for text in ["acme is not all", "lovelace-ada!x", "rocket8kates", "ada's first engine"] {
        assert_eq!(check(text), Ok(()), "{text}");
    }
}

#[test]
fn a_short_local_part_counts_only_as_the_whole_password() {
    let email = |text| Email::parse(text).unwrap();
    let check = |text: &str, email: &Email| policy().check(&Password::new(text), Some(email));
    assert_eq!(check("4915#ab#2207!63", &email("ab@x.example")), Ok(()));
    assert_eq!(check("4915220763", &email("4915220763@x.example")), Err(PasswordError::SiteWord));
    assert_eq!(check("4915220763-8", &email("4915220763@x.example")), Ok(()));
}

#[test]
fn an_unusable_policy_names_its_fields() {
    assert!(policy().problems().is_empty());
    assert!(PasswordPolicy::nist_single_factor().problems().is_empty());
    let wrong = PasswordPolicy { min_length: 7, max_bytes: 5000, site_words: vec!["42".into()], ..policy() };
    let fields: Vec<_> = wrong.problems().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["min_length", "max_bytes", "site_words"]);
}

#[test]
fn sequences_of_words_are_recognised_in_bounded_time() {
    let words: HashSet<String> = ["aaa", "aaaa", "aaaaa"].map(String::from).into();
    assert!(is_sequence_of(&"a".repeat(1024), &words));
    assert!(!is_sequence_of(&format!("{}b", "a".repeat(1023)), &words));
    assert!(!is_sequence_of("", &words));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn there_are_no_composition_rules(
        // 16 characters of one kind each: no class of characters is required or forbidden.
        text in "[a-z]{16,40}|[A-Z]{16,40}|[0-9]{16,40}|[ -/]{16,40}|[à-ÿ]{16,40}|[一-龥]{16,40}|\\PC{16,40}"
    ) {
        let refused = check(&text);
        let expected = if is_common(&text) { Err(PasswordError::TooCommon) } else { Ok(()) };
        prop_assert_eq!(refused, expected);
    }

    #[test]
    fn any_text_is_judged_without_a_panic(text in any::<String>()) {
        let _ = check(&text);
        let _ = is_common(&text);
    }
}
