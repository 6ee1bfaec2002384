//! How the gateway is, its log and its restart, as administrators meet them.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Method;
use gatehouse_model::Timestamp;
use serde_json::{Value as Json, json};

use super::world::World;
use crate::wire::{
    LogLevelWord, LogLine, LogPage, RestartBegun, RestartWay, SystemBroker, SystemCertificate,
    SystemClockState, SystemDiscovery, SystemDisk, SystemMachine, SystemNetwork, SystemReport, SystemVersion,
};
use crate::{LogQuery, RestartRefused, Role, SystemKeeper};

/// The first run of a bench that tells little of itself.
#[derive(Default)]
pub(super) struct FakeSystem {
    pub(super) asked: Mutex<Vec<LogQuery>>,
    pub(super) restarted_by: Mutex<Vec<String>>,
    pub(super) is_young: Mutex<bool>,
}

#[async_trait]
impl SystemKeeper for FakeSystem {
    async fn report(&self) -> SystemReport {
        let at = Timestamp::from_millis(1_795_252_440_000);
        SystemReport {
            run: "first".to_owned(),
            at,
            running_for_ms: 60_000,
            version: SystemVersion {
                gatehouse: "0.1.0".to_owned(),
                commit: None,
                compiler: "rustc".to_owned(),
            },
            machine: SystemMachine {
                board: "bench".to_owned(),
                kernel: "Linux".to_owned(),
                cores: 4,
                up_for_ms: None,
                load: Some([0.5, 0.25, 0.0]),
                temperature: None,
                memory_bytes: None,
                memory_free_bytes: None,
                gateway_memory_bytes: None,
                under_voltage: None,
                under_voltage_since_boot: Some(true),
                throttled: None,
                throttled_since_boot: None,
            },
            disk: SystemDisk {
                directory: "/srv/casa".to_owned(),
                bytes: None,
                free_bytes: None,
                written_bytes: None,
                card: None,
            },
            clock: SystemClockState { trusted: true, synchronized: None, service: None, chip: false },
            broker: SystemBroker {
                clients: 1,
                sessions: 2,
                subscriptions: 3,
                retained: 4,
                queued: 0,
                received: 5,
                sent: 6,
                received_per_second: None,
                sent_per_second: None,
                dropped: 0,
                refused: 0,
                logins_refused: 0,
                connections_refused: 0,
                store_failing: false,
            },
            network: SystemNetwork {
                names: vec!["casa.local".to_owned()],
                addresses: Vec::new(),
                http: 8080,
                https: None,
                mqtt: 1883,
                mqtts: None,
                discovery: SystemDiscovery::default(),
            },
            certificate: Some(SystemCertificate {
                names: vec!["casa.local".to_owned()],
                valid_from: at,
                valid_until: at,
                sha256: "AB:CD".to_owned(),
                authority_sha256: None,
            }),
            restart: RestartWay::Itself,
        }
    }

    fn logs(&self, query: LogQuery) -> LogPage {
        self.asked.lock().unwrap().push(query);
        let line = LogLine {
            id: 7,
            at: Timestamp::from_millis(1_795_252_440_000),
            level: LogLevelWord::Warn,
            target: "gatehouse".to_owned(),
            text: "the bus hangs".to_owned(),
        };
        LogPage { run: "first".to_owned(), lines: vec![line], last: 7, lost: 2 }
    }

    fn restart(&self, who: &str, run: &str) -> Result<RestartBegun, RestartRefused> {
        if run != "first" {
            return Err(RestartRefused::AnotherRun);
        }
        let mut restarted = self.restarted_by.lock().unwrap();
        if !restarted.is_empty() {
            return Err(RestartRefused::Stopping);
        }
        if *self.is_young.lock().unwrap() {
            return Err(RestartRefused::TooSoon { wait: Duration::from_millis(9_500) });
        }
        restarted.push(who.to_owned());
        Ok(RestartBegun { run: run.to_owned(), way: RestartWay::Itself })
    }
}

#[tokio::test]
async fn only_an_administrator_sees_the_machine_and_its_log() {
    let world = World::new().await;
    let ana = world.cookie_of("ana", Role::Admin).await;
    let (luis, eva) =
        (world.cookie_of("luis", Role::Operator).await, world.cookie_of("eva", Role::Viewer).await);
    for path in ["/api/v1/system", "/api/v1/logs"] {
        world.get(path, "").await.assert_error(401, "not_logged_in");
        for cookie in [&luis, &eva] {
            world.get(path, cookie).await.assert_error(403, "forbidden");
        }
        assert_eq!(world.get(path, &ana).await.status, 200, "{path}");
    }
    let report = world.get("/api/v1/system", &ana).await.json();
    assert_eq!(report["machine"]["load"], json!([0.5, 0.25, 0.0]));
    // What nobody knows is null, never left out and never a number.
    assert_eq!(report["machine"].get("temperature"), Some(&Json::Null));
    assert_eq!(report["certificate"]["valid_until"], "2026-11-21T09:14:00.000Z");
}

#[tokio::test]
async fn the_log_is_asked_for_within_limits() {
    let world = World::new().await;
    let ana = world.cookie_of("ana", Role::Admin).await;
    let page = world.get("/api/v1/logs?after=5&level=warn&limit=10", &ana).await.json();
    assert_eq!(
        (&page["lines"][0]["level"], &page["last"], &page["lost"]),
        (&json!("warn"), &json!(7), &json!(2))
    );
    world.get("/api/v1/logs", &ana).await;
    let asked = world.system.asked.lock().unwrap().clone();
    assert_eq!(asked[0], LogQuery { after: Some(5), level: LogLevelWord::Warn, limit: 10 });
    assert_eq!(asked[1], LogQuery { after: None, level: LogLevelWord::Info, limit: 500 });
    for query in ["limit=0", "limit=1001", "level=loud", "after=-1", "before=3"] {
        world.get(&format!("/api/v1/logs?{query}"), &ana).await.assert_error(400, "bad_query");
    }
    assert_eq!(world.system.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_restart_is_for_administrators_once_and_in_the_audit_log() {
    let world = World::new().await;
    let ana = world.cookie_of("ana", Role::Admin).await;
    let (path, body) = ("/api/v1/restart", json!({ "run": "first" }));
    world.post(path, "", body.clone()).await.assert_error(401, "not_logged_in");
    for (name, role) in [("luis", Role::Operator), ("eva", Role::Viewer)] {
        let cookie = world.cookie_of(name, role).await;
        world.post(path, &cookie, body.clone()).await.assert_error(403, "forbidden");
    }
    // A form of another page cannot send JSON, and nothing restarts by a word alone.
    world.ask(Method::POST, path, &ana, None).await.assert_error(415, "wrong_content_type");
    world.post(path, &ana, json!({ "run": "zeroth" })).await.assert_error(409, "another_run");
    world.post(path, &ana, json!({})).await.assert_error(400, "bad_json");
    assert!(world.system.restarted_by.lock().unwrap().is_empty());

    *world.system.is_young.lock().unwrap() = true;
    let refused = world.post(path, &ana, body.clone()).await;
    assert_eq!(refused.headers.get("retry-after").unwrap(), "10");
    refused.assert_error(503, "restart_too_soon");
    *world.system.is_young.lock().unwrap() = false;

    let begun = world.post(path, &ana, body.clone()).await;
    assert_eq!((begun.status.as_u16(), begun.json()), (202, json!({ "run": "first", "way": "itself" })));
    world.post(path, &ana, body).await.assert_error(503, "stopping");
    assert_eq!(*world.system.restarted_by.lock().unwrap(), ["ana"]);
    let audited = world.audited().await;
    assert_eq!(audited.iter().filter(|(deed, _)| *deed == "restarted").count(), 1, "{audited:?}");
    assert_eq!(audited[0].0, "restarted");
}
