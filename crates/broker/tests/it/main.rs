//! The broker over sockets on this machine, as clients see it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, in its harness too")]

mod clients;
mod conformance;
mod doorway;
mod harness;
mod logins;
mod network;
mod statements;
mod tls;
