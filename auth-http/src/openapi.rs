//! The OpenAPI 3.1 document, written from the same list of endpoints as the routes.

use std::collections::BTreeMap;

use auth_core::Limit;
use bytes::Bytes;
use http::StatusCode;
use utoipa::openapi::info::LicenseBuilder;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Header, HeaderBuilder, InfoBuilder, OpenApiBuilder, PathItem,
    PathsBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema, Server,
};

use crate::code::Code;
use crate::config::HttpConfig;
use crate::endpoint::{Body, Endpoint, RefreshTokenIn};
use crate::problem::ProblemBody;
use crate::routes::endpoints;

/// The groups of operations.
const TAGS: [(&str, &str); 3] = [
    ("auth", "Registering, mailed links, logging in, staying logged in and logging out"),
    ("users", "What a logged-in user sees and does"),
    (SERVICE, "Health, public keys and this document"),
];

/// The group of operations whose paths start with no other group.
const SERVICE: &str = "service";

/// The names of the two security schemes.
const ACCESS_TOKEN: &str = "accessToken";
const REFRESH_COOKIE: &str = "refreshCookie";

/// Most characters of a token. The longest is a device token of eight accounts, with 192.
const MAX_TOKEN_CHARS: usize = 256;

/// Most characters of the solution of a challenge: what `Client::with_challenge_response` accepts, 8 KiB.
const MAX_CHALLENGE_CHARS: usize = 8 * 1024;

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
            let operation = operation(config, endpoint, id);
            paths = paths.path(path, PathItem::new(endpoint.documented_method.clone(), operation));
        }
    }
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme(
            ACCESS_TOKEN,
            SecurityScheme::Http(
                HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build(),
            ),
        )
        .security_scheme(
            REFRESH_COOKIE,
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(config.cookie_name()))),
        )
        .build();
    let licence = env!("CARGO_PKG_LICENSE");
    let info = InfoBuilder::new()
        .title("Authentication")
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(LicenseBuilder::new().name(licence).identifier(Some(licence)).build()))
        .description(Some(
            "Native clients may send `X-Token-Transport: body`: the refresh token then travels as \
             `refresh_token` in JSON, and no cookie is read or set.",
        ))
        .build();
    let tags = TAGS.map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build());
    let servers = config.origins().first().map(|own| [Server::new(own.as_str())]);
    let document = OpenApiBuilder::new()
        .info(info)
        .servers(servers)
        .tags(Some(tags))
        .paths(paths.build())
        .components(Some(components))
        .build();
    serde_json::to_vec(&document).map(Bytes::from).unwrap_or_default()
}

fn operation(config: &HttpConfig, endpoint: &Endpoint, id: String) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(endpoint.summary))
        .tag(tag(endpoint))
        .securities(Some(securities(endpoint)));
    for parameter in parameters(endpoint) {
        operation = operation.parameter(parameter);
    }
    if let Some(body) = &endpoint.body {
        let required = if endpoint.is_body_optional { Required::False } else { Required::True };
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(&body.name))).build();
        let request = RequestBodyBuilder::new().content("application/json", content).required(Some(required));
        operation = operation.request_body(Some(request.build()));
    }
    for (status, body) in &endpoint.responses {
        operation = operation.response(status.as_str(), success(config, endpoint, *status, body.as_ref()));
    }
    for (status, codes) in by_status(&endpoint.errors) {
        if endpoint.responses.iter().all(|(own, _)| *own != status) {
            operation = operation.response(status.as_str(), refusal(config, endpoint, status, &codes));
        }
    }
    operation.build()
}

/// Returns the group of an operation, by the first segment of its path.
fn tag(endpoint: &Endpoint) -> &'static str {
    let first = endpoint.path.split('/').nth(1).unwrap_or_default();
    TAGS.iter().map(|(name, _)| *name).find(|name| *name == first).unwrap_or(SERVICE)
}

/// Returns the credentials of an operation, one of which is enough; none for one that everybody may call.
fn securities(endpoint: &Endpoint) -> Vec<SecurityRequirement> {
    let none: [&str; 0] = [];
    let cookie = SecurityRequirement::new(REFRESH_COOKIE, none);
    match endpoint.refresh_token {
        _ if endpoint.bearer => vec![SecurityRequirement::new(ACCESS_TOKEN, none)],
        Some(RefreshTokenIn::Cookie) => vec![cookie],
        Some(RefreshTokenIn::CookieOrBody) => vec![cookie, SecurityRequirement::default()],
        Some(RefreshTokenIn::Body) | None => Vec::new(),
    }
}

fn parameters(endpoint: &Endpoint) -> Vec<Parameter> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let header = |name: &str, required, schema: ObjectBuilder, text: &str| {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
        parameter.required(required).schema(Some(schema)).description(Some(text)).build()
    };
    let mut parameters = Vec::new();
    if endpoint.path.contains("{id}") {
        let id = ParameterBuilder::new().name("id").parameter_in(ParameterIn::Path).required(Required::True);
        let uuid = text().format(Some(SchemaFormat::Custom("uuid".to_owned())));
        parameters.push(id.schema(Some(uuid)).build());
    }
    let in_body = endpoint.refresh_token == Some(RefreshTokenIn::Body);
    if endpoint.sets_cookie || in_body {
        let required = if in_body { Required::True } else { Required::False };
        parameters.push(header(
            "X-Token-Transport",
            required,
            text().enum_values(Some(["body"])),
            "For native clients: tokens travel in JSON, and no cookie is read or set",
        ));
    }
    if endpoint.rate_limits.contains(&Limit::LogInDevice) {
        parameters.push(header(
            "X-Device-Token",
            Required::False,
            text().max_length(Some(MAX_TOKEN_CHARS)),
            "With `X-Token-Transport: body`: the `device_token` of an earlier log-in",
        ));
    }
    if endpoint.errors.contains(&Code::ChallengeRequired) {
        parameters.push(header(
            "X-Challenge-Response",
            Required::False,
            text().max_length(Some(MAX_CHALLENGE_CHARS)),
            "The solution of a challenge, after a 429 `challenge_required`",
        ));
    }
    parameters
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

fn success(config: &HttpConfig, endpoint: &Endpoint, status: StatusCode, body: Option<&Body>) -> Response {
    let mut response = ResponseBuilder::new().description(status.canonical_reason().unwrap_or_default());
    if let Some(body) = body {
        let schema = Ref::from_schema_name(&body.name);
        response = response.content("application/json", ContentBuilder::new().schema(Some(schema)).build());
    }
    if endpoint.sets_cookie {
        let (cookie, device) = (config.cookie_name(), config.device_cookie_name());
        let text = match status {
            StatusCode::NO_CONTENT => format!("clears `{cookie}`"),
            _ => format!("`{cookie}` with the refresh token, after a log-in also `{device}`"),
        };
        response = response.header("Set-Cookie", header(&text));
    }
    with_headers(endpoint, status, response).build()
}

/// Describes the problems of one status; the schema lists their codes.
fn refusal(config: &HttpConfig, endpoint: &Endpoint, status: StatusCode, codes: &[Code]) -> Response {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names.clone())).build();
    let these: RefOr<Schema> = ObjectBuilder::new().property("code", code).required("code").build().into();
    let schema =
        utoipa::openapi::AllOfBuilder::new().item(Ref::from_schema_name("Problem")).item(these).build();
    let content = ContentBuilder::new().schema(Some(Schema::AllOf(schema))).build();
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let mut response =
        ResponseBuilder::new().description(quoted.join(", ")).content("application/problem+json", content);
    let in_cookie =
        matches!(endpoint.refresh_token, Some(RefreshTokenIn::Cookie | RefreshTokenIn::CookieOrBody));
    if in_cookie && status == StatusCode::UNAUTHORIZED {
        let text = format!("clears `{}`, if its token is of no more use", config.cookie_name());
        response = response.header("Set-Cookie", header(&text));
    }
    with_headers(endpoint, status, response).build()
}

fn header(text: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(text)).build()
}

fn with_headers(endpoint: &Endpoint, status: StatusCode, mut response: ResponseBuilder) -> ResponseBuilder {
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
