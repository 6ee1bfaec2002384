//! What people should know of the gateway's condition reaches the page.

use std::sync::Arc;

use futures_util::StreamExt as _;
use gatehouse_broker::{BrokerHandle, Subscription};
use gatehouse_dashboard::{LiveHouse, Warning, WarningWord};
use gatehouse_model::{Qos, TopicFilter};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Where the broker says whether its store works.
const STORE_STATE: &str = "$SYS/broker/store/state";

/// Where it says what it found wrong with the store's file when it opened it.
const STORE_NOTICE: &str = "$SYS/broker/store/notice";

/// What the store says when nothing is wrong.
const WORKS: &str = "ok";

/// Shows on the page whether the broker's store and the history work, beside what holds for the whole run, until `stop`.
///
/// # Errors
/// When the broker is gone.
pub(crate) async fn show_warnings(
    broker: BrokerHandle,
    mut history: watch::Receiver<Option<Arc<str>>>,
    live: LiveHouse,
    lasting: Vec<Warning>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let filters = [STORE_STATE, STORE_NOTICE].map(TopicFilter::new);
    let mut wanted = Vec::new();
    for filter in filters {
        wanted.push((filter?, Qos::AtMostOnce));
    }
    let mut messages: Subscription = broker.client("warnings").subscribe(&wanted).await?;
    let (mut failing, mut damaged) = (None, None);
    loop {
        let trouble = history.borrow_and_update().clone();
        let recording = trouble
            .map(|detail| Warning { kind: WarningWord::HistoryFailing, detail: detail.as_ref().to_owned() });
        let found = [failing.clone(), damaged.clone(), recording].into_iter().flatten();
        live.warn(lasting.iter().cloned().chain(found).collect());
        let message = tokio::select! {
            message = messages.next() => message,
            changed = history.changed() => match changed {
                Ok(()) => continue,
                Err(_) => anyhow::bail!("the warnings lost the history"),
            },
            () = stop.cancelled() => return Ok(()),
        };
        let Some(message) = message else { anyhow::bail!("the warnings lost the broker") };
        let detail = String::from_utf8_lossy(&message.payload).into_owned();
        if message.topic.as_str() == STORE_NOTICE {
            damaged = Some(Warning { kind: WarningWord::StoreDamaged, detail });
        } else {
            failing = (detail != WORKS).then_some(Warning { kind: WarningWord::StoreFailing, detail });
        }
    }
}
