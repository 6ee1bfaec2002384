//! Who may do what, and what the guard says.

use gatehouse_model::{Message, Origin, Qos, TopicFilter};

use super::world::{Sent, World, hello, name, plain, will};
use crate::codec::{Connect, Version};
use crate::{Refusal, RefusalCode, Rights, Settings};

fn branch() -> Rights {
    let filters = || vec![TopicFilter::new("casa/room/#").unwrap()];
    Rights { publish: filters(), subscribe: filters() }
}

#[test]
fn rights_hold_at_publish() {
    let mut world = World::new();
    let all = world.client(Version::V3, "all");
    world.subscribe(all, "#", Qos::AtMostOnce);
    for (version, code) in [(Version::V3, 0), (Version::V5, 0x87)] {
        let room = world.connect_as(hello(version, "room"), "room", branch());
        world.sent(room);
        world.publish(room, "casa/room/a", "yes", Qos::AtMostOnce, 0);
        world.publish(room, "casa/other", "no", Qos::AtMostOnce, 0);
        world.publish(room, "casa/other", "no", Qos::AtLeastOnce, 1);
        world.publish(room, "casa/other", "no", Qos::ExactlyOnce, 2);
        assert_eq!(world.sent(room), [Sent::Ack("PUBACK", 1, code), Sent::Ack("PUBREC", 2, code)]);
        assert_eq!(world.payloads(all), ["yes"]);
    }
    assert_eq!(world.core.tally().messages_refused, 6);
}

#[test]
fn rights_hold_at_subscribe_and_at_delivery() {
    let mut world = World::new();
    let room = world.connect_as(hello(Version::V5, "room"), "room", branch());
    world.sent(room);
    world.publish_local("casa/room/old", "1", Qos::AtMostOnce, true);
    world.publish_local("casa/other/old", "2", Qos::AtMostOnce, true);
    assert_eq!(world.subscribe(room, "casa/other/#", Qos::AtMostOnce), 0x87);
    assert_eq!(world.subscribe(room, "#", Qos::AtMostOnce), 0);
    world.publish_local("casa/room/new", "3", Qos::AtMostOnce, false);
    world.publish_local("casa/other/new", "4", Qos::AtMostOnce, false);
    assert_eq!(world.payloads(room), ["1", "3"]);
}

#[test]
fn rights_that_change_hold_for_a_session_that_is_resumed() {
    let mut world = World::new();
    let connect = || Connect { clean_start: false, session_expiry: 60, ..hello(Version::V5, "c") };
    let client = world.connect_as(connect(), "u", Rights::everything());
    world.sent(client);
    world.subscribe(client, "#", Qos::AtMostOnce);
    world.publish_local("casa/other", "1", Qos::AtMostOnce, false);
    assert_eq!(world.payloads(client), ["1"]);
    world.cut(client);
    let client = world.connect_as(connect(), "u", branch());
    world.sent(client);
    world.publish_local("casa/other", "2", Qos::AtMostOnce, false);
    world.publish_local("casa/room/x", "3", Qos::AtMostOnce, false);
    assert_eq!(world.payloads(client), ["3"]);
}

/// What an administrator takes away is gone at once, and not at the next reconnect.
#[test]
fn rights_that_change_hold_at_once() {
    let mut world = World::new();
    let connect = |id| Connect { clean_start: false, session_expiry: 60, ..hello(Version::V5, id) };
    let here = world.connect_as(connect("here"), "u", Rights::everything());
    let away = world.connect_as(connect("away"), "u", Rights::everything());
    let other = world.connect_as(connect("other"), "v", Rights::everything());
    for client in [here, away, other] {
        world.sent(client);
        world.subscribe(client, "casa/#", Qos::AtLeastOnce);
    }
    world.cut(away);
    world.publish_local("casa/other", "1", Qos::AtLeastOnce, false);
    world.publish_local("casa/room/x", "2", Qos::AtLeastOnce, false);
    assert_eq!(world.payloads(here), ["1", "2"]);
    assert_eq!(world.payloads(other), ["1", "2"]);

    world.core.set_rights("u", |client_id| if client_id == "lost" { Rights::nothing() } else { branch() });
    world.publish_local("casa/other", "3", Qos::AtLeastOnce, false);
    world.publish_local("casa/room/x", "4", Qos::AtLeastOnce, false);
    assert_eq!(world.payloads(here), ["4"]);
    assert_eq!(world.payloads(other), ["3", "4"]);
    world.publish(here, "casa/other", "no", Qos::AtLeastOnce, 1);
    assert_eq!(world.sent(here), [Sent::Ack("PUBACK", 1, 0x87)]);
    assert_eq!(world.subscribe(here, "casa/other", Qos::AtMostOnce), 0x87);
    // What waits for a client that is away is looked at when it goes out.
    let away = world.connect_as(connect("away"), "u", branch());
    let sent = world.sent(away);
    let payloads = sent.iter().filter_map(|sent| match sent {
        Sent::Publish(got) => Some(got.payload.as_str()),
        _ => None,
    });
    assert_eq!(payloads.collect::<Vec<_>>(), ["2", "4"]);

    world.core.set_rights("u", |_| Rights::everything());
    world.publish_local("casa/other", "5", Qos::AtLeastOnce, false);
    assert_eq!(world.payloads(here), ["5"], "the subscription is still there");
}

#[test]
fn a_will_is_published_under_the_rights_of_its_time() {
    let mut world = World::new();
    let watcher = world.client(Version::V5, "watcher");
    world.subscribe(watcher, "casa/#", Qos::AtMostOnce);
    let connect = Connect { will: will("casa/other", "gone", 0), ..hello(Version::V5, "c") };
    let client = world.connect_as(connect, "u", Rights::everything());
    world.sent(client);
    world.core.set_rights("u", |_| branch());
    world.cut(client);
    assert_eq!(world.payloads(watcher), [""; 0]);
    assert_eq!(world.core.tally().messages_refused, 1);
}

#[test]
fn rights_hold_for_wills() {
    for (version, code) in [(Version::V3, 5), (Version::V5, 0x87)] {
        let mut world = World::new();
        for topic in ["casa/other", "$SYS/broker/version"] {
            let connect = Connect { will: will(topic, "x", 0), ..hello(version, "room") };
            let room = world.connect_as(connect, "room", branch());
            assert_eq!(world.sent(room), [Sent::ConnAck(code, false)]);
        }
    }
}

#[test]
fn nobody_publishes_figures_but_the_broker() {
    let mut world = World::new();
    let client = world.client(Version::V5, "c");
    world.subscribe(client, "$SYS/#", Qos::AtMostOnce);
    world.publish(client, "$SYS/broker/version", "mine", Qos::AtLeastOnce, 1);
    assert_eq!(world.sent(client), [Sent::Ack("PUBACK", 1, 0x87)]);
    let message = Message::new(name("$SYS/x"), "x", Qos::AtMostOnce, false, Origin::part("bridge"));
    assert_eq!(world.core.publish_local(world.now, &message).unwrap_err().code, RefusalCode::NotAuthorized);
}

#[test]
fn a_part_of_the_gateway_tells_its_figures_and_nobody_in_its_place() {
    let mut world = World::new();
    let client = world.client(Version::V5, "c");
    world.subscribe(client, "$SYS/gatehouse/#", Qos::AtMostOnce);
    let topic = "$SYS/gatehouse/history/series";
    let of = |origin| Message::new(name(topic), "3", Qos::AtMostOnce, true, origin);
    world.core.publish_local(world.now, &of(Origin::part("history"))).unwrap();
    world.settle();
    assert_eq!(world.payloads(client), ["3"]);
    let page = world.core.publish_local(world.now, &of(Origin::Page { user: "ana".into() }));
    assert_eq!(page.unwrap_err().code, RefusalCode::NotAuthorized);
    world.publish(client, topic, "4", Qos::AtLeastOnce, 1);
    assert_eq!(world.sent(client), [Sent::Ack("PUBACK", 1, 0x87)]);
}

/// A guard that takes no wills that say `ON`.
#[derive(Debug)]
struct NoOn;

impl crate::PublishGuard for NoOn {
    fn check(&self, _message: &Message) -> Result<(), Refusal> {
        Ok(())
    }

    fn check_will(&self, will: &Message) -> Result<(), Refusal> {
        assert_eq!(will.origin, Origin::Client { client_id: "c".into(), user: "u".into() });
        match &*will.payload {
            b"ON" => Err(Refusal { code: RefusalCode::NotAuthorized, reason: "no".to_owned(), answer: None }),
            _ => Ok(()),
        }
    }
}

#[test]
fn the_guard_looks_at_wills_before_their_clients_come_in() {
    let mut world = World::with(Settings::default(), std::sync::Arc::new(NoOn), false);
    for (payload, version, code) in
        [("ON", Version::V3, 5), ("ON", Version::V5, 0x87), ("OFF", Version::V5, 0)]
    {
        let connect = Connect { will: will("casa/pump/power/set", payload, 0), ..hello(version, "c") };
        let client = world.connect_as(connect, "u", Rights::everything());
        assert_eq!(world.sent(client), [Sent::ConnAck(code, false)], "{payload}");
    }
}

#[test]
fn a_retained_message_without_the_right_to_publish_is_not_kept() {
    let mut world = World::new();
    let room = world.connect_as(hello(Version::V5, "room"), "room", branch());
    world.sent(room);
    world.publish_local("casa/other", "true", Qos::AtMostOnce, true);
    for payload in ["false", ""] {
        world.retain(room, "casa/other", payload);
    }
    let all = world.client(Version::V5, "all");
    world.subscribe(all, "casa/#", Qos::AtMostOnce);
    assert_eq!(world.payloads(all), ["true"]);
}

#[test]
#[expect(clippy::result_large_err, reason = "the guard's own signature")]
fn the_guard_refuses_and_its_answer_is_published() {
    let mut world = World::guarded(|message| {
        if !message.topic.as_str().ends_with("/set") || !message.retain {
            return Ok(());
        }
        let result = name("casa/boiler/power/result");
        let answer = Message::new(result, "refused", Qos::AtLeastOnce, false, Origin::part("guard"));
        Err(Refusal {
            code: RefusalCode::Implementation,
            reason: "a command must not be retained".to_owned(),
            answer: Some(answer),
        })
    });
    for version in [Version::V3, Version::V5] {
        let client = world.client(version, "c");
        world.subscribe(client, "casa/#", Qos::AtMostOnce);
        world.retain(client, "casa/boiler/power/set", "ON");
        world.publish(client, "casa/boiler/power/set", "ON", Qos::AtMostOnce, 0);
        let result = plain("casa/boiler/power/result", "refused");
        assert_eq!(world.got(client), [result, plain("casa/boiler/power/set", "ON")]);
        world.leave(client);
    }
}

#[test]
fn retained_messages_have_a_quota() {
    let mut world = World::with_settings(|settings| settings.retained_messages = 1);
    let client = world.client(Version::V5, "c");
    world.retain(client, "a", "1");
    world.retain(client, "a", "2");
    world.retain(client, "b", "1");
    assert_eq!(world.core.tally().messages_refused, 1);
    world.retain(client, "a", "");
    world.retain(client, "b", "2");
    assert_eq!(world.core.tally().messages_refused, 1);
}
