//! What systemd hears: ready, stopping, how the house is. That it is alive says [`crate::watchdog`].

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

/// Says that everything runs.
pub(crate) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Time that the service manager gives a start that goes on, from each word of it.
const STILL_STARTING: Duration = Duration::from_secs(60);

/// Says that the start takes long and goes on.
pub(crate) fn still_starting() {
    notify(&[NotifyState::ExtendTimeoutUsec(u32::try_from(STILL_STARTING.as_micros()).unwrap_or(u32::MAX))]);
}

/// Says that the stop has begun.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Says that the house is alive: the watchdog is fed.
pub(crate) fn alive() {
    notify(&[NotifyState::Watchdog]);
}

fn notify(states: &[NotifyState<'_>]) {
    // Without a service manager there is nobody to tell, and that is no error.
    if let Err(problem) = sd_notify::notify(states) {
        debug!("the service manager was not told: {problem}");
    }
}

/// Says in one line how the house is: `systemctl status` shows it.
pub(crate) fn status(line: &str) {
    notify(&[NotifyState::Status(line)]);
}
