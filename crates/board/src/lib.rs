//! Pins, buses and drivers: a real board, a simulated board, and the machine's own sensors.
//!
//! Purpose: turn what is wired to the machine into readings on their way to the broker, and commands from the broker
//! into levels on pins, with the decisions of `gatehouse_control` in between.
//!
//! Architecture invariant: each output pin has one owner, the bridge's output loop, and every level that it drives was
//! decided by `gatehouse_control`. Nothing here decides when an output may switch.
//!
//! Architecture invariant: nothing here knows the broker, the history or the page. Messages leave through a channel
//! and commands come in as a stream.
//!
//! Architecture invariant: a slow or silent receiver of messages never delays an output: publishing does not wait.
//!
//! Architecture invariant: a value that could not be read is absent or marked; it is never made up. Values of the
//! simulated board are marked [`Quality::Simulated`](gatehouse_model::Quality::Simulated).

// The rules of `tests/contract` are also held against the kernel backend from inside, on a kernel in memory.
#[cfg(test)]
extern crate self as gatehouse_board;

pub mod boards;
pub mod bridge;
pub mod buses;
pub mod catalogue;
pub mod cdev;
pub mod config;
pub mod drivers;
pub mod held;
pub mod host;
pub mod kernel;
pub mod memory;
mod options;
pub mod pinout;
pub mod preflight;
#[cfg(feature = "rppal")]
pub mod rppal_board;
pub mod scan;
pub mod sim;
pub mod traits;

pub use bridge::{Applied, Bridge, BridgeError, BridgeHandle, BridgeParts};
pub use options::{Backend, BoardOptions};
