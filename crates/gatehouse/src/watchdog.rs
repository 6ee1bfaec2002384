//! Whether the house is alive: what each part is asked, what follows when one does not answer.
//!
//! There are two kinds of parts. Those that wait for no disk answer at once, and the service manager's watchdog is fed after they
//! did: when one hangs the whole daemon starts afresh, with its outputs driven safe in between. The databases may take as long as
//! a bad card does; one that takes longer ends the gateway, with or without a service manager.

mod silence;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use gatehouse_board::BridgeHandle;
use gatehouse_board::bridge::BridgeLoop;
use gatehouse_broker::{LocalClient, SqliteStore};
use gatehouse_dashboard::{Accounts, LiveHouse};
use gatehouse_history::History;
use gatehouse_model::{Message, Origin, Qos, TopicName};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::supervision;

pub(crate) use silence::{Silence, Silent};

/// Where the sign of life goes. Nobody can subscribe to it by a wildcard.
const HEARTBEAT_TOPIC: &str = "$gatehouse/heartbeat";

/// Longest time that a database may take for what it is at. The kernel calls a task hung that waited as long for its disk
/// (`hung_task_timeout_secs`); memory cards that tidy up take seconds, the worst half a minute.
pub(crate) const DATABASE_LIMIT: Duration = Duration::from_secs(120);

/// How often a database is asked. It costs no access to the disk.
const ASK_EVERY: Duration = Duration::from_secs(15);

/// How long after a try of the accounts that came to nothing the next one is made. A try takes a connection from those who are logged
/// in, so there is a rest; a disk that answers again is noticed after it. At a quarter of a minute, one that did so ten seconds before
/// the limit was taken for dead, and the house was switched off.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// From here on people are told that a database does not answer: the worst memory card is done with what it was at by then.
const DATABASE_PATIENCE: Duration = Duration::from_secs(40);

type Ask = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A part of the house, and how it is asked whether it works. What is asked ends once the part answers, and never when the
/// part is gone.
#[derive(Clone)]
pub(crate) struct Part {
    name: &'static str,
    /// What programs call it, the page among them.
    word: &'static str,
    ask: Ask,
}

impl Part {
    fn new<A>(name: &'static str, word: &'static str, ask: impl Fn() -> A + Send + Sync + 'static) -> Self
    where
        A: Future<Output = ()> + Send + 'static,
    {
        Self { name, word, ask: Arc::new(move || ask().boxed()) }
    }
}

/// The parts that wait for no disk. Not among them is what serves a single device, a client or a page: one of those that is sick
/// is no reason to switch the outputs off.
pub(crate) fn prompt_parts(
    broker: LocalClient,
    bridge: &BridgeHandle,
    live: LiveHouse,
) -> anyhow::Result<Vec<Part>> {
    let topic = TopicName::new(HEARTBEAT_TOPIC)?;
    let heartbeat = Message::new(topic, "", Qos::AtMostOnce, false, Origin::part("watchdog"));
    let ask_broker = move || {
        let (broker, heartbeat) = (broker.clone(), heartbeat.clone());
        async move {
            if broker.publish(heartbeat).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let of_bridge = |name, word, which| {
        let bridge = bridge.clone();
        Part::new(name, word, move || {
            let bridge = bridge.clone();
            async move {
                if bridge.alive(which).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        })
    };
    let ask_live = move || {
        let live = live.clone();
        async move { live.pulse().await }
    };
    Ok(vec![
        Part::new("the broker", "broker", ask_broker),
        of_bridge("the owner of the outputs", "outputs", BridgeLoop::Outputs),
        of_bridge("the board's sensors and inputs", "inputs", BridgeLoop::Devices),
        of_bridge("what carries the board's messages", "messages", BridgeLoop::Messages),
        Part::new("the live page", "page", ask_live),
    ])
}

/// The databases of the house. Each answers once it has done what it is at, well or not: a full disk is a condition that the house
/// lives with, and one that answers nobody is not.
pub(crate) fn databases(store: &SqliteStore, history: &History, accounts: &Accounts) -> Vec<Part> {
    let (store, history, accounts) = (store.pulse(), history.clone(), accounts.clone());
    let ask_history = move || {
        let history = history.clone();
        async move { history.pulse().await }
    };
    let ask_accounts = move || {
        let accounts = accounts.clone();
        // Each try has its own limit.
        until_answered(move || {
            let accounts = accounts.clone();
            async move { accounts.pulse().await }
        })
    };
    vec![
        Part::new("what the broker keeps", "store", store),
        Part::new("history", "history", ask_history),
        Part::new("the accounts", "accounts", ask_accounts),
    ]
}

/// Tries until there is an answer.
async fn until_answered<A: Future<Output = bool>>(attempt: impl Fn() -> A) {
    while !attempt().await {
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

/// Follows the databases, and feeds the service manager's watchdog, if there is one, as long as the house is alive. Who does not
/// answer is told at once, while the rest still does.
///
/// # Errors
/// When a database hangs: that is the death of a part. The outputs are driven safe through the lines that the process holds,
/// which the watchdog would not bring about: a process that waits for a dead disk outlives even SIGKILL (`TASK_UNINTERRUPTIBLE`),
/// and as long as it does, nobody else gets its lines.
pub(crate) async fn watch(
    prompt: Vec<Part>,
    databases: Vec<Part>,
    silence: Silence,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let living = async {
        match sd_notify::watchdog_enabled() {
            // Twice in its interval.
            Some(interval) => feed(&prompt, interval / 2, &silence, supervision::alive).await,
            None => std::future::pending().await,
        }
    };
    let until_stop = async {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            () = living => Ok(()),
        }
    };
    while_all_answer(databases, &silence, until_stop).await
}

/// Feeds the watchdog, for ever, each time after all parts have answered.
async fn feed(parts: &[Part], every: Duration, silence: &Silence, feed: impl Fn()) {
    // Well before the service manager ends everything, or the log would not say why.
    let told_after = every / 2;
    let tell = |silent: &[&str]| {
        warn!(
            "no answer within {} ms from {}: the watchdog is not fed before all parts answer, and without that systemd starts the \
             gateway anew. If this comes again, report it",
            told_after.as_millis(),
            silent.join(", ")
        );
    };
    let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        all_answer(parts, told_after, silence, tell).await;
        feed();
    }
}

/// Asks all parts side by side, and ends once each has answered. Those that have not after `told_after` are told.
async fn all_answer(parts: &[Part], told_after: Duration, silence: &Silence, tell: impl Fn(&[&'static str])) {
    let mut silent: Vec<&'static str> = parts.iter().map(|part| part.name).collect();
    let question = |Part { name, word, ask }: &Part| {
        let name = *name;
        silence.until_answered(word, told_after, ask()).map(move |()| name)
    };
    let mut questions: FuturesUnordered<_> = parts.iter().map(question).collect();
    let late = tokio::time::sleep(told_after);
    tokio::pin!(late);
    let mut is_told = false;
    loop {
        tokio::select! {
            answered = questions.next() => match answered {
                Some(name) => silent.retain(|one| *one != name),
                None => return,
            },
            () = &mut late, if !is_told => {
                is_told = true;
                tell(&silent);
            }
        }
    }
}

/// Works while all databases answer; they are asked side by side, so that one that hangs keeps no other from being asked.
async fn while_all_answer(
    databases: Vec<Part>,
    silence: &Silence,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let mut asked: FuturesUnordered<_> =
        databases.into_iter().map(|database| follow(database, silence)).collect();
    tokio::select! {
        outcome = work => outcome,
        Some(problem) = asked.next() => Err(problem),
    }
}

/// Asks a database for ever, and ends when it hangs.
async fn follow(Part { name, word, ask }: Part, silence: &Silence) -> anyhow::Error {
    let asked = || silence.until_answered(word, DATABASE_PATIENCE, ask());
    while tokio::time::timeout(DATABASE_LIMIT, asked()).await.is_ok() {
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
    use std::cell::{Cell, RefCell};
    use std::sync::Mutex;

    use tokio::sync::watch;

    use super::*;
    use crate::lifecycle::{Lifecycle, Signals, StopReason};

    /// A part that hangs while the sender says so.
    fn fake(hangs: &watch::Sender<bool>) -> Part {
        let hangs = hangs.subscribe();
        Part::new("a fake", "fake", move || {
            let mut hangs = hangs.clone();
            async move {
                // A sender that is gone says nothing more.
                let _ = hangs.wait_for(|hangs| !hangs).await;
            }
        })
    }

    const LIMIT: Duration = Duration::from_secs(5);

    const SHORT: Duration = Duration::from_secs(1);

    /// The gateway waited for its own end by the watchdog, and with its disk dead that end never came: a heater stayed on.
    #[tokio::test(start_paused = true)]
    async fn one_database_that_hangs_is_enough_and_a_slow_one_is_not() {
        for which in 0..2 {
            let (disks, silence) = ([(); 2].map(|()| watch::Sender::new(false)), Silence::default());
            let work = while_all_answer(disks.iter().map(fake).collect(), &silence, std::future::pending());
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

    /// `/health` said that all was well for two minutes, while nothing was recorded and nobody could log in.
    #[tokio::test(start_paused = true)]
    async fn a_database_that_hangs_is_told_before_it_ends_the_gateway() {
        let (disks, silence) = ([(); 2].map(|()| watch::Sender::new(false)), Silence::default());
        let words = ["history", "accounts"];
        let databases = disks.iter().zip(words).map(|(disk, word)| Part { word, ..fake(disk) }).collect();
        let mut work = Box::pin(while_all_answer(databases, &silence, std::future::pending()));
        let told = silence.told();
        let mut told_after = async |seconds| {
            assert!(tokio::time::timeout(Duration::from_secs(seconds), &mut work).await.is_err());
            told.borrow().as_deref().unwrap_or_default().to_owned()
        };
        assert_eq!(told_after(600).await, "");
        disks[1].send_replace(true);
        assert_eq!(told_after(39).await, "", "a card that tidies up");
        assert_eq!(told_after(20).await, "accounts");
        disks[0].send_replace(true);
        assert_eq!(told_after(56).await, "accounts history");
        disks[1].send_replace(false);
        assert_eq!(told_after(1).await, "history");
        disks[0].send_replace(false);
        assert_eq!(told_after(600).await, "");
        // Nobody waits any more.
        disks[0].send_replace(true);
        assert_eq!(told_after(60).await, "history");
        drop(work);
        assert_eq!(*silence.told().borrow(), None);
    }

    /// The disk had answered again after a minute and a half, nobody asked for a quarter of a minute, and the gateway ended.
    #[tokio::test(start_paused = true)]
    async fn a_try_that_comes_to_nothing_is_soon_made_again() {
        let disk = watch::Sender::new(true);
        // As the accounts do, whose tries end by themselves.
        let accounts = async || {
            let mut hangs = disk.subscribe();
            let answer = tokio::time::timeout(Duration::from_secs(10), hangs.wait_for(|hangs| !hangs)).await;
            answer.is_ok()
        };
        let mut asked = Box::pin(until_answered(accounts));
        // In the middle of a try, just after one, and between two.
        for moment in [5_000, 10_001, 14_900] {
            disk.send_replace(true);
            assert!(tokio::time::timeout(Duration::from_millis(moment), &mut asked).await.is_err());
            disk.send_replace(false);
            let answer = tokio::time::timeout(TRY_AGAIN_AFTER + SHORT, &mut asked).await;
            assert!(answer.is_ok(), "after {moment} ms");
            asked = Box::pin(until_answered(accounts));
        }
    }

    #[tokio::test]
    async fn the_work_ends_in_order_while_all_answer() {
        let disk = watch::Sender::new(false);
        for databases in [vec![fake(&disk)], Vec::new()] {
            assert!(while_all_answer(databases, &Silence::default(), async { Ok(()) }).await.is_ok());
        }
    }

    /// Half of `WatchdogSec=` in the unit, whose end comes after two of these without a feed.
    const EVERY: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_while_all_parts_answer_and_each_that_hangs_stops_it() {
        for which in 0..5 {
            let hang = [(); 5].map(|()| watch::Sender::new(false));
            let parts: Vec<Part> = hang.iter().map(fake).collect();
            let (fed, silence) = (Cell::new(0), Silence::default());
            let mut feeding = std::pin::pin!(feed(&parts, EVERY, &silence, || fed.set(fed.get() + 1)));
            let mut fed_in = async |time| {
                fed.set(0);
                let _ = tokio::time::timeout(time, &mut feeding).await;
                fed.get()
            };
            assert_eq!(fed_in(EVERY * 10 - SHORT).await, 10, "part {which}");
            hang[which].send_replace(true);
            assert_eq!(fed_in(EVERY * 10).await, 0, "part {which}");
            // It is fed at once when it answers, and regularly again.
            hang[which].send_replace(false);
            assert!(fed_in(SHORT).await >= 1, "part {which}");
            assert_eq!(fed_in(EVERY * 10).await, 10, "part {which}");
        }
    }

    /// A small board on which everything else runs as well is slow, and nothing hangs.
    #[tokio::test(start_paused = true)]
    async fn a_part_that_is_slow_is_fed_for_and_named() {
        let (silent, hangs) = (RefCell::new(Vec::new()), watch::Sender::new(true));
        let parts =
            [fake(&watch::Sender::new(false)), Part { name: "the slow one", word: "slow", ..fake(&hangs) }];
        let silence = Silence::default();
        let told = silence.told();
        let answers =
            all_answer(&parts, EVERY / 2, &silence, |late| silent.borrow_mut().extend(late.to_vec()));
        let slow = async {
            tokio::time::sleep(EVERY / 2 + SHORT).await;
            assert_eq!(*silent.borrow(), ["the slow one"]);
            assert_eq!(told.borrow().as_deref(), Some("slow"));
            hangs.send_replace(false);
        };
        let ((), ()) = tokio::join!(answers, slow);
        assert_eq!(*told.borrow(), None, "it has answered");
    }

    /// One that hangs ends all, so that nobody is left who could feed.
    #[tokio::test(start_paused = true)]
    async fn nothing_is_fed_beyond_the_limit_of_a_database() {
        for which in 0..3 {
            let hang = [(); 3].map(|()| watch::Sender::new(false));
            let (fed, silence) = (Cell::new(0), Silence::default());
            let living = async {
                feed(&[], EVERY, &silence, || fed.set(fed.get() + 1)).await;
                Ok(())
            };
            let mut watching =
                std::pin::pin!(while_all_answer(hang.iter().map(fake).collect(), &silence, living));
            assert!(tokio::time::timeout(EVERY * 10, &mut watching).await.is_err());
            hang[which].send_replace(true);
            fed.set(0);
            assert!(watching.await.is_err());
            let most = (DATABASE_LIMIT + ASK_EVERY).as_secs() / EVERY.as_secs() + 1;
            assert!(fed.get() <= most, "fed {} times", fed.get());
        }
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
            let outcome = while_all_answer(databases, &Silence::default(), std::future::pending()).await;
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
