//! How the recording is, for whoever reads the broker's own topics.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_broker::LocalClient;
use gatehouse_history::{History, Status, Wear};
use gatehouse_model::{Message, Origin, Qos, TopicName};
use tokio_util::sync::CancellationToken;

/// How often it is looked: it is also what makes the rates exact.
const EVERY: Duration = Duration::from_secs(60);

/// Publishes the figures of the recording that changed, retained below `$SYS/gatehouse/history/`, every minute until `stop`.
///
/// # Errors
/// When the broker does not take them.
pub(crate) async fn tell_recording(
    history: History,
    client: LocalClient,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut told = BTreeMap::new();
    let mut turns = tokio::time::interval(EVERY);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = turns.tick() => {}
        }
        let status = match history.status().await {
            Ok(status) => status,
            Err(error) => {
                tracing::debug!(%error, "history's figures cannot be read");
                continue;
            }
        };
        for (name, value) in figures(&status) {
            if told.get(name) == Some(&value) {
                continue;
            }
            let topic = TopicName::new(format!("$SYS/gatehouse/history/{name}"))?;
            let part = Origin::part("history");
            client.publish(Message::new(topic, value.clone(), Qos::AtMostOnce, true, part)).await?;
            told.insert(name, value);
        }
    }
}

/// Every figure that is known, with its name. Sizes are in bytes, times in seconds, moments as RFC 3339 in UTC.
fn figures(status: &Status) -> Vec<(&'static str, String)> {
    let (lost, rates) = (status.not_recorded, status.rates);
    let mut figures = vec![
        ("bytes/disk", status.file_bytes.to_string()),
        ("bytes/written", status.bytes_written.to_string()),
        ("series", status.series.to_string()),
        ("samples/stored", status.recorded.to_string()),
        ("samples/waiting", status.waiting.to_string()),
        ("messages/held", status.held.to_string()),
        ("loss_window", status.commit_every.as_secs_f64().to_string()),
        ("lost/buffer_full", lost.buffer_full.to_string()),
        ("lost/wrong_time", lost.wrong_time.to_string()),
        ("lost/unknown_time", lost.unknown_time.to_string()),
        ("lost/too_many_series", lost.too_many_series.to_string()),
        ("lost/texts", lost.texts.to_string()),
        ("lost/before_the_clock", lost.before_the_clock.to_string()),
        ("lost/events", lost.events.to_string()),
        ("damaged/chunks", status.damaged_chunks.to_string()),
    ];
    if let Some(samples) = rates.samples_per_second {
        figures.push(("samples/per_second", format!("{samples:.2}")));
    }
    if let Some(bytes) = rates.bytes_per_day {
        figures.push(("bytes/per_day", bytes.to_string()));
        if let Some(years) = Wear::of(bytes).years {
            figures.push(("wear/years", format!("{years:.1}")));
        }
    }
    if let Some(commit) = status.last_commit {
        figures.push(("last_commit", commit.to_string()));
    }
    figures
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gatehouse_history::Options;
    use gatehouse_model::{ManualClock, Timestamp};

    use super::*;

    #[tokio::test]
    async fn rates_are_told_once_they_are_known() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
        let file = directory.path().join("history.db");
        let history = History::open(&file, Options::default(), clock.clone()).await.unwrap();
        let value = |figures: &[(&str, String)], wanted: &str| {
            figures.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
        };
        let first = figures(&history.status().await.unwrap());
        assert_eq!(value(&first, "loss_window").as_deref(), Some("10"));
        assert_eq!(value(&first, "samples/per_second"), None);
        assert_eq!(value(&first, "lost/events").as_deref(), Some("0"));
        clock.advance(Duration::from_secs(60));
        let later = figures(&history.status().await.unwrap());
        assert_eq!(value(&later, "samples/per_second").as_deref(), Some("0.00"));
        for (name, _) in later {
            TopicName::new(format!("$SYS/gatehouse/history/{name}")).unwrap();
        }
        history.close().await;
    }
}
