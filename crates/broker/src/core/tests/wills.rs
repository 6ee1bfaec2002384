//! Wills: who gets them, when, and when not.

use std::time::Duration;

use gatehouse_model::{Qos, TopicFilter};

use super::world::{World, hello, will};
use crate::codec::{Connect, Disconnect, Packet, Reason, Version, WireError};
use crate::core::ConnectionId;

struct Watched {
    world: World,
    watcher: u32,
}

impl Watched {
    fn new() -> Self {
        let mut world = World::new();
        let filters = [(TopicFilter::new("will").unwrap(), Qos::AtLeastOnce)];
        let (watcher, _) = world.core.subscribe_local(world.now, &filters);
        Self { world, watcher }
    }

    fn connect(&mut self, version: Version, delay: u32, session_expiry: u32) -> ConnectionId {
        self.world.connect(Connect {
            will: will("will", "gone", delay),
            keep_alive: 10,
            session_expiry,
            clean_start: session_expiry == 0,
            ..hello(version, "c")
        })
    }

    /// How many wills were published since the last look.
    fn wills(&mut self) -> usize {
        self.world.settle();
        self.world.local.remove(&self.watcher).unwrap_or_default().len()
    }
}

#[test]
fn whoever_goes_without_a_word_leaves_a_will() {
    for version in [Version::V3, Version::V5] {
        let mut watched = Watched::new();
        let client = watched.connect(version, 0, 0);
        watched.world.cut(client);
        assert_eq!(watched.wills(), 1, "a broken connection");
        watched.connect(version, 0, 0);
        watched.world.pass(Duration::from_secs(16));
        assert_eq!(watched.wills(), 1, "a silent client");
        let client = watched.connect(version, 0, 0);
        watched.world.lose(client, WireError::new(Reason::Malformed, "garbage"));
        assert_eq!(watched.wills(), 1, "a client that sends garbage");
        watched.connect(version, 0, 0);
        let client = watched.connect(version, 0, 0);
        assert_eq!(watched.wills(), 1, "a client that is taken over");
        watched.world.leave(client);
        assert_eq!(watched.wills(), 0, "a client that says goodbye");
        let client = watched.connect(version, 0, 0);
        watched.world.send(client, Packet::Disconnect(Disconnect { with_will: true, session_expiry: None }));
        assert_eq!(watched.wills(), 1, "a goodbye with the will");
        watched.connect(version, 0, 0);
        watched.world.core.shut_down(watched.world.now);
        assert_eq!(watched.wills(), 1, "a broker that stops");
    }
}

#[test]
fn a_delayed_will_waits_and_is_forgotten_when_its_client_is_back() {
    let mut watched = Watched::new();
    let client = watched.connect(Version::V5, 30, 300);
    watched.world.cut(client);
    watched.world.pass(Duration::from_secs(29));
    assert_eq!(watched.wills(), 0);
    let client = watched.connect(Version::V5, 30, 300);
    watched.world.pass(Duration::from_secs(10));
    assert_eq!(watched.wills(), 0);
    watched.world.cut(client);
    watched.world.pass(Duration::from_secs(31));
    assert_eq!(watched.wills(), 1);
    watched.world.pass(Duration::from_secs(1_000));
    assert_eq!(watched.wills(), 0, "once is enough");
}

#[test]
fn a_will_does_not_outlive_its_session() {
    let mut watched = Watched::new();
    let client = watched.connect(Version::V5, 300, 10);
    watched.world.cut(client);
    watched.world.pass(Duration::from_secs(11));
    assert_eq!(watched.wills(), 1, "the session ended before the delay did");
    let client = watched.connect(Version::V5, 300, 60);
    watched.world.cut(client);
    watched.world.client(Version::V5, "c");
    assert_eq!(watched.wills(), 1, "a clean start ended the session");
}

#[test]
fn a_shutdown_does_not_wait_for_the_delay_of_a_will() {
    let mut watched = Watched::new();
    let away = watched.connect(Version::V5, 60, 3_600);
    watched.world.cut(away);
    assert_eq!(watched.wills(), 0);
    watched.world.core.shut_down(watched.world.now);
    assert_eq!(watched.wills(), 1);
}

/// Who lost the right while connected had its will published all the same when the broker stopped.
#[test]
fn a_will_that_is_not_allowed_any_more_is_not_published_when_the_broker_stops() {
    for allowed in [true, false] {
        let mut watched = Watched::new();
        watched.connect(Version::V5, 0, 0);
        if !allowed {
            watched.world.core.set_rights("ana", |_| crate::Rights::nothing());
        }
        watched.world.core.shut_down(watched.world.now);
        assert_eq!(watched.wills(), usize::from(allowed));
    }
}
