//! The OpenAPI 3.1 document, written from the same list of endpoints as the routes.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HeaderBuilder, InfoBuilder, OpenApiBuilder, PathItem, PathsBuilder,
    Ref, RefOr, Required, Response, ResponseBuilder, Schema,
};

use crate::code::Code;
use crate::config::HttpConfig;
use crate::endpoint::{Body, Endpoint};
use crate::problem::ProblemBody;
use crate::routes::endpoints;

/// Writes the OpenAPI 3.1 document of the API, as it is served at `/openapi.json`.
///
/// For programs that generate clients or read the list of routes without a running server.
pub fn openapi_document(config: &HttpConfig) -> Bytes {
    let mut paths = PathsBuilder::new();
    let mut schemas = Vec::new();
    (Body::of::<ProblemBody>().collect)(&mut schemas);
    for endpoint in &endpoints() {
        let bodies =
            endpoint.body.iter().chain(endpoint.responses.iter().filter_map(|(_, body)| body.as_ref()));
        for body in bodies {
            (body.collect)(&mut schemas);
        }
        for (index, path) in endpoint.paths(config).into_iter().enumerate() {
            // A route at two paths is documented at both; operation ids must be unique.
            let id = if index == 0 {
                endpoint.operation_id.to_owned()
            } else {
                format!("{}AtRoot", endpoint.operation_id)
            };
            paths =
                paths.path(path, PathItem::new(endpoint.documented_method.clone(), operation(endpoint, id)));
        }
    }
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme(
            "accessToken",
            SecurityScheme::Http(
                HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build(),
            ),
        )
        .security_scheme(
            "refreshCookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(config.cookie_name()))),
        )
        .build();
    let info = InfoBuilder::new()
        .title("Authentication")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Native clients may send `X-Token-Transport: body`: the refresh token then travels as \
             `refresh_token` in JSON, and no cookie is read or set.",
        ))
        .build();
    let document = OpenApiBuilder::new().info(info).paths(paths.build()).components(Some(components)).build();
    serde_json::to_vec(&document).map(Bytes::from).unwrap_or_default()
}

fn operation(endpoint: &Endpoint, id: String) -> utoipa::openapi::path::Operation {
    let mut operation = OperationBuilder::new().operation_id(Some(id)).summary(Some(endpoint.summary));
    if endpoint.path.contains("{id}") {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        operation = operation.parameter(
            ParameterBuilder::new()
                .name("id")
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(text)),
        );
    }
    if let Some(body) = &endpoint.body {
        let required = if endpoint.is_body_optional { Required::False } else { Required::True };
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(&body.name))).build();
        let request = RequestBodyBuilder::new().content("application/json", content).required(Some(required));
        operation = operation.request_body(Some(request.build()));
    }
    let none: [&str; 0] = [];
    if endpoint.bearer {
        operation = operation.security(SecurityRequirement::new("accessToken", none));
    }
    if endpoint.refresh_token {
        operation = operation.security(SecurityRequirement::new("refreshCookie", none));
    }
    for (status, body) in &endpoint.responses {
        operation = operation.response(status.as_str(), success(endpoint, *status, body.as_ref()));
    }
    for (status, codes) in by_status(&endpoint.errors) {
        if endpoint.responses.iter().all(|(own, _)| *own != status) {
            operation = operation.response(status.as_str(), refusal(endpoint, status, &codes));
        }
    }
    operation.build()
}

fn by_status(codes: &[Code]) -> BTreeMap<StatusCode, Vec<Code>> {
    let mut by_status: BTreeMap<StatusCode, Vec<Code>> = BTreeMap::new();
    for code in codes {
        let same = by_status.entry(code.status()).or_default();
        if !same.contains(code) {
            same.push(*code);
        }
    }
    by_status
}

fn success(endpoint: &Endpoint, status: StatusCode, body: Option<&Body>) -> Response {
    let mut response = ResponseBuilder::new().description(status.canonical_reason().unwrap_or_default());
    if let Some(body) = body {
        let schema = Ref::from_schema_name(&body.name);
        response = response.content("application/json", ContentBuilder::new().schema(Some(schema)).build());
    }
    with_headers(endpoint, status, response).build()
}

/// Describes the problems of one status; the schema lists their codes.
fn refusal(endpoint: &Endpoint, status: StatusCode, codes: &[Code]) -> Response {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names.clone())).build();
    let these: RefOr<Schema> = ObjectBuilder::new().property("code", code).required("code").build().into();
    let schema =
        utoipa::openapi::AllOfBuilder::new().item(Ref::from_schema_name("Problem")).item(these).build();
    let content = ContentBuilder::new().schema(Some(Schema::AllOf(schema))).build();
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let response =
        ResponseBuilder::new().description(quoted.join(", ")).content("application/problem+json", content);
    with_headers(endpoint, status, response).build()
}

fn with_headers(endpoint: &Endpoint, status: StatusCode, mut response: ResponseBuilder) -> ResponseBuilder {
    let header = |text: &str| {
        let schema = ObjectBuilder::new().schema_type(Type::String).build();
        HeaderBuilder::new().schema(Some(schema)).description(Some(text)).build()
    };
    if !endpoint.rate_limits.is_empty() {
        response = response
            .header("RateLimit-Policy", header("the limits of this operation"))
            .header("RateLimit", header("how they stand for this client"));
    }
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response = response.header("Retry-After", header("when to try again, in seconds"));
    }
    if status == StatusCode::UNAUTHORIZED && endpoint.bearer {
        response = response.header("WWW-Authenticate", header("a Bearer challenge (RFC 6750)"));
    }
    response
}
