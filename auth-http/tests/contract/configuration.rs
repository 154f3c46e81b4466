//! Settings are checked as a whole.

use auth_http::{HttpConfig, Origin};
use std::time::Duration;

fn settings(builder: auth_http::HttpConfigBuilder) -> Vec<String> {
    builder.build().unwrap_err().problems().iter().map(|problem| problem.setting.clone()).collect()
}

#[test]
fn every_problem_is_reported_at_once() {
    let builder = HttpConfig::builder("ftp://x")
        .allow_origin("*")
        .allow_origin("https://app.example.com/")
        .base_path("api/")
        .cookie_name("a b")
        .trust_proxy("10.0.0.0/33")
        .body_limit(0)
        .request_timeout(Duration::ZERO);
    let expected = [
        "public_url",
        "allowed_origins",
        "allowed_origins",
        "base_path",
        "cookie_name",
        "trusted_proxies",
        "body_limit",
        "request_timeout",
    ];
    let error = builder.clone().build().unwrap_err();
    // What a `main` that returns it prints.
    assert_eq!(format!("{error:?}"), error.to_string());
    assert_eq!(settings(builder), expected);
}

#[test]
fn the_cookies_have_two_names_and_other_routes_a_place() {
    let same = HttpConfig::builder("https://auth.example.com").cookie_name("__Host-device");
    assert_eq!(settings(same), ["device_cookie_name"]);
    let root = HttpConfig::builder("https://auth.example.com").base_path("/").beside_other_routes();
    assert_eq!(settings(root), ["base_path"]);
    let development = HttpConfig::builder("http://localhost:3000").build().unwrap();
    assert_eq!(development.device_cookie_name(), "device");
}

#[test]
fn the_own_origin_is_first_and_none_is_listed_twice() {
    let config = HttpConfig::builder("https://auth.example.com:443/")
        .allow_origin("http://localhost:5173")
        .allow_origin("https://auth.example.com")
        .allow_origin("capacitor://localhost")
        .build()
        .unwrap();
    let origins: Vec<_> = config.origins().iter().map(Origin::as_str).collect();
    assert_eq!(origins, ["https://auth.example.com", "http://localhost:5173", "capacitor://localhost"]);
}

#[test]
fn an_unusable_origin_is_named_by_its_place_and_not_repeated() {
    for (origin, problem) in [
        ("https://*.example.com", "wildcard"),
        ("file:///etc/passwd", "scheme"),
        ("https://app.example.com/x", "as browsers write it"),
    ] {
        let builder = HttpConfig::builder("https://auth.example.com").allow_origin("http://a.example");
        let error = builder.allow_origin(origin).build().unwrap_err();
        let [found] = error.problems() else { panic!("{error}") };
        assert_eq!(found.setting, "allowed_origins");
        assert!(found.problem.starts_with("(entry 2) must "), "{error}");
        assert!(found.problem.contains(problem) && !error.to_string().contains(origin), "{error}");
    }
}

#[test]
fn public_urls_are_plain() {
    for url in [
        "",
        "auth.example.com",
        "https://user:pw@example.com",
        "https://example.com/?a",
        "https://example.com/#a",
        "file:///etc",
    ] {
        assert_eq!(settings(HttpConfig::builder(url)), ["public_url"], "{url}");
    }
}

#[test]
fn a_cookie_prefix_is_refused_over_plain_http() {
    for name in ["__Host-x", "__host-x", "__Secure-x", "__SECURE-x", "", "a=b", "a;b"] {
        let builder = HttpConfig::builder("http://localhost:3000").cookie_name(name);
        assert_eq!(settings(builder), ["cookie_name"], "{name}");
    }
    let config = HttpConfig::builder("https://auth.example.com").cookie_name("__Host-id").build().unwrap();
    assert_eq!(config.cookie_name(), "__Host-id");
}

#[test]
fn networks_are_addresses_or_cidrs() {
    for network in ["10.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/32"] {
        assert!(HttpConfig::builder("https://a.example").trust_proxy(network).build().is_ok(), "{network}");
    }
    for network in ["", "*", "10.0.0", "10.0.0.0/-1", "example.com", "::/129"] {
        let builder = HttpConfig::builder("https://a.example").trust_proxy(network);
        assert_eq!(settings(builder), ["trusted_proxies"], "{network}");
    }
}

#[test]
fn base_paths_are_plain() {
    for path in ["api", "/api/", "//", "/a//b", "/{x}", "/a b", "/..", "/a?b"] {
        let builder = HttpConfig::builder("https://a.example").base_path(path);
        assert_eq!(settings(builder), ["base_path"], "{path}");
    }
}
