//! First visit: set-up code, administrator, login, logout, and who may do what.

use gatehouse_tests::gateway::{ADMINISTRATOR, PASSWORD};
use gatehouse_tests::{Browser, Setup};
use serde_json::{Value, json};

fn session(browser: &Browser) -> Value {
    browser.get("/api/v1/session").expect(200).json()
}

fn set_up(browser: &Browser, code: &str, name: &str, password: &str) -> gatehouse_tests::Answer {
    browser.post("/api/v1/setup", &json!({ "code": code, "name": name, "password": password }))
}

#[test]
fn the_first_visitor_with_the_code_becomes_administrator() {
    let gateway = Setup::demo().start();
    let browser = gateway.browser();
    let code = gateway.setup_code().expect("a new gateway prints its set-up code").to_owned();
    let (left, right) = code.split_once('-').expect("a code reads XXXX-XXXX");
    assert!(left.len() == 4 && right.len() == 4, "{code}");

    assert_eq!(browser.get("/health").expect(200).json(), json!({ "status": "ok" }));
    let before = session(&browser);
    assert_eq!((&before["setup_needed"], &before["user"]), (&json!(true), &Value::Null));
    browser.get("/api/v1/house").expect_error(401, "not_logged_in");

    set_up(&browser, "AAAA-AAAA", ADMINISTRATOR, PASSWORD).expect_error(403, "wrong_code");
    set_up(&browser, &code, ADMINISTRATOR, "short").expect_error(422, "weak_password");
    set_up(&browser, &code, "", PASSWORD).expect_error(422, "invalid_name");
    assert_eq!(session(&browser)["setup_needed"], true, "a refused set-up changes nothing");

    let answer = set_up(&browser, &code, ADMINISTRATOR, PASSWORD).expect(201);
    assert_eq!(answer.json()["user"], json!({ "name": ADMINISTRATOR, "role": "admin" }));
    let cookie = answer.header("set-cookie").to_lowercase();
    for attribute in ["httponly", "samesite=strict", "path=/"] {
        assert!(cookie.contains(attribute), "the cookie lacks {attribute}: {cookie}");
    }
    assert!(!browser.house()["devices"].as_array().expect("devices").is_empty());

    set_up(&gateway.browser(), &code, "eve", PASSWORD).expect_error(409, "already_set_up");
}

#[test]
fn the_code_is_the_same_on_the_command_line_and_dies_with_its_use() {
    let gateway = Setup::demo().start();
    let directory = gateway.data_directory();
    let directory = directory.to_string_lossy();
    let ask =
        || gatehouse_tests::gateway::command_line(&["setup-code", "--data-dir", directory.as_ref()], "");
    let printed = ask();
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(printed.stdout.contains(gateway.setup_code().expect("a code")), "{printed:?}");
    gateway.administrator();
    let refused = ask();
    assert!(!refused.stdout.contains(gateway.setup_code().expect("a code")), "{refused:?}");

    let gateway = gateway.restart();
    assert_eq!(gateway.setup_code(), None, "no code is printed once there is an administrator");
}

#[test]
fn guessing_is_slow() {
    let gateway = Setup::demo().start();
    gateway.administrator();
    let browser = gateway.browser();
    let guess = |password: &str| {
        browser.post("/api/v1/login", &json!({ "name": ADMINISTRATOR, "password": password }))
    };
    guess("wrong password").expect_error(401, "wrong_login");
    let refused = (0..100).map(|number| guess(&format!("guess number {number}")));
    let last = refused.into_iter().find(|answer| answer.status != 401).expect("guesses run out");
    last.expect_error(429, "too_many_tries");
}

#[test]
fn a_login_ends_with_a_logout_and_outlives_a_restart() {
    let gateway = Setup::demo().start();
    gateway.administrator();
    let browser = gateway.browser();
    browser
        .post("/api/v1/login", &json!({ "name": "nobody", "password": PASSWORD }))
        .expect_error(401, "wrong_login");
    browser.log_in(ADMINISTRATOR, PASSWORD);
    assert_eq!(session(&browser)["user"]["name"], ADMINISTRATOR);
    browser.post("/api/v1/logout", &json!({})).expect(204);
    assert_eq!(session(&browser)["user"], Value::Null);
    browser.get("/api/v1/house").expect_error(401, "not_logged_in");
    browser.get("/api/v1/events").expect_error(401, "not_logged_in");

    let gateway = gateway.restart();
    let browser = gateway.browser();
    browser.log_in(ADMINISTRATOR, PASSWORD);
    assert_eq!(session(&browser)["setup_needed"], false);
}

#[test]
fn a_viewer_looks_and_an_operator_switches() {
    let setup = Setup::demo().with_user("vera", "viewer", "only looking around").with_user(
        "otto",
        "operator",
        "hands on the switches",
    );
    let gateway = setup.start();
    let (viewer, operator) = (gateway.browser(), gateway.browser());
    viewer.log_in("vera", "only looking around");
    operator.log_in("otto", "hands on the switches");
    let light = viewer.find("light to switch", |_, property| property["settable"] == true);
    viewer.post(&light.set_path(), &json!({ "value": "ON" })).expect_error(403, "forbidden");
    operator.post(&light.set_path(), &json!({ "value": "ON" })).expect(202);
}

#[test]
fn the_page_is_strict_about_where_things_come_from() {
    let gateway = Setup::demo().start();
    let answer = gateway.browser().get("/").expect(200);
    assert!(answer.header("content-type").starts_with("text/html"), "{answer:?}");
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'self'") || policy.contains("default-src 'none'"), "{policy}");
    for weakness in ["unsafe-eval", "http:", "https:", "*"] {
        assert!(!policy.contains(weakness), "{weakness} in {policy}");
    }
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(!answer.header("referrer-policy").is_empty());

    // A page of the web app that is opened by its address is the same page.
    assert_eq!(gateway.browser().get("/devices/anything").expect(200).body, answer.body);
}
