//! The table of `docs/metrics.md` and the code have the same metrics, labels and values. The dashboard
//! and the alerts use these metrics alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use auth_core::store::MailRequest;
use auth_core::{EventKind, Limit};
use regex::Regex;
use serde_json::Value;

use crate::recorded::{Metrics, described, everything};

fn document(name: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs");
    fs::read_to_string(docs.join(name)).unwrap()
}

/// Everything between back-ticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The values of each label; `None` if the document says `any`.
type Labels = BTreeMap<String, Option<BTreeSet<String>>>;

/// The kind and labels of each metric in the table.
fn table() -> BTreeMap<String, (String, Labels)> {
    let document = document("metrics.md");
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split(';').filter(|label| !label.trim().is_empty()).map(|label| {
            let (name, words) = label.split_once(':').unwrap();
            let words =
                if words.contains(" any ") { None } else { Some(quoted(words).into_iter().collect()) };
            (quoted(name).remove(0), words)
        });
        (quoted(cells[1]).remove(0), (cells[2].to_owned(), labels.collect()))
    })
    .collect()
}

fn names(metrics: &Metrics) -> BTreeSet<&str> {
    metrics.keys().map(String::as_str).collect()
}

#[test]
fn the_table_and_the_code_have_the_same_metrics_and_labels() {
    let (table, recorded) = (table(), everything());
    assert_eq!(names(&recorded), table.keys().map(String::as_str).collect());
    for (name, metric) in &recorded {
        let (kind, labels) = &table[name];
        assert_eq!(&metric.kind, kind, "{name}");
        assert!(metric.described, "{name} has no description");
        let keys: BTreeSet<_> = metric.labels.keys().collect();
        assert_eq!(keys, labels.keys().collect(), "{name}");
        for (label, words) in labels {
            if let Some(words) = words {
                assert_eq!(&metric.labels[label], words, "{name} {label}");
            }
        }
    }
}

/// The document does not list the names of events, limits and mails.
#[test]
fn every_event_limit_and_mail_is_counted_by_its_name() {
    let recorded = everything();
    let limits: Vec<&str> = Limit::ALL.iter().map(|limit| limit.name()).collect();
    for (metric, label, names) in [
        ("auth_events_total", "event", EventKind::NAMES),
        ("auth_rate_limit_refusals_total", "limit", &limits),
        ("auth_mails_total", "mail", MailRequest::NAMES),
    ] {
        assert_eq!(
            recorded[metric].labels[label],
            names.iter().map(ToString::to_string).collect(),
            "{metric}"
        );
    }
}

/// Prometheus cannot see that a counter rose if its first sample is 1: the first reuse would wake nobody.
#[test]
fn every_counter_starts_at_0_with_every_value() {
    let recorded = described();
    for (name, metric) in everything() {
        if metric.kind != "counter" {
            continue;
        }
        let found = recorded.get(&name).unwrap_or_else(|| panic!("{name} is not there"));
        assert_eq!(
            found.values.keys().collect::<Vec<_>>(),
            metric.values.keys().collect::<Vec<_>>(),
            "{name}"
        );
        assert!(found.values.values().all(|value| *value == 0.0), "{name}");
    }
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    for (name, metric) in everything() {
        assert!(name.starts_with("auth_") && !name.contains("__"), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == "counter", "{name}");
        assert!(metric.kind != "histogram" || name.ends_with("_seconds"), "{name}");
    }
}

/// Every text under a key of this name, at any depth.
fn texts<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match value.as_str() {
                    Some(text) if name == key => found.push(text),
                    _ => texts(value, key, found),
                }
            }
        }
        Value::Array(array) => array.iter().for_each(|value| texts(value, key, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let dashboard: Value = serde_json::from_str(&document("grafana-dashboard.json")).unwrap();
    let (table, name) = (table(), Regex::new(r"\bauth_[a-z_]+").unwrap());
    let grouped = Regex::new(r"by \(([a-z_, ]+)\)").unwrap();
    let mut expressions = Vec::new();
    texts(&dashboard["panels"], "expr", &mut expressions);
    assert!(expressions.len() > 20, "{expressions:?}");
    let mut shown = BTreeSet::new();
    for expression in &expressions {
        let asked: Vec<String> = name
            .find_iter(expression)
            .map(|found| {
                let text = found.as_str();
                let series = ["_bucket", "_count", "_sum"].iter().find_map(|end| text.strip_suffix(end));
                series.filter(|name| table.contains_key(*name)).unwrap_or(text).to_owned()
            })
            .collect();
        assert_eq!(asked.len(), 1, "{expression}");
        let (_, labels) = table.get(&asked[0]).unwrap_or_else(|| panic!("no metric of {expression}"));
        for label in grouped.captures(expression).iter().flat_map(|by| by[1].split(", ")) {
            assert!(label == "le" || labels.contains_key(label), "{expression} has no label {label}");
        }
        shown.extend(asked);
    }
    assert_eq!(shown, table.into_keys().collect());
}

/// The dashboard and the alerts ask for events that exist.
#[test]
fn the_documents_name_events_of_the_code() {
    let event = Regex::new(r#"event=~?\\?"([a-z_|]+)\\?""#).unwrap();
    for name in ["metrics.md", "grafana-dashboard.json"] {
        let document = document(name);
        let asked: Vec<&str> = event
            .captures_iter(&document)
            .flat_map(|found| found.get(1).unwrap().as_str().split('|'))
            .collect();
        assert!(!asked.is_empty(), "{name}");
        for event in asked {
            assert!(EventKind::NAMES.contains(&event), "{name} asks for {event}");
        }
    }
}

#[test]
fn the_alerts_use_metrics_of_the_table() {
    let (document, table) = (document("metrics.md"), table());
    let (_, alerts) = document.split_once("## Alerts").unwrap();
    let names = Regex::new(r"\bauth_[a-z_]+").unwrap();
    let asked: Vec<&str> = names.find_iter(alerts).map(|found| found.as_str()).collect();
    assert!(asked.len() > 5);
    for name in asked {
        assert!(table.contains_key(name.strip_suffix("_count").unwrap_or(name)), "{name}");
    }
}
