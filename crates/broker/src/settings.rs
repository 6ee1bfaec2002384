//! Every limit of the broker, by name, with its default and the reason for it.

use std::time::Duration;

use gatehouse_model::Qos;

/// What the broker allows. All sizes are in bytes unless the name says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Network connections at once, those that are still logging in included. A house has tens of clients; the limit
    /// keeps a runaway script from using up file descriptors that the rest of the gateway needs.
    pub max_connections: usize,
    /// Connections that have not logged in, in total. It bounds the line for [`Settings::concurrent_logins`], in which
    /// the clients of the house would wait behind everybody else; who finds it full is closed and tries again.
    pub max_newcomers: usize,
    /// Connections from one address (IPv6: one /64 network) that have not logged in, so that one machine cannot fill the
    /// line. More than the clients that run on one machine and come back at once.
    pub max_newcomers_of_one_address: usize,
    /// How long a client may take from connecting to a whole CONNECT packet. With TLS, its handshake has as long again
    /// before.
    pub handshake_time: Duration,
    /// How long a login may wait for its turn and be checked. Longer than it takes to check all clients of a house one
    /// after the other, which is what happens when they all come back after a power cut.
    pub login_time: Duration,
    /// Logins checked at once. Each may cost tens of megabytes and a processor for some tenths of a second (argon2id).
    pub concurrent_logins: usize,
    /// Largest packet that is taken, and announced to MQTT 5 clients. Checked from the fixed header, before anything
    /// is buffered.
    pub max_packet_bytes: u32,
    /// Largest CONNECT, checked from its fixed header. A client identifier, a user name, a password and a will fit many
    /// times over; anybody who reaches the port can send one, so that it is kept far below what a client that has logged
    /// in may send.
    pub max_connect_bytes: u32,
    /// Longest client identifier. The standard asks for 23 characters at least; many clients send longer ones.
    pub max_client_id_bytes: usize,
    /// Longest keep-alive granted to an MQTT 5 client, in seconds; 0 grants whatever is asked. A client that asks for
    /// more, or for none, gets this one by Server Keep Alive.
    pub max_keep_alive_seconds: u16,
    /// QoS 2 messages that a client may have begun and not released (Receive Maximum of MQTT 5).
    pub receive_maximum: u16,
    /// Topic aliases that an MQTT 5 client may set.
    pub topic_alias_maximum: u16,
    /// Topic aliases that the broker sets for an MQTT 5 client that takes them; the client may take fewer. Each holds
    /// on to a topic of at most 256 bytes.
    pub outgoing_topic_aliases: u16,
    /// QoS 1 and 2 messages on their way to one client that it has not acknowledged. MQTT 5 clients may ask for less. More
    /// than 32,766 count as that many: those that wait need packet identifiers as well.
    pub in_flight_messages: u16,
    /// QoS 1 and 2 messages that wait for one session.
    pub queued_messages: usize,
    /// Bytes of topics, payloads and properties that wait for one session.
    pub queued_bytes: usize,
    /// Bytes that wait for all clients together: queues, what is not acknowledged, and what is not written yet. Beyond
    /// it each connected client still has a small share of its own ([`Settings::LEAST_SHARE`]), so that those who are
    /// away or do not read cannot shut out the others; what goes beyond the share is dropped and counted as at the
    /// limits of one session. The service may use 256 MB, and the limits add up to less: 64 MiB retained, 24 MiB in
    /// subscriptions, 32 MiB here, 16 MiB in unfinished packets, at most 64 MiB in the shares of all connections, and 8 MiB for each of a handful of in-process subscriptions.
    pub total_waiting_bytes: usize,
    /// Bytes of packets that have arrived in part, of all clients that have logged in together. Beyond it a client that
    /// holds more than [`Settings::LEAST_SHARE`] of an unfinished packet is disconnected (0x97, Quota exceeded); else
    /// clients that never finish a large packet could take all memory.
    pub incoming_bytes: usize,
    /// Bytes that wait to be written to one connection. Beyond it QoS 0 is dropped and counted and QoS 1 and 2 wait in
    /// the queue; a client whose answers alone pass twice this limit does not read at all, and is disconnected.
    pub outbound_bytes: usize,
    /// Bytes of changes that are on their way to the disk. While there are more, the broker reads nothing from its
    /// clients: a memory card that is slower than they are slows them down.
    pub uncommitted_bytes: usize,
    /// Sessions that are kept, connected or not. At the limit no session begins that lasts; clients whose session ends
    /// with their connection are bounded by [`Settings::max_connections`] and still come in.
    pub max_sessions: usize,
    /// Sessions of one user, connected or not, beyond which none begins that lasts: a script that chooses another client
    /// identifier at each start must not use up [`Settings::max_sessions`], and with it everybody else's for a month.
    pub sessions_per_user: usize,
    /// Longest that a session is kept after its client has gone. Sessions of MQTT 3.1.1 clients that ask not to be
    /// cleaned have no end of their own and get this one.
    pub max_session_expiry: Duration,
    /// Topic filters of one session.
    pub subscriptions_per_session: usize,
    /// The greatest QoS of what clients publish and are granted.
    pub maximum_qos: Qos,
    /// Whether clients may publish messages to be retained. Parts of the gateway may in any case.
    pub retain_available: bool,
    /// Whether clients may subscribe with `+` and `#`.
    pub wildcard_subscriptions: bool,
    /// Whether MQTT 5 clients may number their subscriptions.
    pub subscription_identifiers: bool,
    /// Whether clients may share subscriptions (`$share/{name}/{filter}`), of which one of a group receives each message.
    pub shared_subscriptions: bool,
    /// Bytes that the topic filters of all sessions take, with their levels: some hundred for a filter, and again for each
    /// level that it shares with no other. A house with a hundred clients of twenty filters uses less than a quarter of the default.
    pub subscription_bytes: usize,
    /// Retained messages, `$SYS` not counted.
    pub retained_messages: usize,
    /// Bytes that retained messages take, with the levels of their topics. A topic of 128 levels that no other topic
    /// shares takes a thousand times more than its text, so that the text alone says little.
    pub retained_bytes: usize,
    /// Messages that wait for one in-process subscription. Publishers are slowed down well before; beyond it only the
    /// newest message of each topic that was published to be retained is held for later, and the rest is dropped and
    /// counted.
    pub local_queue_messages: usize,
    /// Bytes that wait for one in-process subscription, and again bytes of messages that are held for later.
    pub local_queue_bytes: usize,
    /// Topics whose newest message is held for one in-process subscription that is full: more than a house has.
    pub local_held_topics: usize,
    /// How often the figures below `$SYS/broker` are published. Zero publishes none.
    pub sys_interval: Duration,
    /// The version that `$SYS/broker/version` tells.
    pub version: String,
}

impl Settings {
    /// Bytes that may wait to be written to a connected client, and again in its queue, when
    /// [`Settings::total_waiting_bytes`] is used up. It is enough for some dozens of messages of a house.
    pub const LEAST_SHARE: usize = 32 * 1_024;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_connections: 1_024,
            max_newcomers: 128,
            max_newcomers_of_one_address: 64,
            handshake_time: Duration::from_secs(10),
            login_time: Duration::from_secs(60),
            concurrent_logins: 2,
            max_packet_bytes: 1_024 * 1_024,
            max_connect_bytes: 64 * 1_024,
            max_client_id_bytes: 256,
            max_keep_alive_seconds: 0,
            receive_maximum: 256,
            topic_alias_maximum: 32,
            outgoing_topic_aliases: 32,
            in_flight_messages: 256,
            queued_messages: 16_384,
            queued_bytes: 8 * 1_024 * 1_024,
            total_waiting_bytes: 32 * 1_024 * 1_024,
            incoming_bytes: 16 * 1_024 * 1_024,
            outbound_bytes: 4 * 1_024 * 1_024,
            uncommitted_bytes: 8 * 1_024 * 1_024,
            max_sessions: 4_096,
            sessions_per_user: 1_024,
            max_session_expiry: Duration::from_secs(60 * 60 * 24 * 30),
            subscriptions_per_session: 1_024,
            maximum_qos: Qos::ExactlyOnce,
            retain_available: true,
            wildcard_subscriptions: true,
            subscription_identifiers: true,
            shared_subscriptions: true,
            subscription_bytes: 24 * 1_024 * 1_024,
            retained_messages: 65_536,
            retained_bytes: 64 * 1_024 * 1_024,
            local_queue_messages: 4_096,
            local_queue_bytes: 4 * 1_024 * 1_024,
            local_held_topics: 16_384,
            sys_interval: Duration::from_secs(10),
            version: concat!("gatehouse version ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
