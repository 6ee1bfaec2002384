//! What people should know of the gateway's condition reaches the page.

use std::sync::Arc;

use futures_util::StreamExt as _;
use gatehouse_broker::{BrokerHandle, Subscription};
use gatehouse_dashboard::{LiveHouse, Warning, WarningWord};
use gatehouse_model::{Qos, TopicFilter};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::conditions::Conditions;
use crate::supervision;
use crate::watchdog::Silent;

/// Where the broker says whether its store works.
const STORE_STATE: &str = "$SYS/broker/store/state";

/// Where it says what it found wrong with the store's file when it opened it.
const STORE_NOTICE: &str = "$SYS/broker/store/notice";

/// What the store says when nothing is wrong.
const WORKS: &str = "ok";

/// Why a part does not do its work, as long as that lasts.
type Trouble = watch::Receiver<Option<Arc<str>>>;

/// Shows on the page whether the broker's store, the history and the backups work, who does not answer at all, and what else the gateway has to live with, beside what
/// holds for the whole run, until `stop`. The service manager hears it in a line.
///
/// # Errors
/// When the broker is gone.
pub(crate) async fn show_warnings(
    broker: BrokerHandle,
    (mut history, mut backups, mut silent): (Trouble, Trouble, Silent),
    conditions: Conditions,
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
    let (mut present, mut has_looked) = (Vec::new(), false);
    // By a task of its own, which ends with this: the part has little time to stop.
    let (told, mut seen) = watch::channel(Vec::new());
    let mut looking = JoinSet::new();
    looking.spawn(async move {
        let mut conditions = conditions;
        loop {
            told.send_replace(conditions.next().await);
        }
    });
    let mut said = String::new();
    loop {
        let now = |kind, trouble: &mut Trouble| {
            let detail = trouble.borrow_and_update().as_deref()?.to_owned();
            Some(Warning { kind, detail })
        };
        let recording = now(WarningWord::HistoryFailing, &mut history);
        let keeping = now(WarningWord::BackupFailing, &mut backups);
        let hanging = now(WarningWord::PartHangs, &mut silent);
        let found = [failing.clone(), damaged.clone(), recording, keeping, hanging].into_iter().flatten();
        let warnings: Vec<Warning> =
            lasting.iter().cloned().chain(found).chain(present.iter().cloned()).collect();
        let line = status_line(broker.statistics().clients_connected, &warnings);
        live.warn(warnings);
        // Not that all is well before anybody has looked.
        if has_looked && line != said {
            supervision::status(&line);
            said = line;
        }
        let message = tokio::select! {
            message = messages.next() => message,
            changed = history.changed() => match changed {
                Ok(()) => continue,
                Err(_) => anyhow::bail!("the warnings lost the history"),
            },
            changed = backups.changed() => match changed {
                Ok(()) => continue,
                Err(_) => anyhow::bail!("the warnings lost the backups"),
            },
            // Who watches the parts may end before this does.
            Ok(()) = silent.changed() => continue,
            Ok(()) = seen.changed() => {
                present.clone_from(&seen.borrow_and_update());
                has_looked = true;
                continue;
            }
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

/// How the house is, in a line for `systemctl status`.
fn status_line(clients: u64, warnings: &[Warning]) -> String {
    let clients = match clients {
        1 => "1 MQTT client".to_owned(),
        count => format!("{count} MQTT clients"),
    };
    let kinds = warnings.iter().map(|warning| warning.kind).filter(|kind| kind.wants_somebody());
    let words: Vec<String> = kinds.map(|kind| kind.as_str().replace('_', " ")).collect();
    if words.is_empty() {
        return format!("All is well; {clients}");
    }
    format!("Look at the page: {}; {clients}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_for_the_service_manager_names_what_is_wrong() {
        assert_eq!(status_line(1, &[]), "All is well; 1 MQTT client");
        let warnings = [WarningWord::DiskFull, WarningWord::HistoryFailing]
            .map(|kind| Warning { kind, detail: "a detail".to_owned() });
        assert_eq!(status_line(0, &warnings), "Look at the page: disk full, history failing; 0 MQTT clients");
        let calm = [WarningWord::AnonymousClients, WarningWord::EndedCutOff]
            .map(|kind| Warning { kind, detail: String::new() });
        assert_eq!(status_line(1, &calm), "All is well; 1 MQTT client", "nothing has to be done");
    }
}
