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
        (
            "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui".to_owned(),
            "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
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
    // An upgraded hash reads what bcrypt passed over.
    let (long, truncated) = (&cases[5].1, &cases[5].1[..72]);
    assert!(matches!(verify(&pool, truncated, &stored(&cases[5].0)).await, Verified::MatchOutdated(_)));
    let new = upgraded(&pool, long, &stored(&cases[5].0)).await;
    assert!(matches!(verify(&pool, truncated, &new).await, Verified::NoMatch));
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
