//! What systemd hears: ready, stopping, and that the house is alive.

use std::time::Duration;

use gatehouse_board::BridgeHandle;
use gatehouse_board::bridge::NoLife;
use gatehouse_broker::LocalClient;
use gatehouse_model::{Message, Origin, Qos, TopicName};
use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Where the sign of life goes. Nobody can subscribe to it by a wildcard.
const HEARTBEAT_TOPIC: &str = "$gatehouse/heartbeat";

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

fn notify(states: &[NotifyState<'_>]) {
    // Without a service manager there is nobody to tell, and that is no error.
    if let Err(problem) = sd_notify::notify(states) {
        debug!("the service manager was not told: {problem}");
    }
}

/// Feeds the service manager's watchdog, twice in its interval, and only after a message went through the broker's
/// core and the bridge's output loop answered: a hall that is stuck, or outputs whose deadlines nobody keeps, make the whole
/// daemon start afresh, with its outputs driven safe in between. Without a watchdog it only waits for the end.
pub(crate) async fn feed_watchdog(
    client: LocalClient,
    bridge: BridgeHandle,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        stop.cancelled().await;
        return Ok(());
    };
    let topic = TopicName::new(HEARTBEAT_TOPIC)?;
    let heartbeat = Message::new(topic, "", Qos::AtMostOnce, false, Origin::part("watchdog"));
    let mut ticks = tokio::time::interval((interval / 2).max(Duration::from_millis(1)));
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        match tokio::time::timeout(interval, client.publish(heartbeat.clone())).await {
            Ok(Ok(())) => match bridge.alive(interval).await {
                Ok(()) => notify(&[NotifyState::Watchdog]),
                // The bridge stops first; the watchdog's interval is longer than the stop.
                Err(NoLife::Ended) => debug!("the bridge has ended; the watchdog is not fed"),
                Err(problem) => warn!("{problem}; the watchdog is not fed"),
            },
            Ok(Err(problem)) => anyhow::bail!("the broker does not take a heartbeat: {problem}"),
            Err(_) => warn!(
                "the broker did not take a heartbeat within {} s; the watchdog is not fed",
                interval.as_secs()
            ),
        }
    }
}
