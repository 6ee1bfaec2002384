//! The board as administrators see it.

use super::world::World;
use crate::Role;
use serde_json::json;

#[tokio::test]
async fn the_board_is_for_administrators_and_the_catalogue_for_everybody() {
    let world = World::new().await;
    for role in [Role::Operator, Role::Viewer] {
        let cookie = world.cookie_of(role.as_str(), role).await;
        world.get("/api/v1/board", &cookie).await.assert_error(403, "forbidden");
        world.post("/api/v1/board/scan", &cookie, json!({})).await.assert_error(403, "forbidden");
        world.get("/api/v1/board/probes", &cookie).await.assert_error(403, "forbidden");
        assert_eq!(world.get("/api/v1/catalogue", &cookie).await.status, 200);
    }
    world.get("/api/v1/board", "").await.assert_error(401, "not_logged_in");
    world.get("/api/v1/board/probes", "").await.assert_error(401, "not_logged_in");
    world.get("/api/v1/catalogue", "").await.assert_error(401, "not_logged_in");
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let board = world.get("/api/v1/board", &cookie).await;
    assert_eq!(board.status, 200);
    assert_eq!(board.json()["name"], "bench");
    let scan = world.post("/api/v1/board/scan", &cookie, json!({})).await;
    assert_eq!(scan.status, 200);
    assert_eq!(scan.json()["buses"][0]["things"][0]["held_by"], "nobody");
    let probes = world.get("/api/v1/board/probes", &cookie).await;
    assert_eq!(probes.json()["probes"][0]["celsius"], 21.5);
}

#[tokio::test]
async fn a_board_that_fails_says_so_and_one_scan_is_made_at_a_time() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    *world.board.problem.lock().unwrap() = Some("the scan died".to_owned());
    let refused = world.post("/api/v1/board/scan", &cookie, json!({})).await;
    refused.assert_error(500, "internal");
    world.get("/api/v1/board/probes", &cookie).await.assert_error(500, "internal");
    *world.board.problem.lock().unwrap() = None;
    *world.board.is_stuck.lock().unwrap() = true;
    let mut first = std::pin::pin!(world.post("/api/v1/board/scan", &cookie, json!({})));
    while !world.board.is_waiting() {
        tokio::select! {
            biased;
            _ = &mut first => panic!("answered early"),
            () = tokio::task::yield_now() => {}
        }
    }
    world.post("/api/v1/board/scan", &cookie, json!({})).await.assert_error(503, "busy");
}
