//! Page, API and the door for MQTT in one, with what every request goes through on its way there.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use crate::api::{self, ApiError, App, MAX_REQUEST_TIME, UPLOAD_PATH, refuse_changes, to_its_end};
use crate::{headers, hosts, web, websocket};

/// Longest body of a request, in bytes. The longest that makes sense is a log-in with the longest password.
const MAX_BODY_BYTES: usize = 16 * 1_024;

/// Page and API.
pub(crate) fn router(app: App) -> Router {
    let api = api::routes()
        .route("/mqtt", get(websocket::open))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(middleware::from_fn(never_store))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CompressionLayer::new());
    let app = Arc::new(app);
    api.fallback(web::answer)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), refuse_changes))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), headers::refuse_cross_site))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), hosts::refuse_unknown))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), to_its_end))
        .layer(middleware::from_fn(limit_time))
        .layer(CatchPanicLayer::custom(explain_panic))
        .layer(middleware::from_fn(headers::close_after_refusal))
        .layer(middleware::from_fn(headers::add))
        .with_state(app)
}

/// Answers of the API are about now, and some are secret.
async fn never_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn limit_time(request: Request, next: Next) -> Response {
    if request.uri().path() == UPLOAD_PATH {
        // It has limits of its own, which a file of years over poor Wi-Fi can keep.
        return next.run(request).await;
    }
    match tokio::time::timeout(MAX_REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(limit = ?MAX_REQUEST_TIME, "a request took too long");
            ApiError::too_slow().into_response()
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands over what the panic carried")]
fn explain_panic(carried: Box<dyn Any + Send>) -> Response {
    let text = carried.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| carried.downcast_ref::<String>().cloned());
    ApiError::internal(&format!("panic: {}", text.as_deref().unwrap_or("unknown"))).into_response()
}
