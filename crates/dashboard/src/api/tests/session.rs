//! Set-up, log-in, log-out, and who may do what.

use std::time::Duration;

use axum::http::Method;
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use serde_json::{Value as Json, json};

use super::world::{Answer, PASSWORD, World, request};
use crate::Role;

#[tokio::test]
async fn the_first_visit() {
    let world = World::new().await;
    let session = world.get("/api/v1/session", "").await;
    assert_eq!(
        session.json(),
        json!({ "setup_needed": true, "gateway_name": "Casa", "first_run": false, "https_port": null,
            "authority_sha256": null, "user": null })
    );
    for path in ["/api/v1/house", "/api/v1/events", "/api/v1/history/boiler/power"] {
        world.get(path, "").await.assert_error(401, "not_logged_in");
    }
    let set = "/api/v1/devices/boiler/properties/power/set";
    world.post(set, "", json!({ "value": "ON" })).await.assert_error(401, "not_logged_in");

    let code = world.accounts.setup_code().await.unwrap().unwrap();
    let set_up = async |code: &str, name: &str, password: &str| {
        world.post("/api/v1/setup", "", json!({ "code": code, "name": name, "password": password })).await
    };
    set_up("AAAA-AAAA", "ana", PASSWORD).await.assert_error(403, "wrong_code");
    set_up(&code, "a na", PASSWORD).await.assert_error(422, "invalid_name");
    set_up(&code, "ana", "short").await.assert_error(422, "weak_password");
    let done = set_up(&code, "ana", PASSWORD).await;
    assert_eq!(done.status, 201);
    let user = json!({ "name": "ana", "role": "admin" });
    assert_eq!(
        done.json(),
        json!({ "setup_needed": false, "gateway_name": "Casa", "first_run": false, "https_port": null,
            "authority_sha256": null, "user": user })
    );
    set_up(&code, "eva", PASSWORD).await.assert_error(409, "already_set_up");

    assert_eq!(world.get("/api/v1/session", &done.cookie()).await.json()["user"], user);
    assert_eq!(world.get("/api/v1/house", &done.cookie()).await.status, 200);
}

#[tokio::test]
async fn the_set_up_code_cannot_be_guessed() {
    let world = World::new().await;
    let code = world.accounts.setup_code().await.unwrap().unwrap();
    let body = |code: &str| json!({ "code": code, "name": "ana", "password": PASSWORD });
    for _ in 0..5 {
        let sentence =
            world.post("/api/v1/setup", "", body("AAAA-AAAA")).await.assert_error(403, "wrong_code");
        assert!(sentence.contains("`gatehouse setup-code --data-dir /srv/casa`"), "{sentence}");
    }
    let slowed = world.post("/api/v1/setup", "", body(&code)).await;
    slowed.assert_error(429, "too_many_tries");
    assert_eq!(slowed.header(RETRY_AFTER), "30");
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.post("/api/v1/setup", "", body(&code)).await.status, 201, "the code still works");
}

#[tokio::test]
async fn in_and_out() {
    let world = World::new().await;
    world.accounts.add("Ana", Role::Operator, PASSWORD).await.unwrap();
    world.log_in("ana", "wrong password", "10.0.0.1").await.assert_error(401, "wrong_login");
    world.log_in("nobody", PASSWORD, "10.0.0.1").await.assert_error(401, "wrong_login");
    let done = world.log_in("ana", PASSWORD, "10.0.0.1").await;
    assert_eq!(done.status, 200);
    assert_eq!(done.json()["user"], json!({ "name": "Ana", "role": "operator" }));
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age="] {
        assert!(done.header(SET_COOKIE).contains(part), "{part}");
    }
    let cookie = done.cookie();
    // Another page on this host, on another port, may have set a cookie of the same name.
    let beside = format!("theme=dark; gatehouse_session=other; {cookie}");
    assert_eq!(world.get("/api/v1/house", &beside).await.status, 200);

    let out = world.post("/api/v1/logout", &cookie, Json::Null).await;
    assert_eq!(out.status, 204);
    assert!(out.header(SET_COOKIE).contains("Max-Age=0"));
    world.get("/api/v1/house", &cookie).await.assert_error(401, "not_logged_in");
    assert_eq!(world.get("/api/v1/session", &cookie).await.json()["user"], Json::Null);
    let again = Answer::read(world.send(request(Method::POST, "/api/v1/logout", "", None)).await).await;
    assert_eq!(again.status, 204);
}

#[tokio::test]
async fn made_up_cookies_open_nothing() {
    let world = World::new().await;
    world.cookie_of("ana", Role::Admin).await;
    for token in ["", "rubbish", &"0".repeat(64), &"0".repeat(10_000), "' OR 1=1 --"] {
        let cookie = format!("gatehouse_session={token}");
        world.get("/api/v1/house", &cookie).await.assert_error(401, "not_logged_in");
    }
}

#[tokio::test]
async fn wrong_log_ins_slow_down() {
    let world = World::new().await;
    world.accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    for _ in 0..5 {
        world.log_in("ana", "wrong password", "10.0.0.1").await.assert_error(401, "wrong_login");
    }
    let slowed = world.log_in("ana", PASSWORD, "10.0.0.1").await;
    slowed.assert_error(429, "too_many_tries");
    assert_eq!(slowed.header(RETRY_AFTER), "30");
    assert_eq!(world.log_in("ana", PASSWORD, "10.0.0.2").await.status, 200, "the owner is not locked out");
    world.clock.advance(Duration::from_secs(30));
    for _ in 0..10 {
        assert_eq!(world.log_in("ana", PASSWORD, "10.0.0.1").await.status, 200, "right ones cost nothing");
    }
}

#[tokio::test]
async fn a_new_password_ends_the_sessions() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    assert_eq!(world.get("/api/v1/house", &cookie).await.status, 200);
    world.accounts.set_password("ana", "another password").await.unwrap();
    world.get("/api/v1/house", &cookie).await.assert_error(401, "not_logged_in");
}

/// Whoever got a second key with the old password must not keep it: other sessions and tokens go.
#[tokio::test]
async fn everybody_changes_the_own_password_and_keeps_this_session_only() {
    let world = World::new().await;
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let name = role.as_str();
        let here = world.cookie_of(name, role).await;
        let user = world.accounts.find(name).await.unwrap().unwrap();
        let elsewhere = world.accounts.start_session(&user).await.unwrap();
        let elsewhere = format!("gatehouse_session={}", elsewhere.as_str());
        let change = async |current: &str, new: &str, more: Json| {
            let mut body = json!({ "current": current, "new": new });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            world.post("/api/v1/session/password", &here, body).await
        };
        let token = async |name: &str, made: &str| {
            world.accounts.add_token(name, made, crate::accounts::Scope::Read).await.unwrap();
        };
        token(name, "graphs").await;
        change("not the password", "another lamp", json!({})).await.assert_error(403, "wrong_password");
        change(PASSWORD, "short", json!({})).await.assert_error(422, "weak_password");
        assert_eq!(world.get("/api/v1/house", &elsewhere).await.status, 200, "nothing was changed");
        let kept = change(PASSWORD, "another lamp", json!({ "keep_tokens": true })).await;
        assert_eq!(kept.status, 204);
        let own = async || {
            let all = world.accounts.tokens().await.unwrap();
            all.into_iter().filter(|token| token.user == name).count()
        };
        assert_eq!(own().await, 1);
        world.get("/api/v1/house", &elsewhere).await.assert_error(401, "not_logged_in");
        assert_eq!(change("another lamp", "a third lamp", json!({})).await.status, 204);
        assert_eq!(own().await, 0, "tokens go unless they are kept");
        assert_eq!(world.get("/api/v1/house", &here).await.status, 200, "this session goes on");
        world.log_in(name, PASSWORD, "10.0.0.9").await.assert_error(401, "wrong_login");
        assert_eq!(world.log_in(name, "a third lamp", "10.0.0.9").await.status, 200);
        let noted = world.accounts.audit(None, 200, false).await.unwrap();
        let own = noted.iter().filter(|entry| entry.deed.as_str() == "password-changed");
        let own: Vec<_> = own.filter(|entry| entry.by.name.as_deref() == Some(name)).collect();
        assert_eq!(own.len(), 2);
        assert_eq!(own[0].detail.as_deref(), Some("tokens taken back: 1"));
    }
    world.post("/api/v1/session/password", "", json!({})).await.assert_error(401, "not_logged_in");
}

/// Somebody who finds a tablet that is logged in must not find out its password by trying.
#[tokio::test]
async fn a_wrong_current_password_is_a_wrong_try() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Viewer).await;
    let change = async |current: &str| {
        let body = json!({ "current": current, "new": "another lamp" });
        world.post("/api/v1/session/password", &cookie, body).await
    };
    for number in 0..5 {
        change(&format!("wrong {number}")).await.assert_error(403, "wrong_password");
    }
    let slowed = change(PASSWORD).await;
    slowed.assert_error(429, "too_many_tries");
    assert_eq!(slowed.header(RETRY_AFTER), "30");
    assert!(
        world
            .audited()
            .await
            .iter()
            .any(|(what, about)| { *what == "log-in-failed" && about.as_deref() == Some("ana") })
    );
}

/// Somebody who lost a phone or forgot to log out at a friend's ends what is open there, without an administrator.
#[tokio::test]
async fn everybody_logs_out_everywhere_and_stays_here_unless_asked() {
    let world = World::new().await;
    let bystander = world.cookie_of("bea", Role::Viewer).await;
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let name = role.as_str();
        let here = world.cookie_of(name, role).await;
        let user = world.accounts.find(name).await.unwrap().unwrap();
        let elsewhere = async || {
            let token = world.accounts.start_session(&user).await.unwrap();
            format!("gatehouse_session={}", token.as_str())
        };
        let (tablet, phone) = (elsewhere().await, elsewhere().await);
        world.accounts.add_token(name, "graphs", crate::accounts::Scope::Read).await.unwrap();
        let ask = async |body: Json| world.post("/api/v1/logout/everywhere", &here, body).await;
        let ended = ask(json!({})).await;
        assert_eq!(ended.status, 200);
        assert_eq!(ended.json(), json!({ "sessions": 2, "tokens": 0, "here_too": false }));
        for other in [&tablet, &phone] {
            world.get("/api/v1/house", other).await.assert_error(401, "not_logged_in");
        }
        assert_eq!(world.get("/api/v1/house", &here).await.status, 200, "this session goes on");
        assert_eq!(ask(json!({ "tokens_too": true })).await.json()["tokens"], 1);
        let last = ask(json!({ "here_too": true })).await;
        assert_eq!(last.json(), json!({ "sessions": 1, "tokens": 0, "here_too": true }));
        assert!(last.header(SET_COOKIE).contains("Max-Age=0"), "the browser forgets it");
        world.get("/api/v1/house", &here).await.assert_error(401, "not_logged_in");
        let noted = world.accounts.audit(None, 200, false).await.unwrap();
        let own = noted.iter().filter(|entry| {
            entry.deed.as_str() == "logged-out-everywhere" && entry.by.name.as_deref() == Some(name)
        });
        let details: Vec<_> = own.map(|entry| entry.detail.as_deref()).collect();
        assert_eq!(details, [None, Some("tokens taken back: 1"), None], "the newest first");
    }
    assert_eq!(world.get("/api/v1/house", &bystander).await.status, 200, "others are left alone");
    world.post("/api/v1/logout/everywhere", "", json!({})).await.assert_error(401, "not_logged_in");
}

#[tokio::test]
async fn a_token_ends_no_sessions() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let scope = crate::accounts::Scope::Administer;
    let (_, text) = world.accounts.add_token("ana", "backup", scope).await.unwrap();
    let mut asked = request(Method::POST, "/api/v1/logout/everywhere", "", Some(json!({})));
    asked.headers_mut().insert("authorization", format!("Bearer {text}").parse().unwrap());
    Answer::read(world.send(asked).await).await.assert_error(403, "forbidden");
    assert_eq!(world.get("/api/v1/house", &cookie).await.status, 200);
}

#[tokio::test]
async fn a_token_changes_no_password() {
    let world = World::new().await;
    world.accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    let scope = crate::accounts::Scope::Administer;
    let (_, text) = world.accounts.add_token("ana", "backup", scope).await.unwrap();
    let body = json!({ "current": PASSWORD, "new": "another lamp" });
    let mut asked = request(Method::POST, "/api/v1/session/password", "", Some(body));
    asked.headers_mut().insert("authorization", format!("Bearer {text}").parse().unwrap());
    Answer::read(world.send(asked).await).await.assert_error(403, "forbidden");
    assert_eq!(world.log_in("ana", PASSWORD, "10.0.0.1").await.status, 200);
    assert!(world.audited().await.iter().any(|(what, _)| *what == "forbidden"));
}
