//! Hashes of other systems, each made by that system's own library.

use super::*;

/// The password of each hash below that says nothing else.
const PASSWORD: &str = "correct horse \u{e9} battery";

/// By the library that made them.
const VECTORS: [(&str, &[&str]); 9] = [
    (
        "Django 5.2.19: make_password and the hashers' encode, most with a lower cost than their own: tests are not optimised",
        &[
            "pbkdf2_sha256$1000$seasalt2026$WRlqyw3Sv16VUn0ZG6z+nKFG6ssu93/RjlI/Jz9vwNE=",
            "pbkdf2_sha1$1000$seasalt2026$FLf3umhcnSpaInBvOSB30dua28g=",
            "argon2$argon2id$v=19$m=256,t=2,p=8$c2Vhc2FsdDIwMjZzZWFz$ZMNJU6MYOCFhl1u+xIhFHzSfsgagzubcQXaXz0uYMF8",
            "argon2$argon2id$v=19$m=102400,t=2,p=8$c2Vhc2FsdDIwMjZzZWFz$SPrMAQ24JOX5+jz0wmOsxWfchSrhlGCmd1xiZTfUG+Y",
            "bcrypt_sha256$$2b$04$dNWVYyPujsAy0j9Ksm0.xuHndHdfEj9WV5le8caqz9Ft6O1gZ6cwq",
            "bcrypt$$2b$04$RVUe/iUnvHZwShBb7Eqhq.czeVLn50iQh/BRX4PebSe5pvfmCowNC",
            "scrypt$16$seasalt2026$8$5$HmXy67cLsEHS4aME6LP4TRkxIVgAeEbMnz1AQo3N8Vm1xzLaQdCWmxMG+Q4LZa9lLeSmlelR1z4GqZtwzpTkIw==",
            "scrypt$16384$seasalt2026$8$5$S1Im/rcec1PZIlCSg+0x9RqpD62Ep3Xhnq05vq9tmkcrTs0KM3VTdK66pNDLdpVf+BioWIRQUfbiL6IdUC2T8A==",
        ],
    ),
    (
        "passlib 1.7.4: hash, of scrypt, phpass, pbkdf2_sha1, pbkdf2_sha256 and pbkdf2_sha512",
        &[
            "$scrypt$ln=4,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$ZsM4YbYuL+DFFzJRv7o4xHgnX01hnMBrGl0VSmHy+5o",
            "$scrypt$ln=14,r=8,p=1$CaGUcs7ZGyNkbE3p3ft/rw$CXUesIgzbx7tQdPuIAg9JkJFdkwfKQTley/bpq7qZa4",
            "$scrypt$ln=4,r=4,p=3$qFUqZWwtpfS+l5Ky9n7vPQ$hEYusBGU73hU+s0xZ6/Bwwp5UkTmU1APilZc89zQvPk",
            "$P$5UgqspQPOg9638wjIwP5tFT8ptWdFC/",
            "$H$BcK96ugFkLrcyoS.HMSECS3iz2/8z60",
            "$pbkdf2$1000$E.J8T0kJoRQCoPT.P2fsHQ$A.59bH4ansLOFOaZ7BJdXfWWyMQ",
            "$pbkdf2-sha256$1000$6T0nxJjT.t/7nzMG4BxjjA$cMnbGKPqVU8AJBeMK8zsaM.mwIc7jWWCXC6/ML6Rvcc",
            "$pbkdf2-sha512$1000$O6fU2psz5tzbW8t5j9H6Hw$utFaYFiWYHZ95igec2J35.RIlll5XDuGPbnkEyiB0JDsnAb6cmyo8teQIrMRbxTym7C9NrdPisoUzTmosDxSxQ",
        ],
    ),
    (
        "Werkzeug 3.1.9: generate_password_hash",
        &[
            "pbkdf2:sha256:1000$A58yz9YYRsZfKnJI$7f784e88d862df15f4e293bdac55be1bf0f172fecdc34e1a4580f2ec51e3ac87",
            "pbkdf2:sha512:1000$DHdS8VJ2XhA7KMKL$414fbd74d84c98089991fdd2733ee4050c72f1079dfac7959ef5654837faeb546df5c6f2501e1977b05c7931327781351b1da011db8ea442a139672048bdfbd8",
            "pbkdf2:sha1:1000$wL7Ai0I3dfla4cRP$0c316e7085e4c6475f6926778dfd378b07352d3f",
            "scrypt:1024:8:1$ei5JZ5DF3ShAaC1E$2abcd68856a0197c2d7aa096e4b32d633828aba2fd78f86761a5e1140aa89d1edff0da26cf1d1f842e0c1a377fc282f1754118d901162bea98ec7da7fd0d8809",
            "scrypt:32768:8:1$7umkLoyLlK8RWI5K$eb954fcb9b64007acf5094b9c22f3e18348640137ce82960d773f3da20bf4d4557d829a543bb561c1b225105ec49031add4ca8e80e84d2f3106783c7f2d7f8e0",
        ],
    ),
    (
        "PHP 8.2.36: password_hash (as Laravel does) with PASSWORD_BCRYPT, PASSWORD_ARGON2I and PASSWORD_ARGON2ID",
        &[
            "$2y$04$doAYnmm45F7MQwP.Of0nTuvUN6mxVNeiN.1DVkA3PXH6i83eqiAVG",
            "$argon2i$v=19$m=256,t=3,p=1$bjdYeXJDaXA2dU1hSlVsTA$BU4PACJaWHiN3GIddSCuk210Zghw/L7K1q+p185Eiy8",
            "$argon2id$v=19$m=256,t=4,p=1$Zm12em8xaWtrekJ1aWJsNw$cxdZx2vzDideFwAdNJdoT0AscIsfb/IpwWYeHlq98HI",
        ],
    ),
    (
        "WordPress 6.8 under PHP 8.2.36: wp_hash_password, '$wp' . password_hash(base64_encode(hash_hmac('sha384', \
         trim($password), 'wp-sha384', true)), PASSWORD_BCRYPT), of cost 4 and 10",
        &[
            "$wp$2y$04$YtO9MIP4etZeQnh5ANMXqe6BlyeXq.cw4Mc.LTtEVbl0gOGWMlm56",
            "$wp$2y$10$Q0B/Icde0syJ.VXl7Z0Tf.C6AQ0ixtr2dMpNHtJtTFGDBnbB4Urg6",
        ],
    ),
    (
        "firebase-scrypt 2.2.0 for Node: hash, with SIGNER_KEY, the salt separator \"Bw==\" and 8 rounds",
        &[
            "$firebase-scrypt$ln=5,r=8,ss=Bw==$42xEC+ixf3L2lw==$BrmVS8F7H9Sh59LvnLMb3JO4RfyFYsovAuKXsw9eNkXKrPsJ7GE/jImwy7sQ8fxj4jSMvXsXV8pO9i5Y627wMg==",
        ],
    ),
    (
        "Node 20.20.2: crypto.pbkdf2Sync with 64 bytes, as Keycloak makes; in the form that our guide gives to Keycloak's",
        &[
            "$pbkdf2$i=1000$MDEyMzQ1Njc4OWFiY2RlZg==$Z8tHJFDCPpbTR2ldyu6HCf0Q82U0rsGtsawmgo/l3OoZ4fGvL1YFktQZOvRgXZ598vNVELv+pwSrppDyGmrA5g==",
            "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg==$xn0GcfUsw+HNnltDR1+KnGQE0PMNzXElXEO3HrnwQZ34J37o2Z1EYZM2drK+W0dRDdRMlteE8S9migVAao59cw==",
            "$pbkdf2-sha256$i=27500$MDEyMzQ1Njc4OWFiY2RlZg==$q3T1c3HzNiP9pdGXHTFi39BgVJ062lCCVANDW0P8f9PWV5XgRuqac9HVF+3AMzBzptU+eAl/Y36EV6FLUJ7S9A==",
            "$pbkdf2-sha512$i=1000,l=64$MDEyMzQ1Njc4OWFiY2RlZg==$/MntzHACvl+b9ZkAgQL1CiN3RFBHF8D8RFxHW3bz6eA5GYC6dUiF4dnv/BwgP3OldEFg2/ZJenKyR5O7qIbgrg==",
        ],
    ),
    (
        "Node 20.20.2: crypto.scryptSync with N 1024, r 8, p 1 and 32 bytes, in the PHC string format",
        &["$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$BAwX4wy5syErtutELBM6CD892Gi+Mr8Abge5OUkZrdo"],
    ),
    ("bcryptjs 3.0.3: hashSync", &["$2b$04$W7b2FtwzazUY8Komla5l2umwASF1MInz1Rtk8KMi4knR3AquqwuIy"]),
];

/// Of ASP.NET Core's own tests (src/Identity/test/Identity.Test/PasswordHasherTest.cs), of "my password".
const ASP_NET: [&str; 5] = [
    "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg==",
    "AQAAAAAAAAD6AAAAEAhftMyfTJylOlZT+eEotFXd1elee8ih5WsjXaR3PA9M",
    "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw",
    "AQAAAAIAAAD6AAAAIJbVi5wbMR+htSfFp8fTw8N8GOS/Sje+S/4YZcgBfU7EQuqv4OkVYmc4VJl9AGZzmRTxSkP7LtVi9IWyUxX8IAAfZ8v+ZfhjCcudtC1YERSqE1OEdXLW9VukPuJWBBjLuw==",
    "AQAAAAIAACcQAAAAEAABAgMEBQYHCAkKCwwNDg9B0Oxwty+PGIDSp95gcCfzeDvA4sGapUIUov8usXfD6A==",
];

/// The example of github.com/firebase/scrypt: `mem_cost` 14, 8 rounds, of "user1password".
const SIGNER_KEY: &str =
    "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";
const FIREBASE: &str = "$firebase-scrypt$ln=14,r=8,ss=Bw==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";

/// A pool that accepts these, and bcrypt of cost 4.
fn legacy_pool(accepted: &str, bcrypt: u32) -> HashingPool {
    let policy = HashingPolicy {
        legacy: accepted.parse().unwrap(),
        bcrypt: BcryptImport::Accept { cost: bcrypt },
        ..policy()
    };
    let key = Some(FirebaseSignerKey::from_base64(SIGNER_KEY).unwrap());
    HashingPool::start_with_signer_key(&policy, None, key, Arc::new(SystemRandom)).unwrap()
}

/// A pool that accepts what this hash needs and nothing else.
fn pool_for(text: &str) -> HashingPool {
    match legacy_pool(&LegacyHashes::highest().to_string(), 15).examine(&stored(text)).unwrap() {
        HashKind::Argon2 => pool(),
        HashKind::Bcrypt { cost } => legacy_pool("", cost),
        HashKind::Legacy { algorithm, cost } => legacy_pool(&format!("{}:{cost}", algorithm.name()), 4),
    }
}

async fn check(text: &str, password: &str) {
    let (pool, hash) = (pool_for(text), stored(text));
    for wrong in [&password[1..], &format!("{password}x")] {
        assert!(matches!(verify(&pool, wrong, &hash).await, Verified::NoMatch), "{wrong} {text}");
    }
    if text.starts_with("$argon2") {
        let matched = verify(&pool, password, &hash).await;
        assert_eq!(
            matches!(matched, Verified::MatchOutdated(_)),
            text.starts_with("$argon2i$"),
            "{matched:?}"
        );
        assert!(!matches!(matched, Verified::NoMatch), "it may be stronger and stay");
        return;
    }
    assert!(upgraded(&pool, password, &hash).await.expose().starts_with("$argon2id$v=19$m=256,t=2,p=1$"));
}

#[tokio::test]
async fn hashes_of_other_systems_match_and_are_replaced() {
    for (_, texts) in VECTORS {
        for text in texts {
            check(text, PASSWORD).await;
        }
    }
    for text in ASP_NET {
        check(text, "my password").await;
    }
    check(FIREBASE, "user1password").await;
    // wordpress-hash-node 1.0.0: HashPassword.
    check("$P$Bi3aPVFKAsoANd89J9DHmaruazvXL81", "ascii password").await;
}

/// Of each scheme, an account's verification costs what none costs, and so does a wrong password.
#[tokio::test]
async fn with_legacy_hashes_accepted_every_miss_costs_the_same() {
    let pool = legacy_pool("pbkdf2-sha1:2000,pbkdf2-sha256:1000,scrypt:16x5,phpass:8,argon2:1200x2", 5);
    let current = pool.hash(&Password::new("password")).await.unwrap();
    let texts = VECTORS.iter().flat_map(|(_, texts)| *texts).copied();
    let mut verified = 0;
    for hash in texts.map(|text| Some(stored(text))).chain([None, Some(stored("nonsense")), Some(current)]) {
        for password in ["wrong", PASSWORD] {
            let before = pool.stats();
            let result = pool.verify(&Password::new(password), hash.as_ref()).await.unwrap();
            let after = pool.stats();
            verified += u32::from(!matches!(result, Verified::NoMatch));
            assert_eq!(after.legacy - before.legacy, 2000 + 1000 + 80 + 8 + 2400, "{hash:?}");
            assert_eq!(after.bcrypts - before.bcrypts, 1);
            // A hash within the caps that is stronger than the current ones takes longer.
            let is_stronger = hash.as_ref().is_some_and(|hash| hash.expose().starts_with("$argon2"));
            if matches!(result, Verified::NoMatch) && !is_stronger {
                assert_eq!(after.argon2_kib - before.argon2_kib, 2400 + 512, "{hash:?}");
            }
        }
    }
    assert!(verified > 10, "{verified}");
}

/// What a scheme does not distinguish logs in, and never becomes the password.
#[tokio::test]
async fn what_a_scheme_does_not_distinguish_replaces_nothing() {
    // Django 5.2.19, of "abc". HMAC pads a password with zero bytes.
    let pbkdf2 = "pbkdf2_sha256$1000$seasalt2026$vwojsTRQN4xYR5T1pAd6YWTvTZ1FkZpGDG544lao4w8=";
    // Django 5.2.19, of 80 times "x"; `bcrypt_sha256` reads them all.
    let bcrypt = "bcrypt$$2b$04$voqVtF1H172HI.v21ySYwOggqZ0JR5PBeiKVWsG/IKhTRVfr0OZde";
    let bcrypt_sha256 = "bcrypt_sha256$$2b$04$19PpRkRkiPQd1zfstjJ5tuoxncEHMvCE4x.9/a5Jp44fGNTtzq3ZW";
    // WordPress as above, of "  padded  ", of "   " and of 100 times "x".
    let padded = "$wp$2y$04$Xqm31OaQ6aFAen8ZWnlCfuL/BPfY6/o1Jd37waz7BaCzTMMOnFeaG";
    let blank = "$wp$2y$04$W/Memf47GwclFGLP5Esis.2C..jgsFC.8pFf0Q1gc4BrcRZqoLvEy";
    let long = "$wp$2y$04$DVs.HZ6FDQUbdGbCJ.7YXeHcdJO59UvwQGBVcRa95au9Bx5U/PU2C";
    // passlib 1.7.4, of "  padded  " and of 4,096 times "x": phpass takes no white space away.
    let phpass = "$P$52hjTRdlZvXgg.vfPD/KTqL6uEYmlB/";
    let longest = "$P$50/loLqFWyzWLk9GHgXGxdIudUhJnx.";
    let x = |count| "x".repeat(count);
    for (text, typed) in [
        (pbkdf2, "abc\0".to_owned()),
        (pbkdf2, "abc\0\0".to_owned()),
        (bcrypt, x(80)),
        (bcrypt, x(72)),
        (bcrypt, x(72) + "y"),
        (padded, "  padded  ".to_owned()),
        (padded, "padded\n".to_owned()),
        (padded, "\0\u{b}padded\t\r".to_owned()),
    ] {
        assert!(matches!(verify(&pool_for(text), &typed, &stored(text)).await, Verified::Match), "{typed:?}");
    }
    for (text, typed) in [
        (blank, "   ".to_owned()),
        (blank, "\t".to_owned()),
        (bcrypt_sha256, x(79)),
        (padded, "\u{a0}padded".to_owned()),
        (long, x(72)),
        (phpass, "padded".to_owned()),
        (longest, x(4095)),
    ] {
        assert!(
            matches!(verify(&pool_for(text), &typed, &stored(text)).await, Verified::NoMatch),
            "{typed:?}"
        );
    }
    for (text, typed) in [
        (pbkdf2, "abc".to_owned()),
        (bcrypt_sha256, x(80)),
        (padded, "padded".to_owned()),
        (long, x(100)),
        (phpass, "  padded  ".to_owned()),
        (longest, x(4096)),
    ] {
        upgraded(&pool_for(text), &typed, &stored(text)).await;
    }
}

/// An unusable hash is reported with its scheme and problem, without any of its text.
#[tokio::test]
async fn unusable_hashes_are_reported_without_their_text() {
    let pool = legacy_pool("pbkdf2-sha256:1000,scrypt:128x2,phpass:8,argon2:1200", 5);
    let without_key = pool_with(&HashingPolicy { legacy: "scrypt:16384".parse().unwrap(), ..policy() }, None);
    let (salt, hash) = ("c2FsdA==", "MDEyMzQ1Njc4OWFiY2RlZg==");
    for (text, problem) in [
        (format!("pbkdf2_sha256$1001$salt${hash}"), "that costs 1001 iterations: at most 1000 is accepted"),
        (format!("pbkdf2_sha256$4294967295$salt${hash}"), "costs 4294967295 iterations: at most 1000"),
        (format!("pbkdf2_sha1$1$salt${hash}"), "Django's PBKDF2, which the policy does not accept"),
        (format!("pbkdf2_md5$1$salt${hash}"), "its hash function is none of Django"),
        (format!("pbkdf2_sha256$0$salt${hash}"), "it has no iterations"),
        (format!("pbkdf2_sha256$+1$salt${hash}"), "its iterations are no number"),
        (format!("pbkdf2_sha256$4294967296$salt${hash}"), "its iterations are no number"),
        (format!("pbkdf2_sha256$$salt${hash}"), "its iterations are no number"),
        (format!("pbkdf2_sha256$1$${hash}"), "it has no salt"),
        ("pbkdf2_sha256$1$salt$c2hvcnQ=".to_owned(), "its hash has fewer than 16 bytes"),
        ("pbkdf2_sha256$1$salt$".to_owned(), "its hash has fewer than 16 bytes"),
        ("pbkdf2_sha256$1$salt$§".to_owned(), "its hash is not encoded"),
        (format!("pbkdf2_sha256$1$salt${hash}$"), "it has not the form"),
        (format!("$pbkdf2-sha256$i=1,l=15${salt}${hash}"), "another length than it says"),
        (format!("$pbkdf2-sha384$i=1${salt}${hash}"), "SHA-1, SHA-256 or SHA-512"),
        (format!("pbkdf2:sha256:1$salt${}g", "0".repeat(31)), "its hash is not encoded"),
        (format!("pbkdf2:sha256:1$salt${}", "0".repeat(33)), "its hash is not encoded"),
        (format!("pbkdf2:sha256$salt${hash}"), "it has not the form"),
        (format!("$scrypt$ln=8,r=8,p=1${salt}${hash}"), "that costs 256 KiB: at most 128x2 is accepted"),
        (format!("$scrypt$ln=7,r=8,p=3${salt}${hash}"), "that costs 128x3 KiB: at most 128x2 is accepted"),
        (format!("$scrypt$ln=63,r=8,p=1${salt}${hash}"), "its N is not 2 to 2^24"),
        (format!("$scrypt$ln=0,r=8,p=1${salt}${hash}"), "its N is not 2 to 2^24"),
        (format!("$scrypt$ln=4,r=0,p=1${salt}${hash}"), "its r or p is not 1 to 64"),
        (format!("$scrypt$ln=4,r=8,p=4294967295${salt}${hash}"), "its r or p is not 1 to 64"),
        (format!("scrypt$15$salt$8$1${hash}"), "its N is no power of two"),
        (format!("scrypt:0:8:1$salt${hash}"), "its N is no power of two"),
        (format!("$firebase-scrypt$ln=4,r=8${salt}${hash}"), "it has not the form"),
        (format!("$firebase-scrypt$ln=4,r=8,ss=§${salt}${hash}"), "its salt separator is not base64"),
        (
            "$P$BcK96ugFkLrcyoS.HMSECS3iz2/8z60".to_owned(),
            "that costs 13 (binary logarithm of the rounds): at most 8 is accepted",
        ),
        ("$P$4cK96ugFkLrcyoS.HMSECS3iz2/8z60".to_owned(), "its rounds are not 2^7 to 2^30"),
        ("$P$5cK96ugFkLrcyoS.HMSECS3iz2/8z6".to_owned(), "it has not 34 characters"),
        ("$P$5cK96ugFkLrcyoS.HMSECS3iz2/8z6z".to_owned(), "its hash is not encoded"),
        ("$wp$2y$04$short".to_owned(), "it is not the 60 characters that bcrypt writes"),
        ("$wp$5y$04$short".to_owned(), "begins with none of $2a$, $2b$ and $2y$"),
        (VECTORS[4].1[1].to_owned(), "a hash of WordPress that costs 10: at most 5 is accepted"),
        (VECTORS[0].1[3].to_owned(), "Django's Argon2 that costs 102400x2 KiB: at most 1200 is accepted"),
        ("argon2$argon2id$v=19$m=256,t=2".to_owned(), "it has no salt"),
        ("argon2$argon2id$v=19$m=,".to_owned(), "it is no PHC string"),
        ("AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4A=".to_owned(), "its hash has fewer than 16 bytes"),
        ("AQAAAAIAAAAyAAAAEOMw".to_owned(), "it is cut off"),
        ("AQAAAAIA".to_owned(), "it is cut off"),
        (
            "AQAAAAMAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw".to_owned(),
            "SHA-1, SHA-256 or SHA-512",
        ),
        ("AQAAAAIAAAAy/////+MwvhA=".to_owned(), "it is cut off"),
        ("AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggE=".to_owned(), "version 2 has 49 bytes"),
        ("A".to_owned(), "it is not base64"),
        ("5f4dcc3b5aa765d61d8327deb882cf99".to_owned(), "is no hash of a known kind"),
        (String::new(), "is no hash of a known kind"),
        (format!("pbkdf2_sha256$1${}${hash}", "s".repeat(500)), "is no hash of a known kind"),
    ] {
        let error = pool.examine(&stored(&text)).unwrap_err().to_string();
        assert!(error.contains(problem), "{text}: {error}");
        assert!(!error.contains(hash) && !error.contains("cK96ug"), "{error}");
        assert!(matches!(verify(&pool, PASSWORD, &stored(&text)).await, Verified::NoMatch));
    }
    let error = without_key.examine(&stored(FIREBASE)).unwrap_err();
    assert_eq!(error, UnusableHash::NoSignerKey { scheme: "Firebase's scrypt" });
    assert!(matches!(verify(&without_key, "user1password", &stored(FIREBASE)).await, Verified::NoMatch));
    let peppered =
        stored("argon2$argon2id$v=19$m=256,t=2,p=1,keyid=AAAABw$c2Vhc2FsdDIwMjZzZWFz$ZMNJU6MYOCFhl1u+xIhFHw");
    assert_eq!(pool.examine(&peppered), Err(UnusableHash::UnknownPepper { scheme: "Django's Argon2" }));
}

#[test]
fn lists_of_legacy_hashes_are_read_and_written() {
    let read = |text: &str| text.parse::<LegacyHashes>().map(|hashes| hashes.to_string());
    for (text, written) in [
        ("", ""),
        ("pbkdf2-sha256:1000000", "pbkdf2-sha256:1000000"),
        (" scrypt:16384x5 , phpass:13,", "scrypt:16384x5,phpass:13"),
        ("argon2:102400x2,scrypt:16384", "scrypt:16384,argon2:102400x2"),
    ] {
        assert_eq!(read(text).unwrap(), written);
    }
    for (text, problem) in [
        ("on", "must be a list of NAME:COST; the names are pbkdf2-sha1, pbkdf2-sha256, "),
        ("phpass", "phpass must have a cost, such as phpass:13"),
        ("phpass:x", "phpass must have a cost, such as phpass:13"),
        ("phpass:17", "phpass must be 7 to 16"),
        ("phpass:13x2", "phpass must have no passes"),
        ("pbkdf2-sha1:0", "pbkdf2-sha1 must be 1 to 2000000 iterations"),
        ("pbkdf2-sha256:2000001", "pbkdf2-sha256 must be 1 to 2000000 iterations"),
        ("scrypt:131073", "scrypt must be 1 to 131072 KiB"),
        ("scrypt:16384x0", "scrypt must have 1 to 16 passes"),
        ("argon2:131072x5", "argon2 must be at most 524288 KiB in all passes"),
        ("phpass:13,phpass:12", "must have phpass once"),
    ] {
        assert!(read(text).unwrap_err().to_string().contains(problem), "{text}: {:?}", read(text));
    }
    let highest = LegacyHashes::highest();
    assert_eq!(highest.problems().count(), 0);
    let mut hashes = LegacyHashes::default();
    hashes.accept(LegacyAlgorithm::Scrypt, LegacyCost::memory(1024, 8));
    hashes.accept(LegacyAlgorithm::Scrypt, LegacyCost::new(16_384));
    hashes.accept(LegacyAlgorithm::Phpass, LegacyCost::new(8));
    hashes.accept(LegacyAlgorithm::Phpass, LegacyCost::new(13));
    hashes.accept(LegacyAlgorithm::Argon2, LegacyCost::memory(65_536, 3));
    hashes.accept(LegacyAlgorithm::Argon2, LegacyCost::memory(102_400, 1));
    assert_eq!(hashes.to_string(), "scrypt:16384,phpass:13,argon2:102400x2");
    hashes.accept(LegacyAlgorithm::Pbkdf2Sha512, LegacyCost::new(2_000_001));
    let policy = HashingPolicy { legacy: hashes, ..policy() };
    let problem = ("legacy.pbkdf2-sha512", "must be 1 to 2000000 iterations".to_owned());
    assert_eq!(policy.problems(), [problem]);
}

#[test]
fn what_accepts_two_hashes_is_a_setting_that_a_server_takes() {
    use LegacyAlgorithm::{Argon2, Scrypt};
    let memory = LegacyCost::memory;
    for (algorithm, first, second, together) in [
        (Scrypt, memory(64, 64), memory(64, 64), "scrypt:256x16"),
        (Scrypt, memory(16, 16), memory(8, 64), "scrypt:32x16"),
        (Scrypt, memory(65_536, 8), memory(102_400, 1), "scrypt:131072x4"),
        (Argon2, memory(102_400, 1), memory(65_536, 8), "argon2:131072x4"),
        (Argon2, memory(8, 100), memory(8, 1), "argon2:13x64"),
    ] {
        let mut hashes = LegacyHashes::default();
        hashes.accept(algorithm, first);
        hashes.accept(algorithm, second);
        assert_eq!(hashes.to_string(), together);
        assert_eq!(hashes.to_string().parse(), Ok(hashes));
    }
}

/// Strings that are hashes but for a small change.
fn mutated() -> impl Strategy<Value = String> {
    let texts: Vec<&str> =
        VECTORS.iter().flat_map(|(_, texts)| *texts).copied().chain(ASP_NET).chain([FIREBASE]).collect();
    changed(texts, "[$,=:0-9a-zA§]{0,3}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    /// A mutated hash matches nothing, is refused in time and ends no thread.
    #[test]
    fn no_legacy_text_panics_or_costs_beyond_the_ceiling(text in prop_oneof![mutated(), "[$A]?[a-z0-9$=,:_-]{0,80}"]) {
        thread_local! {
            static POOL: (tokio::runtime::Runtime, HashingPool) = (
                tokio::runtime::Builder::new_current_thread().build().unwrap(),
                legacy_pool("pbkdf2-sha1:1000,pbkdf2-sha256:1000,pbkdf2-sha512:1000,scrypt:16x5,phpass:8,argon2:64", 4),
            );
        }
        POOL.with(|(runtime, pool)| {
            if pool.examine(&stored(&text)).is_err() {
                return Ok(());
            }
            let before = pool.stats().argon2_kib;
            let result = runtime.block_on(pool.verify(&Password::new("passwort"), Some(&stored(&text))));
            prop_assert!(matches!(result, Ok(Verified::NoMatch)), "{:?}", result);
            prop_assert!(pool.stats().argon2_kib - before <= 64 + 2 * 1024 * 16);
            Ok(())
        })?;
    }
}
