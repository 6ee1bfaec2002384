//! The stream of live values.

use std::time::Duration;

use axum::body::BodyDataStream;
use axum::http::Method;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use futures_util::StreamExt;
use gatehouse_model::Timestamp;
use serde_json::{Value as Json, json};

use super::world::{World, request};
use crate::Role;
use crate::api::events::{CLOCK_EVERY, MAX_EVENT_STREAMS};

struct Tab(BodyDataStream);

impl Tab {
    async fn open(world: &World, cookie: &str) -> Self {
        let response = world.send(request(Method::GET, "/api/v1/events", cookie, None)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        Self(response.into_body().into_data_stream())
    }

    /// The next event as name and data; nothing at the end of the stream.
    async fn next(&mut self) -> Option<(String, Json)> {
        loop {
            let bytes = self.0.next().await?.unwrap();
            let text = std::str::from_utf8(&bytes).unwrap();
            assert!(text.ends_with("\n\n"), "{text}");
            let event = text.strip_prefix(":\n\n").unwrap_or(text);
            if event.is_empty() {
                continue;
            }
            let (name, data) =
                event.trim_end().strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            return Some((name.to_owned(), serde_json::from_str(data).unwrap()));
        }
    }

    async fn next_name(&mut self) -> Option<String> {
        self.next().await.map(|(name, _)| name)
    }
}

#[tokio::test]
async fn first_the_house_and_then_each_change() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    world.hear(&[("casa/status", "online")]).await;
    let mut tab = Tab::open(&world, &cookie).await;
    world.hear(&[("casa/boiler/temperature", "61.5"), ("casa/boiler/availability", "online")]).await;

    let (name, house) = tab.next().await.unwrap();
    assert_eq!(name, "house");
    assert_eq!(house, {
        let mut now = world.get("/api/v1/house", &cookie).await.json();
        // The picture is of the time when the tab was opened.
        now["devices"][0]["availability"] = "unknown".into();
        now["devices"][0]["properties"][1]["reading"] = Json::Null;
        now
    });
    let (name, reading) = tab.next().await.unwrap();
    assert_eq!(name, "reading");
    let now = "2026-11-21T09:14:00.000Z";
    let expected = json!({
        "now": now, "device": "boiler", "property": "temperature", "value": 61.5, "quality": "ok",
        "at": now, "cause": null,
    });
    assert_eq!(reading, expected);
    let expected = json!({ "now": now, "device": "boiler", "availability": "online", "fault": null });
    assert_eq!(tab.next().await, Some(("availability".to_owned(), expected)));

    let mut info = super::world::info();
    info.devices[0].name = "Boiler".to_owned();
    world.hear(&[("casa/info", &serde_json::to_string(&info).unwrap())]).await;
    let (name, house) = tab.next().await.unwrap();
    assert_eq!((name.as_str(), &house["devices"][0]["name"]), ("house", &json!("Boiler")));
}

#[tokio::test]
async fn a_tab_that_lags_gets_the_house_anew() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    let mut tab = Tab::open(&world, &cookie).await;
    assert_eq!(tab.next_name().await.unwrap(), "house");
    for number in 0..5_000 {
        world.hear(&[("casa/boiler/temperature", &number.to_string())]).await;
    }
    let (name, house) = tab.next().await.unwrap();
    assert_eq!(name, "house");
    assert_eq!(house["devices"][0]["properties"][1]["reading"]["value"], 4999.0);
    // And nothing of the past after it.
    world.hear(&[("casa/boiler/temperature", "5000")]).await;
    let (name, reading) = tab.next().await.unwrap();
    assert_eq!((name.as_str(), &reading["value"]), ("reading", &json!(5000.0)));
}

/// A page that took the time once, when it was opened, showed ages that were wrong by as much as the clock of the Pi was
/// set when it heard the time.
#[tokio::test]
async fn the_page_hears_the_clock_of_the_gateway() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    let mut tab = Tab::open(&world, &cookie).await;
    assert_eq!(tab.next_name().await.unwrap(), "house");
    for time in ["2026-11-21T09:00:00.000Z", "2026-11-20T09:00:00.000Z"] {
        world.clock.set_wall(Timestamp::parse(time).unwrap());
        world.hear(&[("casa/boiler/temperature", "61.5")]).await;
        assert_eq!(tab.next().await.unwrap().1["now"], time);
        // A house in which something happens all the time does not keep the clock from the page.
        tokio::time::pause();
        tokio::time::advance(CLOCK_EVERY + Duration::from_secs(1)).await;
        world.hear(&[("casa/boiler/temperature", "62.5")]).await;
        assert_eq!(tab.next().await, Some(("clock".to_owned(), json!({ "now": time }))));
        tokio::time::resume();
        assert_eq!(tab.next_name().await.unwrap(), "reading");
    }
}

#[tokio::test]
async fn the_shutdown_ends_the_stream() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    let mut tab = Tab::open(&world, &cookie).await;
    assert_eq!(tab.next_name().await.unwrap(), "house");
    world.shutdown.cancel();
    assert_eq!(tab.next_name().await, None);
}

#[tokio::test]
async fn the_end_of_the_session_ends_the_stream() {
    let world = World::new().await;
    let (ana, eva) = (world.cookie_of("ana", Role::Admin).await, world.cookie_of("eva", Role::Viewer).await);
    let (mut of_ana, mut of_eva) = (Tab::open(&world, &ana).await, Tab::open(&world, &eva).await);
    for tab in [&mut of_ana, &mut of_eva] {
        assert_eq!(tab.next_name().await.unwrap(), "house");
    }
    world.post("/api/v1/logout", &eva, Json::Null).await;
    assert_eq!(of_eva.next_name().await, None);
    world.hear(&[("casa/status", "online")]).await;
    assert_eq!(of_ana.next_name().await.unwrap(), "online", "others go on");
    world.accounts.add("olga", Role::Admin, super::world::PASSWORD).await.unwrap();
    world.accounts.remove("ana").await.unwrap();
    assert_eq!(of_ana.next_name().await, None);
}

#[tokio::test]
async fn a_script_listens_until_its_token_is_taken_back() {
    let world = World::new().await;
    world.accounts.add("ana", Role::Admin, super::world::PASSWORD).await.unwrap();
    let (token, text) = world.accounts.add_token("ana", "wall", crate::accounts::Scope::Read).await.unwrap();
    let mut request = request(Method::GET, "/api/v1/events", "", None);
    request.headers_mut().insert(AUTHORIZATION, format!("Bearer {text}").parse().unwrap());
    let mut tab = Tab(world.send(request).await.into_body().into_data_stream());
    assert_eq!(tab.next_name().await.unwrap(), "house");
    world.hear(&[("casa/status", "online")]).await;
    assert_eq!(tab.next_name().await.unwrap(), "online");
    world.accounts.remove_token(token.id).await.unwrap();
    assert_eq!(tab.next_name().await, None);
}

#[tokio::test]
async fn tabs_are_limited_and_give_their_place_back() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    let mut tabs = Vec::new();
    for _ in 0..MAX_EVENT_STREAMS {
        tabs.push(Tab::open(&world, &cookie).await);
    }
    world.get("/api/v1/events", &cookie).await.assert_error(503, "too_many_streams");
    tabs.pop();
    tabs.push(Tab::open(&world, &cookie).await);
}
