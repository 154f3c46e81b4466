//! The table of events in the page about logs is the list in the code.

use auth_core::{EventKind, Severity};

const PAGE: &str = include_str!("../../docs/logs.md");

#[test]
fn the_table_of_events_is_the_list_in_the_code() {
    let rows = EventKind::ALL.iter().map(|event| {
        let level = match event.severity {
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Error => "error",
        };
        let fields: Vec<String> = event.fields.iter().map(|field| format!("`{field}`")).collect();
        format!("| `{}` | {level} | {} | {} |", event.name, fields.join(", "), event.meaning)
    });
    let (_, table) = PAGE.split_once("| event | level | fields | meaning |\n|---|---|---|---|\n").unwrap();
    assert_eq!(table.lines().collect::<Vec<_>>(), rows.collect::<Vec<_>>());
}
