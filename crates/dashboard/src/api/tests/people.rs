//! Users, phones, tokens, the audit log, and the names under which the gateway answers.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use axum::http::{Method, Request};
use serde_json::{Value as Json, json};

use super::world::{Answer, PASSWORD, World, request};
use crate::Role;
use crate::accounts::Scope;
use crate::api::Peer;

const SET: &str = "/api/v1/devices/boiler/properties/power/set";

#[tokio::test]
async fn users_come_change_and_go() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let eva = json!({ "name": "Eva", "role": "viewer", "password": PASSWORD });
    let made = world.post("/api/v1/users", &cookie, eva.clone()).await;
    assert_eq!(made.status, 201);
    assert_eq!((&made.json()["name"], &made.json()["clients"]), (&json!("Eva"), &json!([])));
    world.post("/api/v1/users", &cookie, eva).await.assert_error(409, "name_taken");
    let weak = json!({ "name": "olga", "role": "viewer", "password": "short" });
    world.post("/api/v1/users", &cookie, weak).await.assert_error(422, "weak_password");

    let eva_cookie = {
        let user = world.accounts.find("eva").await.unwrap().unwrap();
        format!("gatehouse_session={}", world.accounts.start_session(&user).await.unwrap().as_str())
    };
    let change = async |path: &str, body: Json| world.ask(Method::PATCH, path, &cookie, Some(body)).await;
    let changed = change("/api/v1/users/eva", json!({ "role": "operator", "rights": "sensors" })).await;
    assert_eq!((&changed.json()["role"], &changed.json()["rights"]), (&json!("operator"), &json!("sensors")));
    assert_eq!(changed.json()["sessions"], 1);
    let reset = change("/api/v1/users/eva", json!({ "rights": "", "log_out": true })).await.json();
    assert_eq!((&reset["rights"], &reset["sessions"]), (&Json::Null, &json!(0)));
    world.get("/api/v1/house", &eva_cookie).await.assert_error(401, "not_logged_in");
    change("/api/v1/users/eva", json!({ "rights": "none" })).await.assert_error(422, "unknown_rights");
    change("/api/v1/users/nobody", json!({})).await.assert_error(404, "unknown_user");
    let half_wrong = json!({ "role": "admin", "password": "short" });
    change("/api/v1/users/eva", half_wrong).await.assert_error(422, "weak_password");
    assert_eq!(world.accounts.find("eva").await.unwrap().unwrap().role, Role::Operator, "all or nothing");
    change("/api/v1/users/eva", json!({ "password": "another password" })).await;
    assert_eq!(world.log_in("eva", "another password", "10.0.0.1").await.status, 200);

    change("/api/v1/users/ana", json!({ "role": "viewer" })).await.assert_error(409, "last_administrator");
    let gone = world.ask(Method::DELETE, "/api/v1/users/ana", &cookie, None).await;
    gone.assert_error(409, "last_administrator");
    assert_eq!(world.ask(Method::DELETE, "/api/v1/users/eva", &cookie, None).await.status, 204);
    let names: Vec<Json> =
        world.get("/api/v1/users", &cookie).await.json()["users"].as_array().unwrap().clone();
    assert_eq!(names.len(), 1);
    let words: Vec<_> = world.audited().await.into_iter().map(|(word, _)| word).collect();
    assert_eq!(
        words,
        [
            "user-removed",
            "log-in",
            "password-changed",
            "stale-credential",
            "logged-out-everywhere",
            "rights-changed",
            "rights-changed",
            "role-changed",
            "user-added",
        ]
    );
}

#[tokio::test]
async fn a_phone_is_paired_seen_and_revoked() {
    let world = World::new().await;
    let cookie = world.cookie_of("Ana", Role::Admin).await;
    let pair = async |body: Json| world.post("/api/v1/pairing", &cookie, body).await;
    let paired = pair(json!({ "user": "ana", "name": "phone", "rights": "operator" })).await;
    assert_eq!(paired.status, 201);
    let paired = paired.json();
    let password = paired["password"].as_str().unwrap().to_owned();
    assert_eq!(paired["client"]["login"], "Ana:phone");
    assert_eq!(paired["hosts"], json!(["casa.local"]));
    assert_eq!(paired["addresses"], json!(["192.168.1.20"]));
    assert_eq!(paired["ports"], json!({ "mqtt": 1883, "mqtts": 8883, "ws": 8080, "wss": null }));
    let from = "10.0.0.7".parse().unwrap();
    let knows = async |password: &str| {
        let answer = world.accounts.log_in_mqtt("ana:phone", password.as_bytes(), from).await.unwrap();
        matches!(answer, crate::LogIn::Welcome(_))
    };
    assert!(knows(&password).await);

    let phone = async || world.get("/api/v1/users/ana/clients", &cookie).await.json()[0].clone();
    assert_eq!(phone().await["connected"], false);
    world.mqtt_clients.connect("Ana:phone");
    assert_eq!(
        (&phone().await["connected"], &phone().await["address"]),
        (&json!(true), &json!("192.168.1.7"))
    );
    let all = world.get("/api/v1/connections", &cookie).await.json();
    assert_eq!(
        (&all["connections"][0]["login"], &all["connections"][0]["protocol"]),
        (&json!("Ana:phone"), &json!("5"))
    );
    let cut = "/api/v1/connections/id%2FAna:phone/disconnect";
    assert_eq!(world.post(cut, &cookie, Json::Null).await.status, 204);
    world.post(cut, &cookie, Json::Null).await.assert_error(404, "not_connected");
    assert_eq!(phone().await["connected"], false);

    let again = json!({ "user": "ana", "name": "phone", "rights": "operator" });
    pair(again).await.assert_error(409, "name_taken");
    let renewed = pair(json!({ "user": "ANA", "name": "Phone", "rights": "", "renew": true })).await.json();
    assert_eq!(renewed["client"]["login"], "Ana:phone");
    assert!(!knows(&password).await && knows(renewed["password"].as_str().unwrap()).await);
    let wrong = json!({ "user": "ana", "name": "tablet", "rights": "none" });
    pair(wrong).await.assert_error(422, "unknown_rights");
    let rights = world.ask(
        Method::PATCH,
        "/api/v1/users/ana/clients/phone",
        &cookie,
        Some(json!({ "rights": "viewer" })),
    );
    assert_eq!(rights.await.status, 204);
    assert_eq!(phone().await["rights"], "viewer");

    let remove = async || world.ask(Method::DELETE, "/api/v1/users/ana/clients/phone", &cookie, None).await;
    assert_eq!(remove().await.status, 204);
    remove().await.assert_error(404, "unknown_client");
    assert!(!knows(renewed["password"].as_str().unwrap()).await);
    let audited = world.audited().await;
    for (word, about) in [
        ("client-added", "Ana:phone"),
        ("mqtt-log-in-failed", "Ana:phone"),
        ("disconnected", "id/Ana:phone"),
        ("client-password-changed", "Ana:phone"),
        ("client-rights-changed", "ana:phone"),
        ("client-removed", "ana:phone"),
    ] {
        assert!(audited.contains(&(word, Some(about.to_owned()))), "{word}: {audited:?}");
    }
}

/// A script with a token, which sends no cookie and no `Origin`.
async fn script(world: &World, method: Method, path: &str, token: &str, body: Option<Json>) -> Answer {
    let mut request = request(method, path, "", body);
    request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    Answer::read(world.send(request).await).await
}

#[tokio::test]
async fn a_token_does_what_its_scope_says_on_every_route() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let make = async |name: &str, scope: &str| {
        let made = world.post("/api/v1/tokens", &cookie, json!({ "name": name, "scope": scope })).await;
        assert_eq!(made.status, 201);
        made.json()
    };
    let (read, switch, all) =
        (make("read", "read").await, make("switch", "switch").await, make("all", "administer").await);
    let secret = |made: &Json| made["secret"].as_str().unwrap().to_owned();
    let routes = [
        (Method::GET, "/api/v1/house", None, 1),
        (Method::GET, "/api/v1/history/boiler/power", None, 1),
        (Method::GET, "/metrics", None, 1),
        (Method::POST, SET, Some(json!({ "value": "ON" })), 2),
        (Method::GET, "/api/v1/board", None, 3),
        (Method::POST, "/api/v1/board/scan", None, 3),
        (Method::GET, "/api/v1/board/probes", None, 3),
        (Method::GET, "/api/v1/users", None, 3),
        (
            Method::POST,
            "/api/v1/users",
            Some(json!({ "name": "x", "role": "admin", "password": PASSWORD })),
            3,
        ),
        (Method::PATCH, "/api/v1/users/x", Some(json!({ "role": "viewer" })), 3),
        (Method::DELETE, "/api/v1/users/x", None, 3),
        (Method::GET, "/api/v1/users/ana/clients", None, 3),
        (Method::POST, "/api/v1/users/ana/clients", Some(json!({ "name": "lamp", "rights": "sensors" })), 3),
        (Method::PATCH, "/api/v1/users/ana/clients/lamp", Some(json!({ "rights": "viewer" })), 3),
        (Method::DELETE, "/api/v1/users/ana/clients/lamp", None, 3),
        (
            Method::POST,
            "/api/v1/pairing",
            Some(json!({ "user": "ana", "name": "pad", "rights": "viewer" })),
            3,
        ),
        (Method::GET, "/api/v1/connections", None, 3),
        (Method::POST, "/api/v1/connections/none/disconnect", None, 3),
        (Method::GET, "/api/v1/tokens", None, 3),
        (Method::POST, "/api/v1/tokens", Some(json!({ "name": "more", "scope": "read" })), 3),
        (Method::DELETE, "/api/v1/tokens/999", None, 3),
        (Method::GET, "/api/v1/audit", None, 3),
    ];
    for (level, token) in [(1, secret(&read)), (2, secret(&switch)), (3, secret(&all))] {
        for (method, path, body, needed) in &routes {
            let answer = script(&world, method.clone(), path, &token, body.clone()).await;
            if level >= *needed {
                assert!(
                    ![401, 403].contains(&answer.status.as_u16()),
                    "{level} {method} {path}: {:?}",
                    answer.body
                );
            } else {
                answer.assert_error(403, "forbidden");
            }
        }
    }
    let sent = world.commander.sent.lock().unwrap().clone();
    assert_eq!(sent[0].0, "ana/switch", "the cause names the script");

    let id = |made: &Json| made["token"]["id"].as_i64().unwrap();
    let gone = world.ask(Method::DELETE, &format!("/api/v1/tokens/{}", id(&read)), &cookie, None).await;
    assert_eq!(gone.status, 204);
    script(&world, Method::GET, "/api/v1/house", &secret(&read), None)
        .await
        .assert_error(401, "not_logged_in");
    let list = world.get("/api/v1/tokens", &cookie).await;
    assert_eq!(list.json()["tokens"].as_array().unwrap().len(), 3);
    assert!(!list.json()["tokens"][0]["last_used"].is_null());
    let text = String::from_utf8(list.body.to_vec()).unwrap();
    assert!(!text.contains("gth_") && !text.contains("hash"), "{text}");
    world.accounts.add("eva", Role::Viewer, PASSWORD).await.unwrap();
    let (_, eva) = world.accounts.add_token("eva", "bold", Scope::Administer).await.unwrap();
    script(&world, Method::POST, SET, &eva, Some(json!({ "value": "ON" })))
        .await
        .assert_error(403, "forbidden");
    let audited = world.audited().await;
    assert!(audited.iter().any(|(word, _)| *word == "forbidden"), "{audited:?}");
    assert!(audited.contains(&("token-removed", Some("ana/read".to_owned()))), "{audited:?}");
}

#[tokio::test]
async fn a_wrong_token_never_falls_back_to_the_cookie() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    for token in ["", "gth_", &format!("gth_{}", "0".repeat(64)), "rubbish"] {
        let mut request = request(Method::GET, "/api/v1/house", &cookie, None);
        request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        Answer::read(world.send(request).await).await.assert_error(401, "not_logged_in");
    }
}

#[tokio::test]
async fn a_viewer_who_switches_is_refused_and_written_down() {
    let world = World::new().await;
    let (viewer, administrator) =
        (world.cookie_of("vera", Role::Viewer).await, world.cookie_of("ana", Role::Admin).await);
    world.post(SET, &viewer, json!({ "value": "ON" })).await.assert_error(403, "forbidden");
    assert!(world.commander.sent.lock().unwrap().is_empty());
    let page = world.get("/api/v1/audit?limit=1", &administrator).await.json();
    let entry = &page["entries"][0];
    assert_eq!(
        (&entry["what"], &entry["who"], &entry["refused"]),
        (&json!("forbidden"), &json!("vera"), &json!(true))
    );
    assert_eq!(entry["detail"], format!("POST {SET}"));
    let next = page["next"].as_i64().unwrap();
    let rest = world.get(&format!("/api/v1/audit?before={next}"), &administrator).await.json();
    assert_eq!(rest, json!({ "entries": [], "next": null }));
    for wrong in ["limit=0", "limit=201", "before=x", "colour=red"] {
        let answer = world.get(&format!("/api/v1/audit?{wrong}"), &administrator).await;
        answer.assert_error(422, "invalid_query");
    }
    world.get("/api/v1/audit", &viewer).await.assert_error(403, "forbidden");
}

#[tokio::test]
async fn wrong_log_ins_are_written_down_without_the_names_of_nobody() {
    let world = World::new().await;
    world.accounts.add("Ana", Role::Admin, PASSWORD).await.unwrap();
    world.log_in("ana", "wrong password", "10.0.0.1").await.assert_error(401, "wrong_login");
    // People type their password into the field for the name.
    world.log_in(PASSWORD, "", "10.0.0.2").await.assert_error(401, "wrong_login");
    world.log_in("ana", PASSWORD, "10.0.0.1").await;
    let entries = world.accounts.audit(None, 10, false).await.unwrap();
    let told: Vec<_> = entries.iter().map(|entry| (entry.deed.as_str(), entry.about.as_deref())).collect();
    assert_eq!(told, [("log-in", None), ("log-in-failed", None), ("log-in-failed", Some("Ana"))]);
    assert_eq!(entries[0].by.name.as_deref(), Some("Ana"));
    assert_eq!(entries[1].by.address, Some("10.0.0.2".parse().unwrap()));
}

async fn under(world: &World, host: &str, path: &str, cookie: &str) -> Answer {
    let mut request = request(Method::GET, path, cookie, None);
    request.headers_mut().insert(HOST, host.parse().unwrap());
    Answer::read(world.send(request).await).await
}

/// A page of a stranger lets its own name point to the gateway after it was loaded.
#[tokio::test]
async fn a_rebound_name_is_refused_with_the_way_to_allow_it() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    for own in ["casa.local:8080", "CASA.local.", "192.168.1.20:8080", "[fd00::1]:8443", "localhost:5173"] {
        assert_eq!(under(&world, own, "/api/v1/house", &cookie).await.status, 200, "{own}");
    }
    for path in ["/api/v1/house", "/", "/ca.crt", "/api/v1/session"] {
        let sentence =
            under(&world, "evil.example:8080", path, &cookie).await.assert_error(421, "unknown_host");
        assert!(sentence.contains("[dashboard] hosts = [\"evil.example\"]"), "{sentence}");
    }
    assert_eq!(under(&world, "evil.example", "/health", "").await.status, 200, "it says nothing");
    let mut page = request(Method::GET, "/", "", None);
    page.headers_mut().insert(HOST, "evil.example".parse().unwrap());
    page.headers_mut().insert(ACCEPT, "text/html,*/*".parse().unwrap());
    let page = Answer::read(world.send(page).await).await;
    assert!(page.header(CONTENT_TYPE).starts_with("text/plain"));
    assert!(world.audited().await.contains(&("unknown-host", Some("evil.example".to_owned()))));
}

#[tokio::test]
async fn another_sites_request_is_written_down_whatever_it_carries() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let (_, token) = world.accounts.add_token("ana", "lights", Scope::Switch).await.unwrap();
    let from_elsewhere = |credential: (axum::http::HeaderName, String)| {
        let body = Body::from(json!({ "value": "ON" }).to_string());
        let builder = Request::post(SET).header(HOST, "casa.local").header(ORIGIN, "http://evil.example");
        builder
            .header(CONTENT_TYPE, "application/json")
            .header(credential.0, credential.1)
            .body(body)
            .unwrap()
    };
    let mut with_cookie = from_elsewhere((COOKIE, cookie));
    let address: SocketAddr = "10.0.0.9:50000".parse().unwrap();
    with_cookie.extensions_mut().insert(ConnectInfo(Peer { address, is_secure: false }));
    Answer::read(world.send(with_cookie).await).await.assert_error(403, "cross_site");
    let with_token = from_elsewhere((AUTHORIZATION, format!("Bearer {token}")));
    Answer::read(world.send(with_token).await).await.assert_error(403, "cross_site");
    // A script says of no page that it came from there.
    let mut of_script = from_elsewhere((AUTHORIZATION, format!("Bearer {token}")));
    of_script.headers_mut().remove(ORIGIN);
    assert_eq!(world.send(of_script).await.status(), 202);
    let entries = world.accounts.audit(None, 10, true).await.unwrap();
    let refused: Vec<_> = entries.iter().filter(|entry| entry.deed.as_str() == "cross-site").collect();
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|entry| entry.about.as_deref() == Some("http://evil.example")));
    assert!(refused.iter().any(|entry| entry.by.address == Some("10.0.0.9".parse().unwrap())));
}

#[tokio::test]
async fn the_profile_is_for_gateways_with_an_authority() {
    let mut world = World::new().await;
    world.get("/ca.mobileconfig", "").await.assert_error(404, "no_authority");
    world.ca_certificate = Some("-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n".to_owned());
    world.router = crate::router::router(crate::api::App::new(world.ports(), world.shutdown.clone()));
    let profile = world.get("/ca.mobileconfig", "").await;
    assert_eq!(profile.header(CONTENT_TYPE), "application/x-apple-aspen-config");
    assert!(String::from_utf8_lossy(&profile.body).contains("<data>QUJD</data>"));
}

/// A list in the place of an object changed a user by the order of fields in our code.
#[tokio::test]
async fn a_list_is_no_object() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    for body in [json!([null, null]), json!([null, "another lamp", null, true]), json!([])] {
        let answer = world.ask(Method::PATCH, "/api/v1/users/ana", &cookie, Some(body)).await;
        answer.assert_error(400, "bad_json");
    }
    assert_eq!(world.get("/api/v1/house", &cookie).await.status, 200, "nothing was changed");
}
