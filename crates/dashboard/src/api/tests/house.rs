//! The house, commands and charts.

use axum::body::Body;
use axum::http::Method;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN, RETRY_AFTER};
use serde_json::{Value as Json, json};

use super::world::{Answer, Mood, World, request};
use crate::{HistoryProblem, Role};

const SET: &str = "/api/v1/devices/boiler/properties/power/set";

#[tokio::test]
async fn the_house_as_it_is_now() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    world.hear(&[("casa/status", "online"), ("casa/boiler/temperature", "61.5")]).await;
    let house = world.get("/api/v1/house", &cookie).await;
    assert_eq!(house.status, 200);
    let now = "2026-11-21T09:14:00.000Z";
    let reading = json!({ "value": 61.5, "quality": "ok", "at": now, "cause": null });
    let expected = json!({
        "now": now,
        "gateway": {
            "name": "Casa", "version": "0.1.0", "board": "simulated", "base": "casa", "demo": true, "mqtt_port": 1883,
            "warnings": [],
        },
        "online": true,
        "devices": [{
            "id": "boiler", "name": "Caldera", "room": "Cocina", "driver": "output",
            "connection": "GPIO 22, header pin 15", "simulated": true, "period_ms": null,
            "availability": "unknown", "fault": null,
            "properties": [
                { "id": "power", "name": "power", "kind": "switch", "unit": "", "decimals": 0, "settable": true,
                  "class": null, "lowest": null, "highest": null, "reading": null },
                { "id": "temperature", "name": "temperature", "kind": "number", "unit": "°C", "decimals": 1,
                  "settable": false, "class": null, "lowest": null, "highest": null, "reading": reading },
            ],
        }],
    });
    assert_eq!(house.json(), expected);
}

#[tokio::test]
async fn a_command_is_sent_in_the_name_of_the_person() {
    let world = World::new().await;
    for (name, role) in [("ana", Role::Admin), ("olga", Role::Operator)] {
        let cookie = world.cookie_of(name, role).await;
        let accepted = world.post(SET, &cookie, json!({ "value": "ON", "for": "5s" })).await;
        assert_eq!(accepted.status, 202);
        let id = accepted.json()["id"].clone();
        assert_eq!(id.as_str().unwrap().len(), 16);
        let payload = json!({ "value": "ON", "for": "5s", "id": id });
        let sent = world.commander.sent.lock().unwrap().pop().unwrap();
        assert_eq!(sent, (name.to_owned(), "boiler/power".to_owned(), payload));
    }
}

#[tokio::test]
async fn viewers_look_only() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    world.post(SET, &cookie, json!({ "value": "ON" })).await.assert_error(403, "forbidden");
    // Whoever may not switch does not learn what there is to switch either.
    let unknown = "/api/v1/devices/unknown/properties/power/set";
    world.post(unknown, &cookie, json!({ "value": "ON" })).await.assert_error(403, "forbidden");
    assert!(world.commander.sent.lock().unwrap().is_empty());
}

#[tokio::test]
async fn commands_that_are_none() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let post = async |path: &str, body: Json| world.post(path, &cookie, body).await;
    let path = |device: &str, property: &str| format!("/api/v1/devices/{device}/properties/{property}/set");
    post(&path("unknown", "power"), json!({ "value": "ON" })).await.assert_error(404, "unknown_device");
    post(&path("B%20d", "power"), json!({ "value": "ON" })).await.assert_error(404, "unknown_device");
    post(&path("%FF", "power"), json!({ "value": "ON" })).await.assert_error(404, "unknown_device");
    post(&path("boiler", "unknown"), json!({ "value": "ON" })).await.assert_error(404, "unknown_property");
    post(&path("boiler", "json"), json!({ "value": "ON" })).await.assert_error(404, "unknown_property");
    post(&path("boiler", "temperature"), json!({ "value": 20 })).await.assert_error(409, "not_settable");
    for value in [json!("DIM"), json!(2), json!(null), json!(true), json!({})] {
        let answer = post(SET, json!({ "value": value })).await;
        if value == json!(true) {
            assert_eq!(answer.status, 202);
        } else {
            answer.assert_error(422, "invalid_value");
        }
    }
    post(SET, json!({ "value": "ON", "for": "soon" })).await.assert_error(422, "invalid_value");
    // A mistyped `for` must not leave a heater on for good.
    post(SET, json!({ "value": "ON", "fro": "5s" })).await.assert_error(400, "bad_json");
    post(SET, json!({})).await.assert_error(400, "bad_json");
    post(SET, json!([])).await.assert_error(400, "bad_json");

    *world.commander.refusal.lock().unwrap() = Some("Window is open.".to_owned());
    assert_eq!(post(SET, json!({ "value": "ON" })).await.assert_error(409, "refused"), "Window is open.");
}

#[tokio::test]
async fn bodies_that_are_none() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let post = async |content_type: &str, body: Vec<u8>| {
        let request = Request::post(SET).header(COOKIE, &cookie).header(CONTENT_TYPE, content_type);
        Answer::read(world.send(request.body(Body::from(body)).unwrap()).await).await
    };
    let message = post("application/json", b"{\"value\": ON}".to_vec()).await.assert_error(400, "bad_json");
    assert!(message.contains("line 1 column"), "{message}");
    post("application/json", Vec::new()).await.assert_error(400, "bad_json");
    post("application/json", vec![0xff; 100]).await.assert_error(400, "bad_json");
    post("application/json", vec![b'['; 10_000]).await.assert_error(400, "bad_json");
    post("application/json", vec![b' '; 16 * 1024 + 1]).await.assert_error(413, "too_large");
    post("text/plain", b"{\"value\":\"ON\"}".to_vec()).await.assert_error(415, "wrong_content_type");
    let forms = "application/x-www-form-urlencoded";
    post(forms, b"value=ON".to_vec()).await.assert_error(415, "wrong_content_type");
    assert!(world.commander.sent.lock().unwrap().is_empty());
}

#[tokio::test]
async fn other_sites_cannot_switch() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let post = async |origin: &str| {
        let mut request = request(Method::POST, SET, &cookie, Some(json!({ "value": "ON" })));
        request.headers_mut().insert(HOST, "pi.local:8080".parse().unwrap());
        request.headers_mut().insert(ORIGIN, origin.parse().unwrap());
        Answer::read(world.send(request).await).await
    };
    post("http://evil.example").await.assert_error(403, "cross_site");
    // A token excuses nobody: with one that means nothing, the cookie still counted for a log-out.
    let mut request = request(Method::POST, "/api/v1/logout", &cookie, None);
    request.headers_mut().insert(HOST, "pi.local:8080".parse().unwrap());
    request.headers_mut().insert(ORIGIN, "http://evil.example".parse().unwrap());
    request.headers_mut().insert(AUTHORIZATION, "Bearer x".parse().unwrap());
    Answer::read(world.send(request).await).await.assert_error(403, "cross_site");
    // Nor does a request without a body that a form of any page could have sent.
    let mut request = self::request(Method::POST, "/api/v1/logout", &cookie, None);
    request.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().unwrap());
    Answer::read(world.send(request).await).await.assert_error(415, "wrong_content_type");
    assert!(world.commander.sent.lock().unwrap().is_empty());
    assert_eq!(post("http://pi.local:8080").await.status, 202);
}

#[tokio::test]
async fn charts() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    let (from, to) = ("2026-11-20T09:00:00.000Z", "2026-11-21T09:00:00.000Z");
    let path = format!("/api/v1/history/boiler/temperature?from={from}&to={to}&points=300");
    let chart = world.get(&path, &cookie).await;
    assert_eq!(chart.status, 200);
    let point = json!({
        "at": from, "min": 1.0, "mean": 2.0, "max": 3.0, "last": 2.5, "count": 4, "quality": "simulated",
        "held": false,
    });
    let mut held = point.clone();
    (held["at"], held["count"], held["held"]) = (json!("2026-11-20T09:01:00.000Z"), json!(0), json!(true));
    let gap = json!({ "from": "2026-11-20T09:02:00.000Z", "to": to, "why": "outage" });
    let before = json!({ "at": "2026-11-19T09:00:00.000Z", "value": 1.0, "quality": "ok" });
    let expected = json!({
        "from": from, "to": to, "bucket_ms": 60_000, "unit": "°C", "recording_since": from, "before": before,
        "points": [point, held], "gaps": [gap],
    });
    assert_eq!(chart.json(), expected);
    assert_eq!(world.history.asked.lock().unwrap()[0].points, 300);

    let get = async |path: &str| world.get(path, &cookie).await;
    get("/api/v1/history/unknown/power").await.assert_error(404, "unknown_device");
    get("/api/v1/history/boiler/unknown").await.assert_error(404, "unknown_property");
    get("/api/v1/history/boiler/power?from=yesterday").await.assert_error(422, "invalid_range");
    get("/api/v1/history/boiler/power?points=0").await.assert_error(422, "invalid_range");
    get("/api/v1/history/boiler/power?points=1&points=2").await.assert_error(400, "bad_query");
    assert_eq!(get("/api/v1/history/boiler/power").await.json()["unit"], "");
}

#[tokio::test]
async fn what_is_gone_from_the_house_still_has_its_chart() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    let get = async |path: &str| world.get(&format!("/api/v1/history/{path}"), &cookie).await;
    let chart = get("attic/pressure").await;
    assert_eq!(chart.status, 200);
    assert_eq!(chart.json()["unit"], "hPa");
    assert_eq!(chart.json()["points"].as_array().unwrap().len(), 2);
    assert_eq!(get("boiler/flow").await.json()["unit"], "l/min", "a value that a device has no more");
    assert_eq!(get("attic/said/texts").await.json()["texts"][0]["text"], "open");
    let asked = world.history.asked.lock().unwrap().clone();
    assert_eq!(asked[0].device.as_str(), "attic");

    // What was never recorded is as unknown as before, and a topic is no property.
    get("attic/unknown").await.assert_error(404, "unknown_device");
    get("boiler/unknown/texts").await.assert_error(404, "unknown_property");
    get("cellar/level").await.assert_error(404, "unknown_device");
    // It can be looked at; nothing can be switched there.
    let path = "/api/v1/devices/attic/properties/pressure/set";
    let operator = world.cookie_of("ana", Role::Operator).await;
    world.post(path, &operator, json!({ "value": 1 })).await.assert_error(404, "unknown_device");
    world.get("/api/v1/history/attic/pressure", "").await.assert_error(401, "not_logged_in");
    *world.history.mood.lock().unwrap() = Mood::Refusing(HistoryProblem::Busy);
    get("attic/pressure").await.assert_error(503, "busy");
}

#[tokio::test]
async fn texts_the_house_at_a_moment_and_all_that_is_recorded() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    let get = async |path: &str| world.get(path, &cookie).await;
    let (from, to) = ("2026-11-20T09:00:00.000Z", "2026-11-21T09:00:00.000Z");
    let texts = get(&format!("/api/v1/history/boiler/power/texts?from={from}&to={to}&limit=1")).await;
    let text = |at: &str, text: &str| json!({ "at": at, "text": text, "quality": "ok" });
    let expected = json!({
        "from": from, "to": to, "recording_since": from, "before": text("2026-11-20T08:59:59.000Z", "closed"),
        "texts": [text(from, "open")], "gaps": [{ "from": from, "to": to, "why": "silent" }], "more": true,
    });
    assert_eq!(texts.json(), expected);
    let refused = get("/api/v1/history/boiler/power/texts?limit=0").await.assert_error(422, "invalid_range");
    assert!(refused.contains("`limit`"), "{refused}");

    let moment = get(&format!("/api/v1/history/as-of?at={from}")).await;
    let value = |series: &str, kind: &str, unit: &str, value: Json| json!({ "series": series, "kind": kind, "unit": unit, "value": value, "at": from, "quality": "ok" });
    let values = [
        value("boiler/power", "switch", "", json!("ON")),
        value("boiler/temperature", "number", "°C", json!(61.5)),
        value("topic:zigbee2mqtt/door", "text", "", json!("open")),
    ];
    assert_eq!(moment.json(), json!({ "at": from, "values": values }));
    assert_eq!(get("/api/v1/history/as-of").await.json()["at"], "2026-11-21T09:14:00.000Z");
    get("/api/v1/history/as-of?at=yesterday").await.assert_error(422, "invalid_range");

    let series = get("/api/v1/history/series").await;
    let since = "2026-11-21T09:14:00.000Z";
    let boiler = json!({ "series": "boiler/temperature", "kind": "number", "unit": "°C", "since": since, "last": null });
    assert_eq!(series.json()[0], boiler);
    assert_eq!(series.json()[4]["series"], "topic:cellar/level");
    *world.history.mood.lock().unwrap() = Mood::Refusing(HistoryProblem::Busy);
    for path in ["as-of", "series", "boiler/power/texts"] {
        get(&format!("/api/v1/history/{path}")).await.assert_error(503, "busy");
        world.get(&format!("/api/v1/history/{path}"), "").await.assert_error(401, "not_logged_in");
    }
}

/// A range of 300 years, a second chart at a time and a full card used to be one and the same error.
#[tokio::test]
async fn charts_that_cannot_be_drawn() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    let get = async |mood: Mood| {
        *world.history.mood.lock().unwrap() = mood;
        world.get("/api/v1/history/boiler/power", &cookie).await
    };
    let invalid = get(Mood::Refusing(HistoryProblem::InvalidRange("It is too long.".to_owned()))).await;
    assert_eq!(invalid.assert_error(422, "invalid_range"), "It is too long.");
    let busy = get(Mood::Refusing(HistoryProblem::Busy)).await;
    busy.assert_error(503, "busy");
    assert_eq!(busy.header(RETRY_AFTER), "5");
    let slow = get(Mood::Refusing(HistoryProblem::TooLong)).await.assert_error(503, "too_slow");
    assert!(slow.contains("shorter range"), "{slow}");
    let broken = get(Mood::Refusing(HistoryProblem::Broken("secret path".to_owned()))).await;
    broken.assert_error(503, "history_unavailable");
    assert_eq!(broken.header(RETRY_AFTER), "60");
    get(Mood::Panicking).await.assert_error(500, "internal");
    assert_eq!(world.get("/health", "").await.status, 200, "a panic ends one request only");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    *world.history.mood.lock().unwrap() = Mood::Stuck;
    let mut stuck = std::pin::pin!(world.get("/api/v1/history/boiler/power", &cookie));
    // It is let through to the history first: with the clock already jumping, the look into the accounts would be
    // what takes too long.
    while world.history.waiting() == 0 {
        tokio::select! {
            biased;
            _ = &mut stuck => panic!("answered early"),
            () = tokio::task::yield_now() => {}
        }
    }
    tokio::time::pause();
    stuck.await.assert_error(503, "too_slow");
}
