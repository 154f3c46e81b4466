//! JSON bodies: exactly the documented fields, or `malformed_request`, as an independent reader decides.
//!
//! The first byte chooses the route; the rest is the body.

use std::fmt;
use std::sync::LazyLock;

use auth_http::ProxyHeader;
use http::{HeaderMap, HeaderValue};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::service::Service;

static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::new(ProxyHeader::XForwardedFor));

/// A route with the names of the fields it needs and of those it may have.
type Route = (&'static str, &'static [&'static str], &'static [&'static str]);

const ROUTES: [Route; 3] = [
    ("/auth/login", &["email", "password"], &[]),
    ("/auth/verify-email", &["token"], &["password"]),
    ("/auth/reset-password", &["token", "password"], &[]),
];

pub(crate) fn run(input: &[u8]) {
    let Some((choice, body)) = input.split_first() else { return };
    let (route, needed, optional) = ROUTES[usize::from(*choice) % ROUTES.len()];
    let expected = serde_json::from_slice::<Members>(body).is_ok_and(|Members(members)| {
        let once = |name: &str| members.iter().filter(|(known, _)| known == name).count() == 1;
        needed.iter().all(|name| once(name))
            && members.iter().all(|(name, value)| {
                (needed.contains(&name.as_str()) || optional.contains(&name.as_str()))
                    && once(name)
                    && (value.is_string() || value.is_null() && optional.contains(&name.as_str()))
            })
    });
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let response = SERVICE.post(route, headers, [192, 0, 2, 1].into(), body);
    let answer: Value =
        serde_json::from_slice(response.body()).expect("every answer of these routes is JSON");
    let malformed = response.status() == 400 && answer["code"] == "malformed_request";
    assert!(!response.status().is_server_error(), "{route}: {answer}");
    assert_eq!(malformed, !expected, "{route} {:?}: {answer}", String::from_utf8_lossy(body));
}

/// The members of an object, with those that have the same name.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(All)
    }
}
