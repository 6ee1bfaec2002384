//! A gateway that can keep nothing.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::world::World;
use crate::Role;
use crate::api::{App, router};

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
        ("/api/v1/logout/everywhere", json!({})),
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
