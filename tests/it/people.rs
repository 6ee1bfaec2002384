//! People and phones as the page manages them, with a real MQTT client at the other end.

use std::process::Command;

use gatehouse_tests::http::Browser;
use gatehouse_tests::{Gateway, LIMIT, Login, Phone, Setup, until};
use serde_json::{Value, json};

const SET: &str = "/api/v1/devices/heater/properties/power/set";

fn start() -> (Gateway, Browser) {
    let gateway = Setup::demo()
        .with_user("ana", "admin", "a lamp in the window")
        .with_user("vera", "viewer", "only looking around")
        .start();
    let browser = gateway.browser();
    browser.log_in("ana", "a lamp in the window");
    (gateway, browser)
}

fn paired(browser: &Browser, name: &str, rights: &str) -> (Login, Value) {
    let request = json!({ "user": "ana", "name": name, "rights": rights });
    let pairing = browser.post("/api/v1/pairing", &request).expect(201).json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (Login { user: text(&pairing["client"]["login"]), password: text(&pairing["password"]) }, pairing)
}

fn words(browser: &Browser) -> Vec<Value> {
    browser.get("/api/v1/audit").expect(200).json()["entries"].as_array().expect("entries").clone()
}

#[test]
fn a_phone_is_paired_seen_and_cut_off_when_it_is_taken_back() {
    let (gateway, browser) = start();
    let (login, pairing) = paired(&browser, "phone", "operator");
    assert_eq!(login.user, "ana:phone");
    assert_eq!(pairing["ports"]["mqtt"], gateway.mqtt_address().port());
    assert_eq!(pairing["addresses"], json!(["127.0.0.1"]), "where it listens, and nowhere else");
    let phone = Phone::connect(gateway.mqtt_address(), "pocket", &login);
    phone.subscribe("home/#");
    phone.wait_payload("home/status", "online");
    assert_eq!(phone.publish("home/heater/power/set", "ON", false), Ok(()));
    assert!(phone.publish("$SYS/x", "no", false).is_err(), "not more than its rights");

    let client = browser.get("/api/v1/users/ana/clients").expect(200).json()[0].clone();
    assert_eq!((&client["connected"], &client["address"]), (&json!(true), &json!("127.0.0.1")));
    let connections = browser.get("/api/v1/connections").expect(200).json();
    let own = connections["connections"].as_array().expect("a list");
    assert!(
        own.iter().any(|one| one["client_id"] == "pocket" && one["login"] == "ana:phone"),
        "{connections}"
    );

    browser.delete("/api/v1/users/ana/clients/phone").expect(204);
    phone.wait_end();
    assert!(Phone::connect_with(gateway.mqtt_address(), "pocket", Some(&login), None).is_err());
    let words = words(&browser);
    let has = |what: &str, about: Value| words.iter().any(|one| one["what"] == what && one["about"] == about);
    assert!(
        has("client-added", json!("ana:phone")) && has("client-removed", json!("ana:phone")),
        "{words:?}"
    );
    assert!(has("mqtt-log-in-failed", Value::Null), "nobody has this name any more: {words:?}");
}

/// The very command that the page shows for copying.
#[test]
fn a_paired_client_of_another_make_connects() {
    let (gateway, browser) = start();
    let (login, _) = paired(&browser, "script", "operator");
    let address = gateway.mqtt_address();
    let output = Command::new("mosquitto_sub")
        .args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()])
        .args(["-u", &login.user, "-P", &login.password, "-t", "home/status", "-C", "1", "-W", "20"])
        .output()
        .expect("mosquitto_sub is installed");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "online", "{output:?}");
}

#[test]
fn a_new_password_takes_the_old_one_and_its_connection() {
    let (gateway, browser) = start();
    let (old, _) = paired(&browser, "tablet", "viewer");
    let tablet = Phone::connect(gateway.mqtt_address(), "wall", &old);
    let request = json!({ "user": "ana", "name": "tablet", "rights": "viewer", "renew": true });
    let renewed = browser.post("/api/v1/pairing", &request).expect(201).json();
    tablet.wait_end();
    assert!(Phone::connect_with(gateway.mqtt_address(), "wall", Some(&old), None).is_err());
    let new = Login { user: old.user, password: renewed["password"].as_str().expect("a text").to_owned() };
    let again = Phone::connect(gateway.mqtt_address(), "wall", &new);
    browser.post("/api/v1/connections/wall/disconnect", &Value::Null).expect(204);
    again.wait_end();
    assert!(
        Phone::connect_with(gateway.mqtt_address(), "wall", Some(&new), None).is_ok(),
        "it may come back"
    );
}

#[test]
fn scripts_do_what_the_scopes_of_their_tokens_say() {
    let (gateway, browser) = start();
    let token = |name: &str, scope: &str| {
        let made =
            browser.post("/api/v1/tokens", &json!({ "name": name, "scope": scope })).expect(201).json();
        format!("Bearer {}", made["secret"].as_str().expect("a text"))
    };
    let (read, switch) = (token("graphs", "read"), token("lights", "switch"));
    // No cookie and no Origin, as curl comes.
    let script = gateway.browser();
    script.get("/api/v1/house").expect_error(401, "not_logged_in");
    let on = json!({ "value": "ON" }).to_string();
    let set = |token: &str| script.post_text(SET, "application/json", &on, &[("authorization", token)]);
    script.get_with("/api/v1/house", &[("authorization", &read)]).expect(200);
    set(&read).expect_error(403, "forbidden");
    set(&switch).expect(202);
    script.get_with("/api/v1/users", &[("authorization", &switch)]).expect_error(403, "forbidden");
    // A page of another site is refused whatever it carries.
    let foreign = [("authorization", switch.as_str()), ("origin", "http://evil.example")];
    script.post_text(SET, "application/json", &on, &foreign).expect_error(403, "cross_site");
    until("the cause to name the script", LIMIT, || {
        let house = browser.house().to_string();
        if house.contains("ana/lights") { Ok(()) } else { Err(house) }
    });
    let tokens = browser.get("/api/v1/tokens").expect(200).json();
    let id = tokens["tokens"].as_array().expect("a list").iter().find(|one| one["name"] == "lights");
    let id = id.and_then(|one| one["id"].as_i64()).expect("its number");
    browser.delete(&format!("/api/v1/tokens/{id}")).expect(204);
    set(&switch).expect_error(401, "not_logged_in");
    let file = std::fs::read(gateway.data_directory().join("gatehouse.db")).expect("the accounts");
    let secret = read.trim_start_matches("Bearer ").as_bytes();
    assert!(!file.windows(secret.len()).any(|window| window == secret), "only a hash is kept");
}

#[test]
fn who_is_refused_stands_in_the_audit_log() {
    let (gateway, browser) = start();
    let viewer = gateway.browser();
    viewer.log_in("vera", "only looking around");
    viewer.post(SET, &json!({ "value": "ON" })).expect_error(403, "forbidden");
    viewer.get("/api/v1/audit").expect_error(403, "forbidden");
    let wrong = json!({ "name": "ana", "password": "a lamp in the cellar" });
    gateway.browser().post("/api/v1/login", &wrong).expect_error(401, "wrong_login");
    let sentence =
        browser.get_with("/api/v1/house", &[("host", "evil.example")]).expect_error(421, "unknown_host");
    assert!(sentence.contains("[dashboard] hosts = [\"evil.example\"]"), "{sentence}");
    let foreign = [("origin", "http://evil.example")];
    let set = json!({ "value": "ON" }).to_string();
    browser.post_text(SET, "application/json", &set, &foreign).expect_error(403, "cross_site");

    // A cookie that somebody kept from before the log-out.
    let kept = gateway.browser();
    let log_in = json!({ "name": "vera", "password": "only looking around" });
    let cookie = kept.post("/api/v1/login", &log_in).expect(200).header("set-cookie").to_owned();
    let cookie = cookie.split(';').next().expect("a cookie").to_owned();
    let stranger = gateway.browser();
    let replay = || stranger.get_with("/api/v1/house", &[("cookie", &cookie)]);
    replay().expect(200);
    kept.post("/api/v1/logout", &Value::Null).expect(204);
    replay().expect_error(401, "not_logged_in");

    let page = browser.get("/api/v1/audit?refused=true").expect(200).json();
    let refused: Vec<(&str, &Value, &Value)> = page["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| (entry["what"].as_str().unwrap_or_default(), &entry["who"], &entry["about"]))
        .collect();
    assert!(refused.contains(&("forbidden", &json!("vera"), &Value::Null)), "{refused:?}");
    assert!(refused.contains(&("log-in-failed", &Value::Null, &json!("ana"))), "{refused:?}");
    assert!(refused.contains(&("unknown-host", &Value::Null, &json!("evil.example"))), "{refused:?}");
    assert!(refused.contains(&("cross-site", &Value::Null, &json!("http://evil.example"))), "{refused:?}");
    assert!(refused.contains(&("stale-credential", &Value::Null, &Value::Null)), "{refused:?}");
}

/// A page of another site that somebody in the house opened, which tries to speak MQTT through that browser.
#[test]
fn mqtt_over_websocket_is_not_for_pages_of_other_sites() {
    let (gateway, browser) = start();
    let address = gateway.dashboard_address().to_string();
    let knock = |origin: &str| {
        let headers = [
            ("host", address.as_str()),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "mqtt"),
            ("origin", origin),
        ];
        gateway.browser().get_with("/mqtt", &headers)
    };
    let sentence = knock("http://evil.example").expect_error(403, "cross_site");
    assert!(sentence.contains("[dashboard] origins = [\"http://evil.example\"]"), "{sentence}");
    let words = words(&browser);
    let is_it = |one: &Value| one["what"] == "cross-site" && one["about"] == "http://evil.example";
    assert!(words.iter().any(|one| is_it(one) && one["detail"] == "/mqtt"), "{words:?}");
}

/// Everybody changes the own password, and what came in with the old one is out.
#[test]
fn a_new_password_of_ones_own_ends_everything_but_this_browser() {
    let (gateway, browser) = start();
    let elsewhere = gateway.browser();
    elsewhere.log_in("ana", "a lamp in the window");
    let made =
        browser.post("/api/v1/tokens", &json!({ "name": "script", "scope": "read" })).expect(201).json();
    let token = format!("Bearer {}", made["secret"].as_str().expect("a text"));
    let change = json!({ "current": "a lamp in the window", "new": "two lamps in the window" });
    browser.post("/api/v1/session/password", &change).expect(204);
    browser.get("/api/v1/house").expect(200);
    elsewhere.get("/api/v1/house").expect_error(401, "not_logged_in");
    let script = gateway.browser();
    script.get_with("/api/v1/house", &[("authorization", &token)]).expect_error(401, "not_logged_in");
    let old = json!({ "name": "ana", "password": "a lamp in the window" });
    gateway.browser().post("/api/v1/login", &old).expect_error(401, "wrong_login");
    gateway.browser().log_in("ana", "two lamps in the window");
}
