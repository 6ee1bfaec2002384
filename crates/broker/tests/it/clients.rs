//! The broker over sockets with a client of another make: rumqttc, in both versions of the protocol.

use std::time::Duration;

use super::harness::{House, PATIENCE, within};
use gatehouse_model::{Message, Origin, Qos, TopicFilter, TopicName};
use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Packet, Publish, QoS, v5};

/// A 3.1.1 client.
struct Client {
    client: AsyncClient,
    events: EventLoop,
}

fn options(house: &House, client_id: &str) -> MqttOptions {
    let mut options = MqttOptions::new(client_id, "127.0.0.1", house.address.port());
    options.set_credentials("bar", "secret").set_keep_alive(Duration::from_secs(30));
    options
}

impl Client {
    async fn connect(options: MqttOptions) -> Self {
        let (client, mut events) = AsyncClient::new(options, 64);
        loop {
            if let Event::Incoming(Packet::ConnAck(_)) = within(events.poll()).await.unwrap() {
                return Self { client, events };
            }
        }
    }

    async fn subscribe(&mut self, filter: &str, qos: QoS) {
        self.client.subscribe(filter, qos).await.unwrap();
        while !matches!(within(self.events.poll()).await.unwrap(), Event::Incoming(Packet::SubAck(_))) {}
    }

    /// Publishes and waits until the broker has taken it.
    async fn publish(&mut self, topic: &str, qos: QoS, retain: bool, payload: &str) {
        self.client.publish(topic, qos, retain, payload).await.unwrap();
        loop {
            let event = within(self.events.poll()).await.unwrap();
            let done = match qos {
                QoS::AtMostOnce => matches!(event, Event::Outgoing(rumqttc::Outgoing::Publish(_))),
                QoS::AtLeastOnce => matches!(event, Event::Incoming(Packet::PubAck(_))),
                QoS::ExactlyOnce => matches!(event, Event::Incoming(Packet::PubComp(_))),
            };
            if done {
                return;
            }
        }
    }

    async fn next(&mut self) -> Publish {
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = within(self.events.poll()).await.unwrap() {
                return publish;
            }
        }
    }
}

fn seen(publish: &Publish) -> (&str, &[u8], QoS, bool) {
    (&publish.topic, &publish.payload, publish.qos, publish.retain)
}

#[tokio::test]
async fn every_quality_of_service_and_any_language() {
    let house = House::start().await;
    let mut subscriber = Client::connect(options(&house, "subscriber")).await;
    let mut publisher = Client::connect(options(&house, "publisher")).await;
    subscriber.subscribe("casa/+/luz", QoS::ExactlyOnce).await;
    subscriber.subscribe("家/#", QoS::AtLeastOnce).await;
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        publisher.publish("casa/ático/luz", qos, false, "ON").await;
        assert_eq!(seen(&subscriber.next().await), ("casa/ático/luz", &b"ON"[..], qos, false));
        publisher.publish("家/客厅/温度", qos, false, "21.5").await;
        let granted = if qos == QoS::ExactlyOnce { QoS::AtLeastOnce } else { qos };
        assert_eq!(seen(&subscriber.next().await), ("家/客厅/温度", "21.5".as_bytes(), granted, false));
    }
    house.stop().await;
}

#[tokio::test]
async fn retained_messages_and_wills_of_a_client_that_vanishes() {
    let house = House::start().await;
    let mut publisher = Client::connect(options(&house, "publisher")).await;
    publisher.publish("casa/puerta", QoS::AtLeastOnce, true, "open").await;
    let mut subscriber = Client::connect(options(&house, "subscriber")).await;
    subscriber.subscribe("casa/#", QoS::AtLeastOnce).await;
    assert_eq!(seen(&subscriber.next().await), ("casa/puerta", &b"open"[..], QoS::AtLeastOnce, true));
    let mut mortal = options(&house, "mortal");
    mortal.set_last_will(LastWill::new("casa/mortal", "offline", QoS::AtLeastOnce, true));
    drop(Client::connect(mortal).await);
    assert_eq!(seen(&subscriber.next().await), ("casa/mortal", &b"offline"[..], QoS::AtLeastOnce, false));
    house.stop().await;
}

#[tokio::test]
async fn a_session_taken_over_keeps_what_it_missed() {
    let house = House::start().await;
    let mut lasting = options(&house, "phone");
    lasting.set_clean_session(false);
    let mut first = Client::connect(lasting.clone()).await;
    first.subscribe("casa/#", QoS::ExactlyOnce).await;
    let mut second = Client::connect(lasting.clone()).await;
    // The first is told by its connection's end.
    within(async { while first.events.poll().await.is_ok() {} }).await;
    drop(first);
    second.client.disconnect().await.unwrap();
    within(async { while second.events.poll().await.is_ok() {} }).await;
    let part = house.handle.client("bridge");
    for number in 0..100 {
        let topic = TopicName::new("casa/número").unwrap();
        let message =
            Message::new(topic, number.to_string(), Qos::ExactlyOnce, false, Origin::part("bridge"));
        within(part.publish(message)).await.unwrap();
    }
    let mut third = Client::connect(lasting).await;
    for number in 0..100 {
        assert_eq!(third.next().await.payload, number.to_string());
    }
    house.stop().await;
}

#[tokio::test]
async fn version_5_with_its_properties() {
    let house = House::start().await;
    let connect = |client_id: &str| {
        let mut options = v5::MqttOptions::new(client_id, "127.0.0.1", house.address.port());
        options.set_credentials("bar", "secret").set_keep_alive(Duration::from_secs(30));
        v5::AsyncClient::new(options, 64)
    };
    let (client, mut events) = connect("five");
    client.subscribe("casa/+/luz", v5::mqttbytes::QoS::ExactlyOnce).await.unwrap();
    loop {
        if let v5::Event::Incoming(v5::mqttbytes::v5::Packet::SubAck(_)) =
            within(events.poll()).await.unwrap()
        {
            break;
        }
    }
    let (publisher, mut publishing) = connect("publisher");
    tokio::spawn(async move { while publishing.poll().await.is_ok() {} });
    let user: Vec<(String, String)> = (0..5).map(|n| (format!("k{}", n % 2), n.to_string())).collect();
    let properties = v5::mqttbytes::v5::PublishProperties {
        user_properties: user.clone(),
        content_type: Some("text/plain".to_owned()),
        ..Default::default()
    };
    publisher
        .publish_with_properties("casa/ático/luz", v5::mqttbytes::QoS::ExactlyOnce, false, "ON", properties)
        .await
        .unwrap();
    let publish = loop {
        if let v5::Event::Incoming(v5::mqttbytes::v5::Packet::Publish(publish)) =
            within(events.poll()).await.unwrap()
        {
            break publish;
        }
    };
    assert_eq!((&*publish.topic, &*publish.payload), ("casa/ático/luz".as_bytes(), &b"ON"[..]));
    let properties = publish.properties.unwrap();
    assert_eq!(properties.user_properties, user);
    assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    house.stop().await;
}

#[tokio::test]
async fn parts_of_the_gateway_hear_clients_and_are_heard() {
    let house = House::start().await;
    let part = house.handle.client("history");
    let mut client = Client::connect(options(&house, "c")).await;
    client.publish("casa/a", QoS::AtLeastOnce, true, "1").await;
    let filters = [(TopicFilter::new("casa/#").unwrap(), Qos::AtLeastOnce)];
    let mut subscription = part.subscribe(&filters).await.unwrap();
    let retained = within(subscription.recv()).await.unwrap();
    assert_eq!((retained.topic.as_str(), retained.retain), ("casa/a", true));
    client.publish("casa/b", QoS::AtMostOnce, false, "2").await;
    let live = within(subscription.recv()).await.unwrap();
    assert_eq!(live.origin, Origin::Client { client_id: "c".into(), user: "bar".into() });
    assert_eq!((live.topic.as_str(), live.retain, subscription.dropped()), ("casa/b", false, 0));
    assert!(house.handle.statistics().messages_received >= 2);
    house.stop().await;
    assert_eq!(within(subscription.recv()).await, None);
    let message = Message::new(TopicName::new("t").unwrap(), "x", Qos::AtMostOnce, false, Origin::part("x"));
    assert!(tokio::time::timeout(PATIENCE, part.publish(message)).await.unwrap().is_err());
}

/// The page of messages shows which of those that pass are kept.
#[tokio::test]
async fn a_part_may_hear_what_passes_as_it_was_published() {
    let house = House::start().await;
    let part = house.handle.client("messages");
    let mut client = Client::connect(options(&house, "c")).await;
    client.publish("casa/a", QoS::AtLeastOnce, true, "before").await;
    let filters = [(TopicFilter::new("casa/#").unwrap(), Qos::AtLeastOnce)];
    let mut subscription = part.subscribe_as_published(&filters).await.unwrap();
    for (topic, retain) in [("casa/b", false), ("casa/c", true), ("casa/a", true)] {
        client.publish(topic, QoS::AtLeastOnce, retain, "now").await;
        let heard = within(subscription.recv()).await.unwrap();
        assert_eq!((heard.topic.as_str(), heard.retain, &*heard.payload), (topic, retain, &b"now"[..]));
    }
    house.stop().await;
}

/// Many messages of each kind through sockets, every one counted: what batching could lose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_in_a_flood() {
    const MESSAGES: usize = 5_000;
    let house = House::start().await;
    for (name, qos) in [("one", QoS::AtLeastOnce), ("two", QoS::ExactlyOnce)] {
        let mut subscriber = Client::connect(options(&house, &format!("subscriber-{name}"))).await;
        subscriber.subscribe("flood", qos).await;
        let publisher = Client::connect(options(&house, &format!("publisher-{name}"))).await;
        let Client { client, mut events } = publisher;
        let polling = tokio::spawn(async move { while events.poll().await.is_ok() {} });
        let sending = tokio::spawn(async move {
            for number in 0..MESSAGES {
                client.publish("flood", qos, false, number.to_string()).await.unwrap();
            }
            client
        });
        for number in 0..MESSAGES {
            assert_eq!(subscriber.next().await.payload, number.to_string());
        }
        drop(sending.await.unwrap());
        polling.abort();
    }
    house.stop().await;
}
