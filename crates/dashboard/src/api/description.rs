//! What the description of the API says of every route alike: who may ask, with what, and how errors look.

use utoipa::Modify;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use super::extract::SESSION_COOKIE;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Everybody, logged in or not.
    Anybody,
    /// Everybody who is logged in.
    LoggedIn,
    /// Operators and administrators.
    MaySwitch,
    /// Administrators.
    Administrator,
}

impl Who {
    /// Who may use a route. What is not named is for administrators; `api/tests/description.rs` asks every described route
    /// in every role whether this is so.
    pub(super) fn of(method: &HttpMethod, path: &str) -> Self {
        let path = path.strip_prefix("/api/v1").unwrap_or(path);
        match (method, path) {
            (HttpMethod::Get, "/health" | "/openapi.json" | "/session")
            | (HttpMethod::Post, "/setup" | "/setup/check" | "/login" | "/logout") => Self::Anybody,
            (HttpMethod::Get, "/house" | "/events" | "/catalogue" | "/metrics" | "/me/home")
            | (HttpMethod::Put, "/me/home")
            | (HttpMethod::Post, "/session/password" | "/logout/everywhere") => Self::LoggedIn,
            (HttpMethod::Get, path) if path.starts_with("/history/") => Self::LoggedIn,
            (HttpMethod::Post, "/devices/{device}/properties/{property}/set") => Self::MaySwitch,
            _ => Self::Administrator,
        }
    }

    /// The sentence for people.
    fn sentence(self) -> &'static str {
        match self {
            Self::Anybody => "For everybody, without a log-in.",
            Self::LoggedIn => "For everybody who is logged in, and tokens of any scope.",
            Self::MaySwitch => {
                "For operators and administrators, and tokens of theirs with the scope `switch` or `administer`."
            }
            Self::Administrator => "For administrators, and tokens of theirs with the scope `administer`.",
        }
    }

    /// The scopes of tokens that suffice (OpenAPI 3.1 allows names of roles for every kind of credential).
    fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Anybody => &[],
            Self::LoggedIn => &["read"],
            Self::MaySwitch => &["switch"],
            Self::Administrator => &["administer"],
        }
    }
}

/// Adds it to the description.
pub(super) struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, openapi: &mut OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let cookie = ApiKeyValue::with_description(
            SESSION_COOKIE,
            "A log-in of the page, as `POST /api/v1/login` sets it. With TLS its name begins with `__Host-`.",
        );
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "A token of `POST /api/v1/tokens`. It may do what its scope and its user may: `read` looks, `switch` also \
             switches, `administer` may do everything.",
        ));
        components.add_security_scheme("token", SecurityScheme::Http(token.build()));
        for (path, item) in &mut openapi.paths.paths {
            let operations = [
                (HttpMethod::Get, &mut item.get),
                (HttpMethod::Put, &mut item.put),
                (HttpMethod::Post, &mut item.post),
                (HttpMethod::Patch, &mut item.patch),
                (HttpMethod::Delete, &mut item.delete),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    describe(operation, Who::of(&method, path), &method);
                }
            }
        }
    }
}

fn describe(operation: &mut Operation, who: Who, method: &HttpMethod) {
    let own = operation.description.take().filter(|text| !text.is_empty());
    operation.description = Some(match own {
        Some(own) => format!("{own}\n\n{}", who.sentence()),
        None => who.sentence().to_owned(),
    });
    operation.security = Some(match who {
        Who::Anybody => Vec::new(),
        _ => vec![
            SecurityRequirement::new("session", Vec::<String>::new()),
            SecurityRequirement::new("token", who.scopes().iter().copied()),
        ],
    });
    let parameters = operation.parameters.iter().flatten();
    let is_query = |one: &RefOr<Parameter>| matches!(one, RefOr::T(one) if matches!(one.parameter_in, ParameterIn::Query));
    let has_query = parameters.into_iter().any(is_query);
    let responses = &mut operation.responses.responses;
    let mut add = |status: &str, what: &str| {
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(error(what)));
    };
    if has_query {
        add("400", "`bad_query`");
    }
    if operation.request_body.is_some() {
        add("400", "`bad_json`");
        add("413", "`too_large`");
        add("415", "`wrong_content_type`");
    }
    if who != Who::Anybody {
        add("401", "`not_logged_in`");
    }
    match (who, method) {
        (Who::MaySwitch | Who::Administrator, _) => add("403", "`forbidden`, `cross_site`"),
        (_, HttpMethod::Get) => {}
        _ => add("403", "`cross_site`"),
    }
    add("421", "`unknown_host`");
    add("500", "`internal`");
    add("503", "`busy`, `too_slow`");
    add("507", "`disk_full`, `nothing_kept`");
}

fn error(what: &str) -> Response {
    let body = Content::new(Some(RefOr::Ref(Ref::from_schema_name("ApiErrorBody"))));
    ResponseBuilder::new().description(what).content("application/json", body).build()
}
