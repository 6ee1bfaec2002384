//! The harness of the whole-system tests: it starts the real binary with a throw-away data directory and talks to it
//! as a phone, a browser or an intruder would.
//!
//! Environment variables:
//! - `GATEHOUSE_BIN`: the binary to test. Unset: it is built once, with the profile and the target directory of the
//!   tests themselves.
//! - `GATEHOUSE_TEST_LOG`: set to anything, the output of every gateway is shown while the tests run
//!   (`cargo test … -- --nocapture`). It is shown anyway when a test fails.
//!
//! Every wait is for a condition and has a limit; nothing sleeps for a guessed time, and nothing asserts how long
//! something took, except where the product promises a limit (the 15 s of a stop).
//!
//! Architecture invariant: this package knows the product only from outside: its command line, its ports, its files.
//! Of the workspace's crates it uses the ground floor alone, for the clock.

#![expect(
    clippy::expect_used,
    reason = "a harness fails the test that uses it, by panicking with what it saw"
)]

pub mod binary;
pub mod gateway;
pub mod http;
pub mod inbox;
pub mod manager;
pub mod phone;
pub mod process;
pub mod wait;
pub mod websocket;
pub mod wire;

pub use gateway::{Gateway, Login, Setup, Stopped};
pub use http::{Answer, Browser, EventStream};
pub use inbox::Inbox;
pub use manager::Manager;
pub use phone::{Phone, Received};
pub use process::Process;
pub use wait::{LIMIT, until};
pub use websocket::WebSocket;
pub use wire::Wire;
