//! Sockets and tasks: listeners accept, connections read and write, and the hub brings what they read to the core.

mod connection;
mod door;
mod guest;
mod hub;
mod listener;
mod newcomers;
mod outbox;
mod outlet;
mod reception;
mod revocations;
mod spares;
mod tls;

pub(crate) use door::Door;
pub(crate) use hub::{Hub, HubState, INBOUND_BATCHES, Inbound};
pub use listener::Listener;
pub(crate) use listener::listen;
pub(crate) use reception::{Place, Reception};
pub(crate) use revocations::Revocations;
