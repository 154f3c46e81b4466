//! The routes of the API, as its OpenAPI document describes them: the one table that every test of all
//! routes walks. A new route is in it without an edit.

use serde_json::{Map, Value, json};

use crate::PASSWORD;

/// In the paths of routes that name a record: the identifier of no record.
pub const UNKNOWN_ID: &str = "01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a";

/// One route, with everything that a request which it reads must have.
#[derive(Debug, Clone)]
pub struct Route {
    /// The method, in upper case.
    pub method: String,
    /// The whole path, with [`UNKNOWN_ID`] where it names a record.
    pub path: String,
    /// The operation id.
    pub operation: String,
    /// Whether it requires an access token.
    pub bearer: bool,
    /// Whether it reads the refresh token, from the cookie or from the body.
    pub refresh_token: bool,
    /// Whether its requests are counted.
    pub limited: bool,
    /// The fields of the body; none where it reads no body.
    pub fields: Vec<Field>,
}

/// One field of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name.
    pub name: String,
    /// Whether the body must have it.
    pub required: bool,
}

impl Route {
    /// Reads the routes of an OpenAPI document.
    pub fn all(document: &Value) -> Vec<Self> {
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (method, path, operation))
        });
        operations.map(|(method, path, operation)| Self::read(document, method, path, operation)).collect()
    }

    fn read(document: &Value, method: &str, path: &str, operation: &Value) -> Self {
        let needs = |scheme| {
            let all = operation["security"].as_array().into_iter().flatten();
            all.into_iter().any(|requirement| requirement.get(scheme).is_some())
        };
        let responses = operation["responses"].as_object().unwrap();
        let fields = fields(document, operation);
        Self {
            method: method.to_uppercase(),
            path: path.replace("{id}", UNKNOWN_ID),
            operation: operation["operationId"].as_str().unwrap().to_owned(),
            bearer: needs("accessToken"),
            refresh_token: needs("refreshCookie") || fields.iter().any(|field| field.name == "refresh_token"),
            limited: responses.contains_key("429"),
            fields,
        }
    }

    /// Whether it can change anything.
    pub fn changes(&self) -> bool {
        self.method != "GET"
    }

    /// Whether it reads a body.
    pub fn has_body(&self) -> bool {
        !self.fields.is_empty()
    }

    /// Whether a body has this field.
    pub fn has_field(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    /// A body with the required fields and these values; a field without one gets a sample.
    pub fn body(&self, values: &[(&str, &str)]) -> Option<Value> {
        let value = |name: &str| values.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
        let fields = self.fields.iter().filter(|field| field.required);
        let body: Map<String, Value> = fields
            .map(|field| {
                (field.name.clone(), json!(value(&field.name).unwrap_or_else(|| sample(&field.name))))
            })
            .collect();
        self.has_body().then_some(Value::Object(body))
    }
}

/// A text of the right form. A field that is not listed takes any text.
fn sample(field: &str) -> &'static str {
    match field {
        "email" => "ada@example.com",
        "new_email" => "countess@example.com",
        "password" | "current_password" | "new_password" => PASSWORD,
        _ => "t",
    }
}

/// The fields of the body of an operation.
fn fields(document: &Value, operation: &Value) -> Vec<Field> {
    let reference = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    let Some(name) = reference.as_str().and_then(|text| text.rsplit('/').next()) else { return Vec::new() };
    let schema = &document["components"]["schemas"][name];
    let is_required = |name: &str| {
        let required = schema["required"].as_array();
        required.is_some_and(|required| required.contains(&json!(name)))
    };
    let names = schema["properties"].as_object().into_iter().flat_map(Map::keys);
    names.map(|name| Field { name: name.clone(), required: is_required(name) }).collect()
}
