//! The gateway as a whole, as an administrator sees it: how it is, what it logged, how it is reached, and its restart.

use gatehouse_tests::http::Browser;
use gatehouse_tests::{Gateway, Setup};
use serde_json::{Value, json};

fn setup() -> Setup {
    Setup::demo().with_user("ana", "admin", "a lamp in the window").with_user(
        "vera",
        "viewer",
        "only looking around",
    )
}

fn logged_in(gateway: &Gateway, name: &str, password: &str) -> Browser {
    let browser = gateway.browser();
    browser.log_in(name, password);
    browser
}

fn ana(gateway: &Gateway) -> Browser {
    logged_in(gateway, "ana", "a lamp in the window")
}

fn report(browser: &Browser) -> Value {
    browser.get("/api/v1/system").expect(200).json()
}

#[test]
fn the_machine_the_broker_and_the_certificate_are_told_and_the_log_with_them() {
    let gateway = setup().start();
    let browser = ana(&gateway);
    let report = report(&browser);
    let bytes = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no number in {report}"));
    let machine = &report["machine"];
    assert!(bytes(&machine["memory_bytes"]) > bytes(&machine["gateway_memory_bytes"]));
    assert!(bytes(&report["disk"]["bytes"]) >= bytes(&report["disk"]["free_bytes"]));
    assert!(bytes(&report["broker"]["retained"]) > 0 && report["broker"]["store_failing"] == false);
    assert_eq!(report["disk"]["directory"], gateway.data_directory().display().to_string());
    assert_eq!(report["network"]["http"], gateway.dashboard_address().port());
    // Everything listens on this machine alone, so nothing is announced.
    assert_eq!(
        report["network"]["discovery"],
        json!({ "host": null, "services": [], "silent": "only-here" })
    );
    assert_eq!(report["network"]["addresses"], json!([]));
    assert_eq!(report["restart"], "itself");
    let names = report["certificate"]["names"].as_array().expect("names");
    assert!(names.contains(&json!("localhost")), "{names:?}");

    let page = browser.get("/api/v1/logs").expect(200).json();
    let lines = page["lines"].as_array().expect("lines");
    assert!(
        lines.iter().any(|line| line["text"].as_str().is_some_and(|text| text.starts_with("ready: "))),
        "{page}"
    );
    assert_eq!(page["run"], report["run"]);
    // What is secret is in no line: not the demonstration's password, which only the banner says.
    let password = gateway.demo_user().password;
    assert!(!page.to_string().contains(&password));
    let after = format!("/api/v1/logs?after={}&level=error", page["last"]);
    assert_eq!(browser.get(&after).expect(200).json()["lines"], json!([]));

    let vera = logged_in(&gateway, "vera", "only looking around");
    for path in ["/api/v1/system", "/api/v1/logs"] {
        vera.get(path).expect_error(403, "forbidden");
    }
    let request = json!({ "run": report["run"] });
    vera.post("/api/v1/restart", &request).expect_error(403, "forbidden");
}

/// In a terminal or a container nobody starts the gateway again: it becomes another process of itself, with the outputs safe in
/// between and everything that is kept still there.
#[test]
fn a_restart_from_the_page_brings_the_gateway_back() {
    let mut gateway = setup().start();
    let browser = ana(&gateway);
    browser.post("/api/v1/devices/heater/properties/power/set", &json!({ "value": "ON" })).expect(202);
    let before = report(&browser);
    gateway.restart_by_page(&browser);

    let browser = ana(&gateway);
    let after = report(&browser);
    assert_ne!(after["run"], before["run"]);
    let entries = browser.get("/api/v1/audit").expect(200).json()["entries"].clone();
    let restarted: Vec<&Value> =
        entries.as_array().expect("entries").iter().filter(|entry| entry["what"] == "restarted").collect();
    assert_eq!(restarted.len(), 1, "{entries}");
    assert_eq!(restarted[0]["who"], "ana");
    // The run of before is over: what was meant for it does nothing.
    let late = browser.post("/api/v1/restart", &json!({ "run": before["run"] }));
    late.expect_error(409, "another_run");
    gateway.wait_for_words("restarting: ana asked for it at the page");
}

/// The unit says how old a run has to be: its manager counts starts, and leaves a gateway down that is started too often.
#[test]
fn a_run_that_has_just_begun_is_not_restarted_from_the_page() {
    let gateway = setup().environment("GATEHOUSE_RESTART_SPACING", "3600").start();
    let browser = ana(&gateway);
    let report = report(&browser);
    browser.post("/api/v1/restart", &json!({ "run": report["run"] })).expect_error(503, "restart_too_soon");
    let entries = browser.get("/api/v1/audit").expect(200).json()["entries"].clone();
    assert!(
        !entries.to_string().contains("\"restarted\""),
        "what was not done is not in the audit log: {entries}"
    );
}

/// As a service it ends, with the status that its unit starts it again for.
#[test]
fn a_service_ends_with_the_status_that_restarts_it() {
    let gateway = setup().environment("GATEHOUSE_RESTARTED_BY_SERVICE", "yes").start();
    let browser = ana(&gateway);
    let report = report(&browser);
    assert_eq!(report["restart"], "service");
    let begun = browser.post("/api/v1/restart", &json!({ "run": report["run"] })).expect(202).json();
    assert_eq!(begun, json!({ "run": report["run"], "way": "service" }));
    gateway.wait_stopped_with(75);
    let unit = include_str!("../../systemd/gatehouse.service");
    for line in [
        "SuccessExitStatus=75",
        "RestartForceExitStatus=75",
        "Environment=GATEHOUSE_RESTARTED_BY_SERVICE=yes",
    ] {
        assert!(unit.lines().any(|written| written == line), "{line}");
    }
}
