//! E-mail addresses and passwords.

use serde_json::json;

use crate::fixture::{OTHER_PASSWORD, PASSWORD};
use crate::server::Program;

contract!(
    unacceptable_addresses_are_refused,
    addresses_are_trimmed_and_compared_without_case,
    international_domains_are_compared_as_punycode,
    addresses_have_254_bytes_at_most,
    passwords_are_counted_in_code_points_and_bytes,
    passwords_are_taken_exactly_as_received,
);

fn long(length: usize) -> String {
    let domain = format!("{}.{}.{}", "d".repeat(63), "e".repeat(63), "f".repeat(61));
    format!("{}@{domain}{}", "a".repeat(64), "g".repeat(length - 254))
}

fn unacceptable_addresses_are_refused(program: Program) {
    let server = program.start();
    let wrong = json!({"email": "unknown@example.com", "password": OTHER_PASSWORD});
    let unknown = server.post("/auth/login").json(&wrong).send().likeness();
    for email in [
        "",
        " ",
        "x",
        "@",
        "a@",
        "@example.com",
        "a@b@example.com",
        "a b@example.com",
        "a@exa mple.com",
        "\"quoted\"@example.com",
        "\"a b\"@example.com",
        "üser@example.com",
        "用户@example.com",
        "a\u{301}@example.com",
        "a@example.com,b@example.com",
        "a@example.com, b@example.com",
        "a@example.com;b@example.com",
        "a(comment)@example.com",
        "a@(comment)example.com",
        "(x)a@example.com",
        "a@[127.0.0.1]",
        "a@[IPv6:::1]",
        "Ada <a@example.com>",
        "<a@example.com>",
        "mailto:a@example.com",
        "a@example..com",
        "a@.example.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a@-example.com",
        "a@exa_mple.com",
        "a@example.com\u{0}",
        "a\nb@example.com",
        "a\r\nBcc: b@example.com@example.com",
        "\u{a0}a@example.com",
        "a@example.com\u{3000}",
        "\u{200b}a@example.com",
        "a@example.com.\u{2024}",
        &long(255),
        &long(3000),
    ] {
        let credentials = json!({"email": email, "password": OTHER_PASSWORD});
        for path in ["/auth/register", "/auth/resend-verification", "/auth/forgot-password"] {
            let body = if path == "/auth/register" { credentials.clone() } else { json!({"email": email}) };
            let answer = server.post(path).json(&body).send();
            assert_eq!(answer.status, 422, "{path} {email:?}");
            answer.refused_field("email");
        }
        let log_in = server.post("/auth/login").json(&credentials).send();
        assert_eq!(log_in.likeness(), unknown, "{email:?}");
    }
    assert_eq!(server.root("GET", "/dev/mailbox.json").send().json(), json!([]));
}

fn addresses_are_trimmed_and_compared_without_case(program: Program) {
    let server = program.start();
    let body = json!({"email": " \t\r\n\u{c}Ada.Lovelace+x@Example.COM \t\r\n", "password": PASSWORD});
    server.post("/auth/register").json(&body).send().expect(202);
    let token = server.verification("ada.lovelace+x@example.com");
    server.post("/auth/verify-email").json(&json!({"token": token})).send().expect(200);
    let session = server.log_in("ada.lovelace+x@example.com");
    for email in ["ADA.LOVELACE+X@EXAMPLE.COM", "\tada.Lovelace+x@example.com\n"] {
        assert_eq!(server.log_in(email).user["id"], session.user["id"]);
    }
    // What some providers take for the same is another address here.
    for email in ["adalovelace+x@example.com", "ada.lovelace@example.com"] {
        let body = json!({"email": email, "password": PASSWORD});
        server.post("/auth/login").json(&body).send().problem(401, "invalid_credentials");
    }
    let body = json!({"email": "\nADA.lovelace+X@example.com "});
    server.post("/auth/forgot-password").json(&body).send().expect(202);
    server.mailed("ada.lovelace+x@example.com", "reset-password", 1);
}

fn international_domains_are_compared_as_punycode(program: Program) {
    let server = program.start();
    let body = json!({"email": "ada@Bücher.example", "password": PASSWORD});
    server.post("/auth/register").json(&body).send().expect(202);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let token = loop {
        let mails =
            [server.mails_to("ada@xn--bcher-kva.example"), server.mails_to("ada@bücher.example")].concat();
        if let Some(token) = mails.iter().find_map(|mail| mail.token("verify-email")) {
            break token;
        }
        assert!(std::time::Instant::now() < deadline, "no mail");
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    server.post("/auth/verify-email").json(&json!({"token": token})).send().expect(200);
    let session = server.log_in("ada@xn--bcher-kva.example");
    for email in
        ["ada@bücher.example", "ADA@BÜCHER.EXAMPLE", "ada@XN--BCHER-KVA.example", "ada@bu\u{308}cher.example"]
    {
        assert_eq!(server.log_in(email).user["id"], session.user["id"], "{email}");
    }
    let body = json!({"email": "ada@bucher.example", "password": PASSWORD});
    server.post("/auth/login").json(&body).send().problem(401, "invalid_credentials");
}

fn addresses_have_254_bytes_at_most(program: Program) {
    let server = program.start();
    let longest = long(254);
    server.session(&longest);
    // White space around it does not count.
    server.log_in(&format!("  {longest}\n"));
    let body = json!({"email": long(255), "password": PASSWORD});
    server.post("/auth/register").json(&body).send().refused_field("email");
}

fn passwords_are_counted_in_code_points_and_bytes(program: Program) {
    let server = program.start();
    let register = |password: &str| {
        let body = json!({"email": "ada@example.com", "password": password});
        server.post("/auth/register").json(&body).send()
    };
    let unusual = "vQ7#-kå🦀";
    assert_eq!(unusual.chars().count(), 8);
    register(unusual).expect(202);
    // Seven code points in 28 bytes and 14 UTF-16 units; with combining marks, eight are enough.
    register("🦀🐙🦑🐚🐠🐡🦈").refused_field("password");
    register("vQ7#-kz").refused_field("password");
    register("zu\u{308}o\u{308}a\u{308}q").expect(202);
    let bytes = |count: usize| {
        "Zq3!é".chars().cycle().take(count * 5 / 6).collect::<String>() + &"x".repeat(count % 6)
    };
    let fits = format!("{}{}", bytes(1020), "!".repeat(1024 - bytes(1020).len()));
    assert_eq!(fits.len(), 1024);
    register(&fits).expect(202);
    register(&format!("{fits}!")).refused_field("password");
    register(&"🦀".repeat(257)).refused_field("password");
    for common in ["password", "12345678", "qwertyuiop"] {
        register(common).refused_field("password");
    }
}

fn passwords_are_taken_exactly_as_received(program: Program) {
    let server = program.start();
    let composed = "  Gräfin von Wörth\t ";
    let body = json!({"email": "ada@example.com", "password": composed});
    server.post("/auth/register").json(&body).send().expect(202);
    let token = server.verification("ada@example.com");
    server.post("/auth/verify-email").json(&json!({"token": token})).send().expect(200);
    server.log_in_with("ada@example.com", composed);
    // The same text, escaped in JSON.
    let escaped = r#"{"email":"ada@example.com","password":"\u0020 Gr\u00e4fin von W\u00f6rth\u0009 "}"#;
    server.post("/auth/login").body(escaped).send().expect(200);
    let decomposed = composed.replace('ä', "a\u{308}").replace('ö', "o\u{308}");
    for other in
        [composed.trim(), decomposed.as_str(), &composed.to_lowercase(), &composed[..composed.len() - 1]]
    {
        let body = json!({"email": "ada@example.com", "password": other});
        server.post("/auth/login").json(&body).send().problem(401, "invalid_credentials");
    }
}
