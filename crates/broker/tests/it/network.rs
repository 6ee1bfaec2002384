//! The broker over sockets: what hostile and clumsy clients do to it, byte by byte.

use super::harness::{House, connect_packet, packet, text, within};
use gatehouse_broker::Settings;
use gatehouse_model::{Message, Origin, Qos, TopicFilter, TopicName};

/// Somebody else's client still works.
async fn is_alive(house: &House) {
    let mut witness = house.client("witness").await;
    witness.ping().await;
}

#[tokio::test]
async fn garbage_closes_one_connection_and_nothing_else() {
    let house = House::start().await;
    let mut bystander = house.client("bystander").await;
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0; 64],
        &[0xFF; 64],
        &[0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        &[0x10, 0],
        &[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 5, 0xFF, 0, 0, 0, 0],
    ] {
        let mut raw = house.connect().await;
        raw.send(garbage).await;
        let answer = raw.rest().await;
        assert!(answer.is_empty() || answer[0] == 0x20, "{answer:?}");
    }
    // Garbage after a good CONNECT.
    for garbage in [&[0xFF; 8][..], &[0x30, 2, 0, 9], &[0x36, 0], &[0x62, 1, 0], &[0x00, 0]] {
        let mut raw = house.client("clumsy").await;
        raw.send(garbage).await;
        assert!(raw.rest().await.is_empty());
    }
    bystander.ping().await;
    is_alive(&house).await;
    assert!(house.handle.statistics().protocol_errors >= 5);
    house.stop().await;
}

#[tokio::test]
async fn a_declared_length_of_256_megabytes_is_refused_at_its_header() {
    let house = House::start().await;
    let mut raw = house.connect().await;
    raw.send(&[0x10, 0xFF, 0xFF, 0xFF, 0x7F]).await;
    assert!(raw.rest().await.is_empty());
    let mut raw = house.client("large").await;
    raw.send(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]).await;
    assert!(raw.rest().await.is_empty());
    is_alive(&house).await;
    house.stop().await;
}

#[tokio::test]
async fn half_packets_wait_and_a_slow_handshake_is_cut() {
    let settings = Settings { handshake_time: std::time::Duration::from_millis(200), ..Settings::default() };
    let house = House::with(settings).await;
    let mut half = house.client("half").await;
    let publish = packet(0x30, &[text("casa/luz"), b"ON".to_vec()].concat());
    let mut subscriber = house.client("subscriber").await;
    subscriber.send(&packet(0x82, &[vec![0, 1], text("#"), vec![0]].concat())).await;
    assert_eq!(subscriber.packet().await, [0x90, 3, 0, 1, 0]);
    let (last, before) = publish.split_last().unwrap();
    for byte in before {
        half.send(&[*byte]).await;
        subscriber.ping().await;
    }
    half.send(&[*last]).await;
    assert_eq!(subscriber.packet().await, publish);
    half.send(&publish[..5]).await;
    drop(half);
    let mut silent = house.connect().await;
    let mut slow = house.connect().await;
    slow.send(&connect_packet("slow")[..9]).await;
    assert!(silent.rest().await.is_empty());
    assert!(slow.rest().await.is_empty());
    is_alive(&house).await;
    house.stop().await;
}

#[tokio::test]
async fn logins_are_needed_and_answered_in_the_words_of_each_version() {
    let house = House::start().await;
    let connect = |level: u8, flags: u8, credentials: &[&str]| {
        let properties: &[u8] = if level == 5 { &[0] } else { &[] };
        let fields = credentials.iter().flat_map(|field| text(field)).collect();
        packet(
            0x10,
            &[text("MQTT"), vec![level, flags, 0, 0], properties.to_vec(), text("c"), fields].concat(),
        )
    };
    for (bytes, code_at, code) in [
        (connect(4, 0b0000_0010, &[]), 3, 5),
        (connect(4, 0b1100_0010, &["bar", "wrong"]), 3, 4),
        (connect(4, 0b1100_0010, &["nobody", "secret"]), 3, 4),
        (connect(4, 0b1100_0010, &["hasty", "secret"]), 3, 3),
        (connect(5, 0b1100_0010, &["hasty", "secret"]), 3, 0x9F),
        (connect(5, 0b0000_0010, &[]), 3, 0x87),
        (connect(5, 0b1100_0010, &["bar", "wrong"]), 3, 0x86),
        (connect(6, 0b0000_0010, &[]), 3, 0x84),
        (connect(1, 0b0000_0010, &[]), 3, 1),
    ] {
        let mut raw = house.connect().await;
        raw.send(&bytes).await;
        let answer = raw.rest().await;
        assert_eq!((answer[0], answer[2], answer[code_at]), (0x20, 0, code), "{bytes:?}");
    }
    // An attempt at enhanced authentication: property 0x15, Authentication Method.
    let mut raw = house.connect().await;
    let properties = [vec![8, 0x15], text("SCRAM")].concat();
    raw.send(&packet(0x10, &[text("MQTT"), vec![5, 2, 0, 0], properties, text("c")].concat())).await;
    assert_eq!(raw.rest().await[3], 0x8C);
    // MQTT 3.1, as old clients speak it.
    let mut raw = house.connect().await;
    let body = [text("MQIsdp"), vec![3, 0b1100_0010, 0, 0], text("old"), text("bar"), text("secret")];
    raw.send(&packet(0x10, &body.concat())).await;
    assert_eq!(raw.packet().await, [0x20, 2, 0, 0]);
    assert_eq!(house.handle.statistics().logins_refused, 8);
    house.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_bounded_memory_and_slows_nobody() {
    let settings = Settings { outbound_bytes: 256 * 1_024, ..Settings::default() };
    let house = House::with(settings).await;
    let mut deaf = house.client("deaf").await;
    deaf.send(&packet(0x82, &[vec![0, 1], text("#"), vec![0]].concat())).await;
    assert_eq!(deaf.packet().await[0], 0x90);
    let mut hearing = house
        .handle
        .client("test")
        .subscribe(&[(TopicFilter::new("t").unwrap(), Qos::AtMostOnce)])
        .await
        .unwrap();
    let part = house.handle.client("flood");
    let message = Message::new(
        TopicName::new("t").unwrap(),
        vec![7; 100_000],
        Qos::AtMostOnce,
        false,
        Origin::part("flood"),
    );
    // Far more than the kernel's buffers and the limit together.
    for _ in 0..400 {
        within(part.publish(message.clone())).await.unwrap();
        assert!(within(hearing.recv()).await.is_some());
    }
    assert!(house.handle.statistics().messages_dropped > 100);
    // The deaf client sends without reading the answers: it is cut.
    let pings = [0xC0, 0].repeat(32 * 1_024);
    let mut sent = 0;
    while deaf.stream.try_write(&pings).map_or_else(
        |error| error.kind() == std::io::ErrorKind::WouldBlock,
        |count| {
            sent += count;
            true
        },
    ) {
        assert!(sent < 1 << 30, "the client was never cut");
        tokio::task::yield_now().await;
        is_alive(&house).await;
    }
    house.stop().await;
}

#[tokio::test]
async fn a_shutdown_says_goodbye_and_publishes_wills() {
    let house = House::start().await;
    let mut watcher = house
        .handle
        .client("test")
        .subscribe(&[(TopicFilter::new("will").unwrap(), Qos::AtMostOnce)])
        .await
        .unwrap();
    let mut version_5 = house.connect().await;
    let body = [
        text("MQTT"),
        vec![5, 0b1100_0110, 0, 0, 0],
        text("five"),
        vec![0],
        text("will"),
        text("gone"),
        text("bar"),
        text("secret"),
    ];
    version_5.send(&packet(0x10, &body.concat())).await;
    assert_eq!(version_5.packet().await[0], 0x20);
    let mut silent = house.connect().await;
    silent.send(&[0x10]).await;
    house.stop().await;
    let goodbye = version_5.rest().await;
    assert_eq!((goodbye[0], goodbye[2]), (0xE0, 0x8B));
    assert!(silent.rest().await.is_empty());
    let will = within(watcher.recv()).await.unwrap();
    assert_eq!((will.topic.as_str(), &*will.payload), ("will", &b"gone"[..]));
    assert_eq!(will.origin, Origin::Client { client_id: "five".into(), user: "bar".into() });
    assert_eq!(within(watcher.recv()).await, None);
}

/// Three clients flooded a topic, the live page lost a switch that was switched off meanwhile, and showed it on for good.
#[tokio::test]
async fn a_flood_neither_hides_a_switch_nor_holds_the_house_up() {
    let settings = Settings { local_queue_messages: 64, ..Settings::default() };
    let house = House::with(settings).await;
    let page = house.handle.client("page");
    let mut page = page.subscribe(&[(TopicFilter::new("#").unwrap(), Qos::AtMostOnce)]).await.unwrap();
    let flood = packet(0x30, &[text("phone/battery"), b"50".to_vec()].concat()).repeat(2_000);
    for number in 0..3 {
        let mut client = house.client(&format!("flood{number}")).await;
        client.send(&flood).await;
        client.ping().await;
    }
    let part = house.handle.client("bridge");
    for state in ["ON", "OFF"] {
        let topic = TopicName::new("heater/power").unwrap();
        let message = Message::new(topic, state, Qos::AtMostOnce, true, Origin::part("bridge"));
        within(part.publish(message)).await.unwrap();
    }
    assert!(page.dropped() > 1_000);
    loop {
        let message = within(page.recv()).await.unwrap();
        if message.topic.as_str() == "heater/power" && &*message.payload == b"OFF" {
            break;
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn a_revoked_user_is_gone_when_it_is_said_so() {
    let house = House::start().await;
    let mut bystander = house.connect().await;
    let body = [text("MQTT"), vec![4, 0b1100_0010, 0, 0], text("bystander"), text("other"), text("secret")];
    bystander.send(&packet(0x10, &body.concat())).await;
    assert_eq!(bystander.packet().await, [0x20, 2, 0, 0]);
    let mut version_3 = house.client("three").await;
    let mut version_5 = house.connect().await;
    // A session that lasts an hour: property 0x11.
    let body = [
        text("MQTT"),
        vec![5, 0b1100_0000, 0, 0, 5, 0x11, 0, 0, 14, 16],
        text("five"),
        text("bar"),
        text("secret"),
    ];
    version_5.send(&packet(0x10, &body.concat())).await;
    assert_eq!(version_5.packet().await[0], 0x20);
    house.handle.revoke("bar").await.unwrap();
    let statistics = house.handle.statistics();
    assert_eq!((statistics.clients_connected, statistics.sessions), (1, 1));
    assert!(version_3.rest().await.is_empty());
    let goodbye = version_5.rest().await;
    assert_eq!((goodbye[0], goodbye[2]), (0xE0, 0x87));
    bystander.ping().await;
    house.handle.revoke("nobody").await.unwrap();
    let handle = house.handle.clone();
    house.stop().await;
    assert_eq!(handle.revoke("bar").await, Err(gatehouse_broker::RevokeError::Closed));
}

#[tokio::test]
async fn a_large_connect_is_refused_at_its_header() {
    let house = House::with(Settings { max_connect_bytes: 64, ..Settings::default() }).await;
    let mut large = house.connect().await;
    // 65 bytes are declared behind the header, and none of them is sent.
    large.send(&[0x10, 65]).await;
    assert!(large.rest().await.is_empty());
    // Who has logged in may send more.
    let mut client = house.client("c").await;
    client.send(&packet(0x30, &[text("t"), vec![b'x'; 100]].concat())).await;
    client.ping().await;
    house.stop().await;
}

/// Each client may send a packet of a megabyte: a thousand that never finish theirs took a gigabyte.
#[tokio::test]
async fn unfinished_packets_of_all_clients_together_are_bounded() {
    let settings = Settings { incoming_bytes: 200_000, ..Settings::default() };
    let house = House::with(settings).await;
    let whole = 100_000_usize;
    // A remaining length of 100,000, as three bytes.
    let publish = [&[0x30, 0xA0, 0x8D, 0x06][..], &text("t"), &vec![b'x'; whole - 3]].concat();
    let begin = async |name: &str| {
        let before = house.handle.statistics().bytes_received;
        let mut client = house.client(name).await;
        client.send(&publish[..90_000]).await;
        within(async {
            while house.handle.statistics().bytes_received < before + 90_000 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        client
    };
    let mut first = begin("first").await;
    let mut second = begin("second").await;
    let mut third = house.client("third").await;
    third.send(&publish[..90_000]).await;
    assert!(third.rest().await.is_empty(), "that is more than may be held");
    // Who was there before goes on, and so does who sends what is small.
    for client in [&mut first, &mut second] {
        client.send(&publish[90_000..]).await;
        client.ping().await;
    }
    assert_eq!(house.handle.statistics().messages_received, 2);
    is_alive(&house).await;
    // What was finished, and what was given up, counts no more.
    for name in ["fourth", "fifth"] {
        drop(begin(name).await);
    }
    is_alive(&house).await;
    house.stop().await;
}
