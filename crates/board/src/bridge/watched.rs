//! What outputs listen to: values of the house's own sensors, topics, and clients.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use gatehouse_control::outputs::Source;
use gatehouse_model::{Message, PropertyPath};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::observations::{Observation, Observations, Watcher};

/// Most readings and signs of life that wait for the output loop; who brings one waits until there is room.
const MAX_WAITING: usize = 64;

/// What outputs hear.
#[derive(Debug)]
pub(super) enum Heard {
    /// A value of a sensor.
    Reading(Arc<Observation>),
    /// A topic or a client.
    Source(Source),
}

/// The topics and clients that outputs listen to, for whoever knows the broker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SignsOfLife {
    wanted: watch::Receiver<BTreeSet<Source>>,
    heard: mpsc::Sender<Source>,
}

/// The bridge's end of [`SignsOfLife`].
#[derive(Debug)]
pub(super) struct Ears {
    wanted: watch::Sender<BTreeSet<Source>>,
    heard: mpsc::Receiver<Source>,
}

impl SignsOfLife {
    pub(super) fn new() -> (Self, Ears) {
        let (wants, wanted) = watch::channel(BTreeSet::new());
        let (heard, hears) = mpsc::channel(MAX_WAITING);
        (Self { wanted, heard }, Ears { wanted: wants, heard: hears })
    }

    /// The topics and clients at present; it changes with the configuration.
    pub fn wanted(&self) -> watch::Receiver<BTreeSet<Source>> {
        self.wanted.clone()
    }

    /// Tells that one of them was heard just now. When the bridge is behind, the word is dropped: who lives is heard
    /// again.
    pub fn tell(&self, source: Source) {
        let _ = self.heard.try_send(source);
    }
}

/// Carries one value until it is dropped.
#[derive(Debug)]
struct Follower(AbortHandle);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The output loop's ears.
pub(super) struct Watched {
    observations: Arc<Observations>,
    ears: Ears,
    followers: BTreeMap<PropertyPath, Follower>,
    readings: mpsc::Sender<Arc<Observation>>,
    arriving: mpsc::Receiver<Arc<Observation>>,
}

impl Watched {
    pub(super) fn new(observations: Arc<Observations>, ears: Ears) -> Self {
        let (readings, arriving) = mpsc::channel(MAX_WAITING);
        Self { observations, ears, followers: BTreeMap::new(), readings, arriving }
    }

    /// Listens to these from now on, and to nothing else.
    pub(super) fn want<'a>(
        &mut self,
        sources: impl Iterator<Item = &'a Source>,
        effects: impl Iterator<Item = &'a PropertyPath>,
    ) {
        let mut paths: BTreeSet<PropertyPath> = effects.cloned().collect();
        let mut outside = BTreeSet::new();
        for source in sources {
            match source {
                Source::Sensor(path) => drop(paths.insert(path.clone())),
                Source::Topic(_) | Source::Client(_) => drop(outside.insert(source.clone())),
            }
        }
        self.followers.retain(|path, _| paths.contains(path));
        for path in paths {
            if !self.followers.contains_key(&path) {
                let following = follow(self.observations.subscribe(&path), self.readings.clone());
                self.followers.insert(path, Follower(tokio::spawn(following).abort_handle()));
            }
        }
        self.ears.wanted.send_if_modified(|wanted| {
            let is_news = *wanted != outside;
            *wanted = outside;
            is_news
        });
    }

    /// The next that is heard.
    pub(super) async fn next(&mut self) -> Heard {
        tokio::select! {
            Some(observation) = self.arriving.recv() => Heard::Reading(observation),
            Some(source) = self.ears.heard.recv() => Heard::Source(source),
            else => std::future::pending().await,
        }
    }
}

/// Who goes first when both commands and readings wait: whoever did not have the turn before. So neither a flood of
/// commands keeps signs of life from a dead-man, nor sensors that talk without end a command from its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Command,
    Heard,
}

/// What comes from outside.
#[derive(Debug)]
pub(super) enum Word {
    /// Nothing when no commands come any more.
    Command(Option<Message>),
    Heard(Heard),
}

/// The next command or the next that is heard.
pub(super) async fn next_word(
    turn: Turn,
    commands: &mut (impl Stream<Item = Message> + Unpin),
    watched: &mut Watched,
) -> Word {
    match turn {
        Turn::Command => tokio::select! {
            biased;
            command = commands.next() => Word::Command(command),
            heard = watched.next() => Word::Heard(heard),
        },
        Turn::Heard => tokio::select! {
            biased;
            heard = watched.next() => Word::Heard(heard),
            command = commands.next() => Word::Command(command),
        },
    }
}

/// While the output loop is busy the older readings are left out.
async fn follow(mut watcher: Watcher, readings: mpsc::Sender<Arc<Observation>>) {
    loop {
        let observation = watcher.next().await;
        if readings.send(observation).await.is_err() {
            return;
        }
    }
}
