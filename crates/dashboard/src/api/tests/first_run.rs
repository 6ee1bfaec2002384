//! The first run: its steps are checked where they are made, and kept by the gateway.

use axum::http::Method;
use serde_json::{Value as Json, json};

use super::world::{PASSWORD, World};
use crate::wire::GatewayChange;
use crate::{ConfigurationProblem, Role};

fn states(first_run: &Json) -> Vec<&str> {
    first_run["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn code_and_name_are_checked_before_anything_is_made() {
    let world = World::new().await;
    let code = world.accounts.setup_code().await.unwrap().unwrap();
    let check = async |body: Json| world.post("/api/v1/setup/check", "", body).await;
    let refused = check(json!({ "code": "AAAA-AAAA", "gateway_name": "" })).await;
    let sentence = refused.assert_error(403, "wrong_code");
    assert!(sentence.contains("gatehouse setup-code"), "{sentence}");
    assert_eq!(world.audited().await, [("set-up-failed", None)]);
    assert_eq!(check(json!({ "code": code })).await.status, 204);
    check(json!({ "code": code, "gateway_name": "" })).await.assert_error(422, "wrong_configuration");
    assert_eq!(check(json!({ "code": code, "gateway_name": "Casa" })).await.status, 204);
    assert_eq!(world.get("/api/v1/session", "").await.json()["setup_needed"], true);

    let body = json!({ "code": code, "name": "ana", "password": PASSWORD });
    assert_eq!(world.post("/api/v1/setup", "", body).await.status, 201);
    check(json!({ "code": code })).await.assert_error(409, "already_set_up");
}

#[tokio::test]
async fn whoever_leaves_the_first_run_goes_on_where_it_was() {
    let world = World::new().await;
    let code = world.accounts.setup_code().await.unwrap().unwrap();
    let body =
        json!({ "code": code, "name": "ana", "password": PASSWORD, "gateway_name": "Casa", "guided": true });
    let done = world.post("/api/v1/setup", "", body).await;
    assert_eq!((done.status.as_u16(), &done.json()["first_run"]), (201, &json!(true)));
    let named = GatewayChange { name: Some("Casa".to_owned()), ..GatewayChange::default() };
    assert_eq!(*world.configuration.named.lock().unwrap(), [named]);
    assert!(world.audited().await.iter().any(|(what, _)| *what == "configuration-changed"));

    // Another phone of the administrator sees the same.
    let phone = world.log_in("ana", PASSWORD, "192.0.2.7").await.cookie();
    let first_run = world.get("/api/v1/first-run", &phone).await.json();
    assert_eq!(states(&first_run), ["done", "open", "open", "open", "open"]);
    let note = async |step: &str, state: &str| {
        let path = format!("/api/v1/first-run/{step}");
        world.ask(Method::PUT, &path, &phone, Some(json!({ "state": state }))).await
    };
    assert_eq!(states(&note("place", "skipped").await.json()), ["done", "skipped", "open", "open", "open"]);
    note("kitchen", "done").await.assert_error(404, "unknown_step");
    note("board", "eaten").await.assert_error(400, "bad_json");
    for step in ["board", "device", "phone"] {
        assert_eq!(world.get("/api/v1/session", &phone).await.json()["first_run"], true);
        note(step, "done").await;
    }
    assert_eq!(world.get("/api/v1/first-run", &phone).await.json()["open"], false);
    assert_eq!(world.get("/api/v1/session", &phone).await.json()["first_run"], false);
    // One that was passed over can be made up for.
    assert_eq!(states(&note("place", "done").await.json()), ["done"; 5]);
}

#[tokio::test]
async fn the_first_run_is_for_administrators() {
    let world = World::new().await;
    let code = world.accounts.setup_code().await.unwrap().unwrap();
    let body = json!({ "code": code, "name": "ana", "password": PASSWORD, "guided": true });
    world.post("/api/v1/setup", "", body).await;
    let operator = world.cookie_of("olga", Role::Operator).await;
    assert_eq!(world.get("/api/v1/session", &operator).await.json()["first_run"], false);
    world.get("/api/v1/first-run", &operator).await.assert_error(403, "forbidden");
    world.get("/api/v1/first-run", "").await.assert_error(401, "not_logged_in");
    let body = Some(json!({ "state": "done" }));
    let answer = world.ask(Method::PUT, "/api/v1/first-run/name", &operator, body).await;
    answer.assert_error(403, "forbidden");
}

/// A configuration that cannot be written leaves the administrator made and the step open.
#[tokio::test]
async fn a_name_that_cannot_be_written_waits_for_its_step() {
    let world = World::new().await;
    *world.configuration.problem.lock().unwrap() = Some(ConfigurationProblem::ReadOnly("It is.".to_owned()));
    let code = world.accounts.setup_code().await.unwrap().unwrap();
    let body =
        json!({ "code": code, "name": "ana", "password": PASSWORD, "gateway_name": "Casa", "guided": true });
    let done = world.post("/api/v1/setup", "", body).await;
    assert_eq!(done.status, 201);
    let first_run = world.get("/api/v1/first-run", &done.cookie()).await.json();
    assert_eq!(states(&first_run), ["open"; 5]);
    let path = "/api/v1/configuration/gateway";
    let change = Some(json!({ "name": "Casa", "location": { "latitude": 40.4, "longitude": -3.7 } }));
    world.ask(Method::PATCH, path, &done.cookie(), change.clone()).await.assert_error(409, "read_only");
    *world.configuration.problem.lock().unwrap() = None;
    assert_eq!(world.ask(Method::PATCH, path, &done.cookie(), change).await.status, 200);
    let entries = world.accounts.audit(None, 200, false).await.unwrap();
    let entry = entries.iter().find(|entry| entry.deed.as_str() == "configuration-changed").unwrap();
    assert_eq!(entry.detail.as_deref(), Some("name of the gateway, place"));
}
