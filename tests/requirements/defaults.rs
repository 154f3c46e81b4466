//! The document states the limits and lifetimes of the code.

use std::collections::BTreeMap;
use std::time::Duration;

use auth_core::{Limit, LimitScope, Policy, Protects, Rule};

use crate::file;

/// The two-column table under a heading: name without back-ticks, value.
fn table(heading: &str) -> BTreeMap<String, String> {
    let document = file("docs/security.md");
    let (_, section) = document.split_once(&format!("# {heading}\n")).expect(heading);
    let section = section.split("\n#").next().unwrap();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| {
            let (name, rest) = line.split_once("` | ").unwrap();
            (name.to_owned(), rest.split(" |").next().unwrap().to_owned())
        })
        .collect()
}

fn spelled(time: Duration) -> String {
    let seconds = time.as_secs();
    [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")]
        .into_iter()
        .find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit))
        .map_or_else(|| "0".to_owned(), |(unit, name)| format!("{} {name}", seconds / unit))
}

/// What the document says about each limit: its default, what it counts by, and what it protects.
fn documented_limits() -> BTreeMap<String, String> {
    let document = file("docs/security.md");
    let (_, section) = document.split_once("## Rate limits\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (name, rest) = row.split_once("` | ").unwrap();
        let cells: Vec<&str> = rest.split(" | ").take(3).collect();
        (name.to_owned(), cells.join(" | "))
    })
    .collect()
}

#[test]
fn the_document_includes_every_limit_with_its_default() {
    let limits = Policy::default().limits;
    let own: BTreeMap<String, String> = Limit::ALL
        .iter()
        .map(|limit| {
            let name = limit.name();
            let text = match limits.rule(*limit).expect(name) {
                Rule::Quota { count, window } => format!("{count} per {}", spelled(window)),
                Rule::ConsecutiveFailures { failures, then_every } => {
                    format!("after {failures}, one per {}", spelled(then_every))
                }
            };
            let scope = match limit.scope() {
                LimitScope::Client => "client",
                LimitScope::Account => "account",
                LimitScope::AccountAndClient => "account and client",
                LimitScope::Mailbox => "mailbox",
                LimitScope::Session => "session",
                LimitScope::Device => "device",
            };
            let protects = match limit.protects() {
                Protects::Passwords => "passwords",
                Protects::Mailboxes => "mailboxes",
                Protects::Capacity => "capacity",
            };
            (name.to_owned(), format!("{text} | {scope} | {protects}"))
        })
        .collect();
    assert_eq!(documented_limits(), own);
}

#[test]
fn the_lifetimes_are_those_of_the_document() {
    let policy = Policy::default();
    let own = BTreeMap::from([
        ("access token", spelled(policy.access.lifetime)),
        ("session, unused", spelled(policy.refresh.refresh_lifetime)),
        ("session, at most", spelled(policy.refresh.session_lifetime)),
        ("reuse leeway", spelled(policy.refresh.reuse_leeway)),
        ("verification link", spelled(policy.links.verification_lifetime)),
        ("reset link", spelled(policy.links.reset_lifetime)),
        ("unverified account", spelled(policy.clean_up.unverified_user_lifetime)),
        ("dead letter", spelled(policy.clean_up.dead_letter_lifetime)),
    ]);
    let own: BTreeMap<String, String> = own.into_iter().map(|(name, time)| (name.to_owned(), time)).collect();
    assert_eq!(table("Lifetimes"), own);
}

#[test]
fn durations_are_spelled_exactly() {
    for (seconds, text) in
        [(0, "0"), (1, "1 s"), (90, "90 s"), (900, "15 min"), (7_200, "2 h"), (604_800, "7 d")]
    {
        assert_eq!(spelled(Duration::from_secs(seconds)), text);
    }
}
