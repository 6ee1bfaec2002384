//! Messages: those that are kept, those that pass, and those that people publish.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::BodyDataStream;
use axum::http::Method;
use futures_util::StreamExt;
use gatehouse_model::{Message, Origin, Qos, SeededRandomness, Timestamp, TopicFilter, TopicName};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::world::{PASSWORD, World, request};
use crate::api::message_stream::{MAX_MESSAGE_STREAMS, SHOWN_AT_ONCE, Sampler};
use crate::{CommandRefused, MessageFeed, MessageRoom, MqttGone, Outgoing, RetainedPart, Role};

/// A broker that keeps what it is told to, two messages a page, and refuses what begins with `gateway/`.
#[derive(Default)]
pub(super) struct FakeRoom {
    retained: Mutex<BTreeMap<String, Arc<Message>>>,
    published: Mutex<Vec<(String, Outgoing)>>,
    listeners: Mutex<Vec<(String, mpsc::UnboundedSender<Message>)>>,
    dropped: Arc<AtomicU64>,
}

impl FakeRoom {
    fn keep(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        let message = message(topic, payload);
        self.retained.lock().unwrap().insert(topic.to_owned(), Arc::new(message));
    }

    /// Lets a message pass; gives how many hear it.
    fn pass(&self, payload: &str) -> usize {
        let listeners = self.listeners.lock().unwrap();
        listeners.iter().filter(|(_, listener)| listener.send(message("a/b", payload)).is_ok()).count()
    }
}

fn message(topic: &str, payload: impl Into<Vec<u8>>) -> Message {
    let origin = Origin::Client { client_id: "phone".into(), user: "eva".into() };
    Message::new(TopicName::new(topic).unwrap(), payload.into(), Qos::AtLeastOnce, false, origin)
}

struct FakeFeed(mpsc::UnboundedReceiver<Message>, Arc<AtomicU64>);

#[async_trait]
impl MessageFeed for FakeFeed {
    async fn next(&mut self) -> Option<Message> {
        self.0.recv().await
    }

    fn dropped(&self) -> u64 {
        self.1.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl MessageRoom for FakeRoom {
    async fn retained(
        &self,
        filter: TopicFilter,
        after: Option<TopicName>,
    ) -> Result<RetainedPart, MqttGone> {
        let after = after.map_or(String::new(), |topic| topic.as_str().to_owned());
        let kept = self.retained.lock().unwrap();
        let mut found = kept.iter().filter(|(topic, _)| {
            **topic > after && (filter.as_str() == "#" || filter.as_str() == topic.as_str())
        });
        let messages: Vec<_> = found.by_ref().take(2).map(|(_, message)| Arc::clone(message)).collect();
        let more_after = found.next().and_then(|_| messages.last()).map(|message| message.topic.clone());
        Ok(RetainedPart { messages, more_after })
    }

    async fn listen(&self, filter: TopicFilter) -> Result<Box<dyn MessageFeed>, MqttGone> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.listeners.lock().unwrap().push((filter.as_str().to_owned(), sender));
        Ok(Box::new(FakeFeed(receiver, Arc::clone(&self.dropped))))
    }

    async fn publish(&self, user: &str, message: Outgoing) -> Result<(), CommandRefused> {
        if message.topic.as_str().starts_with("gateway/") {
            return Err(CommandRefused { reason: "that is what the gateway itself says".to_owned() });
        }
        if message.retain && message.payload.is_empty() {
            self.retained.lock().unwrap().remove(message.topic.as_str());
        }
        self.published.lock().unwrap().push((user.to_owned(), message));
        Ok(())
    }
}

struct Watcher(BodyDataStream);

impl Watcher {
    async fn open(world: &World, cookie: &str, filter: &str) -> Self {
        let path = format!("/api/v1/messages/stream{filter}");
        let response = world.send(request(Method::GET, &path, cookie, None)).await;
        assert_eq!(response.status(), 200);
        let mut watcher = Self(response.into_body().into_data_stream());
        assert_eq!(watcher.next().await.unwrap().0, "clock", "it says at once that it stands");
        watcher
    }

    async fn next(&mut self) -> Option<(String, Json)> {
        let bytes = self.0.next().await?.unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        let (name, data) = text.trim_end().strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        Some((name.to_owned(), serde_json::from_str(data).unwrap()))
    }

    /// Reads on until `count` messages are told of, and gives those that were shown with the number of the others.
    async fn hear(&mut self, count: u64) -> (Vec<Json>, u64) {
        let (mut shown, mut left_out) = (Vec::new(), 0);
        while shown.len() as u64 + left_out < count {
            let (name, piece) = self.next().await.unwrap();
            if name == "messages" {
                shown.extend(piece["messages"].as_array().unwrap().iter().cloned());
                left_out += piece["left_out"].as_u64().unwrap();
            }
        }
        (shown, left_out)
    }
}

#[tokio::test]
async fn retained_messages_come_in_pages() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    for topic in ["a", "b", "c"] {
        world.messages.keep(topic, topic);
    }
    let first = world.get("/api/v1/messages/retained", &cookie).await.json();
    let topics = |answer: &Json| {
        let messages = answer["messages"].as_array().unwrap().iter();
        messages.map(|message| message["topic"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((topics(&first), &first["next_after"]), (vec!["a".to_owned(), "b".to_owned()], &json!("b")));
    assert_eq!(first["messages"][0]["from"], "eva over MQTT (client phone)");
    let rest = world.get("/api/v1/messages/retained?after=b", &cookie).await.json();
    assert_eq!((topics(&rest), &rest["next_after"]), (vec!["c".to_owned()], &Json::Null));
    let wrong = world.get("/api/v1/messages/retained?filter=a%23", &cookie).await;
    wrong.assert_error(422, "invalid_topic");
}

/// A page of long topics must not become megabytes: it ends earlier, and the next one goes on behind it.
#[tokio::test]
async fn an_answer_has_a_limit_of_bytes() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let heavy = |topic: &str| {
        let mut message = message(topic, vec![0xff; 2_048]);
        message.properties.user = vec![("".into(), "".into()); 20_000];
        message
    };
    for topic in ["a", "b"] {
        world.messages.retained.lock().unwrap().insert(topic.to_owned(), Arc::new(heavy(topic)));
    }
    let first = world.get("/api/v1/messages/retained", &cookie).await.json();
    assert_eq!((first["messages"].as_array().unwrap().len(), &first["next_after"]), (1, &json!("a")));
}

#[tokio::test]
async fn messages_are_for_administrators() {
    let world = World::new().await;
    let cookie = world.cookie_of("otto", Role::Operator).await;
    for (method, path, body) in [
        (Method::GET, "/api/v1/messages/retained", None),
        (Method::GET, "/api/v1/messages/stream", None),
        (Method::POST, "/api/v1/messages", Some(json!({ "topic": "a", "payload": "x" }))),
        (Method::DELETE, "/api/v1/messages/retained?topic=a", None),
    ] {
        world.ask(method.clone(), path, &cookie, body.clone()).await.assert_error(403, "forbidden");
        world.ask(method, path, "", body).await.assert_error(401, "not_logged_in");
    }
    assert!(world.messages.published.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_message_goes_out_as_it_was_asked_for() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let body = json!({
        "topic": "garden/pump", "payload": "AP8=", "encoding": "base64", "qos": 2, "retain": true,
        "content_type": "application/octet-stream", "response_topic": "garden/answer", "expiry_seconds": 60,
        "user_properties": [{ "name": "n", "value": "v" }, { "name": "n", "value": "w" }],
    });
    assert_eq!(world.post("/api/v1/messages", &cookie, body).await.status, 204);
    let (user, message) = world.messages.published.lock().unwrap().pop().unwrap();
    assert_eq!((user.as_str(), message.topic.as_str()), ("ana", "garden/pump"));
    assert_eq!((message.payload, message.qos, message.retain), (vec![0, 255], Qos::ExactlyOnce, true));
    let properties = message.properties;
    assert!(!properties.payload_is_utf8);
    assert_eq!(properties.message_expiry_seconds, Some(60));
    assert_eq!(properties.content_type.as_deref(), Some("application/octet-stream"));
    assert_eq!(properties.response_topic.unwrap().as_str(), "garden/answer");
    assert_eq!(properties.user, [("n".into(), "v".into()), ("n".into(), "w".into())]);

    let plain = json!({ "topic": "a", "payload": "21 °C" });
    assert_eq!(world.post("/api/v1/messages", &cookie, plain).await.status, 204);
    let (_, message) = world.messages.published.lock().unwrap().pop().unwrap();
    assert_eq!((message.qos, message.retain), (Qos::AtMostOnce, false));
    assert!(message.properties.payload_is_utf8);
}

#[tokio::test]
async fn what_is_no_message_is_explained() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    for (change, status, code) in [
        (json!({ "topic": "" }), 422, "invalid_topic"),
        (json!({ "topic": "a/+" }), 422, "invalid_topic"),
        (json!({ "topic": "$SYS/broker/uptime" }), 422, "invalid_topic"),
        (json!({ "topic": "/".repeat(15_000) }), 422, "invalid_topic"),
        (json!({ "response_topic": "b/#" }), 422, "invalid_topic"),
        (json!({ "qos": 3 }), 422, "invalid_message"),
        (json!({ "encoding": "base64", "payload": "!" }), 422, "invalid_message"),
        (json!({ "expiry_seconds": 0 }), 422, "invalid_message"),
        (json!({ "content_type": "x".repeat(300) }), 422, "invalid_message"),
        (json!({ "content_type": "a\0b" }), 422, "invalid_message"),
        (json!({ "user_properties": [{ "name": "", "value": "v" }] }), 422, "invalid_message"),
        (json!({ "user_properties": vec![json!({ "name": "n", "value": "" }); 21] }), 422, "invalid_message"),
        (json!({ "retian": true }), 400, "bad_json"),
        (json!({ "qos": -1 }), 400, "bad_json"),
        (json!({ "payload": "x".repeat(20_000) }), 413, "too_large"),
        (json!({ "topic": "gateway/info" }), 409, "refused"),
    ] {
        let mut body = json!({ "topic": "a", "payload": "x" });
        for (name, value) in change.as_object().unwrap() {
            body[name.as_str()] = value.clone();
        }
        world.post("/api/v1/messages", &cookie, body).await.assert_error(status, code);
    }
    assert!(world.messages.published.lock().unwrap().is_empty());
}

#[tokio::test]
async fn one_retained_message_is_cleared() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    for topic in ["a b/é", "gateway/info"] {
        world.messages.keep(topic, "x");
    }
    let clear = async |topic: &str| {
        world.ask(Method::DELETE, &format!("/api/v1/messages/retained{topic}"), &cookie, None).await
    };
    assert_eq!(clear("?topic=a%20b%2F%C3%A9").await.status, 204);
    clear("?topic=a%20b%2F%C3%A9").await.assert_error(404, "not_retained");
    clear("?topic=gateway/info").await.assert_error(409, "refused");
    for wrong in ["", "?topic=", "?topic=%23", "?topic=$SYS/broker/uptime"] {
        clear(wrong).await.assert_error(422, "invalid_topic");
    }
    assert_eq!(world.messages.retained.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn messages_are_shown_as_they_pass() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let mut watcher = Watcher::open(&world, &cookie, "?filter=a%2F%2B").await;
    assert_eq!(world.messages.listeners.lock().unwrap()[0].0, "a/+");
    assert_eq!(world.messages.pass("1") + world.messages.pass("2"), 2);
    let (shown, left_out) = watcher.hear(2).await;
    assert_eq!((shown.len(), left_out), (2, 0));
    assert_eq!((&shown[0]["payload"], &shown[1]["payload"]), (&json!("1"), &json!("2")));
    assert_eq!(shown[0]["at"], "2026-11-21T09:14:00.000Z");
    // What the broker itself could not hand over is told too.
    world.messages.dropped.store(7, Ordering::Relaxed);
    assert_eq!(watcher.hear(7).await, (vec![], 7));
    assert!(
        world.send(request(Method::GET, "/api/v1/messages/stream?filter=%23a", &cookie, None)).await.status()
            == 422
    );
}

/// Ten thousand messages and a reader who does not read: all are taken from the broker, none is waited for, and each is
/// either shown or counted.
#[tokio::test]
async fn a_slow_reader_holds_nobody_up_and_nothing_is_lost_silently() {
    const FLOOD: u64 = 10_000;
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let mut watcher = Watcher::open(&world, &cookie, "").await;
    for number in 0..FLOOD {
        assert_eq!(world.messages.pass(&number.to_string()), 1);
    }
    let (shown, left_out) = watcher.hear(FLOOD).await;
    assert_eq!(shown.len() as u64 + left_out, FLOOD);
    assert!(!shown.is_empty() && left_out > 0);
    let numbers: Vec<u64> =
        shown.iter().map(|one| one["payload"].as_str().unwrap().parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "they come in the order in which they passed: {numbers:?}");
}

#[test]
fn of_many_messages_each_has_its_chance() {
    let mut sampler = Sampler::new(Arc::new(SeededRandomness::new(5)));
    let at = Timestamp::from_millis(0);
    let mut sum = 0;
    for _ in 0..40 {
        for number in 0..1_000 {
            sampler.see(message("a", number.to_string()), at);
        }
        let piece = sampler.take(at);
        assert_eq!((piece.messages.len(), piece.left_out), (SHOWN_AT_ONCE, 1_000 - SHOWN_AT_ONCE as u64));
        sum += piece.messages.iter().map(|one| one.payload.parse::<usize>().unwrap()).sum::<usize>();
    }
    let mean = sum / (40 * SHOWN_AT_ONCE);
    assert!((450..550).contains(&mean), "neither the first nor the last are preferred: {mean}");
    // A reader who takes nothing is told of everything later.
    sampler.see(message("a", "x"), at);
    sampler.give_up();
    sampler.missed(2);
    assert!(sampler.has_something());
    assert_eq!(sampler.take(at).left_out, 3);
    assert!(!sampler.has_something());
}

#[tokio::test]
async fn the_stream_ends_with_the_right_to_see_it() {
    let world = World::new().await;
    world.accounts.add("root", Role::Admin, PASSWORD).await.unwrap();
    let (ana, eva) = (world.cookie_of("ana", Role::Admin).await, world.cookie_of("eva", Role::Admin).await);
    let mut of_ana = Watcher::open(&world, &ana, "").await;
    let mut of_eva = Watcher::open(&world, &eva, "").await;
    world.post("/api/v1/logout", &eva, Json::Null).await;
    assert_eq!(of_eva.next().await, None);
    let role = json!({ "role": "operator" });
    let root = world.log_in("root", PASSWORD, "192.168.1.9").await.cookie();
    assert_eq!(world.ask(Method::PATCH, "/api/v1/users/ana", &root, Some(role)).await.status, 200);
    assert_eq!(of_ana.next().await, None);
    let mut of_root = Watcher::open(&world, &root, "").await;
    world.shutdown.cancel();
    assert_eq!(of_root.next().await, None);
}

#[tokio::test]
async fn streams_are_limited_and_give_their_place_back() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let mut watchers = Vec::new();
    for _ in 0..MAX_MESSAGE_STREAMS {
        watchers.push(Watcher::open(&world, &cookie, "").await);
    }
    world.get("/api/v1/messages/stream", &cookie).await.assert_error(503, "too_many_streams");
    drop(watchers.pop());
    let _one = Watcher::open(&world, &cookie, "").await;
    // Who is gone is no subscriber any more.
    let gone = || world.messages.pass("x") == MAX_MESSAGE_STREAMS;
    for _ in 0..1_000 {
        if gone() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the closed stream still listens");
}
