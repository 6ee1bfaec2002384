//! MQTT clients log in with the accounts that the page uses.

use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_broker::{Authenticator, Identity, Login, LoginError, Rights};
use gatehouse_dashboard::accounts::{ANONYMOUS, AccountsError, MqttLogin};
use gatehouse_dashboard::{Accounts, LogIn};
use tracing::warn;

use crate::rights::RightsSets;

/// The broker's authenticator on top of the accounts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AccountLogins {
    accounts: Accounts,
    sets: Arc<RightsSets>,
    /// The rights set of clients that give neither a name nor a password, if they are let in.
    anonymous: Option<Arc<str>>,
}

impl AccountLogins {
    /// Logins with these accounts, whose rights sets are among `sets`; clients without a name and a password come in
    /// with the rights of the set `anonymous`, if there is one.
    pub(crate) fn new(accounts: Accounts, sets: RightsSets, anonymous: Option<&str>) -> Self {
        Self { accounts, sets: Arc::new(sets), anonymous: anonymous.map(Into::into) }
    }

    /// The rights sets that there are.
    pub(crate) fn sets(&self) -> Arc<RightsSets> {
        Arc::clone(&self.sets)
    }

    /// What a login name may do now, by client identifier; nothing when there is no such user or client any more.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub(crate) async fn rights_of(
        &self,
        name: &str,
    ) -> Result<Option<impl Fn(&str) -> Rights + Send + use<>>, AccountsError> {
        let login = self.accounts.find_mqtt(name).await?;
        let sets = Arc::clone(&self.sets);
        Ok(login.map(|login| move |client_id: &str| resolve(&sets, &login, client_id)))
    }

    fn of_anonymous(&self, client_id: &str) -> Option<Rights> {
        let set = self.anonymous.as_deref()?;
        Some(self.sets.get(set)?.resolve(ANONYMOUS, client_id))
    }
}

/// The rights of a user, or of a client below: what both sets allow. A set that there is not (any more) allows nothing.
fn resolve(sets: &RightsSets, login: &MqttLogin, client_id: &str) -> Rights {
    let named = |name: &str| match sets.get(name) {
        Some(set) => set.resolve(&login.user.name, client_id),
        None => {
            warn!(
                login = %login.name,
                "there is no rights set `{name}`, so nothing is allowed: add [rights.{name}] to the configuration, or give another one"
            );
            Rights::nothing()
        }
    };
    let of_user = named(login.user.rights_set());
    match &login.client_rights {
        Some(client) => named(client).limited_to(&of_user),
        None => of_user,
    }
}

#[async_trait]
impl Authenticator for AccountLogins {
    async fn authenticate(&self, login: Login<'_>) -> Result<Identity, LoginError> {
        let (name, password) = match (login.user, login.password) {
            (Some(name), Some(password)) => (name, password),
            (Some(_), None) => return Err(LoginError::BadCredentials),
            (None, Some(_)) => return Err(LoginError::NameNeeded),
            (None, None) => {
                let rights = self.of_anonymous(login.client_id).ok_or(LoginError::NameNeeded)?;
                return Ok(Identity { user: ANONYMOUS.into(), rights });
            }
        };
        match self.accounts.log_in_mqtt(name, password, login.peer.ip()).await {
            Ok(LogIn::Welcome(found)) => {
                let rights = resolve(&self.sets, &found, login.client_id);
                Ok(Identity { user: found.name, rights })
            }
            Ok(LogIn::Wrong) => Err(LoginError::BadCredentials),
            Ok(LogIn::TooManyTries { .. }) => Err(LoginError::TooManyTries),
            Err(problem) => {
                warn!("an MQTT client could not log in because the accounts cannot be read: {problem}");
                Err(LoginError::Unavailable)
            }
        }
    }

    async fn recall(&self, user: &str, client_id: &str) -> Result<Option<Rights>, LoginError> {
        if user == ANONYMOUS {
            return Ok(self.of_anonymous(client_id));
        }
        match self.rights_of(user).await {
            Ok(rights) => Ok(rights.map(|rights| rights(client_id))),
            Err(problem) => {
                warn!(%user, "kept sessions cannot be checked because the accounts cannot be read: {problem}");
                Err(LoginError::Unavailable)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use gatehouse_broker::{RightsSet, TopicPattern};
    use gatehouse_dashboard::Role;
    use gatehouse_model::{SystemClock, TopicName};

    use super::*;
    use crate::system::SystemRandomness;

    const PASSWORD: &str = "lamp in the window";

    async fn logins(folder: &tempfile::TempDir, anonymous: Option<&str>) -> AccountLogins {
        let file = folder.path().join("gatehouse.db");
        let accounts =
            Accounts::open(&file, Arc::new(SystemClock::new()), Arc::new(SystemRandomness)).await.unwrap();
        let mut sets = RightsSets::default();
        let patterns = |text: &str| vec![TopicPattern::new(text).unwrap()];
        sets.add("sensors", RightsSet { publish: patterns("%u/%c/#"), subscribe: patterns("%u/#") });
        AccountLogins::new(accounts, sets, anonymous)
    }

    async fn rights(logins: &AccountLogins, user: Option<&str>) -> Result<Rights, LoginError> {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let password = user.map(|_| PASSWORD.as_bytes());
        logins.authenticate(Login { client_id: "s1", user, password, peer }).await.map(|found| found.rights)
    }

    fn may_publish(rights: &Rights, topic: &str) -> bool {
        rights.may_publish(&TopicName::new(topic).unwrap())
    }

    #[tokio::test]
    async fn a_client_may_do_what_its_set_and_its_users_both_allow() {
        let folder = tempfile::tempdir().unwrap();
        let logins = logins(&folder, None).await;
        let accounts = &logins.accounts;
        accounts.add("Ana", Role::Operator, PASSWORD).await.unwrap();
        accounts.add_client("ana", "lamp", "sensors", PASSWORD).await.unwrap();
        let lamp = rights(&logins, Some("ana:lamp")).await.unwrap();
        assert!(
            may_publish(&lamp, "Ana/s1/x") && !may_publish(&lamp, "Ana/s2/x") && !may_publish(&lamp, "x")
        );
        assert_eq!(logins.recall("Ana:lamp", "s1").await.unwrap(), Some(lamp));

        accounts.set_role("ana", Role::Viewer).await.unwrap();
        let lamp = rights(&logins, Some("ana:lamp")).await.unwrap();
        assert!(lamp.publish.is_empty() && !lamp.subscribe.is_empty(), "not more than its user");

        accounts.set_client_rights("ana", "lamp", "gone").await.unwrap();
        assert_eq!(rights(&logins, Some("ana:lamp")).await, Ok(Rights::nothing()));
        accounts.remove_client("ana", "lamp").await.unwrap();
        assert_eq!(rights(&logins, Some("ana:lamp")).await, Err(LoginError::BadCredentials));
        assert_eq!(logins.recall("Ana:lamp", "s1").await, Ok(None));
    }

    #[tokio::test]
    async fn who_gives_no_name_has_what_the_configuration_says() {
        let folder = tempfile::tempdir().unwrap();
        let closed = logins(&folder, None).await;
        assert_eq!(rights(&closed, None).await, Err(LoginError::NameNeeded));
        assert_eq!(closed.recall(ANONYMOUS, "s1").await, Ok(None));
        let open = logins(&folder, Some("sensors")).await;
        let anybody = rights(&open, None).await.unwrap();
        assert!(may_publish(&anybody, "anonymous/s1/x") && !may_publish(&anybody, "x"));
        assert_eq!(open.recall(ANONYMOUS, "s1").await, Ok(Some(anybody)));
        assert_eq!(rights(&open, Some("anonymous")).await, Err(LoginError::BadCredentials));
    }
}
