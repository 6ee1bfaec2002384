//! What a client is told before the disk has it, and what a disk that fails keeps from nobody.

use gatehouse_model::Qos;

use super::world::{Sent, World, hello, publish, will};
use crate::codec::{Connect, Packet, Publish, Version};
use crate::core::inbound::{MOST_HELD_BYTES, MOST_HELD_COMMITS};
use crate::store::StoreError;

fn lasting(version: Version, client_id: &str) -> Connect {
    Connect { clean_start: false, session_expiry: 3_600, ..hello(version, client_id) }
}

fn fails(world: &mut World) {
    world.core.store_fails(world.now, StoreError::Full("in a test".to_owned()));
}

/// The client of a session whose first CONNACK waited for the disk came again, and was told at once that its session is
/// there; a sudden end made that a lie.
#[test]
fn no_client_hears_of_a_session_that_is_not_kept() {
    let mut world = World::durable();
    let first = world.connect(lasting(Version::V5, "c"));
    world.cut(first);
    let second = world.connect(lasting(Version::V5, "c"));
    assert_eq!(world.sent(second), []);
    let third = world.connect(lasting(Version::V5, "c"));
    assert_eq!((world.sent(second), world.sent(third)), (vec![], vec![]), "taken over before its CONNACK");
    world.commit();
    assert_eq!(world.sent(third), [Sent::ConnAck(0, true)]);

    let lost = world.connect(lasting(Version::V5, "d"));
    world.cut(lost);
    fails(&mut world);
    let refused = world.connect(lasting(Version::V5, "d"));
    assert_eq!(world.sent(refused), [Sent::ConnAck(0x97, false)]);
    world.commit();
    let kept = world.connect(lasting(Version::V5, "d"));
    assert_eq!(world.sent(kept), [Sent::ConnAck(0, true)]);
}

/// The CONNACK stands for the will and the expiry of the CONNECT too.
#[test]
fn a_client_that_is_back_is_told_so_when_what_it_brought_is_kept() {
    let mut world = World::durable();
    world.lasting(Version::V5, "c");
    let same = world.connect(lasting(Version::V5, "c"));
    assert_eq!(world.sent(same), [Sent::ConnAck(0, true)], "it brought nothing");
    for (expiry, will) in [(7_200, None), (7_200, will("will", "gone", 60))] {
        let brought = world.connect(Connect { session_expiry: expiry, will, ..lasting(Version::V5, "c") });
        assert_eq!(world.sent(brought), []);
        world.commit();
        assert_eq!(world.sent(brought), [Sent::ConnAck(0, true)]);
    }
}

/// A client that had asked for something when the disk became full got no PINGRESP, gave up, and was not let in again
/// until there was room.
#[test]
fn a_full_disk_shuts_out_nobody_whose_session_is_kept() {
    let mut world = World::durable();
    let (client, _) = world.lasting(Version::V3, "c");
    world.sent(client);
    fails(&mut world);
    let retained = Publish { retain: true, ..publish("t", "a", Qos::ExactlyOnce, 1) };
    world.send(client, Packet::Publish(retained));
    assert_eq!(world.sent(client), []);
    world.send(client, Packet::PingReq);
    assert_eq!(world.sent(client), [Sent::PingResp]);
    world.cut(client);
    let client = world.connect(lasting(Version::V3, "c"));
    assert_eq!(world.sent(client), [Sent::ConnAck(0, true)]);
    // What follows from the publish waits on.
    world.publish(client, "t", "a", Qos::ExactlyOnce, 1);
    world.send(client, Packet::PingReq);
    assert_eq!(world.sent(client), [Sent::PingResp]);
    world.commit();
    assert_eq!(world.sent(client), [Sent::Ack("PUBREC", 1, 0)]);
}

#[test]
fn a_ping_before_the_connack_is_answered_after_it() {
    let mut world = World::durable();
    let client = world.connect(lasting(Version::V5, "c"));
    world.send(client, Packet::PingReq);
    assert_eq!(world.sent(client), []);
    world.commit();
    assert_eq!(world.sent(client), [Sent::ConnAck(0, false), Sent::PingResp]);
}

/// After PUBREL the client forgets the identifier. Was PUBREC not kept, the next broker would send the message again.
#[test]
fn no_release_is_repeated_before_the_disk_knows_that_it_is_due() {
    let mut world = World::durable();
    let (subscriber, _) = world.lasting(Version::V5, "subscriber");
    world.sent(subscriber);
    world.subscribe_later(subscriber, "t", Qos::ExactlyOnce);
    let publisher = world.client(Version::V5, "publisher");
    world.publish(publisher, "t", "a", Qos::ExactlyOnce, 1);
    world.commit();
    let id = world.sent(subscriber).iter().find_map(|sent| match sent {
        Sent::Publish(got) => Some(got.id),
        _ => None,
    });
    fails(&mut world);
    world.send(subscriber, Packet::PubRec { packet_id: id.unwrap(), accepted: true });
    world.cut(subscriber);
    let subscriber = world.connect(lasting(Version::V5, "subscriber"));
    assert_eq!(world.sent(subscriber), [Sent::ConnAck(0, true)]);
    world.commit();
    assert_eq!(world.sent(subscriber), [Sent::Ack("PUBREL", id.unwrap(), 0)]);
}

/// A session that is begun anew is a new one, whoever had the identifier before.
#[test]
fn no_session_begins_anew_while_it_cannot_be_kept() {
    let mut world = World::durable();
    world.lasting(Version::V5, "c");
    fails(&mut world);
    let anew = world.connect(Connect { clean_start: true, ..lasting(Version::V5, "c") });
    assert_eq!(world.sent(anew), [Sent::ConnAck(0x97, false)]);
    let short = world.connect(Connect { clean_start: true, session_expiry: 0, ..lasting(Version::V5, "c") });
    assert_eq!(world.sent(short), [Sent::ConnAck(0, false)]);
}

/// Acknowledgements that waited for a disk that fails had no limit.
#[test]
fn what_waits_for_the_disk_is_bounded_for_each_client() {
    let mut world = World::durable();
    let client = world.client(Version::V3, "c");
    fails(&mut world);
    let retained = || Packet::Publish(Publish { retain: true, ..publish("t", "a", Qos::AtLeastOnce, 1) });
    let acknowledgements = MOST_HELD_BYTES / 4;
    for _ in 0..2 * MOST_HELD_COMMITS {
        world.send(client, retained());
    }
    let key = world.core.sessions.of_connection(client).unwrap();
    let held = &world.core.sessions.get(key).unwrap().link.as_ref().unwrap().held;
    assert_eq!(held.len(), MOST_HELD_COMMITS);
    world.core.packets(world.now, client, (2 * MOST_HELD_COMMITS..acknowledgements).map(|_| retained()));
    world.settle();
    assert!(world.is_open(client));
    world.send(client, retained());
    assert!(!world.is_open(client) && world.sent(client).is_empty());

    // Those that wait together leave together.
    let client = world.client(Version::V3, "d");
    for _ in 0..2 * MOST_HELD_COMMITS {
        world.send(client, retained());
    }
    world.commit();
    assert_eq!(world.sent(client).len(), 2 * MOST_HELD_COMMITS);
}

/// The number of a session that ended within a round was another's at its end.
#[test]
fn nobody_is_let_go_in_the_place_of_another() {
    let mut world = World::new();
    let deaf = world.client(Version::V5, "deaf");
    world.gauge(deaf).0.store(usize::MAX / 4, std::sync::atomic::Ordering::Relaxed);
    world.core.packets(world.now, deaf, [Packet::PingReq]);
    world.core.lost(world.now, deaf, None);
    let other = world.client(Version::V5, "other");
    assert!(world.is_open(other));
}

/// A client that lasted began anew, and once more before the end of its session was kept. The second beginning was told at
/// once; after a sudden end the first session was back, and counted packet identifiers of its own that its client took for
/// those of what it had meanwhile.
#[test]
fn nobody_begins_anew_before_the_former_end_is_kept() {
    let mut world = World::durable();
    let client = world.connect(lasting(Version::V5, "c"));
    world.commit();
    assert_eq!(world.sent(client), [Sent::ConnAck(0, false)]);
    for is_taken_over in [true, false] {
        let second = world.connect(hello(Version::V5, "c"));
        assert_eq!(world.sent(second), []);
        if !is_taken_over {
            world.cut(second);
        }
        let third = world.connect(hello(Version::V5, "c"));
        assert_eq!(world.sent(third), []);
        world.commit();
        assert_eq!(world.sent(third), [Sent::ConnAck(0, false)]);
        world.cut(third);
        world.connect(lasting(Version::V5, "c"));
        world.commit();
    }
}
