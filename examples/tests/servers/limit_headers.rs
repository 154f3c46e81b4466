//! `RateLimit-Policy` and `RateLimit`, read as the structured fields that they are.

use std::collections::BTreeMap;

use sfv::{BareItem, List, ListEntry, Parser};

use crate::answer::Answer;

/// How one limit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) name: String,
    /// `q`: how many are allowed in the window.
    pub(crate) quota: i64,
    /// `w`: the window in seconds.
    pub(crate) window: i64,
    /// `r`: how many are left.
    pub(crate) left: i64,
    /// `t`: seconds until there are more; none while nothing is used.
    pub(crate) reset: Option<i64>,
}

/// The names of the limits in the policy of an answer, of which there must be one.
#[track_caller]
pub(crate) fn policies(answer: &Answer) -> Vec<String> {
    let policies = items(answer, "ratelimit-policy");
    assert!(!policies.is_empty(), "no policy: {answer:?}");
    policies.into_keys().collect()
}

/// All limits that an answer shows. Each `RateLimit` item must belong to a policy of its name.
#[track_caller]
pub(crate) fn of(answer: &Answer) -> Vec<Standing> {
    let policies = items(answer, "ratelimit-policy");
    let standings = items(answer, "ratelimit");
    assert!(!standings.is_empty(), "no limit is shown: {answer:?}");
    standings
        .into_iter()
        .map(|(name, parameters)| {
            let policy = policies.get(&name).unwrap_or_else(|| panic!("no policy {name}: {answer:?}"));
            let standing = Standing {
                quota: policy["q"],
                window: policy["w"],
                left: parameters["r"],
                reset: parameters.get("t").copied(),
                name,
            };
            assert!((0..=standing.quota).contains(&standing.left), "{standing:?}");
            let reset = standing.reset.unwrap_or_default();
            assert!((0..=standing.window).contains(&reset), "{standing:?}");
            standing
        })
        .collect()
}

/// The limit with this quota and window.
#[track_caller]
pub(crate) fn limit(answer: &Answer, quota: i64, window: i64) -> Standing {
    let shown = of(answer);
    let mut fitting = shown.iter().filter(|limit| limit.quota == quota && limit.window == window);
    fitting.next().unwrap_or_else(|| panic!("no limit of {quota} in {window} s: {shown:?}")).clone()
}

fn items(answer: &Answer, name: &str) -> BTreeMap<String, BTreeMap<String, i64>> {
    let line = answer.all(name).join(", ");
    let list: List = Parser::new(&line).parse().unwrap_or_else(|error| panic!("{name}: {line}: {error}"));
    let count = list.len();
    let items: BTreeMap<_, _> = list
        .into_iter()
        .map(|entry| {
            let ListEntry::Item(item) = entry else { panic!("{name}: {line}: no item") };
            let BareItem::String(label) = item.bare_item else { panic!("{name}: {line}: no string") };
            let numbers = item.params.into_iter().filter_map(|(key, value)| match value {
                BareItem::Integer(number) => Some((key.to_string(), i64::from(number))),
                _ => None,
            });
            (label.to_string(), numbers.collect())
        })
        .collect();
    assert_eq!(items.len(), count, "{name}: {line}: a name stands there twice");
    items
}
