//! Outputs over an upgrade: those whose configuration says `upgrade = "hold"` stay as they are while one daemon takes the place
//! of another.
//!
//! Between the two a small process has the lines (`gatehouse hold-outputs`, gatehouse-hold@.service), which the package starts
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

/// Longest time that it is waited for the daemon to give its outputs: the package restarts it at once. While it is waited, a
/// stop is taken for the beginning of the upgrade.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// Longest time that reading or writing one piece of a letter may take. Both ends are the same user's.
const WORD_LIMIT: Duration = Duration::from_millis(400);

/// The same for whoever drives everything else safe meanwhile.
pub(crate) const LOOK_LIMIT: Duration = Duration::from_millis(100);

/// Longest time that it is waited for the holder's end, once the daemon has what it held: it only has to close its lines.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Where the unit of the package has its socket, for a command that nobody has told.
const USUAL_SOCKET: &str = "/run/gatehouse-hold/socket";

/// The process that may hold outputs now, for a command that looks after the rest.
pub(crate) fn holder_for_a_look() -> SocketHolder {
    holder().unwrap_or_else(|| SocketHolder::at(PathBuf::from(USUAL_SOCKET)))
}

/// Where the process listens that holds outputs, if the service's unit says so.
pub(crate) fn holder() -> Option<SocketHolder> {
    let socket = std::env::var_os(SOCKET_VARIABLE).filter(|set| !set.is_empty())?;
    Some(SocketHolder::at(PathBuf::from(socket)))
}
