//! The API's description in OpenAPI 3.1. Each endpoint describes itself beside its handler; what holds for all of them is
//! added here. It is served at `/openapi.json`, printed by `chat-server openapi`, and committed for those who build on it.

use std::sync::LazyLock;

use axum::http::{HeaderName, HeaderValue, header};
use utoipa::OpenApi as _;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use super::error::Problem;

const ALLOW: &str = "Allow";
const REQUEST_ID: &str = "X-Request-Id";
const RETRY_AFTER: &str = "Retry-After";
const METHOD_NOT_ALLOWED: &str = "MethodNotAllowed";

/// Name, meaning and pattern of the answers' headers.
const HEADERS: [(&str, &str, &str); 3] = [
    (
        ALLOW,
        "The methods that the path takes",
        "^[A-Z]+(,[A-Z]+)*$",
    ),
    (
        REQUEST_ID,
        "The caller's, or a new one; all log lines of the request have it",
        "^[A-Za-z0-9._-]{1,64}$",
    ),
    (
        RETRY_AFTER,
        "Seconds to wait before trying again",
        "^[1-9][0-9]*$",
    ),
];

/// What is true of the API as a whole.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "ChatApp",
        description = "A chat with a silly bot. Errors are `{\"detail\": \"...\"}`; query strings and unknown fields are ignored.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "chat", description = "For the page"),
        (name = "operation", description = "For those who run the server"),
    ),
    components(schemas(Problem)),
)]
struct Api;

/// The description without the endpoints.
pub(super) fn base() -> OpenApi {
    Api::openapi()
}

/// The whole description, as text.
pub(crate) static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut api = super::endpoints().into_openapi();
    api.paths
        .paths
        .values_mut()
        .flat_map(operations)
        .for_each(complete);
    let components = api.components.get_or_insert_default();
    components.headers = HEADERS
        .map(|(name, header, pattern)| (name.to_owned(), RefOr::T(text(header, pattern))))
        .into();
    let refused = RefOr::T(method_not_allowed());
    components
        .responses
        .insert(METHOD_NOT_ALLOWED.to_owned(), refused);
    // Writing fails only for maps whose keys aren't texts.
    api.to_pretty_json().unwrap_or_default() + "\n"
});

/// This description
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub(super) async fn document() -> ([(HeaderName, HeaderValue); 1], &'static str) {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, JSON)], &DOCUMENT)
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.post, &mut path.delete]
        .into_iter()
        .flatten()
}

/// What holds for every operation: the answer to another method, and which headers an answer has.
fn complete(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    for (status, response) in responses.iter_mut() {
        if let RefOr::T(response) = response {
            add_headers(response, status);
        }
    }
    let refused = Ref::new(format!("#/components/responses/{METHOD_NOT_ALLOWED}"));
    responses.insert("405".to_owned(), refused.into());
}

fn add_headers(response: &mut Response, status: &str) {
    let headers: &[&str] = match status {
        "405" => &[REQUEST_ID, ALLOW],
        "429" | "503" => &[REQUEST_ID, RETRY_AFTER],
        _ => &[REQUEST_ID],
    };
    for name in headers {
        let header = Ref::new(format!("#/components/headers/{name}"));
        response
            .headers
            .insert((*name).to_owned(), RefOr::Ref(header));
    }
}

fn method_not_allowed() -> Response {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    let mut response = ResponseBuilder::new()
        .description("The path doesn't take the method")
        .content("application/json", problem.build())
        .build();
    add_headers(&mut response, "405");
    response
}

fn text(description: &str, pattern: &str) -> Header {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern));
    HeaderBuilder::new()
        .description(Some(description))
        .schema(Some(schema.build()))
        .build()
}
