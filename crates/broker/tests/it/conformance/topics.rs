//! Topic names and topic filters.

use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_broker::{Authenticator, Identity, Login, LoginError, Rights, Settings};
use gatehouse_model::TopicFilter;

use super::wire::{BOTH, Client, Note, V3, V5, frame};
use crate::harness::{House, text};

#[tokio::test]
async fn filters_match_as_the_standard_says() {
    let house = House::start().await;
    let topics = [
        "sport",
        "sport/",
        "/sport",
        "sport/tennis",
        "sport/tennis/player",
        "/",
        "finance",
        "sport//x",
        "/finance",
    ];
    let matches: [(&str, &[&str]); 11] = [
        ("sport/#", &["sport", "sport/", "sport/tennis", "sport/tennis/player", "sport//x"]),
        ("sport/+", &["sport/", "sport/tennis"]),
        ("+", &["sport", "finance"]),
        ("+/+", &["sport/", "/sport", "sport/tennis", "/", "/finance"]),
        ("/+", &["/sport", "/", "/finance"]),
        ("+/tennis/#", &["sport/tennis", "sport/tennis/player"]),
        ("sport/+/player", &["sport/tennis/player"]),
        ("sport/+/x", &["sport//x"]),
        ("sport/tennis", &["sport/tennis"]),
        ("/#", &["/sport", "/", "/finance"]),
        ("#", &topics),
    ];
    for version in BOTH {
        let mut publisher = Client::new(&house, version, "publisher").await;
        for (filter, expected) in &matches {
            let mut client = Client::new(&house, version, "c").await;
            client.subscribe(filter, 0).await;
            let notes: Vec<u8> =
                topics.iter().flat_map(|topic| Note::new(topic, filter).bytes(version)).collect();
            publisher.send(&notes).await;
            publisher.nothing().await;
            for topic in *expected {
                client.expect_note(Note::new(topic, filter)).await;
            }
            client.nothing().await;
            client.leave().await;
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn bad_filters_are_refused() {
    let house = House::start().await;
    for version in BOTH {
        let mut client = Client::new(&house, version, "c").await;
        for filter in
            ["sport/tennis#", "sport/#/ranking", "#/", "##", "+#", "sport+", "+sport", "a/b+/c", "a/++", "#a"]
        {
            client.subscribe_with(&[], filter, 0).await;
            let code = if version == V3 { 0x80 } else { 0x8F };
            client.expect(&frame(0x90, &[&[0, 10], &version.properties(&[]), &[code]])).await;
        }
        // An empty filter is none at all: it is refused, or the connection is closed.
        client.subscribe_with(&[], "", 0).await;
        let rest = client.answer_or_end().await;
        assert!(rest.is_none_or(|packet| packet[0] == 0xE0 || *packet.last().unwrap() >= 0x80));
    }
    house.stop().await;
}

/// Whoever comes may use every topic, those that begin with `$` included.
struct Everybody;

#[async_trait]
impl Authenticator for Everybody {
    async fn authenticate(&self, login: Login<'_>) -> Result<Identity, LoginError> {
        let user = login.user.unwrap_or_default();
        let rights = self.recall(user, login.client_id).await?.ok_or(LoginError::BadCredentials)?;
        Ok(Identity { user: user.into(), rights })
    }

    async fn recall(&self, _user: &str, _client_id: &str) -> Result<Option<Rights>, LoginError> {
        let filters = || ["#", "$house/#", "$"].map(|filter| TopicFilter::new(filter).unwrap()).into();
        Ok(Some(Rights { publish: filters(), subscribe: filters() }))
    }
}

#[tokio::test]
async fn wildcards_do_not_match_dollar_topics() {
    for version in BOTH {
        let house = House::with_authenticator(Settings::default(), Arc::new(Everybody)).await;
        let mut client = Client::new(&house, version, "c").await;
        for filter in ["#", "+/a", "+/+", "+", "/#"] {
            client.subscribe(filter, 0).await;
        }
        let mut publisher = Client::new(&house, version, "publisher").await;
        for topic in ["$house/a", "$house", "$"] {
            publisher.publish(Note::new(topic, "x")).await;
            publisher.publish(Note::new(topic, "x").retain()).await;
        }
        client.nothing().await;
        client.subscribe("#", 0).await;
        client.nothing().await;
        // A filter that names it matches it, and a $ further behind means nothing.
        client.subscribe("$house/#", 0).await;
        client.expect_note(Note::new("$house", "x").retain()).await;
        client.expect_note(Note::new("$house/a", "x").retain()).await;
        client.subscribe("$house/+", 0).await;
        client.expect_note(Note::new("$house/a", "x").retain()).await;
        publisher.publish(Note::new("a/$b", "x")).await;
        client.expect_note(Note::new("a/$b", "x")).await;
        client.nothing().await;
        house.stop().await;
    }
}

#[tokio::test]
async fn nothing_is_normalised() {
    let house = House::start().await;
    // Composed and decomposed, upper and lower case, full width, spaces: all different.
    let topics = [
        "caf\u{e9}",
        "cafe\u{301}",
        "CAF\u{c9}",
        "caf\u{ff45}",
        "cafe",
        "cafe ",
        " cafe",
        "\u{fffd}",
        "\u{fdd0}",
        "ACCOUNTS",
    ];
    for version in BOTH {
        let mut publisher = Client::new(&house, version, "publisher").await;
        for filter in topics {
            let mut client = Client::new(&house, version, "c").await;
            client.subscribe(filter, 0).await;
            for topic in topics {
                publisher.publish(Note::new(topic, "x")).await;
            }
            client.expect_note(Note::new(filter, "x")).await;
            client.nothing().await;
            client.leave().await;
        }
    }
    house.stop().await;
}

/// More than 65,535 bytes cannot be said: the length has 16 bits. As many as that are carried.
#[tokio::test]
async fn the_longest_topic_is_carried() {
    let house = House::start().await;
    let longest = "x".repeat(65_535);
    for version in BOTH {
        let mut client = Client::new(&house, version, "c").await;
        client.subscribe(&longest, 0).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new(&longest, "y")).await;
        client.expect_note(Note::new(&longest, "y")).await;
    }
    assert_eq!(text(&longest).len(), 65_537);
    let mut client = Client::new(&house, V5, "c").await;
    client.send(&frame(0xA2, &[&[0, 1, 0], &text(&longest)])).await;
    client.expect(&[0xB0, 4, 0, 1, 0, 0x11]).await;
    house.stop().await;
}
