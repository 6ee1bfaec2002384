//! What systemd hears: ready, stopping, and that the house is alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use gatehouse_board::BridgeHandle;
use gatehouse_board::bridge::NoLife;
use gatehouse_broker::{LocalClient, SqliteStore};
use gatehouse_dashboard::Accounts;
use gatehouse_history::History;
use gatehouse_model::{Message, Origin, Qos, TopicName};
use sd_notify::NotifyState;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

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

/// Says in one line how the house is: `systemctl status` shows it.
pub(crate) fn status(line: &str) {
    notify(&[NotifyState::Status(line)]);
}

/// Feeds the service manager's watchdog, twice in its interval, and only after a message went through the broker's
/// core and the bridge's output loop answered, and while no database hangs: a hall that is stuck, outputs whose deadlines nobody
/// keeps, or a disk that answers nobody make the whole daemon start afresh, with its outputs driven safe in between. Without a
/// watchdog it only waits for the end.
pub(crate) async fn feed_watchdog(
    client: LocalClient,
    bridge: BridgeHandle,
    databases: Vec<Database>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        stop.cancelled().await;
        return Ok(());
    };
    let topic = TopicName::new(HEARTBEAT_TOPIC)?;
    let heartbeat = Message::new(topic, "", Qos::AtMostOnce, false, Origin::part("watchdog"));
    let followed = Followed::new(databases);
    let mut ticks = tokio::time::interval((interval / 2).max(Duration::from_millis(1)));
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        match tokio::time::timeout(interval, client.publish(heartbeat.clone())).await {
            Ok(Ok(())) => match bridge.alive(interval).await {
                Ok(()) if followed.hang() => debug!("a database hangs; the watchdog is not fed"),
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

/// Longest time that a database may take for what it is at. The kernel calls a task hung that waited as long for its disk
/// (`hung_task_timeout_secs`); memory cards that tidy up take seconds, the worst half a minute.
const DATABASE_LIMIT: Duration = Duration::from_secs(120);

/// How often a database is asked. It costs no access to the disk.
const ASK_EVERY: Duration = Duration::from_secs(15);

/// A database, and how it is asked whether it works. What is asked ends once it answers, well or not: a full disk is a
/// condition that the house lives with, and one that answers nobody is not.
#[derive(Clone)]
pub(crate) struct Database {
    name: &'static str,
    ask: Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

/// The databases of the house.
pub(crate) fn databases(store: &SqliteStore, history: &History, accounts: &Accounts) -> Vec<Database> {
    let (history, accounts) = (history.clone(), accounts.clone());
    let ask_history = move || {
        let history = history.clone();
        async move { history.pulse().await }.boxed()
    };
    let ask_accounts = move || {
        let accounts = accounts.clone();
        let answered = async move {
            // Each try has its own limit.
            while !accounts.pulse().await {
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        answered.boxed()
    };
    vec![
        Database { name: "what the broker keeps", ask: Arc::new(store.pulse()) },
        Database { name: "history", ask: Arc::new(ask_history) },
        Database { name: "the accounts", ask: Arc::new(ask_accounts) },
    ]
}

/// Databases that are asked by tasks of their own, which end with this: one that hangs keeps no other from being asked.
struct Followed {
    hang: Vec<Arc<AtomicBool>>,
    _tasks: JoinSet<()>,
}

impl Followed {
    fn new(databases: Vec<Database>) -> Self {
        let mut tasks = JoinSet::new();
        let follow = |database| {
            let hangs = Arc::new(AtomicBool::new(false));
            tasks.spawn(follow(database, Arc::clone(&hangs)));
            hangs
        };
        Self { hang: databases.into_iter().map(follow).collect(), _tasks: tasks }
    }

    /// Whether any of them hangs.
    fn hang(&self) -> bool {
        self.hang.iter().any(|hangs| hangs.load(Ordering::Relaxed))
    }
}

/// Asks a database for ever.
async fn follow(database: Database, hangs: Arc<AtomicBool>) {
    loop {
        let mut asked = (database.ask)();
        if tokio::time::timeout(DATABASE_LIMIT, &mut asked).await.is_err() {
            error!(
                "{} did not answer for {} s: its disk hangs. The watchdog is not fed until it does",
                database.name,
                DATABASE_LIMIT.as_secs()
            );
            hangs.store(true, Ordering::Relaxed);
            asked.await;
            warn!("{} answers again", database.name);
            hangs.store(false, Ordering::Relaxed);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;

    /// A database whose disk hangs while the sender says so.
    fn fake(hangs: &watch::Sender<bool>) -> Database {
        let hangs = hangs.subscribe();
        let ask = move || {
            let mut hangs = hangs.clone();
            let answered = async move {
                // A sender that is gone says nothing more.
                let _ = hangs.wait_for(|hangs| !hangs).await;
            };
            answered.boxed()
        };
        Database { name: "a fake", ask: Arc::new(ask) }
    }

    /// Each of three: while it hangs for long the others do not speak for it, and when it answers all is well again.
    #[tokio::test(start_paused = true)]
    async fn one_database_that_hangs_is_enough_and_a_slow_one_is_not() {
        for which in 0..3 {
            let disks = [(); 3].map(|()| watch::Sender::new(false));
            let followed = Followed::new(disks.iter().map(fake).collect());
            let wait = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
            wait(600).await;
            assert!(!followed.hang());
            disks[which].send_replace(true);
            wait(100).await;
            assert!(!followed.hang(), "a card that tidies up");
            wait(60).await;
            assert!(followed.hang());
            wait(600).await;
            assert!(followed.hang(), "as long as it lasts");
            disks[which].send_replace(false);
            wait(1).await;
            assert!(!followed.hang());
        }
    }
}
