//! What every connection is handed: limits, the login check, and the way to the hub.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::spares::Spares;
use super::{Inbound, Revocations};
use crate::codec::{Connect, Reason};
use crate::meter::Meter;
use crate::statistics::Counters;
use crate::{Authenticator, Identity, Login, LoginError, Settings};

/// Shared by all connections.
pub(crate) struct Door {
    pub(crate) settings: Settings,
    pub(crate) counters: Arc<Counters>,
    hub: mpsc::Sender<Inbound>,
    /// The broker stops: nobody is let in any more.
    pub(crate) stopping: CancellationToken,
    authenticator: Arc<dyn Authenticator>,
    logins: Semaphore,
    pub(crate) revocations: Arc<Revocations>,
    /// Bytes that wait for all clients.
    pub(crate) meter: Meter,
    /// Buffers for the next round.
    pub(crate) spares: Spares,
    /// Bytes of packets that have arrived in part.
    pub(crate) incoming: Meter,
}

impl Door {
    pub(crate) fn new(
        settings: Settings,
        counters: Arc<Counters>,
        hub: mpsc::Sender<Inbound>,
        authenticator: Arc<dyn Authenticator>,
        stopping: CancellationToken,
        meter: Meter,
    ) -> Self {
        let logins = Semaphore::new(settings.concurrent_logins.max(1));
        let revocations = Arc::default();
        Self {
            settings,
            counters,
            hub,
            stopping,
            authenticator,
            logins,
            revocations,
            meter,
            spares: Spares::default(),
            incoming: Meter::default(),
        }
    }

    /// Tells the hub something; false when there is no hub any more.
    pub(crate) async fn tell(&self, what: Inbound) -> bool {
        match self.hub.try_send(what) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            // In a box: there is nearly always room, and every idle connection would keep what waiting takes.
            Err(TrySendError::Full(what)) => Box::pin(self.hub.send(what)).await.is_ok(),
        }
    }

    /// Who the client is, or the reason code and sentence for its CONNACK; nothing when the client was `gone` before its
    /// turn came. Once its turn has come the check runs to its end, since it may go on in a thread that cannot be
    /// stopped, and its place must not be given away meanwhile.
    pub(crate) async fn identify(
        &self,
        connect: &Connect,
        peer: SocketAddr,
        gone: impl Future<Output = ()>,
    ) -> Option<Result<Identity, (Reason, &'static str)>> {
        if connect.asks_enhanced_authentication {
            return Some(Err((Reason::BadAuthenticationMethod, "enhanced authentication is not supported")));
        }
        let login = Login {
            client_id: &connect.client_id,
            user: connect.user.as_deref(),
            password: connect.password.as_deref(),
            peer,
        };
        let checked = timeout(self.settings.login_time, async {
            // A free place is taken without a look at the client, which may have said all that it wanted to say and
            // closed already. Whoever has to wait is looked at. The semaphore is never closed; should it be, nobody is
            // let in.
            let _turn = match self.logins.try_acquire() {
                Ok(turn) => turn,
                Err(_) => tokio::select! {
                    biased;
                    () = gone => return Ok(None),
                    turn = self.logins.acquire() => turn.map_err(|_| LoginError::Unavailable)?,
                },
            };
            self.authenticator.authenticate(login).await.map(Some)
        });
        Some(match checked.await {
            Ok(Ok(None)) => return None,
            Ok(Ok(Some(identity))) => Ok(identity),
            Ok(Err(LoginError::BadCredentials)) => {
                Err((Reason::BadCredentials, "the user name or the password is wrong"))
            }
            Ok(Err(LoginError::NameNeeded)) => {
                Err((Reason::NotAuthorized, "a user name and a password are needed"))
            }
            Ok(Err(LoginError::TooManyTries)) => {
                Err((Reason::ConnectionRateExceeded, "there were too many tries; try again later"))
            }
            Ok(Err(LoginError::Unavailable)) | Err(_) => {
                Err((Reason::ServerUnavailable, "logins cannot be checked now; try again later"))
            }
        })
    }
}
