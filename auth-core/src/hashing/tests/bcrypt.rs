//! Imported bcrypt strings.

use super::*;

#[tokio::test]
async fn bcrypt_strings_match_and_are_replaced() {
    let pool = pool_with(&HashingPolicy { bcrypt: BcryptImport::Accept { cost: 8 }, ..policy() }, None);
    let uu = "$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let cases = [
        (format!("$2a{uu}"), "U*U"),
        (format!("$2b{uu}"), "U*U"),
        (format!("$2y{uu}"), "U*U"),
        ("$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe".to_owned(), "a"),
        (
            "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz.".to_owned(),
            "abcdefghijklmnopqrstuvwxyz",
        ),
    ];
    for (text, password) in &cases {
        let before = pool.stats();
        let new = upgraded(&pool, password, &stored(text)).await;
        assert!(new.expose().starts_with("$argon2id$"));
        assert!(matches!(verify(&pool, &format!("x{password}"), &stored(text)).await, Verified::NoMatch));
        let after = pool.stats();
        // Four verifications, each of one bcrypt and one hash.
        assert_eq!((after.bcrypts - before.bcrypts, after.hashes - before.hashes), (4, 4), "{text}");
    }
}

/// bcrypt does not distinguish these passwords, and the owner's may be either.
#[tokio::test]
async fn what_bcrypt_does_not_distinguish_replaces_nothing() {
    let pool = pool_with(&HashingPolicy { bcrypt: BcryptImport::Accept { cost: 5 }, ..policy() }, None);
    // From crypt_blowfish's test vectors.
    let long = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    let read = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let seventy_one = "x".repeat(71);
    // Of `bcryptjs` 3: "abc", "abc\0abc" and so on have this hash, "" and "\0" have the next.
    let abc = "$2b$04$abcdefghijklmnopqrstuuCi15uRb1eH7NAlJ/TgeJertyknQpYn2";
    let none = "$2b$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq";
    for (text, typed) in [
        (long, format!("{read}chars after 72 are ignored")),
        (long, format!("{read}and anything else")),
        (long, read.to_owned()),
        (abc, "abc\0abc".to_owned()),
        (abc, "abc\0abc\0abc".to_owned()),
    ] {
        assert!(matches!(verify(&pool, &typed, &stored(text)).await, Verified::Match), "{typed:?}");
    }
    for typed in ["\0", "\0\0", "abc"] {
        assert!(matches!(verify(&pool, typed, &stored(none)).await, Verified::NoMatch), "{typed:?}");
    }
    upgraded(&pool, "abc", &stored(abc)).await;
    let hash = stored(&::bcrypt::hash_with_salt(&seventy_one, 4, [7; 16]).unwrap().to_string());
    upgraded(&pool, &seventy_one, &hash).await;
}

#[tokio::test]
async fn with_bcrypt_accepted_every_miss_costs_one_of_each() {
    let pool = pool_with(&HashingPolicy { bcrypt: BcryptImport::Accept { cost: 6 }, ..policy() }, None);
    let hash = pool.hash(&Password::new("password")).await.unwrap();
    let costly = "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz.";
    let cases = [
        ("password", None),
        ("password", Some(stored("nonsense"))),
        ("passwort", Some(hash.clone())),
        ("abcdefghijklmnopqrstuvwxyz", Some(stored(costly))),
        ("U*U", Some(stored("$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"))),
        ("U*V", Some(stored("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"))),
        ("", Some(stored("$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."))),
    ];
    for (password, hash) in &cases {
        let before = pool.stats();
        let result = pool.verify(&Password::new(*password), hash.as_ref()).await.unwrap();
        assert!(matches!(result, Verified::NoMatch), "{hash:?}");
        let after = pool.stats();
        assert_eq!((after.bcrypts - before.bcrypts, after.hashes - before.hashes), (1, 1));
    }
    assert!(matches!(verify(&pool, "password", &hash).await, Verified::Match));
}
