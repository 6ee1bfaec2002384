//! MQTT clients log in with the accounts that the page uses.

use async_trait::async_trait;
use gatehouse_broker::{Authenticator, Identity, Login, LoginError, Rights, RightsSet};
use gatehouse_dashboard::accounts::ANONYMOUS;
use gatehouse_dashboard::{Accounts, LogIn, Role};
use tracing::warn;

/// The broker's authenticator on top of the accounts.
pub(crate) struct AccountLogins {
    accounts: Accounts,
    anonymous: Option<RightsSet>,
}

impl AccountLogins {
    /// Logins with these accounts; clients without a name and a password come in with the rights of `anonymous`, if
    /// there are any.
    pub(crate) fn new(accounts: Accounts, anonymous: Option<RightsSet>) -> Self {
        Self { accounts, anonymous }
    }
}

#[async_trait]
impl Authenticator for AccountLogins {
    async fn authenticate(&self, login: Login<'_>) -> Result<Identity, LoginError> {
        let (name, password) = match (login.user, login.password, &self.anonymous) {
            (Some(name), Some(password), _) => (name, password),
            (None, None, Some(set)) => {
                let rights = set.resolve(ANONYMOUS, login.client_id);
                return Ok(Identity { user: ANONYMOUS.into(), rights });
            }
            (None, ..) => return Err(LoginError::NameNeeded),
            (Some(_), None, _) => return Err(LoginError::BadCredentials),
        };
        match self.accounts.log_in(name, password, login.peer.ip()).await {
            Ok(LogIn::Welcome(user)) => Ok(Identity { user: user.name, rights: rights_of(user.role) }),
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
            return Ok(self.anonymous.as_ref().map(|set| set.resolve(ANONYMOUS, client_id)));
        }
        match self.accounts.find(user).await {
            Ok(found) => Ok(found.map(|user| rights_of(user.role))),
            Err(problem) => {
                warn!(%user, "kept sessions cannot be checked because the accounts cannot be read: {problem}");
                Err(LoginError::Unavailable)
            }
        }
    }
}

/// What a role may do over MQTT: a viewer looks, the others look and send, and an administrator sees the broker's own
/// figures as well.
fn rights_of(role: Role) -> Rights {
    match role {
        Role::Admin => Rights::everything(),
        Role::Operator => RightsSet::operator().resolve("", ""),
        Role::Viewer => Rights::read_only(),
    }
}
