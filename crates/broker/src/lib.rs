//! The MQTT broker of the house: sessions, routing and delivery for network clients and for the gateway's own parts.
//!
//! Purpose: take every message that anybody publishes, decide who may send and who receives it, and deliver it with
//! the quality of service that was promised.
//!
//! A packet's walk: `edge::connection` reads bytes and `codec` makes packets of them → the hub hands them to
//! `core`, which decides → what must be kept goes to the [`Store`] → `core` stages bytes for each connection →
//! `edge::connection` writes them.
//!
//! Architecture invariant: `core` decides and does no input or output; time comes in as an argument, and it gives
//! back staged bytes, local deliveries and its next deadline. It does not name tokio.
//! Architecture invariant: one task owns the core. Connections talk to it through one bounded channel, in batches,
//! and it answers through bounded outboxes; it never waits for a client.
//! Architecture invariant: an acknowledgement that stands for something kept is held until the store reports the
//! commit that covers it.
//! Architecture invariant: bytes from a client can close that client's connection and nothing else.
//!
//! Numbers such as [MQTT-3.3.1-2] are those of the standard MQTT 5.0, or of 3.1.1 where `of 3.1.1` follows them.
//! `tests/it/statements` lists all of both, with the tests that hold each.

mod access;
mod broker;
mod codec;
mod core;
mod doorway;
mod durable;
mod edge;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod local;
mod local_queue;
mod meter;
mod rights;
mod settings;
mod statistics;
mod store;
mod views;

pub use access::{Authenticator, Identity, Login, LoginError, OpenGuard, PublishGuard, Refusal, RefusalCode};
pub use broker::{Broker, BrokerError, BrokerGone, BrokerHandle, Parts};
pub use doorway::{Doorway, DoorwayPlace, NoPlace};
pub use durable::{SqliteStore, StoreOpenError, StoreOptions};
pub use edge::Listener;
pub use local::{HandedOver, LocalClient, PublishError, RevokeError, SubscribeError, Subscription};
pub use rights::{MAX_PATTERNS, PatternError, Rights, RightsSet, TopicPattern};
pub use settings::Settings;
pub use statistics::Statistics;
pub use store::{
    Change, KeptDelivery, KeptSession, KeptSubscription, KeptWill, MemoryStore, Progress, RestoredDelivery,
    Snapshot, Store, StoreError, Ticket,
};
pub use views::{ClientView, ConnectionView, RETAINED_PER_PAGE, RetainedPage};
