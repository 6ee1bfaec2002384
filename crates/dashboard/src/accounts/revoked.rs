//! Word of users and clients who may no longer do what they could: whoever gave them a connection ends or changes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::clients::login_of;
use super::{Accounts, AccountsError, MqttLogin, rules};

/// How often the accounts are looked at for changes that another process made, the command line: somebody who removes a
/// user there sees it work while still looking. It is one short read of a file that the system keeps in memory.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What has changed for those who log in over MQTT under a name: `user`, or `user:client`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessChange {
    /// The name or its password does not hold any more.
    Revoked(Arc<str>),
    /// It may do other things than before.
    Rights(Arc<str>),
}

/// What connections were opened with, by the key of the login name.
type Credentials = HashMap<String, Credential>;

/// What one login was let in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credential {
    /// The login name.
    name: String,
    /// Role and rights set of the user, and the rights set of the client below.
    rights: (String, Option<String>, Option<String>),
    password_hash: String,
}

/// A user's row, or that of a client with its user's: keys and names of both, role, both rights sets, password.
type CredentialRow =
    (String, Option<String>, String, Option<String>, String, Option<String>, Option<String>, String);

fn credential(
    (key, client_key, name, client, role, rights, client_rights, password_hash): CredentialRow,
) -> (String, Credential) {
    let both = |user: String, client: Option<String>| match client {
        Some(client) => login_of(&user, &client),
        None => user,
    };
    let rights = (role, rights, client_rights);
    (both(key, client_key), Credential { name: both(name, client), rights, password_hash })
}

/// What logins were let in with since the watcher looked last: it compares them with what holds now, since a client may
/// be added, log in, and be changed between two looks.
#[derive(Debug, Default)]
pub(super) struct Granted(Mutex<Vec<(String, Credential)>>);

impl Granted {
    /// Notes a login. Each is noted once, so that there are not more than changes of accounts.
    pub(super) fn note(&self, login: &MqttLogin, password_hash: &str) {
        let rights =
            (login.user.role.as_str().to_owned(), login.user.rights.clone(), login.client_rights.clone());
        let name = login.name.to_string();
        let granted =
            (rules::key_of(&name), Credential { name, rights, password_hash: password_hash.to_owned() });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&granted) {
            all.push(granted);
        }
    }

    fn take(&self) -> Vec<(String, Credential)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What happened to a login, if anything.
fn change(former: &Credential, now: Option<&Credential>) -> Option<AccessChange> {
    let name = || Arc::from(former.name.as_str());
    match now {
        Some(now) if now == former => None,
        Some(now) if now.name == former.name && now.password_hash == former.password_hash => {
            Some(AccessChange::Rights(name()))
        }
        _ => Some(AccessChange::Revoked(name())),
    }
}

impl Accounts {
    /// Sends what changes for those who log in over MQTT, until `stop` or until nobody listens to `changes`: at once
    /// when this process did it, within 5 s when another did, such as the command line. A user who is removed takes the
    /// clients below along, and whose rights change, theirs; a user's new password is none of theirs. What happened
    /// before the call is not told, so begin before anybody can log in.
    ///
    /// # Errors
    /// When the accounts cannot be read at the beginning. Later on that is logged, and tried again.
    pub async fn watch(
        &self,
        stop: CancellationToken,
        changes: mpsc::Sender<AccessChange>,
    ) -> Result<(), AccountsError> {
        let mut known = self.credentials().await?;
        let mut woken = self.sessions_changed();
        // What changed between the read and the subscription is found by looking once more.
        woken.mark_changed();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut readable = true;
        let mut granted = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = changes.closed() => return Ok(()),
                _ = look.tick() => {}
                // The sender lives as long as these accounts.
                _ = woken.changed() => {}
            }
            // First what was granted, then what holds: a login that is noted meanwhile is looked at the next time.
            granted.extend(self.inner.granted.take());
            let now = match self.credentials().await {
                Ok(now) => now,
                Err(error) => {
                    if std::mem::replace(&mut readable, false) {
                        tracing::warn!(%error, "cannot look for changed users; trying again");
                    }
                    continue;
                }
            };
            readable = true;
            let mut news: Vec<AccessChange> = Vec::new();
            let former = known.iter().chain(granted.iter().map(|(key, credential)| (key, credential)));
            for change in former.filter_map(|(key, former)| change(former, now.get(key))) {
                if !news.contains(&change) {
                    news.push(change);
                }
            }
            granted.clear();
            for change in news {
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    sent = changes.send(change) => if sent.is_err() { return Ok(()) },
                }
            }
            known = now;
        }
    }

    async fn credentials(&self) -> Result<Credentials, AccountsError> {
        let rows: Vec<CredentialRow> = sqlx::query_as(
            "SELECT key, NULL, name, NULL, role, rights, NULL, password FROM user
             UNION ALL
             SELECT user.key, client.key, user.name, client.name, user.role, user.rights, client.rights, client.password
             FROM client JOIN user ON user.key = client.user_key",
        )
        .fetch_all(&self.inner.pool)
        .await?;
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
        let revoked_of = |name: &str| Some(AccessChange::Revoked(name.into()));
        assert_eq!(told.recv().await, revoked_of("Ana"));
        daemon.set_password("eva", "another password").await.unwrap();
        assert_eq!(told.recv().await, revoked_of("eva"));

        command_line.add("new", Role::Viewer, PASSWORD).await.unwrap();
        sqlx::query("UPDATE user SET role = 'viewer' WHERE key = 'olga'")
            .execute(&command_line.inner.pool)
            .await
            .unwrap();
        tokio::time::pause();
        tokio::time::advance(LOOK_EVERY + Duration::from_secs(1)).await;
        tokio::time::resume();
        assert_eq!(told.recv().await, Some(AccessChange::Rights("olga".into())));

        // A log-out makes it look, and there is nothing to tell; neither is there of somebody new.
        let token = daemon.start_session(&daemon.list().await.unwrap()[0]).await.unwrap();
        daemon.end_session(&token).await.unwrap();
        daemon.remove("bar").await.unwrap();
        assert_eq!(told.recv().await, revoked_of("bar"));
        stop.cancel();
        watcher.await.unwrap().unwrap();
        assert_eq!(told.recv().await, None);
    }

    #[tokio::test]
    async fn clients_go_with_their_user_and_by_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = open(&folder, 1).await;
        accounts.add("ana", Role::Operator, PASSWORD).await.unwrap();
        for client in ["phone", "Clock", "lamp"] {
            accounts.add_client("ana", client, "viewer", PASSWORD).await.unwrap();
        }
        let (changes, mut told) = mpsc::channel(8);
        let stop = CancellationToken::new();
        let watcher = tokio::spawn({
            let (accounts, stop) = (accounts.clone(), stop.clone());
            async move { accounts.watch(stop, changes).await }
        });
        while accounts.inner.sessions_changed.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        let revoked = |name: &str| AccessChange::Revoked(name.into());
        let rights = |name: &str| AccessChange::Rights(name.into());
        accounts.remove_client("ANA", "phone").await.unwrap();
        assert_eq!(told.recv().await, Some(revoked("ana:phone")));
        accounts.set_client_password("ana", "lamp", "another password").await.unwrap();
        assert_eq!(told.recv().await, Some(revoked("ana:lamp")));
        accounts.set_client_rights("ana", "clock", "admin").await.unwrap();
        assert_eq!(told.recv().await, Some(rights("ana:Clock")));
        accounts.set_password("ana", "another password").await.unwrap();
        assert_eq!(told.recv().await, Some(revoked("ana")), "the clients have passwords of their own");
        let mut three = async || {
            let mut three = [told.recv().await, told.recv().await, told.recv().await].map(Option::unwrap);
            three.sort_by_key(|change| format!("{change:?}"));
            three
        };
        accounts.set_rights("ana", Some("sensors")).await.unwrap();
        assert_eq!(three().await, [rights("ana"), rights("ana:Clock"), rights("ana:lamp")]);
        accounts.add("bar", Role::Admin, PASSWORD).await.unwrap();
        accounts.remove("ana").await.unwrap();
        assert_eq!(three().await, [revoked("ana"), revoked("ana:Clock"), revoked("ana:lamp")]);
        stop.cancel();
        watcher.await.unwrap().unwrap();
    }

    /// A client that was added, logged in and was removed between two looks stayed connected for ever.
    #[tokio::test]
    async fn who_came_in_since_the_last_look_is_told_of_too() {
        let folder = tempfile::tempdir().unwrap();
        let (daemon, command_line) = (open(&folder, 1).await, open(&folder, 2).await);
        let (changes, mut told) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let watcher = tokio::spawn({
            let (daemon, stop) = (daemon.clone(), stop.clone());
            async move { daemon.watch(stop, changes).await }
        });
        while daemon.inner.sessions_changed.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        command_line.add("ana", Role::Operator, PASSWORD).await.unwrap();
        for client in ["phone", "lamp"] {
            command_line.add_client("ana", client, "viewer", PASSWORD).await.unwrap();
            let login = format!("ana:{client}");
            assert!(daemon.verify_mqtt(&login, PASSWORD.as_bytes()).await.unwrap().is_some());
        }
        command_line.remove_client("ana", "phone").await.unwrap();
        command_line.set_client_rights("ana", "lamp", "operator").await.unwrap();
        daemon.tell_of_change();
        let mut both = [told.recv().await.unwrap(), told.recv().await.unwrap()];
        both.sort_by_key(|change| format!("{change:?}"));
        let expected = [AccessChange::Revoked("ana:phone".into()), AccessChange::Rights("ana:lamp".into())];
        assert!(expected.iter().all(|change| both.contains(change)), "{both:?}");
        stop.cancel();
        watcher.await.unwrap().unwrap();
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
