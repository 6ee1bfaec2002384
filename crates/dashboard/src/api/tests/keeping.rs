//! A gateway that can keep nothing.

use axum::http::Method;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::world::World;
use crate::Role;
use crate::api::App;
use crate::router::router;

const WHY: &str = "The disk is read-only.";

/// Somebody who was told that an account was made would find nobody there after the next start.
#[tokio::test]
async fn what_could_not_be_kept_is_refused_and_the_rest_goes_on() {
    let mut world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let ports = crate::Ports { nothing_is_kept: Some(WHY.to_owned()), ..world.ports() };
    world.router = router(App::new(ports, CancellationToken::new()));
    for (path, body) in [
        ("/api/v1/users", json!({ "name": "ben", "role": "viewer", "password": "lamp in the window" })),
        ("/api/v1/pairing", json!({ "user": "ana", "client": "phone" })),
        ("/api/v1/tokens", json!({ "name": "script", "scope": "read" })),
        ("/api/v1/configuration/devices", json!({ "configuration": "" })),
        ("/api/v1/restore", json!({})),
        ("/api/v1/users/ana/clients", json!({ "name": "phone", "rights": "viewer" })),
        ("/api/v1/no-such-thing", json!({})),
    ] {
        let refused = world.post(path, &cookie, body).await;
        assert_eq!(refused.assert_error(507, "nothing_kept"), WHY, "{path}");
    }
    assert_eq!(world.accounts.list().await.unwrap().len(), 1);
    let set = "/api/v1/devices/boiler/properties/power/set";
    assert_eq!(world.post(set, &cookie, json!({ "value": "ON" })).await.status, 202);
    assert_eq!(world.get("/api/v1/users", &cookie).await.status, 200);
    let check = world.post("/api/v1/configuration/check", &cookie, json!({ "text": "[gateway]\n" })).await;
    assert_eq!(check.status, 200);
    let scanned = world.post("/api/v1/board/scan", &cookie, json!({})).await;
    assert_ne!(scanned.status, 507);
    assert_eq!(world.post("/api/v1/logout", &cookie, json!({})).await.status, 204);
}

/// A phone was stolen beside a dead disk, and it could not be locked out: the page told that nothing can be kept.
#[tokio::test]
async fn what_is_taken_away_is_taken_away_at_once() {
    let mut world = World::new().await;
    let (cookie, bens) =
        (world.cookie_of("ana", Role::Admin).await, world.cookie_of("ben", Role::Viewer).await);
    let token = world.post("/api/v1/tokens", &cookie, json!({ "name": "script", "scope": "read" })).await;
    let token = token.json()["token"]["id"].to_string().trim_matches('"').to_owned();
    let phone = json!({ "name": "phone", "rights": "viewer" });
    assert_eq!(world.post("/api/v1/users/ana/clients", &cookie, phone).await.status, 201);
    let ports = crate::Ports { nothing_is_kept: Some(WHY.to_owned()), ..world.ports() };
    world.router = router(App::new(ports, CancellationToken::new()));
    for path in [&*format!("/api/v1/tokens/{token}"), "/api/v1/users/ana/clients/phone"] {
        assert_eq!(world.ask(Method::DELETE, path, &cookie, None).await.status, 204, "{path}");
    }
    let password = json!({ "password": "another lamp in the hall" });
    assert_eq!(world.ask(Method::PATCH, "/api/v1/users/ben", &cookie, Some(password)).await.status, 200);
    assert_eq!(world.get("/api/v1/house", &bens).await.status, 401, "the session went with the password");
    assert_eq!(world.ask(Method::DELETE, "/api/v1/users/ben", &cookie, None).await.status, 204);
    assert_eq!(world.accounts.list().await.unwrap().len(), 1);
    assert!(world.accounts.clients().await.unwrap().is_empty());
    let ana = world.accounts.find("ana").await.unwrap().unwrap();
    let elsewhere = world.accounts.start_session(&ana).await.unwrap();
    let elsewhere = format!("gatehouse_session={}", elsewhere.as_str());
    assert_eq!(world.get("/api/v1/house", &elsewhere).await.status, 200);
    assert!(world.post("/api/v1/logout/everywhere", &cookie, json!({})).await.status.is_success());
    assert_eq!(world.get("/api/v1/house", &elsewhere).await.status, 401);
}
