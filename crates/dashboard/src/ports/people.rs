//! Who is connected over MQTT, what they may do, and how the gateway is reached.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

/// Knows the clients of the broker.
#[async_trait]
pub trait MqttClients: Send + Sync {
    /// What users and clients may be allowed, in the order of the sets' names.
    fn rights_sets(&self) -> Vec<NamedRights>;

    /// All clients, connected or with a session that waits for them, in the order of their identifiers.
    ///
    /// # Errors
    /// When the broker has stopped.
    async fn clients(&self) -> Result<Vec<MqttClientState>, MqttGone>;

    /// Closes the connection of a client. Nothing keeps it from coming back. Gives whether it was connected.
    ///
    /// # Errors
    /// When the broker has stopped.
    async fn disconnect(&self, client_id: &str) -> Result<bool, MqttGone>;
}

/// The broker has stopped, so the gateway is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the MQTT broker has stopped")]
pub struct MqttGone;

/// A rights set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRights {
    /// Its name.
    pub name: String,
    /// The topics that may be published to, as patterns: `%u` is the user, `%c` the client identifier.
    pub publish: Vec<String>,
    /// The topics that may be received.
    pub subscribe: Vec<String>,
}

/// A client of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttClientState {
    /// The MQTT client identifier.
    pub client_id: String,
    /// The name that it logged in with: `user` or `user:client`.
    pub login: String,
    /// Its connection, when it is connected.
    pub connection: Option<MqttConnection>,
    /// Time since anything was heard of it, where that is known.
    pub last_heard: Option<Duration>,
    /// Topic filters that it is subscribed to.
    pub subscriptions: usize,
    /// Messages that wait to be sent.
    pub queued: usize,
    /// Messages that were dropped.
    pub dropped: u64,
}

/// A connection of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttConnection {
    /// Where it comes from, where that is known.
    pub address: Option<IpAddr>,
    /// `3.1`, `3.1.1` or `5`.
    pub protocol: &'static str,
    /// How long it has been connected.
    pub connected_for: Duration,
}

/// Knows how this gateway is called and reached.
pub trait Whereabouts: Send + Sync {
    /// Whether a host name, in small letters, is one of the gateway's own: those of the machine, those of its
    /// certificate and those of the configuration.
    fn is_own_name(&self, name: &str) -> bool;

    /// Whether the owner has let pages of this origin speak MQTT over WebSocket. It is written as browsers send it:
    /// scheme, host in small letters, and the port unless it is the scheme's own.
    fn is_welcome_origin(&self, origin: &str) -> bool;

    /// How phones reach it now.
    fn reach(&self) -> Reach;
}

/// How phones reach the gateway. A port of MQTT over WebSocket is that of the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Host names, the best first.
    pub names: Vec<String>,
    /// Addresses in the network, the best first.
    pub addresses: Vec<IpAddr>,
    /// The port of MQTT.
    pub mqtt: u16,
    /// The port of MQTT with TLS.
    pub mqtts: Option<u16>,
    /// The port of the page.
    pub http: u16,
    /// The port of the page with TLS.
    pub https: Option<u16>,
}
