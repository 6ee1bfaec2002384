//! What every answer tells the browser about safety, and the check that a request comes from our own page.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::accounts::{By, Deed};
use crate::api::{ApiError, App, Peer};

/// The page loads what we serve and nothing else. Charts set their sizes through the style object, which this allows;
/// style attributes and inline scripts it does not.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; manifest-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

/// Set on every answer, in order. Cross-Origin-Opener-Policy is not among them: over plain HTTP browsers ignore it and
/// complain in their console.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    // Our own pages may know where a request came from (the origin check needs that), others may not.
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Puts the headers on the answer.
pub(crate) async fn add(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Says that the connection closes after a refusal to a request that has a body: the server may not have read all of
/// it, and closes the connection then. A client that is not told sends its next request into nothing.
pub(crate) async fn close_after_refusal(request: Request, next: Next) -> Response {
    let has_body = !request.body().is_end_stream();
    let mut response = next.run(request).await;
    if has_body && (response.status().is_client_error() || response.status().is_server_error()) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// What a form of any page can send without asking first (Fetch standard, CORS-safelisted request-header). Nothing here
/// takes it.
const OF_FORMS: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/// Refuses requests that change something and were made by a page of another site, or that a form could have made.
pub(crate) async fn refuse_cross_site(
    State(app): State<Arc<App>>,
    peer: Peer,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    if request.method().is_safe() {
        return next.run(request).await;
    }
    if is_same_site(headers) {
        return if is_of_form(headers) {
            ApiError::not_json().into_response()
        } else {
            next.run(request).await
        };
    }
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let (by, path) = (By::stranger(peer.address.ip()), request.uri().path());
    app.accounts.note(Deed::CrossSite, &by, origin, Some(path)).await;
    ApiError::new(
        StatusCode::FORBIDDEN,
        "cross_site",
        "This request was made by a page of another site. Open the gateway's own page.",
    )
    .into_response()
}

/// Browsers say in `Sec-Fetch-Site` where a request comes from (Fetch Metadata, W3C), but only to addresses they
/// trust; and in `Origin`, which is compared with `Host`. Neither may point elsewhere. Programs that are no browsers send
/// neither and hold no cookie that another site could make use of.
///
/// Where the browser vouches for its page, only the names are compared: a proxy on a port of its own often hands on `Host`
/// without it (`$host` of nginx).
fn is_same_site(headers: &HeaderMap) -> bool {
    let is_near = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
    let site = headers.get("sec-fetch-site");
    let part: fn(&str) -> &str =
        if site.is_some_and(|site| site == "same-origin") { without_port } else { |whole| whole };
    site.is_none_or(is_near)
        && headers.get(ORIGIN).is_none_or(|origin| is_origin_of(origin, headers.get(HOST), part))
}

/// Whether these parts of an origin and of a host are the same.
fn is_origin_of(origin: &HeaderValue, host: Option<&HeaderValue>, part: fn(&str) -> &str) -> bool {
    let (Ok(origin), Some(Ok(host))) = (origin.to_str(), host.map(HeaderValue::to_str)) else { return false };
    origin.split_once("://").is_some_and(|(_, authority)| part(authority).eq_ignore_ascii_case(part(host)))
}

/// The name or address alone; one of IPv6 in its brackets (RFC 3986 section 3.2.2).
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

fn is_of_form(headers: &HeaderMap) -> bool {
    let Some(Ok(text)) = headers.get(CONTENT_TYPE).map(HeaderValue::to_str) else { return false };
    let essence = text.split(';').next().unwrap_or(text).trim();
    OF_FORMS.iter().any(|form| essence.eq_ignore_ascii_case(form))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same_site(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        is_same_site(&headers)
    }

    #[test]
    fn other_sites_are_told_apart() {
        let host = ("host", "pi.local:8080");
        assert!(same_site(&[host]), "a script");
        assert!(same_site(&[host, ("origin", "http://pi.local:8080")]));
        assert!(same_site(&[host, ("origin", "http://Pi.local:8080")]));
        assert!(same_site(&[host, ("sec-fetch-site", "same-origin"), ("origin", "http://pi.local:8080")]));
        assert!(!same_site(&[host, ("sec-fetch-site", "same-site"), ("origin", "http://pi.local:9090")]));
        assert!(!same_site(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(!same_site(&[host, ("origin", "http://pi.local:9090")]));
        assert!(!same_site(&[host, ("origin", "http://evil.example")]));
        assert!(!same_site(&[host, ("origin", "null")]));
        assert!(!same_site(&[("origin", "http://pi.local:8080")]));
        assert!(!same_site(&[host, ("sec-fetch-site", "same-origin"), ("origin", "http://evil.example")]));
        assert!(!same_site(&[host, ("sec-fetch-site", "cross-site"), ("origin", "http://pi.local:8080")]));
    }

    /// nginx with `proxy_set_header Host $host` on port 8443: nobody could log in.
    #[test]
    fn a_proxy_may_drop_the_port_where_the_browser_vouches_for_the_page() {
        let vouched = ("sec-fetch-site", "same-origin");
        for (host, origin) in
            [("pi.example", "https://pi.example:8443"), ("[fd00::20]", "https://[fd00::20]:8443")]
        {
            assert!(same_site(&[("host", host), vouched, ("origin", origin)]));
            assert!(!same_site(&[("host", host), ("origin", origin)]), "nobody vouches for it");
            assert!(!same_site(&[("host", host), ("sec-fetch-site", "same-site"), ("origin", origin)]));
            assert!(!same_site(&[("host", host), vouched, ("origin", "https://evil.example:8443")]));
        }
        assert!(!same_site(&[("host", "[fd00::20]"), vouched, ("origin", "https://[fd00::21]")]));
        assert!(!same_site(&[("host", "pi.example"), vouched, ("origin", "null")]));
    }

    #[test]
    fn what_forms_send_is_known() {
        for (text, expected) in [
            ("text/plain;charset=UTF-8", true),
            ("Multipart/Form-Data; boundary=x", true),
            ("application/x-www-form-urlencoded", true),
            ("application/json", false),
            ("application/octet-stream", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(text))]);
            assert_eq!(is_of_form(&headers), expected, "{text}");
        }
        assert!(!is_of_form(&HeaderMap::new()));
    }
}
