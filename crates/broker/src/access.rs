//! Who may come in, and who may say what: the traits that the binary fills in.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_model::Message;

use crate::Rights;

/// What a client shows at the door.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// Its client identifier. Empty when it asks the broker to choose one.
    pub client_id: &'a str,
    /// The user name, if it gave one.
    pub user: Option<&'a str>,
    /// The password, if it gave one.
    pub password: Option<&'a [u8]>,
    /// Where the connection comes from.
    pub peer: SocketAddr,
}

/// The password is left out, so that no log can show it.
impl std::fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("client_id", &self.client_id)
            .field("user", &self.user)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// Who a client turned out to be.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user's name, which becomes part of every message's origin.
    pub user: Arc<str>,
    /// What the user may do.
    pub rights: Rights,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The user is unknown or the password is wrong; which of the two is not told.
    #[error("the user name or the password is wrong")]
    BadCredentials,
    /// Nobody comes in without a name here.
    #[error("a user name and a password are needed")]
    NameNeeded,
    /// The users cannot be looked up now.
    #[error("logins cannot be checked now; try again later")]
    Unavailable,
    /// There were too many failed tries for this user or from this peer; it has to wait.
    #[error("too many tries; try again later")]
    TooManyTries,
}

/// Checks logins. It may take its time (password hashing does): it is called beside the accept loop, and at most
/// [`crate::Settings::concurrent_logins`] times at once.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// Who this is.
    ///
    /// # Errors
    /// When the client may not come in; [`LoginError::NameNeeded`] when it gave no name and has to.
    async fn authenticate(&self, login: Login<'_>) -> Result<Identity, LoginError>;

    /// What somebody who came in before may do now: for sessions that were kept while the broker did not run. `user`
    /// is the [`Identity::user`] of that time, and `client_id` the client identifier of the session. Nothing when there
    /// is no such user any more, so that the session has to end.
    ///
    /// # Errors
    /// [`LoginError::Unavailable`] when the users cannot be looked up now.
    async fn recall(&self, user: &str, client_id: &str) -> Result<Option<Rights>, LoginError>;
}

/// A look at every message before it is routed: publishes, wills, and those of the gateway's own parts.
pub trait PublishGuard: Send + Sync {
    /// Lets the message pass or refuses it. It is called by the one task that routes, so it must not block.
    ///
    /// # Errors
    /// When the message is refused; the reason goes to the sender.
    #[expect(
        clippy::result_large_err,
        reason = "a refusal is rare and carries a whole message; guards are simpler to write without a box"
    )]
    fn check(&self, message: &Message) -> Result<(), Refusal>;

    /// Lets a client leave this message as its last will, or refuses it: asked when it connects, and again when the will
    /// is published, before [`PublishGuard::check`]. A guard that has nothing to say about wills lets them pass.
    ///
    /// # Errors
    /// When the will is refused. The client does not get in with it.
    #[expect(clippy::result_large_err, reason = "as for `check`")]
    fn check_will(&self, _will: &Message) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A guard that lets everything pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenGuard;

impl PublishGuard for OpenGuard {
    fn check(&self, _message: &Message) -> Result<(), Refusal> {
        Ok(())
    }
}

/// The kind of a refusal; it becomes a reason code of MQTT 5 (section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    /// 0x83: valid, but the broker will not take it (a retained or a stale command, say).
    Implementation,
    /// 0x87: not allowed.
    NotAuthorized,
    /// 0x90: a topic that nothing may be published to.
    TopicNameInvalid,
    /// 0x97: too many, or too much.
    QuotaExceeded,
    /// 0x99: the payload is not what it has to be.
    PayloadFormatInvalid,
}

impl RefusalCode {
    /// The reason code of MQTT 5.
    pub const fn reason_code(self) -> u8 {
        match self {
            Self::Implementation => 0x83,
            Self::NotAuthorized => 0x87,
            Self::TopicNameInvalid => 0x90,
            Self::QuotaExceeded => 0x97,
            Self::PayloadFormatInvalid => 0x99,
        }
    }
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Its kind, for programs.
    pub code: RefusalCode,
    /// A sentence, for people; an MQTT 5 client gets it as reason string.
    pub reason: String,
    /// A message that is published because of the refusal (a `…/result`), since a 3.1.1 client gets no reason code.
    /// It is routed without asking the guard again.
    pub answer: Option<Message>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_does_not_show_its_password() {
        let login = Login {
            client_id: "c",
            user: Some("ana"),
            password: Some(b"s3cret"),
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
        };
        assert!(!format!("{login:?}").contains("s3cret"));
    }
}
