//! Who has not answered for longer than a healthy part takes, for whoever tells people of it while there is still somebody to tell.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// The parts that do not answer, by their words with spaces between them; nothing while all do.
pub(crate) type Silent = watch::Receiver<Option<Arc<str>>>;

/// Where it is noted who does not answer.
#[derive(Clone, Debug)]
pub(crate) struct Silence {
    parts: watch::Sender<Vec<&'static str>>,
    told: watch::Sender<Option<Arc<str>>>,
}

impl Default for Silence {
    fn default() -> Self {
        Self { parts: watch::Sender::new(Vec::new()), told: watch::Sender::new(None) }
    }
}

impl Silence {
    /// What people are told.
    pub(crate) fn told(&self) -> Silent {
        self.told.subscribe()
    }

    /// Waits for an answer. When it has not come after `patience`, the part is silent until it comes, or nobody waits any more.
    pub(super) async fn until_answered(
        &self,
        word: &'static str,
        patience: Duration,
        answer: impl Future<Output = ()>,
    ) {
        tokio::pin!(answer);
        if tokio::time::timeout(patience, &mut answer).await.is_err() {
            let _silent = Entry::new(self, word);
            answer.await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut Vec<&'static str>)) {
        self.parts.send_modify(change);
        let words = self.parts.borrow().join(" ");
        self.told.send_replace((!words.is_empty()).then(|| words.into()));
    }
}

/// A part that is silent as long as this is there.
struct Entry<'a> {
    silence: &'a Silence,
    word: &'static str,
}

impl<'a> Entry<'a> {
    fn new(silence: &'a Silence, word: &'static str) -> Self {
        silence.change(|parts| parts.push(word));
        Self { silence, word }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.silence.change(|parts| parts.retain(|word| *word != self.word));
    }
}
