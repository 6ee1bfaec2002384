//! What systemd hears: ready, stopping, and that the house is alive.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use gatehouse_board::BridgeHandle;
use gatehouse_board::bridge::NoLife;
use gatehouse_broker::{LocalClient, SqliteStore};
use gatehouse_dashboard::Accounts;
use gatehouse_history::History;
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

/// How often a part of the start that goes on is told of: well within [`STILL_STARTING`].
const TOLD_EVERY: Duration = Duration::from_secs(20);

/// How often it is told of one part: as long as a database may hang before it counts as dead. One that takes longer still is
/// given up by the service manager, a minute later.
const TOLD_AT_MOST: u64 = DATABASE_LIMIT.as_secs() / TOLD_EVERY.as_secs();

/// Does one part of the start, and gives it time: a slow card, or a small board on which everything else starts as well, does
/// not make a start fail that goes on.
pub(crate) async fn while_starting<T>(part: impl Future<Output = T>) -> T {
    telling(part, still_starting).await
}

/// Does the work, and tells that it goes on: from its beginning, every [`TOLD_EVERY`], and so often at most.
async fn telling<T>(part: impl Future<Output = T>, tell: impl Fn()) -> T {
    let mut part = std::pin::pin!(part);
    let mut ticks = tokio::time::interval(TOLD_EVERY);
    for _ in 0..=TOLD_AT_MOST {
        tokio::select! {
            // Which of two that are ready goes first is left to chance otherwise, and the beginning might not be told.
            biased;
            _ = ticks.tick() => tell(),
            done = &mut part => return done,
        }
    }
    part.await
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

/// Follows the databases, and feeds the service manager's watchdog as long as the house is alive.
///
/// # Errors
/// When a database hangs: that is the death of a part. The outputs are driven safe through the lines that the process holds,
/// which the watchdog would not bring about: a process that waits for a dead disk outlives even SIGKILL (`TASK_UNINTERRUPTIBLE`),
/// and as long as it does, nobody else gets its lines.
pub(crate) async fn watch(
    client: LocalClient,
    bridge: BridgeHandle,
    databases: Vec<Database>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    while_all_answer(databases, feed_watchdog(client, bridge, stop)).await
}

/// Feeds the service manager's watchdog, twice in its interval, and only after a message went through the broker's
/// core and the bridge's output loop answered: a hall that is stuck, or outputs whose deadlines nobody keeps, make the whole
/// daemon start afresh, with its outputs driven safe in between. Without a watchdog it only waits for the end.
async fn feed_watchdog(
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

/// Works while all databases answer; they are asked side by side, so that one that hangs keeps no other from being asked.
async fn while_all_answer(
    databases: Vec<Database>,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let mut asked: FuturesUnordered<_> = databases.into_iter().map(follow).collect();
    tokio::select! {
        outcome = work => outcome,
        Some(problem) = asked.next() => Err(problem),
    }
}

/// Asks a database for ever, and ends when it hangs.
async fn follow(Database { name, ask }: Database) -> anyhow::Error {
    while tokio::time::timeout(DATABASE_LIMIT, ask()).await.is_ok() {
        tokio::time::sleep(ASK_EVERY).await;
    }
    let limit = DATABASE_LIMIT.as_secs();
    anyhow::anyhow!(
        "{name} did not answer for {limit} s: its disk hangs. The outputs go safe and the gateway ends; look at the card or \
         disk with the data, and restart the machine if this stays"
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::watch;

    use super::*;
    use crate::lifecycle::{Lifecycle, Signals, StopReason};

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

    const LIMIT: Duration = Duration::from_secs(5);

    /// The gateway waited for its own end by the watchdog, and with its disk dead that end never came: a heater stayed on.
    #[tokio::test(start_paused = true)]
    async fn one_database_that_hangs_is_enough_and_a_slow_one_is_not() {
        for which in 0..2 {
            let disks = [(); 2].map(|()| watch::Sender::new(false));
            let work = while_all_answer(disks.iter().map(fake).collect(), std::future::pending());
            tokio::pin!(work);
            let mut goes_on =
                async |seconds| tokio::time::timeout(Duration::from_secs(seconds), &mut work).await;
            assert!(goes_on(600).await.is_err());
            disks[which].send_replace(true);
            assert!(goes_on(100).await.is_err(), "a card that tidies up");
            disks[which].send_replace(false);
            assert!(goes_on(600).await.is_err());
            disks[which].send_replace(true);
            let problem = goes_on(160).await.expect("it has ended").unwrap_err().to_string();
            assert!(problem.starts_with("a fake did not answer for 120 s"), "{problem}");
        }
    }

    /// After a power cut a small board started everything at once; a minute after its beginning systemd ended the gateway, which
    /// was just getting ready.
    #[tokio::test(start_paused = true)]
    async fn a_start_that_goes_on_gets_its_time_and_one_that_hangs_does_not() {
        let told = std::cell::Cell::new(0);
        let tell = || told.set(told.get() + 1);
        assert_eq!(telling(async { 1 }, tell).await, 1);
        let slow = async {
            for word in 1..=6 {
                assert!(told.get() >= word, "told {} times", told.get());
                tokio::time::sleep(TOLD_EVERY).await;
            }
            2
        };
        assert_eq!(telling(slow, tell).await, 2);
        told.set(0);
        let hangs = telling(std::future::pending::<()>(), tell);
        assert!(tokio::time::timeout(Duration::from_secs(3600), hangs).await.is_err());
        assert_eq!(told.get(), 7);
    }

    #[tokio::test]
    async fn the_work_ends_in_order_while_all_answer() {
        let disk = watch::Sender::new(false);
        assert!(while_all_answer(vec![fake(&disk)], async { Ok(()) }).await.is_ok());
        assert!(while_all_answer(Vec::new(), async { Ok(()) }).await.is_ok());
    }

    /// The outputs wait for no disk, and what does is left behind.
    #[tokio::test(start_paused = true)]
    async fn while_a_disk_hangs_the_outputs_go_safe_first() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let says = |word: &'static str| {
            let order = Arc::clone(&order);
            move || order.lock().unwrap().push(word)
        };
        let mut lifecycle = Lifecycle::default();
        let disks = [false, true].map(watch::Sender::new);
        lifecycle.start("broker", |_| std::future::pending());
        let safe = says("the outputs are safe");
        lifecycle.start("bridge", |stop| async move {
            stop.cancelled().await;
            safe();
            Ok(())
        });
        let (databases, dies) = (disks.iter().map(fake).collect(), says("a database hangs"));
        lifecycle.start("watchdog", |_| async move {
            let outcome = while_all_answer(databases, std::future::pending()).await;
            dies();
            outcome
        });
        assert_eq!(
            lifecycle.wait(&mut Signals::listen().unwrap()).await,
            StopReason::PartDied,
            "it exits with 1"
        );
        assert!(lifecycle.stop("bridge", LIMIT).await);
        assert_eq!(*order.lock().unwrap(), ["a database hangs", "the outputs are safe"]);
        assert!(!lifecycle.stop("broker", LIMIT).await, "its disk still hangs");
    }
}
