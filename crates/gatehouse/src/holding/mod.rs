//! Outputs over an upgrade: those whose configuration says `upgrade = "hold"` stay as they are while one daemon takes the place
//! of another.
//!
//! Between the two a small process has the lines (`gatehouse hold-outputs`, gatehouse-hold.service), which the package starts
//! just before it restarts the daemon. It does nothing with them but to drive each safe when its time is over, or all when
//! nobody has asked for them within [`HOLD_LIMIT`]. Lines travel as descriptors over a local socket.

mod client;
mod keeper;
mod kept;
mod letters;

use std::path::PathBuf;
use std::time::Duration;

pub(crate) use client::SocketHolder;
pub(crate) use keeper::run;

/// Set by the service's unit: where the process listens that holds outputs. Without it everything goes safe.
const SOCKET_VARIABLE: &str = "GATEHOUSE_HOLD_SOCKET";

/// Longest time that outputs are held: a start on a small board takes seconds. One that takes longer, since a release changes
/// the form of a large history, finds them safe.
pub(crate) const HOLD_LIMIT: Duration = Duration::from_secs(60);

/// Longest time that it is waited for the daemon to give its outputs.
const WAIT_LIMIT: Duration = Duration::from_secs(120);

/// Longest time that one word over the socket may take.
const WORD_LIMIT: Duration = Duration::from_millis(400);

/// Where the process listens that holds outputs, if the service's unit says so.
pub(crate) fn holder() -> Option<SocketHolder> {
    let socket = std::env::var_os(SOCKET_VARIABLE).filter(|set| !set.is_empty())?;
    Some(SocketHolder::at(PathBuf::from(socket)))
}
