//! Who is alive: outputs with a dead-man hear of topics and clients through this.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use gatehouse_board::bridge::SignsOfLife;
use gatehouse_board::config::Source;
use gatehouse_broker::{BrokerHandle, ClientView, Subscription};
use gatehouse_model::{Qos, TopicFilter};
use tokio_util::sync::CancellationToken;

/// How often it is looked who is connected.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells the bridge when one of those that it wants to hear of was heard, until `stop`. When this ends early, nobody is
/// heard any more, and outputs with a dead-man go safe.
///
/// # Errors
/// When the broker is gone.
pub(crate) async fn hear(
    signs: SignsOfLife,
    broker: BrokerHandle,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut wanted = signs.wanted();
    let mut looking = tokio::time::interval(LOOK_EVERY);
    looking.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let sources = wanted.borrow_and_update().clone();
        let topics = topics(&sources);
        let has_clients = sources.iter().any(|source| matches!(source, Source::Client(_)));
        let mut messages = subscribe(&broker, &topics).await?;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = wanted.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return Ok(()),
                },
                _ = looking.tick(), if has_clients => look(&signs, &sources, &broker).await?,
                message = next(&mut messages) => {
                    let Some(message) = message else { anyhow::bail!("the dead-man's ears lost the broker") };
                    // What is retained may have been said long ago.
                    if message.retain {
                        continue;
                    }
                    let heard = topics.iter().filter(|(filter, _)| filter.matches(&message.topic));
                    heard.for_each(|(_, source)| signs.tell(source.clone()));
                }
            }
        }
    }
}

fn topics(sources: &BTreeSet<Source>) -> Vec<(TopicFilter, Source)> {
    let topic = |source: &Source| match source {
        // It was checked with the configuration.
        Source::Topic(filter) => Some((TopicFilter::new(&**filter).ok()?, source.clone())),
        Source::Client(_) | Source::Sensor(_) => None,
    };
    sources.iter().filter_map(topic).collect()
}

async fn subscribe(
    broker: &BrokerHandle,
    topics: &[(TopicFilter, Source)],
) -> anyhow::Result<Option<Subscription>> {
    if topics.is_empty() {
        return Ok(None);
    }
    let filters: Vec<(TopicFilter, Qos)> =
        topics.iter().map(|(filter, _)| (filter.clone(), Qos::AtMostOnce)).collect();
    Ok(Some(broker.client("dead-man").subscribe(&filters).await?))
}

async fn next(messages: &mut Option<Subscription>) -> Option<gatehouse_model::Message> {
    match messages {
        Some(messages) => messages.next().await,
        None => std::future::pending().await,
    }
}

/// A client is alive while it is connected: its keep alive sees to that. One without a keep alive stays connected for hours
/// after its cable was pulled, so only what it says counts.
async fn look(signs: &SignsOfLife, sources: &BTreeSet<Source>, broker: &BrokerHandle) -> anyhow::Result<()> {
    let clients = broker.clients().await?;
    let has_spoken = |client: &ClientView| client.last_heard.is_some_and(|ago| ago <= LOOK_EVERY * 2);
    let is_alive = |client: &&ClientView| {
        let connection = client.connection.as_ref();
        connection.is_some_and(|connection| connection.keep_alive_seconds > 0 || has_spoken(client))
    };
    for client in clients.iter().filter(is_alive) {
        let source = Source::Client(client.client_id.clone());
        if sources.contains(&source) {
            signs.tell(source);
        }
    }
    Ok(())
}
