//! The home page of each user, and the day at a glance.

use axum::http::Method;
use serde_json::{Value as Json, json};

use super::world::{Mood, World};
use crate::accounts::Scope;
use crate::{HistoryProblem, Role};

const HOME: &str = "/api/v1/me/home";
const LINES: &str = "/api/v1/history/sparklines";

#[tokio::test]
async fn each_user_arranges_a_home_page_of_their_own() {
    let world = World::new().await;
    let (vera, olga) =
        (world.cookie_of("vera", Role::Viewer).await, world.cookie_of("olga", Role::Operator).await);
    let nothing = json!({ "favourites": [], "rooms": [], "devices": [] });
    assert_eq!(world.get(HOME, &vera).await.json(), nothing);
    let mine = json!({ "favourites": ["boiler"], "rooms": ["Cocina"], "devices": ["boiler", "gone"] });
    assert_eq!(world.ask(Method::PUT, HOME, &vera, Some(mine.clone())).await.status, 204);
    assert_eq!(world.get(HOME, &vera).await.json(), mine);
    assert_eq!(world.get(HOME, &olga).await.json(), nothing);
    let again = json!({ "favourites": [], "rooms": ["Cocina"], "devices": [] });
    assert_eq!(world.ask(Method::PUT, HOME, &vera, Some(again.clone())).await.status, 204);
    assert_eq!(world.get(HOME, &vera).await.json(), again);
    // It goes with its user; somebody else of that name begins anew.
    world.accounts.remove("vera").await.unwrap();
    let other = world.cookie_of("vera", Role::Viewer).await;
    assert_eq!(world.get(HOME, &other).await.json(), nothing);
}

#[tokio::test]
async fn an_arrangement_is_bounded_and_names_everything_once() {
    let world = World::new().await;
    world.get(HOME, "").await.assert_error(401, "not_logged_in");
    world.ask(Method::PUT, HOME, "", Some(json!({}))).await.assert_error(401, "not_logged_in");
    let cookie = world.cookie_of("vera", Role::Viewer).await;
    let names = |count: usize| (0..count).map(|number| format!("device-{number}")).collect::<Vec<_>>();
    let put = async |body: Json| world.ask(Method::PUT, HOME, &cookie, Some(body)).await;
    assert_eq!(put(json!({ "devices": names(512), "favourites": names(512) })).await.status, 204);
    for wrong in [
        json!({ "devices": names(513) }),
        json!({ "rooms": ["x".repeat(129)] }),
        json!({ "rooms": [""] }),
        json!({ "favourites": ["boiler", "boiler"] }),
    ] {
        put(wrong).await.assert_error(422, "wrong_arrangement");
    }
    put(json!({ "colour": "red" })).await.assert_error(400, "bad_json");
    let long: Vec<String> = (0..3_000).map(|number| format!("{number:0100}")).collect();
    put(json!({ "rooms": long })).await.assert_error(413, "too_large");
}

#[tokio::test]
async fn a_script_has_no_home_page() {
    let world = World::new().await;
    world.cookie_of("ana", Role::Admin).await;
    let (_, token) = world.accounts.add_token("ana", "script", Scope::Administer).await.unwrap();
    let mut request = super::world::request(Method::PUT, HOME, "", Some(json!({})));
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let answer = super::world::Answer::read(world.send(request).await).await;
    answer.assert_error(403, "forbidden");
}

#[tokio::test]
async fn the_day_of_many_values_is_one_answer() {
    let world = World::new().await;
    world.get(LINES, "").await.assert_error(401, "not_logged_in");
    let cookie = world.cookie_of("vera", Role::Viewer).await;
    let asked = "boiler/temperature,boiler/power,boiler/gone,nowhere/temperature,text";
    let answer = world.get(&format!("{LINES}?series={asked}"), &cookie).await.json();
    // Of the house, this is the only number; its second point holds the first, and what follows is a gap.
    let line = json!({ "series": "boiler/temperature", "min": 1.0, "max": 3.0, "at_s": [0, 60], "mean": [2.0, 2.0] });
    assert_eq!(answer["lines"], json!([line]));
    assert_eq!((&answer["from"], &answer["left"]), (&json!("2026-11-20T09:14:00.000Z"), &json!([])));
    let asked = world.history.asked.lock().unwrap().clone();
    assert_eq!((asked.len(), asked[0].points), (1, 96));
    let many = vec!["boiler/temperature"; 65].join(",");
    world.get(&format!("{LINES}?series={many}"), &cookie).await.assert_error(422, "too_many");
    world.get(LINES, &cookie).await.assert_error(400, "bad_query");
    *world.history.mood.lock().unwrap() = Mood::Refusing(HistoryProblem::Busy);
    world.get(&format!("{LINES}?series=boiler/temperature"), &cookie).await.assert_error(503, "busy");
}
