//! Mischief in the simulated house.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::world::World;
use crate::Role;
use crate::api::App;
use crate::router::router;

const FAULTS: &str = "/api/v1/demo/faults";
const INPUTS: &str = "/api/v1/demo/inputs";

#[tokio::test]
async fn administrators_play_with_the_simulated_house() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    for body in [
        json!({ "device": "boiler", "fault": "stuck-bus" }),
        json!({ "device": "boiler", "fault": "slow", "milliseconds": 200 }),
        json!({ "device": "boiler", "fault": "slow" }),
        json!({ "device": "boiler", "fault": "none" }),
    ] {
        assert_eq!(world.post(FAULTS, &cookie, body.clone()).await.status, 204, "{body}");
    }
    assert_eq!(world.post(INPUTS, &cookie, json!({ "device": "boiler", "on": true })).await.status, 204);
    assert_eq!(world.post(INPUTS, &cookie, json!({ "device": "boiler", "turn": -7 })).await.status, 204);
    let probe = json!({ "device": "28-00000b3f41c2", "warm": 6.5 });
    assert_eq!(world.post(INPUTS, &cookie, probe).await.status, 204);
    for (body, words) in [
        (json!({ "device": "boiler" }), "Say one of `on`, `turn` and `warm`."),
        (json!({ "device": "boiler", "on": true, "turn": 1 }), "Say one of `on`, `turn` and `warm`."),
        (json!({ "device": "boiler", "on": true, "warm": 1 }), "Say one of `on`, `turn` and `warm`."),
        (json!({ "device": "boiler", "turn": 101 }), "A knob is turned by at most 100 detents at a time."),
        (
            json!({ "device": "boiler", "turn": i32::MIN }),
            "A knob is turned by at most 100 detents at a time.",
        ),
    ] {
        let refused = world.post(INPUTS, &cookie, body.clone()).await;
        assert_eq!(refused.assert_error(422, "not_possible"), words, "{body}");
    }
    let done = world.demo.done.lock().unwrap().join("; ");
    let expected = "boiler: Some(StuckBus); boiler: Some(Slow(200ms)); boiler: Some(Slow(1s)); boiler: None; boiler: true; \
                    boiler: turned by -7; 28-00000b3f41c2: warmed by 6.5";
    assert_eq!(done, expected);
    let refused = world.post(FAULTS, &cookie, json!({ "device": "boiler", "fault": "vanished" })).await;
    assert_eq!(refused.assert_error(422, "not_possible"), "It is screwed to the wall.");
    world
        .post(FAULTS, &cookie, json!({ "device": "nobody", "fault": "crc" }))
        .await
        .assert_error(404, "unknown_device");
    world
        .post(INPUTS, &cookie, json!({ "device": "B d", "on": true }))
        .await
        .assert_error(404, "unknown_device");
    world
        .post(FAULTS, &cookie, json!({ "device": "boiler", "fault": "flood" }))
        .await
        .assert_error(400, "bad_json");
}

#[tokio::test]
async fn nobody_else_plays_and_nobody_with_a_real_house() {
    let mut world = World::new().await;
    for path in [FAULTS, INPUTS] {
        let body = || json!({ "device": "boiler", "fault": "none", "on": true });
        world.post(path, "", body()).await.assert_error(401, "not_logged_in");
    }
    let operator = world.cookie_of("olga", Role::Operator).await;
    let admin = world.cookie_of("ana", Role::Admin).await;
    let fault = || json!({ "device": "boiler", "fault": "stuck-pin" });
    world.post(FAULTS, &operator, fault()).await.assert_error(403, "forbidden");
    let ports = crate::Ports { demo: None, ..world.ports() };
    world.router = router(App::new(ports, CancellationToken::new()));
    world.post(FAULTS, &admin, fault()).await.assert_error(404, "no_demo");
    world.post(INPUTS, &admin, json!({ "device": "boiler", "on": true })).await.assert_error(404, "no_demo");
    assert!(world.demo.done.lock().unwrap().is_empty());
}
