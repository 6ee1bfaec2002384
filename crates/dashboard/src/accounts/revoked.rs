//! Word of users who may no longer do what they could: whoever gave them a connection ends it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Accounts, AccountsError};

/// How often the accounts are looked at for changes that another process made, the command line: somebody who removes a
/// user there sees it work while still looking. It is one short read of a file that the system keeps in memory.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What a connection was opened with, for each user by key.
type Credentials = HashMap<String, Credential>;

#[derive(PartialEq, Eq)]
struct Credential {
    name: String,
    role: String,
    password_hash: String,
}

impl Accounts {
    /// Sends the name of each user who was removed, or got another password or role, until `stop` or until nobody
    /// listens to `revoked`: at once when this process did it, within 5 s when another did, such as the command line.
    /// What happened before the call is not told, so begin before anybody can log in.
    ///
    /// # Errors
    /// When the accounts cannot be read at the beginning. Later on that is logged, and tried again.
    pub async fn watch(
        &self,
        stop: CancellationToken,
        revoked: mpsc::Sender<Arc<str>>,
    ) -> Result<(), AccountsError> {
        let mut known = self.credentials().await?;
        let mut changes = self.sessions_changed();
        // What changed between the read and the subscription is found by looking once more.
        changes.mark_changed();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut readable = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = revoked.closed() => return Ok(()),
                _ = look.tick() => {}
                // The sender lives as long as these accounts.
                _ = changes.changed() => {}
            }
            let now = match self.credentials().await {
                Ok(now) => now,
                Err(error) => {
                    if std::mem::replace(&mut readable, false) {
                        tracing::warn!(%error, "cannot look for removed users; trying again");
                    }
                    continue;
                }
            };
            readable = true;
            let gone = known.iter().filter(|(key, credential)| now.get(*key) != Some(*credential));
            for (_, credential) in gone {
                let name = Arc::from(credential.name.as_str());
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    sent = revoked.send(name) => if sent.is_err() { return Ok(()) },
                }
            }
            known = now;
        }
    }

    async fn credentials(&self) -> Result<Credentials, AccountsError> {
        let rows: Vec<(String, String, String, String)> =
            sqlx::query_as("SELECT key, name, role, password FROM user").fetch_all(&self.inner.pool).await?;
        let credential = |(key, name, role, password_hash)| (key, Credential { name, role, password_hash });
        Ok(rows.into_iter().map(credential).collect())
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_model::{ManualClock, SeededRandomness, Timestamp};

    use super::*;
    use crate::Role;

    const PASSWORD: &str = "lamp in the window";

    async fn open(folder: &tempfile::TempDir, seed: u64) -> Accounts {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
        let path = folder.path().join("gatehouse.db");
        Accounts::open(&path, clock, Arc::new(SeededRandomness::new(seed))).await.unwrap()
    }

    /// A phone whose user was removed went on reading and switching until it disconnected by itself.
    #[tokio::test]
    async fn who_may_no_longer_come_in_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (daemon, command_line) = (open(&folder, 1).await, open(&folder, 2).await);
        for name in ["Ana", "eva", "olga", "bar"] {
            daemon.add(name, Role::Operator, PASSWORD).await.unwrap();
        }
        let (revoked, mut told) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let watcher = tokio::spawn({
            let (daemon, stop) = (daemon.clone(), stop.clone());
            async move { daemon.watch(stop, revoked).await }
        });
        // It subscribes after its first look.
        while daemon.inner.sessions_changed.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        daemon.remove("ana").await.unwrap();
        assert_eq!(told.recv().await.as_deref(), Some("Ana"));
        daemon.set_password("eva", "another password").await.unwrap();
        assert_eq!(told.recv().await.as_deref(), Some("eva"));

        command_line.add("new", Role::Viewer, PASSWORD).await.unwrap();
        sqlx::query("UPDATE user SET role = 'viewer' WHERE key = 'olga'")
            .execute(&command_line.inner.pool)
            .await
            .unwrap();
        tokio::time::pause();
        tokio::time::advance(LOOK_EVERY + Duration::from_secs(1)).await;
        tokio::time::resume();
        assert_eq!(told.recv().await.as_deref(), Some("olga"));

        // A log-out makes it look, and there is nothing to tell; neither is there of somebody new.
        let token = daemon.start_session(&daemon.list().await.unwrap()[0]).await.unwrap();
        daemon.end_session(&token).await.unwrap();
        daemon.remove("bar").await.unwrap();
        assert_eq!(told.recv().await.as_deref(), Some("bar"));
        stop.cancel();
        watcher.await.unwrap().unwrap();
        assert_eq!(told.recv().await, None);
    }

    #[tokio::test]
    async fn it_ends_when_nobody_listens() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = open(&folder, 1).await;
        let (revoked, told) = mpsc::channel(1);
        drop(told);
        accounts.watch(CancellationToken::new(), revoked).await.unwrap();
    }
}
