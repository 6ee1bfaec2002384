//! The line of those who want to log in.

use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_broker::{Authenticator, Identity, Login, LoginError, Rights, Settings};
use gatehouse_model::{Qos, TopicFilter};
use tokio::sync::Semaphore;

use super::harness::{House, connect_packet, packet, text, within};

/// Lets a login be checked when the test says so, and knows how many were begun.
struct Gate {
    open: Semaphore,
    begun: Semaphore,
}

#[async_trait]
impl Authenticator for Gate {
    async fn authenticate(&self, login: Login<'_>) -> Result<Identity, LoginError> {
        self.begun.add_permits(1);
        self.open.acquire().await.unwrap().forget();
        Ok(Identity { user: login.user.unwrap().into(), rights: Rights::everything() })
    }

    async fn recall(&self, _user: &str, _client_id: &str) -> Result<Option<Rights>, LoginError> {
        Ok(Some(Rights::everything()))
    }
}

/// Six hundred logins with a wrong password, each closed at once, held up the next good one by nine seconds.
#[tokio::test]
async fn who_leaves_the_line_gives_up_its_place() {
    let gate = Arc::new(Gate { open: Semaphore::new(0), begun: Semaphore::new(0) });
    let settings = Settings { concurrent_logins: 1, ..Settings::default() };
    let house = House::with_authenticator(settings, Arc::clone(&gate) as Arc<dyn Authenticator>).await;
    let mut first = house.connect().await;
    first.send(&connect_packet("first")).await;
    within(gate.begun.acquire()).await.unwrap().forget();
    for _ in 0..20 {
        let mut hasty = house.connect().await;
        hasty.send(&connect_packet("hasty")).await;
    }
    let mut eager = house.connect().await;
    // What it sends before it is let in is kept.
    eager.send(&[connect_packet("eager"), vec![0xC0, 0]].concat()).await;
    within(async {
        while house.handle.statistics().logins_abandoned < 20 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    gate.open.add_permits(2);
    assert_eq!(first.packet().await, [0x20, 2, 0, 0]);
    assert_eq!(eager.packet().await, [0x20, 2, 0, 0]);
    assert_eq!(eager.packet().await, [0xD0, 0]);
    assert_eq!(gate.begun.available_permits(), 1, "no login was checked for those who left");
    house.stop().await;
}

/// A login that is being checked keeps its place when its client leaves, since the work goes on.
#[tokio::test]
async fn a_check_that_has_begun_is_finished() {
    let gate = Arc::new(Gate { open: Semaphore::new(0), begun: Semaphore::new(0) });
    let settings = Settings { concurrent_logins: 1, ..Settings::default() };
    let house = House::with_authenticator(settings, Arc::clone(&gate) as Arc<dyn Authenticator>).await;
    let mut hasty = house.connect().await;
    hasty.send(&connect_packet("hasty")).await;
    within(gate.begun.acquire()).await.unwrap().forget();
    drop(hasty);
    let mut next = house.connect().await;
    next.send(&connect_packet("next")).await;
    let mut last = house.connect().await;
    last.send(&connect_packet("last")).await;
    drop(last);
    within(async {
        while house.handle.statistics().logins_abandoned < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(gate.begun.available_permits(), 0);
    gate.open.add_permits(2);
    assert_eq!(next.packet().await, [0x20, 2, 0, 0]);
    house.stop().await;
}

/// A sensor that wakes up sends CONNECT, PUBLISH and FIN, and sleeps again: its login was given up, and its reading lost.
#[tokio::test]
async fn what_a_hasty_client_says_is_heard_though_it_is_gone_before_its_turn() {
    let gate = Arc::new(Gate { open: Semaphore::new(0), begun: Semaphore::new(0) });
    let settings = Settings { concurrent_logins: 1, ..Settings::default() };
    let house = House::with_authenticator(settings, Arc::clone(&gate) as Arc<dyn Authenticator>).await;
    let filter = TopicFilter::new("sensors/#").unwrap();
    let mut readings = house.handle.client("test").subscribe(&[(filter, Qos::AtLeastOnce)]).await.unwrap();
    let mut first = house.connect().await;
    first.send(&connect_packet("first")).await;
    within(gate.begun.acquire()).await.unwrap().forget();
    for number in 0..10 {
        let mut hasty = house.connect().await;
        let publish = packet(0x30, &[text(&format!("sensors/{number}")), b"21.5".to_vec()].concat());
        hasty.send(&[connect_packet(&format!("hasty-{number}")), publish].concat()).await;
    }
    gate.open.add_permits(11);
    let mut heard = Vec::new();
    for _ in 0..10 {
        heard.push(within(readings.recv()).await.unwrap().topic.as_str().to_owned());
    }
    heard.sort();
    let expected: Vec<String> = (0..10).map(|number| format!("sensors/{number}")).collect();
    assert_eq!(heard, expected);
    house.stop().await;
}

/// The answers find nobody, and what was said is heard to its end.
#[tokio::test]
async fn all_that_was_said_before_the_goodbye_is_heard() {
    let house = House::start().await;
    let filter = TopicFilter::new("sensors/#").unwrap();
    let mut readings = house.handle.client("test").subscribe(&[(filter, Qos::AtLeastOnce)]).await.unwrap();
    for round in 0..20 {
        let mut hasty = house.connect().await;
        let publish = |number: u16| {
            let id = (number + 1).to_be_bytes().to_vec();
            packet(0x32, &[text(&format!("sensors/{round}")), id, number.to_string().into_bytes()].concat())
        };
        let said: Vec<u8> = (0..1_000).flat_map(publish).collect();
        hasty.send(&[connect_packet("hasty"), said].concat()).await;
        // Closing with answers unread resets the connection.
        drop(hasty);
        for number in 0..1_000 {
            let reading = within(readings.recv()).await.unwrap();
            assert_eq!(reading.payload, number.to_string());
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn who_has_not_logged_in_may_come_only_so_often_at_once() {
    let settings = Settings { max_newcomers_of_one_address: 2, ..Settings::default() };
    let house = House::with(settings).await;
    // Those who have logged in do not count.
    let mut clients = Vec::new();
    for number in 0..4 {
        clients.push(house.client(&format!("c{number}")).await);
    }
    let _silent = house.connect().await;
    let mut second = house.connect().await;
    assert!(house.connect().await.rest().await.is_empty());
    assert_eq!(house.handle.statistics().connections_refused, 1);
    second.send(&connect_packet("second")).await;
    assert_eq!(second.packet().await, [0x20, 2, 0, 0]);
    house.client("third").await.ping().await;
    house.stop().await;
}

/// Whoever checks logins slows down addresses that fail, and must know one by one name.
struct Addresses(std::sync::Mutex<Vec<String>>);

#[async_trait]
impl Authenticator for Addresses {
    async fn authenticate(&self, login: Login<'_>) -> Result<Identity, LoginError> {
        self.0.lock().unwrap().push(login.peer.to_string());
        Err(LoginError::BadCredentials)
    }

    async fn recall(&self, _user: &str, _client_id: &str) -> Result<Option<Rights>, LoginError> {
        Ok(None)
    }
}

/// A socket that takes IPv4 and IPv6 writes the former as the latter.
#[tokio::test]
async fn an_address_is_the_same_whichever_way_it_is_written() {
    let addresses = Arc::new(Addresses(std::sync::Mutex::default()));
    let house = House::with_authenticator(Settings::default(), addresses.clone()).await;
    for peer in ["192.0.2.1:1000", "[::ffff:192.0.2.1]:1000", "[2001:db8::1]:1000"] {
        let place = within(house.handle.doorway().admit(peer.parse().unwrap())).await.unwrap();
        let (mut ours, theirs) = tokio::io::duplex(1_024);
        let served = tokio::spawn(place.serve(theirs));
        tokio::io::AsyncWriteExt::write_all(&mut ours, &connect_packet("c")).await.unwrap();
        within(served).await.unwrap();
    }
    assert_eq!(*addresses.0.lock().unwrap(), ["192.0.2.1:1000", "192.0.2.1:1000", "[2001:db8::1]:1000"]);
    house.stop().await;
}
