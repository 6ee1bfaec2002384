//! Refusals that come again and again: one entry of the diary a minute, with how often there were.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use gatehouse_model::Moment;

use super::audit::{By, Deed};
use super::{Accounts, AccountsError, Inner};

/// Refusals of a kind that have an entry of their own within [`SAME_REFUSAL`], whoever causes them: each is a write to the
/// card, and strangers must not wear it out. What is beyond is counted in one entry that says nobody's address.
pub(super) const MAX_REFUSALS_AT_ONCE: usize = 30;

/// The same refusal again within this time is counted in the entry of the first.
const SAME_REFUSAL: Duration = Duration::from_secs(60);

/// Keeps refusals from being written too often, and counts what is not.
#[derive(Default)]
pub(super) struct Refusals(Mutex<Book>);

#[derive(Default)]
struct Book {
    /// In the order in which they were first refused.
    recent: VecDeque<Refusal>,
    /// Whether a task waits to write counts down.
    is_waited_for: bool,
}

/// A refusal that was written down.
struct Refusal {
    since: Moment,
    deed: Deed,
    by: By,
    about: Option<String>,
    /// The number of its entry, once that is written.
    entry: Option<i64>,
    /// How often it was refused.
    times: i64,
    /// How many of them the entry says.
    told: i64,
}

impl Refusal {
    fn is_over(&self, now: Moment) -> bool {
        now.saturating_since(self.since) >= SAME_REFUSAL
    }

    fn is_untold(&self) -> bool {
        self.entry.is_some() && self.told < self.times
    }
}

/// What becomes of a refusal.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    /// It gets an entry.
    Own,
    /// It gets an entry that stands for everything that is beyond [`MAX_REFUSALS_AT_ONCE`].
    ForMany,
    /// It was counted.
    Counted,
}

impl Book {
    /// Counts one that is written down already.
    fn counts(&mut self, deed: Deed, by: &By, about: Option<&str>, now: Moment) -> bool {
        let is_same = |known: &&mut Refusal| {
            known.deed == deed && known.by == *by && known.about.as_deref() == about && !known.is_over(now)
        };
        let known = self.recent.iter_mut().find(is_same);
        known.map(|known| known.times = known.times.saturating_add(1)).is_some()
    }
}

impl Refusals {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one in.
    fn take(&self, deed: Deed, by: &By, about: Option<&str>, now: Moment) -> Kept {
        let mut book = self.book();
        book.recent.retain(|known| !known.is_over(now) || known.is_untold());
        if book.counts(deed, by, about, now) {
            return Kept::Counted;
        }
        // Each kind has its own: who makes up names of hosts must not hide somebody who guesses passwords.
        let of_kind = |known: &&Refusal| known.deed == deed && !known.is_over(now);
        let is_beyond = book.recent.iter().filter(of_kind).count() >= MAX_REFUSALS_AT_ONCE;
        if is_beyond && book.counts(deed, &By::default(), None, now) {
            return Kept::Counted;
        }
        let (by, about) =
            if is_beyond { (By::default(), None) } else { (by.clone(), about.map(str::to_owned)) };
        book.recent.push_back(Refusal { since: now, deed, by, about, entry: None, times: 1, told: 1 });
        if is_beyond { Kept::ForMany } else { Kept::Own }
    }

    /// Remembers the entry of one that was taken in.
    fn written(&self, deed: Deed, by: &By, about: Option<&str>, entry: i64) {
        let mut book = self.book();
        let is_it =
            |known: &&mut Refusal| known.deed == deed && known.by == *by && known.about.as_deref() == about;
        // The last: one that is over may wait before it for its count to be told.
        if let Some(known) = book.recent.iter_mut().rfind(is_it) {
            known.entry = Some(entry);
        }
    }

    /// Entries with the count that they have to say, which are not given again until it grows: of those that nothing is
    /// added to any more, or of all.
    fn untold(&self, now: Moment, all: bool) -> Vec<(i64, i64)> {
        let mut book = self.book();
        let is_due = |known: &&mut Refusal| known.is_untold() && (all || known.is_over(now));
        let due = book.recent.iter_mut().filter(is_due).filter_map(|known| {
            known.told = known.times;
            Some((known.entry?, known.times))
        });
        due.collect()
    }

    /// Whether somebody has to begin to wait, so that what was counted is told.
    fn begins_waiting(&self) -> bool {
        !std::mem::replace(&mut self.book().is_waited_for, true)
    }

    /// Whether there is nothing more to wait for.
    fn ends_waiting(&self) -> bool {
        let mut book = self.book();
        book.is_waited_for = book.recent.iter().any(|known| known.told < known.times);
        !book.is_waited_for
    }
}

impl Accounts {
    /// Writes down a refusal, or counts it.
    pub(super) async fn note_refusal(
        &self,
        deed: Deed,
        by: &By,
        about: Option<&str>,
        detail: Option<&str>,
    ) -> Result<(), AccountsError> {
        let refusals = &self.inner.refusals;
        let now = self.inner.clock.moment();
        self.inner.tell_refusals(false).await;
        let nobody = By::default();
        let (by, about, detail) = match refusals.take(deed, by, about, now) {
            Kept::Own => (by, about, detail),
            Kept::ForMany => (&nobody, None, None),
            Kept::Counted => {
                if refusals.begins_waiting() {
                    tokio::spawn(tell_in_time(Arc::downgrade(&self.inner)));
                }
                return Ok(());
            }
        };
        let entry = self.write_note(deed, by, about, detail).await?;
        refusals.written(deed, by, about, entry);
        Ok(())
    }
}

impl Inner {
    /// Brings counts into their entries: of those that nothing is added to any more, or of all. A disk that does not take
    /// them keeps nobody from reading the rest, and is told in the log.
    pub(super) async fn tell_refusals(&self, all: bool) {
        for (entry, times) in self.refusals.untold(self.clock.moment(), all) {
            let update = sqlx::query("UPDATE audit SET times = ? WHERE id = ?").bind(times).bind(entry);
            if let Err(error) = update.execute(&self.pool).await {
                tracing::warn!(%error, entry, times, "the audit log does not take how often somebody was refused");
                return;
            }
        }
    }
}

/// Tells what was counted when its time is over, though nobody is refused any more.
async fn tell_in_time(accounts: Weak<Inner>) {
    loop {
        tokio::time::sleep(SAME_REFUSAL).await;
        let Some(accounts) = accounts.upgrade() else { return };
        accounts.tell_refusals(false).await;
        if accounts.refusals.ends_waiting() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use gatehouse_model::{ManualClock, SeededRandomness, Timestamp};

    use super::*;
    use crate::accounts::AuditEntry;

    async fn open(folder: &tempfile::TempDir) -> (Accounts, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
        let path = folder.path().join("gatehouse.db");
        (Accounts::open(&path, clock.clone(), Arc::new(SeededRandomness::new(1))).await.unwrap(), clock)
    }

    fn stranger(number: u32) -> By {
        By::stranger(Ipv4Addr::from_bits(0x0A00_0000 + number).into())
    }

    fn times(entries: &[AuditEntry]) -> Vec<i64> {
        entries.iter().map(|entry| entry.times).collect()
    }

    /// Somebody who guessed for an hour stood in the diary like somebody who had mistyped once a minute.
    #[tokio::test]
    async fn an_entry_says_how_often_the_same_was_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (accounts, clock) = open(&folder).await;
        let guess = async |about| accounts.note(Deed::LogInFailed, &stranger(1), Some(about), None).await;
        for _ in 0..58 {
            guess("ana").await;
        }
        guess("eva").await;
        accounts.note(Deed::Forbidden, &stranger(1), Some("ana"), Some("GET /x")).await;
        assert_eq!(times(&accounts.audit(None, 10, true).await.unwrap()), [1, 1, 58]);
        guess("ana").await;
        assert_eq!(times(&accounts.audit(None, 10, true).await.unwrap()), [1, 1, 59], "it goes on counting");

        // A minute after the first it is news again; the entry of before keeps what it has.
        clock.advance(SAME_REFUSAL);
        guess("ana").await;
        guess("ana").await;
        let entries = accounts.audit(None, 10, true).await.unwrap();
        assert_eq!(times(&entries), [2, 1, 1, 59]);
        assert_eq!(entries[0].about.as_deref(), Some("ana"));
    }

    #[tokio::test]
    async fn what_was_counted_is_written_when_its_minute_is_over_and_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (accounts, clock) = open(&folder).await;
        let in_file = async |accounts: &Accounts| -> Vec<i64> {
            let query = sqlx::query_scalar("SELECT times FROM audit ORDER BY id");
            query.fetch_all(&accounts.inner.pool).await.unwrap()
        };
        for _ in 0..5 {
            accounts.note(Deed::CrossSite, &stranger(1), Some("http://evil.example"), None).await;
        }
        assert_eq!(in_file(&accounts).await, [1], "not at each of them: every write wears the card");
        assert!(!accounts.inner.refusals.ends_waiting());
        clock.advance(SAME_REFUSAL);
        accounts.inner.tell_refusals(false).await;
        assert_eq!(in_file(&accounts).await, [5]);
        assert!(accounts.inner.refusals.ends_waiting());

        accounts.note(Deed::CrossSite, &stranger(1), None, None).await;
        accounts.note(Deed::CrossSite, &stranger(1), None, None).await;
        accounts.close().await;
        let (accounts, _) = open(&folder).await;
        assert_eq!(in_file(&accounts).await, [5, 2]);
    }

    /// A net of strangers gets a bounded number of entries, and what is beyond is counted all the same.
    #[tokio::test]
    async fn what_is_beyond_the_bound_is_counted_in_one_entry_of_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let (accounts, clock) = open(&folder).await;
        for number in 0..100 {
            accounts.note(Deed::LogInFailed, &stranger(number), Some("ana"), None).await;
        }
        accounts.note(Deed::UnknownHost, &stranger(1), Some("evil.example"), None).await;
        let entries = accounts.audit(None, 200, true).await.unwrap();
        assert_eq!(entries.len(), MAX_REFUSALS_AT_ONCE + 2);
        assert_eq!(entries[0].deed, Deed::UnknownHost, "each kind has its own bound");
        assert_eq!((&entries[1].by, entries[1].times), (&By::default(), 70));
        assert_eq!(times(&entries).iter().sum::<i64>(), 101, "nothing is lost");
        clock.advance(SAME_REFUSAL);
        accounts.note(Deed::LogInFailed, &stranger(99), Some("ana"), None).await;
        assert_eq!(accounts.audit(None, 1, true).await.unwrap()[0].by, stranger(99));
    }
}
