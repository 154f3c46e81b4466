//! Checking templates before the first mail: each mail is rendered once in each language, with a name
//! that looks like markup.

use std::collections::BTreeSet;

use auth_core::MailKind;

use super::{Facts, Rendered, Settings};
use crate::problems::Problems;

const NAME: &str = "<auth-name-of-a-check>";

pub(super) fn every_mail(settings: &Settings, problems: &mut Problems) {
    let link = format!("{}#/check?token=AbC-123_x.yZ", settings.links.home());
    let mut found = BTreeSet::new();
    for language in &settings.languages {
        for &kind in MailKind::ALL {
            for name in [Some(NAME), None] {
                match settings.render(language, &Facts::example(kind, name, &link)) {
                    Ok(rendered) => found.extend(missing(kind, &language.tag, &link, &rendered)),
                    Err(error) => {
                        let cause = error.source.as_ref().map(described).unwrap_or_default();
                        found.insert((error.place, cause));
                    }
                }
            }
        }
    }
    for (setting, problem) in found {
        problems.add(setting, problem);
    }
}

fn missing(kind: MailKind, tag: &str, link: &str, rendered: &Rendered) -> Vec<(String, String)> {
    let name = kind.name();
    let mut missing = Vec::new();
    let mut expect = |fulfilled: bool, setting: String, problem: &str| {
        if !fulfilled {
            missing.push((setting, problem.to_owned()));
        }
    };
    expect(!rendered.subject.is_empty(), format!("languages.{tag}.{name}.subject"), "must not be empty");
    if kind.has_token() {
        let alone = rendered.text.split_whitespace().any(|word| word == link);
        expect(alone, format!("{name}.txt"), "must show `{{ link }}` with white space around it");
        let linked = rendered.html.contains(&format!("href=\"{link}\""));
        expect(linked, format!("{name}.html"), "must have a link with `href=\"{{ link }}\"`");
    }
    expect(!rendered.html.contains(NAME), format!("{name}.html"), "must not mark the name as safe");
    missing
}

/// Describes a template error and its place on one line.
pub(super) fn described(error: &minijinja::Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("line {line}: {what}"),
        None => what,
    }
}
