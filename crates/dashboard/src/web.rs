//! The web app, inside the binary.

use std::convert::Infallible;
use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use memory_serve::CacheControl;
use tower::ServiceExt;

use crate::api::ApiError;

/// Names of files in here carry a hash of what they hold, so a browser may keep them for good.
const HASHED_FILES: &str = "/assets/";

/// Answers every path that no other route knows: files of the web app, and the app itself for the paths of its pages.
pub(crate) async fn answer(request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return ApiError::unknown_path().into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = ApiError::method_not_allowed().into_response();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let is_hashed = path.starts_with(HASHED_FILES);
    // The paths of pages have no dot; a missing file answered with the app would be taken for the file.
    let may_be_page = !is_hashed && !path.rsplit('/').next().is_some_and(|last| last.contains('.'));
    let mut page_request = Request::new(Body::empty());
    *page_request.method_mut() = request.method().clone();
    *page_request.headers_mut() = request.headers().clone();
    *page_request.uri_mut() = Uri::from_static("/");

    let Ok::<_, Infallible>(mut response) = files().clone().oneshot(request).await;
    if response.status() == StatusCode::NOT_FOUND {
        if !may_be_page {
            return ApiError::unknown_path().into_response();
        }
        let Ok::<_, Infallible>(page) = files().clone().oneshot(page_request).await;
        return page;
    }
    if is_hashed {
        let keep = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(CACHE_CONTROL, keep);
    }
    response
}

/// The files are unpacked once for the process, since that memory is never given back.
fn files() -> &'static Router {
    static FILES: OnceLock<Router> = OnceLock::new();
    FILES.get_or_init(|| {
        let files = memory_serve::load!()
            .index_file(Some("/index.html"))
            .html_cache_control(CacheControl::NoCache)
            .cache_control(CacheControl::NoCache);
        // It would log a line for each file at `info`.
        let silent = tracing::subscriber::NoSubscriber::default();
        tracing::subscriber::with_default(silent, || files.into_router())
    })
}

/// Unpacks the files now, so that the first visitor does not wait for it.
pub(crate) fn unpack() {
    files();
}
