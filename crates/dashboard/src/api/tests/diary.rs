//! The log of events and the state of the recording, over HTTP.

use gatehouse_model::Timestamp;
use serde_json::json;

use super::world::{Mood, World};
use crate::wire::EventKindWord;
use crate::{EventsQuery, HistoryProblem, Role};

#[tokio::test]
async fn events_are_searched_and_come_page_by_page() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    let path = "/api/v1/history/events?from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z\
        &kinds=switched,press&device=boiler&contains=ana&before_id=77&limit=2";
    let answer = world.get(path, &cookie).await.json();
    let query = EventsQuery {
        from: Timestamp::parse("2026-11-20T00:00:00Z").ok(),
        to: Timestamp::parse("2026-11-21T00:00:00Z").ok(),
        kinds: vec![EventKindWord::Switched, EventKindWord::Press],
        device: gatehouse_model::DeviceId::new("boiler").ok(),
        contains: Some("ana".to_owned()),
        before_id: Some(77),
        // One more than asked for, to see whether there are more.
        limit: 3,
    };
    assert_eq!(world.history.searches.lock().unwrap()[0], query);
    let ids: Vec<_> = answer["events"].as_array().unwrap().iter().map(|event| event["id"].clone()).collect();
    assert_eq!((ids, &answer["more"]), (vec![json!(76), json!(75)], &json!(true)));
    let first = &answer["events"][0];
    assert_eq!(
        (&first["kind"], &first["device"], &first["value"]),
        (&json!("switched"), &json!("boiler"), &json!("ON"))
    );
    assert_eq!(first["cause"]["sentence"], "ana at the dashboard");

    let all = world.get("/api/v1/history/events", &cookie).await.json();
    assert_eq!((all["events"].as_array().unwrap().len(), &all["more"]), (3, &json!(false)));
    assert_eq!(world.history.searches.lock().unwrap()[1].limit, 101);
}

#[tokio::test]
async fn mistakes_in_a_search_are_told() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    for wrong in [
        "from=yesterday",
        "from=2026-11-21T00:00:00Z&to=2026-11-21T00:00:00Z",
        "kinds=switched,sneezed",
        "device=No%20Device",
        "before_id=last",
        "limit=0",
        "limit=501",
    ] {
        let answer = world.get(&format!("/api/v1/history/events?{wrong}"), &cookie).await;
        answer.assert_error(422, "invalid_range");
    }
    assert!(world.history.searches.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_state_of_the_recording_is_told_to_whoever_is_logged_in() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    let status = world.get("/api/v1/history/status", &cookie).await.json();
    assert_eq!((&status["file_bytes"], &status["samples_per_second"]), (&json!(4096), &json!(8.5)));
    assert_eq!((&status["not_recorded"]["events"], &status["held_for_clock"]), (&json!(2), &json!(1)));
    assert_eq!(status["wear"]["years"], 70.0);
    assert_eq!(status["notices"][0]["sentence"], "A page was torn.");
    assert_eq!((&status["damaged_chunks"], &status["refused_since"]), (&json!(5), &status["last_commit"]));
    *world.history.mood.lock().unwrap() = Mood::Refusing(HistoryProblem::Busy);
    for path in ["events", "status"] {
        let path = format!("/api/v1/history/{path}");
        world.get(&path, &cookie).await.assert_error(503, "busy");
        world.get(&path, "").await.assert_error(401, "not_logged_in");
    }
}
