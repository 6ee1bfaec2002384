//! CONNECT and CONNACK: who is let in, who is not, and what they are told.

use super::wire::{BOTH, Client, Hello, Note, V3, V5, frame, refused};
use crate::harness::{House, text};

#[tokio::test]
async fn the_first_packet_is_a_connect() {
    let house = House::start().await;
    for version in BOTH {
        let properties = version.properties(&[]);
        for first in [
            Note::new("t", "x").bytes(version),
            frame(0x40, &[&[0, 1]]),
            frame(0x82, &[&[0, 1], &properties, &text("t"), &[0]]),
            frame(0xC0, &[]),
            frame(0xE0, &[]),
            frame(0xF0, &[&[0x18, 0]]),
        ] {
            assert_eq!(refused(&house, &first).await, [0; 0], "{first:x?}");
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn a_second_connect_ends_the_connection() {
    let house = House::start().await;
    for version in BOTH {
        let mut client = Client::new(&house, version, "twice").await;
        client.send(&Hello::new(version, "twice").bytes()).await;
        client.dismissed(0x82).await;
    }
    house.stop().await;
}

#[tokio::test]
async fn an_unknown_protocol_is_not_served() {
    let house = House::start().await;
    let mut witness = Client::new(&house, V3, "witness").await;
    witness.subscribe("#", 0).await;
    for version in BOTH {
        for name in ["hj", "MQTt", "MQTT ", "mqtt"] {
            let connect = Hello::new(version, "c").bytes();
            let rest = &connect[8..];
            let body = [&text(name)[..], rest].concat();
            let bytes = [frame(0x10, &[&body]), Note::new("t", "x").bytes(version)].concat();
            assert_eq!(refused(&house, &bytes).await, [0; 0], "{name}");
        }
    }
    witness.nothing().await;
    house.stop().await;
}

#[tokio::test]
async fn an_unknown_level_is_told_and_closed() {
    let house = House::start().await;
    for (level, answer) in [(0, 1), (1, 1), (2, 1), (6, 0x84), (0x7F, 0x84)] {
        let mut bytes = Hello::new(V3, "c").bytes();
        bytes[8] = level;
        let rest = refused(&house, &bytes).await;
        assert_eq!((rest[0], rest[2], rest[3]), (0x20, 0, answer), "level {level}: {rest:x?}");
        assert_eq!(rest.len(), 2 + usize::from(rest[1]));
    }
    house.stop().await;
}

/// What a broken CONNECT is answered with: nothing in 3.1.1, at most a CONNACK with an error in 5.
async fn is_malformed(house: &House, hello: &Hello, what: &str) {
    let answer = hello.refused(house).await;
    match hello.version {
        V3 => assert!(answer.is_empty(), "{what}: {answer:x?}"),
        V5 if answer.is_empty() => {}
        V5 => {
            assert_eq!((answer[0], answer[2]), (0x20, 0), "{what}: {answer:x?}");
            assert!([0x81, 0x82].contains(&answer[3]), "{what}: {answer:x?}");
            assert_eq!(answer.len(), 2 + usize::from(answer[1]), "nothing follows the CONNACK: {what}");
        }
    }
}

#[tokio::test]
async fn the_reserved_flag_is_zero() {
    let house = House::start().await;
    for version in BOTH {
        let mut hello = Hello::new(version, "c");
        hello.flags |= 1;
        is_malformed(&house, &hello, "the reserved flag").await;
    }
    house.stop().await;
}

#[tokio::test]
async fn will_flags_and_fields_agree() {
    let house = House::start().await;
    for version in BOTH {
        let login = [text("bar"), text("secret")].concat();
        let flags = Hello::CLEAN | Hello::USER | Hello::PASSWORD;
        let will = [version.properties(&[]), text("will"), text("gone")].concat();
        let hello = Hello::new(version, "c");
        for (flags, will, what) in [
            (flags | 0b0000_1000, &[][..], "QoS 1 without a will"),
            (flags | 0b0001_0000, &[], "QoS 2 without a will"),
            (flags | Hello::WILL_RETAIN, &[], "retain without a will"),
            (flags | Hello::WILL | 0b0001_1000, &will[..], "QoS 3"),
            (flags, &will, "fields without the flag"),
        ] {
            is_malformed(&house, &hello.clone().raw(flags, will, &login), what).await;
        }
        // The flag without the fields: the login takes their place, and then something is missing.
        let flags = Hello::CLEAN | Hello::WILL;
        is_malformed(&house, &hello.clone().raw(flags, &[], &[]), "the flag without fields").await;
        let topic_only = [version.properties(&[]), text("will")].concat();
        is_malformed(&house, &hello.clone().raw(flags, &topic_only, &[]), "no payload").await;
        for qos in 0..3 {
            let mut good = Hello::new(version, "c").will("will", "gone");
            good.flags |= qos << 3 | Hello::WILL_RETAIN;
            good.enter(&house).await.0.leave().await;
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn login_flags_and_fields_agree() {
    let house = House::start().await;
    let (user, both) = (text("bar"), [text("bar"), text("secret")].concat());
    for version in BOTH {
        let hello = Hello::new(version, "c");
        for (flags, login, what) in [
            (0, &both[..], "neither flag, both fields"),
            (0, &user, "no user name flag"),
            (Hello::USER, &both, "no password flag"),
            (Hello::USER, &[], "no user name"),
            (Hello::USER | Hello::PASSWORD, &user, "no password"),
            (Hello::USER | Hello::PASSWORD, &[], "neither field"),
        ] {
            is_malformed(&house, &hello.clone().raw(Hello::CLEAN | flags, &[], login), what).await;
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn a_password_needs_a_user_name() {
    let house = House::start().await;
    let hello = Hello::new(V3, "c").raw(Hello::CLEAN | Hello::PASSWORD, &[], &text("secret"));
    assert_eq!(hello.refused(&house).await, [0; 0]);
    // Version 5 allows it; here nobody is known by a password alone.
    let hello = Hello::new(V5, "c").raw(Hello::CLEAN | Hello::PASSWORD, &[], &text("secret"));
    let answer = hello.refused(&house).await;
    assert!([0x86, 0x87].contains(&answer[3]), "{answer:x?}");
    house.stop().await;
}

#[tokio::test]
async fn a_silent_client_is_cut_and_leaves_its_will() {
    let house = House::start().await;
    let mut watcher = Client::new(&house, V3, "watcher").await;
    watcher.subscribe("will", 0).await;
    for version in BOTH {
        let hello = Hello::new(version, "silent").keep_alive(1).will("will", "silent");
        let (client, _) = hello.enter(&house).await;
        client.dismissed(0x8D).await;
        watcher.expect_note(Note::new("will", "silent")).await;
    }
    house.stop().await;
}

#[tokio::test]
async fn the_fields_come_in_their_order() {
    let house = House::start().await;
    let mut watcher = Client::new(&house, V3, "watcher").await;
    watcher.subscribe("will/#", 0).await;
    for version in BOTH {
        let client = Hello::new(version, "everything").will("will/topic", "payload").enter(&house).await.0;
        drop(client);
        watcher.expect_note(Note::new("will/topic", "payload")).await;
        // The same fields in another order are other fields.
        let login = [text("will/topic"), text("payload")].concat();
        let will = [version.properties(&[]), text("bar"), text("secret")].concat();
        let flags = Hello::CLEAN | Hello::WILL | Hello::USER | Hello::PASSWORD;
        let answer = Hello::new(version, "mixed").raw(flags, &will, &login).refused(&house).await;
        assert_eq!(answer[3], if version == V3 { 4 } else { 0x86 }, "payload is no password");
    }
    watcher.nothing().await;
    house.stop().await;
}

#[tokio::test]
async fn the_client_identifier_is_there_and_is_text() {
    let house = House::start().await;
    for version in BOTH {
        for (payload, what) in [
            (&b""[..], "no identifier"),
            (b"\0", "half a length"),
            (b"\0\x05c", "half an identifier"),
            (b"\0\x01\xFF", "no text"),
        ] {
            let head =
                [text("MQTT"), vec![version as u8, Hello::CLEAN, 0, 0], version.properties(&[])].concat();
            let answer = refused(&house, &frame(0x10, &[&head, payload])).await;
            match version {
                V3 => assert!(answer.is_empty(), "{what}: {answer:x?}"),
                V5 => assert!(answer.is_empty() || answer[3] == 0x81, "{what}: {answer:x?}"),
            }
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn identifiers_of_letters_and_digits_are_taken() {
    let house = House::start().await;
    for version in BOTH {
        for client_id in ["a", "Z", "0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ"]
        {
            Client::new(&house, version, client_id).await.leave().await;
        }
    }
    house.stop().await;
}

/// The Assigned Client Identifier of a CONNACK.
fn assigned(connack: &[u8]) -> Option<String> {
    let at = connack.windows(3).position(|three| three[0] == 0x12 && three[1] == 0 && three[2] > 0)?;
    let (length, rest) = (usize::from(connack[at + 2]), &connack[at + 3..]);
    String::from_utf8(rest[..length].to_vec()).ok()
}

#[tokio::test]
async fn a_client_without_an_identifier_is_given_one() {
    let house = House::start().await;
    for version in BOTH {
        let (mut one, first) = Hello::new(version, "").knock(&house).await;
        let (mut two, second) = Hello::new(version, "").knock(&house).await;
        assert_eq!((first[2], first[3], second[2], second[3]), (0, 0, 0, 0));
        // Two sessions: neither has taken the other's place.
        one.nothing().await;
        two.nothing().await;
        match version {
            V3 => assert_eq!((first.len(), second.len()), (4, 4)),
            V5 => {
                let [first, second] = [first, second].map(|connack| assigned(&connack).unwrap());
                assert!(!first.is_empty() && first != second);
            }
        }
    }
    // Who brings an identifier is given none.
    let (_, connack) = Hello::new(V5, "mine").knock(&house).await;
    assert_eq!(assigned(&connack), None);
    house.stop().await;
}

#[tokio::test]
async fn an_assigned_identifier_finds_its_session() {
    let house = House::start().await;
    let (client, connack) = Hello::new(V5, "").properties(&[0x11, 0, 0, 0, 60]).knock(&house).await;
    let name = assigned(&connack).unwrap();
    client.leave().await;
    let (client, present) = Client::lasting(&house, V5, &name).await;
    assert!(present);
    client.leave().await;
    house.stop().await;
}

/// MQTT 5.0 knows no such rule, and paho-mqtt comes back so after a lost connection when its program has chosen no
/// identifier: refused, it would never come back.
#[tokio::test]
async fn an_empty_identifier_needs_a_clean_session_in_3_1_1_alone() {
    let house = House::start().await;
    assert_eq!(Hello::new(V3, "").lasting().refused(&house).await, [0x20, 2, 0, 2]);
    let (client, connack) = Hello::new(V5, "").lasting().knock(&house).await;
    assert_eq!((connack[2], connack[3]), (0, 0), "a new session: {connack:x?}");
    let name = assigned(&connack).unwrap();
    client.leave().await;
    let (client, present) = Client::lasting(&house, V5, &name).await;
    assert!(present, "it lasts as was asked");
    client.leave().await;
    house.stop().await;
}

#[tokio::test]
async fn a_refused_identifier_is_told_and_closed() {
    let house = House::start().await;
    let long = "x".repeat(1_000);
    assert_eq!(Hello::new(V3, &long).refused(&house).await, [0x20, 2, 0, 2]);
    let answer = Hello::new(V5, &long).refused(&house).await;
    assert_eq!((answer[0], answer[2], answer[3]), (0x20, 0, 0x85));
    house.stop().await;
}

#[tokio::test]
async fn a_malformed_connect_is_closed() {
    let house = House::start().await;
    for version in BOTH {
        let good = Hello::new(version, "c").bytes();
        let [mut cut, mut flags] = [good.clone(), good.clone()];
        cut[1] -= 1;
        cut.pop();
        flags[0] |= 1;
        let mut broken = vec![cut, flags];
        if version == V5 {
            // Session Expiry Interval twice; a property that a CONNECT does not have; half a property.
            for properties in [&[0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1][..], &[0x23, 0, 1], &[0x11, 0, 0]] {
                broken.push(Hello::new(version, "c").properties(properties).bytes());
            }
        }
        for bytes in broken {
            let answer = refused(&house, &bytes).await;
            match version {
                V3 => assert!(answer.is_empty(), "{answer:x?}"),
                V5 => assert!(answer.is_empty() || (answer[0] == 0x20 && answer[3] >= 0x81), "{answer:x?}"),
            }
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn who_is_let_in_is_told_so() {
    let house = House::start().await;
    assert_eq!(Hello::new(V3, "three").knock(&house).await.1, [0x20, 2, 0, 0]);
    let (mut five, connack) = Hello::new(V5, "five").knock(&house).await;
    assert_eq!(&connack[..1], [0x20]);
    assert_eq!(connack[2..4], [0, 0], "no flags, and success");
    five.nothing().await;
    house.stop().await;
}

#[tokio::test]
async fn nothing_behind_a_refused_connect_is_served() {
    let house = House::start().await;
    let mut watcher = Client::new(&house, V3, "watcher").await;
    watcher.subscribe("#", 0).await;
    for version in BOTH {
        let hello = Hello::new(version, "c").login("bar", "wrong");
        let bytes = [hello.bytes(), Note::new("t", "x").retain().bytes(version), vec![0xC0, 0]].concat();
        let answer = refused(&house, &bytes).await;
        assert_eq!(answer.len(), 2 + usize::from(answer[1]), "one CONNACK and nothing more: {answer:x?}");
    }
    watcher.nothing().await;
    let mut later = Client::new(&house, V3, "later").await;
    later.subscribe("#", 0).await;
    later.nothing().await;
    house.stop().await;
}

#[tokio::test]
async fn a_refusal_has_no_session_and_ends_the_connection() {
    let house = House::start().await;
    for version in BOTH {
        Client::lasting(&house, version, "known").await.0.leave().await;
        for (hello, three, five) in [
            (Hello::new(version, "known").lasting().login("bar", "wrong"), 4, 0x86),
            (Hello::new(version, "known").lasting().login("nobody", "secret"), 4, 0x86),
            (Hello::new(version, "known").lasting().login("hasty", "secret"), 3, 0x9F),
        ] {
            let answer = hello.refused(&house).await;
            let code = if version == V3 { three } else { five };
            assert_eq!((answer[0], answer[2], answer[3]), (0x20, 0, code), "{answer:x?}");
            assert_eq!(answer.len(), 2 + usize::from(answer[1]));
        }
    }
    house.stop().await;
}

/// Response Information is for those who ask for it, and an authentication method for those who name one; the broker
/// has neither.
#[tokio::test]
async fn what_was_not_asked_for_is_not_told() {
    let house = House::start().await;
    for properties in [&[][..], &[0x19, 0], &[0x19, 1]] {
        let (_, connack) = Hello::new(V5, "c").properties(properties).knock(&house).await;
        let names = super::wire::properties(&connack[4..]);
        assert!(names.iter().all(|(name, _)| ![0x1A, 0x15, 0x16].contains(name)), "{names:?}");
    }
    house.stop().await;
}
