//! Files of the web app, headers, and addresses that lead nowhere. These hold for the real app and for the page that
//! stands in for it.

use axum::http::Method;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use serde_json::json;

use super::world::{Answer, World, request};
use crate::{Role, Warning, WarningWord};

#[tokio::test]
async fn the_page_comes_for_every_path_of_its_own() {
    let world = World::new().await;
    let index = world.get("/", "").await;
    assert_eq!(index.status, 200);
    assert_eq!(index.header(CONTENT_TYPE), "text/html");
    assert_eq!(index.header(CACHE_CONTROL), "no-cache");
    for path in ["/index.html", "/device/boiler", "/setup", "/%C3%A1tico", "/apis"] {
        let page = world.get(path, "").await;
        assert_eq!((page.status.as_u16(), &page.body), (200, &index.body), "{path}");
    }
    let mut known = request(Method::GET, "/", "", None);
    known.headers_mut().insert(IF_NONE_MATCH, index.header(ETAG).parse().unwrap());
    assert_eq!(world.send(known).await.status(), 304);
}

#[tokio::test]
async fn the_page_keeps_to_its_own_policy() {
    let world = World::new().await;
    let index = world.get("/", "").await;
    let html = std::str::from_utf8(&index.body).unwrap();
    for forbidden in ["<style", " style=", "<script>", " onclick=", "://"] {
        assert!(!html.contains(forbidden), "{forbidden} in {html}");
    }
    // What the page names is there, and what has a hash in its name may be kept for good.
    for part in html.split(['"', '\'']).filter(|part| part.starts_with('/') && part.len() > 1) {
        let file = world.get(part, "").await;
        assert_eq!(file.status, 200, "{part}");
        assert_ne!(file.body, index.body, "{part}");
        let kept =
            if part.starts_with("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        assert_eq!(file.header(CACHE_CONTROL), kept, "{part}");
    }
}

/// A page of an older version asks for files that are gone. Were the page itself the answer, the browser would keep
/// it for a year under the name of a script.
#[tokio::test]
async fn a_missing_file_is_not_answered_with_the_page() {
    let world = World::new().await;
    for path in ["/assets/index-00000000.js", "/assets/", "/favicon.png", "/a/b.css"] {
        let missing = world.get(path, "").await;
        missing.assert_error(404, "unknown_path");
        assert!(!missing.header(CACHE_CONTROL).contains("immutable"), "{path}");
    }
}

#[tokio::test]
async fn addresses_that_lead_nowhere() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    for path in ["/api", "/api/", "/api/v1", "/api/v1/unknown", "/api/v2/house", "/api/v1/house/x"] {
        world.get(path, "").await.assert_error(404, "unknown_path");
        world.post(path, &cookie, json!({})).await.assert_error(404, "unknown_path");
    }
    let wrong_method = world.post("/api/v1/house", &cookie, json!({})).await;
    wrong_method.assert_error(405, "method_not_allowed");
    assert!(wrong_method.header(ALLOW).contains("GET"));
    world.get("/api/v1/login", "").await.assert_error(405, "method_not_allowed");
    world.post("/", "", json!({})).await.assert_error(405, "method_not_allowed");
    let deleted = Answer::read(world.send(request(Method::DELETE, "/device/x", "", None)).await).await;
    deleted.assert_error(405, "method_not_allowed");
}

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let world = World::new().await;
    for path in ["/", "/device/boiler", "/health", "/api/v1/session", "/api/v1/house", "/api/v1/unknown"] {
        let answer = world.get(path, "").await;
        let policy = answer.header(CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}");
        assert!(!policy.contains("  "), "{policy}");
        assert_eq!(answer.header(X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert_eq!(answer.header(REFERRER_POLICY), "same-origin", "{path}");
        let resource_policy = HeaderName::from_static("cross-origin-resource-policy");
        assert_eq!(answer.header(resource_policy), "same-origin", "{path}");
    }
    assert_eq!(world.get("/api/v1/session", "").await.header(CACHE_CONTROL), "no-store");
}

/// A monitor that asks without logging in hears that somebody should look, and not at what.
#[tokio::test]
async fn health_tells_whether_somebody_should_look_and_the_figures_tell_at_what() {
    let world = World::new().await;
    let cookie = world.cookie_of("prometheus", Role::Viewer).await;
    let configured = Warning { kind: WarningWord::AnonymousClients, detail: "guests".to_owned() };
    // After each power cut a monitor called somebody who had nothing to do.
    let cut_off = Warning { kind: WarningWord::EndedCutOff, detail: String::new() };
    world.live.warn(vec![configured.clone(), cut_off]);
    assert_eq!(world.get("/health", "").await.json(), json!({ "status": "ok" }), "nothing has to be done");
    let full = Warning { kind: WarningWord::DiskFull, detail: String::new() };
    world.live.warn(vec![configured, full]);
    let health = world.get("/health", "").await;
    assert_eq!((health.status.as_u16(), health.json()), (200, json!({ "status": "degraded" })));
    // Whoever looks at the status alone asks for it.
    for query in ["strict", "strict=true", "strict=1", "strict="] {
        world.get(&format!("/health?{query}"), "").await.assert_error(503, "degraded");
    }
    for query in ["strict=false", "other=1"] {
        assert_eq!(world.get(&format!("/health?{query}"), "").await.status, 200, "{query}");
    }
    world.get("/health?strict&strict", "").await.assert_error(400, "bad_query");
    let figures = world.get("/metrics", &cookie).await;
    let figures = String::from_utf8(figures.body.to_vec()).unwrap();
    assert!(figures.contains("\ngatehouse_warning{kind=\"disk_full\"} 1\n"), "{figures}");
    assert!(figures.contains("\ngatehouse_warning{kind=\"ended_hung\"} 0\n"), "{figures}");
    for word in WarningWord::ALL {
        assert_eq!(serde_json::to_value(word).unwrap(), word.as_str());
    }
    world.live.warn(Vec::new());
    for path in ["/health", "/health?strict"] {
        let health = world.get(path, "").await;
        assert_eq!((health.status.as_u16(), health.json()), (200, json!({ "status": "ok" })));
    }
}

#[tokio::test]
async fn health_and_description_need_no_log_in() {
    let world = World::new().await;
    assert_eq!(world.get("/health", "").await.json(), json!({ "status": "ok" }));
    let description = world.get("/api/v1/openapi.json", "").await.json();
    assert_eq!(description["openapi"].as_str().map(|version| &version[..4]), Some("3.1."));
    // Every route of the router is described, and nothing else.
    let mut paths: Vec<&str> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    paths.sort_unstable();
    let expected = [
        "/api/v1/audit",
        "/api/v1/backup",
        "/api/v1/backup/file",
        "/api/v1/board",
        "/api/v1/board/probes",
        "/api/v1/board/scan",
        "/api/v1/catalogue",
        "/api/v1/configuration",
        "/api/v1/configuration/check",
        "/api/v1/configuration/confirm",
        "/api/v1/configuration/devices",
        "/api/v1/configuration/devices/{id}",
        "/api/v1/configuration/devices/{id}/draft",
        "/api/v1/configuration/gateway",
        "/api/v1/configuration/take-back",
        "/api/v1/configuration/versions",
        "/api/v1/configuration/versions/{id}",
        "/api/v1/connections",
        "/api/v1/connections/{client_id}/disconnect",
        "/api/v1/demo/faults",
        "/api/v1/demo/inputs",
        "/api/v1/devices/{device}/properties/{property}/set",
        "/api/v1/doctor",
        "/api/v1/doctor/mend",
        "/api/v1/events",
        "/api/v1/first-run",
        "/api/v1/first-run/{step}",
        "/api/v1/history/as-of",
        "/api/v1/history/events",
        "/api/v1/history/export",
        "/api/v1/history/series",
        "/api/v1/history/sparklines",
        "/api/v1/history/status",
        "/api/v1/history/{device}/{property}",
        "/api/v1/history/{device}/{property}/texts",
        "/api/v1/house",
        "/api/v1/login",
        "/api/v1/logout",
        "/api/v1/logout/everywhere",
        "/api/v1/logs",
        "/api/v1/me/home",
        "/api/v1/messages",
        "/api/v1/messages/retained",
        "/api/v1/messages/stream",
        "/api/v1/openapi.json",
        "/api/v1/pairing",
        "/api/v1/restart",
        "/api/v1/restore",
        "/api/v1/restore/file",
        "/api/v1/session",
        "/api/v1/session/password",
        "/api/v1/setup",
        "/api/v1/setup/check",
        "/api/v1/system",
        "/api/v1/tokens",
        "/api/v1/tokens/{id}",
        "/api/v1/users",
        "/api/v1/users/{name}",
        "/api/v1/users/{name}/clients",
        "/api/v1/users/{name}/clients/{client}",
        "/health",
        "/metrics",
    ];
    assert_eq!(paths, expected);
}
