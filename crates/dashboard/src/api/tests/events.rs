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

/// The id of an event, its name and its data.
type Heard = (Option<String>, String, Json);

impl Tab {
    async fn open(world: &World, cookie: &str) -> Self {
        Self::open_at(world, "/api/v1/events", cookie, None).await
    }

    async fn open_at(world: &World, path: &str, cookie: &str, last_id: Option<&str>) -> Self {
        let mut request = request(Method::GET, path, cookie, None);
        if let Some(id) = last_id {
            request.headers_mut().insert("last-event-id", id.parse().unwrap());
        }
        let response = world.send(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        Self(response.into_body().into_data_stream())
    }

    /// The next event as id, name and data; nothing at the end of the stream.
    async fn next_whole(&mut self) -> Option<Heard> {
        loop {
            let bytes = self.0.next().await?.unwrap();
            let text = std::str::from_utf8(&bytes).unwrap();
            assert!(text.ends_with("\n\n"), "{text}");
            let event = text.strip_prefix(":\n\n").unwrap_or(text);
            if event.is_empty() {
                continue;
            }
            let (id, event) = match event.strip_prefix("id: ").and_then(|rest| rest.split_once('\n')) {
                Some((id, rest)) => (Some(id.to_owned()), rest),
                None => (None, event),
            };
            let (name, data) =
                event.trim_end().strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            return Some((id, name.to_owned(), serde_json::from_str(data).unwrap()));
        }
    }

    /// The next event as name and data; nothing at the end of the stream.
    async fn next(&mut self) -> Option<(String, Json)> {
        self.next_whole().await.map(|(_, name, data)| (name, data))
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

/// On poor Wi-Fi a page that loses its connection every minute was sent the whole house each time.
#[tokio::test]
async fn whoever_comes_back_gets_what_was_missed() {
    let world = World::new().await;
    let cookie = world.cookie_of("eva", Role::Viewer).await;
    let mut tab = Tab::open(&world, &cookie).await;
    let (first, name, _) = tab.next_whole().await.unwrap();
    assert_eq!(name, "house");
    world.hear(&[("casa/boiler/temperature", "61"), ("casa/boiler/temperature", "62")]).await;
    let (second, ..) = tab.next_whole().await.unwrap();
    let (first, second) = (first.unwrap(), second.unwrap());
    drop(tab);
    for (path, header, missed) in [
        ("/api/v1/events".to_owned(), Some(&first), vec![61.0, 62.0]),
        (format!("/api/v1/events?after={first}"), None, vec![61.0, 62.0]),
        // A browser that comes back by itself sends the old address with the newer header.
        (format!("/api/v1/events?after={first}"), Some(&second), vec![62.0]),
    ] {
        let mut tab = Tab::open_at(&world, &path, &cookie, header.map(String::as_str)).await;
        assert_eq!(tab.next_whole().await.unwrap().1, "clock", "it is back");
        for value in missed {
            assert_eq!(tab.next().await.unwrap().1["value"], value);
        }
        world.hear(&[("casa/status", "online"), ("casa/status", "offline")]).await;
        assert_eq!(tab.next_name().await.unwrap(), "online", "and it goes on");
    }
    for strange in ["", "rubbish", "0000000000000000-1", &first.replace('-', "-9")] {
        let mut tab = Tab::open_at(&world, "/api/v1/events", &cookie, Some(strange)).await;
        assert_eq!(tab.next_name().await.unwrap(), "house", "{strange}");
    }
    for number in 0..5_000 {
        world.hear(&[("casa/boiler/temperature", &number.to_string())]).await;
    }
    let mut tab = Tab::open_at(&world, "/api/v1/events", &cookie, Some(&second)).await;
    let (name, house) = tab.next().await.unwrap();
    assert_eq!(name, "house", "too much was missed");
    assert_eq!(house["devices"][0]["properties"][1]["reading"]["value"], 4999.0);
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

/// A page that is open elsewhere must not go on showing the house to whoever found the tablet.
#[tokio::test]
async fn who_logs_out_everywhere_ends_the_streams_elsewhere_and_keeps_this_one() {
    let world = World::new().await;
    let here = world.cookie_of("eva", Role::Viewer).await;
    let eva = world.accounts.find("eva").await.unwrap().unwrap();
    let elsewhere = world.accounts.start_session(&eva).await.unwrap();
    let elsewhere = format!("gatehouse_session={}", elsewhere.as_str());
    let (mut near, mut far) = (Tab::open(&world, &here).await, Tab::open(&world, &elsewhere).await);
    for tab in [&mut near, &mut far] {
        assert_eq!(tab.next_name().await.unwrap(), "house");
    }
    let ended = world.post("/api/v1/logout/everywhere", &here, serde_json::json!({})).await;
    assert_eq!(ended.status, 200);
    assert_eq!(far.next_name().await, None);
    world.hear(&[("casa/status", "online")]).await;
    assert_eq!(near.next_name().await.unwrap(), "online");
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
