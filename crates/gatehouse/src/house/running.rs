//! The daemon once its first part runs: what it says of itself, and how it stops.

use std::sync::Arc;

use gatehouse_dashboard::Accounts;
use gatehouse_history::History;
use tokio::sync::mpsc;
use tracing::warn;

use super::parts::{LAST_WORD_LIMIT, STOP_AT_LAST, STOP_BEFORE_OFFLINE, STOP_FIRST, STOP_TOGETHER};
use crate::lifecycle::Lifecycle;
use crate::voice::GatewayVoice;
use crate::wiring::DoorGuard;

/// The daemon once its first part runs.
pub(crate) struct Running {
    pub(crate) lifecycle: Lifecycle,
    pub(super) guard: Arc<DoorGuard>,
    pub(super) voice: GatewayVoice,
    pub(super) accounts: Accounts,
    pub(super) history: History,
    /// Who asked at the page that the gateway is started again.
    pub(crate) restarts: mpsc::Receiver<String>,
}

impl Running {
    /// Refuses new commands, notes in the diary `why` the gateway stops, and drives the outputs to their safe level. Gives whether that went well.
    pub(crate) async fn stop_outputs(&mut self, why: &str) -> bool {
        self.guard.refuse_all();
        self.history.stopping(why);
        let (bridge, limit) = STOP_FIRST;
        self.lifecycle.stop(bridge, limit).await
    }

    /// Stops everything else in the order that keeps promises. Gives whether every part stopped well.
    pub(crate) async fn stop_rest(&mut self) -> bool {
        let (outbox, limit) = STOP_BEFORE_OFFLINE;
        let mut well = self.lifecycle.stop(outbox, limit).await;
        match tokio::time::timeout(LAST_WORD_LIMIT, self.voice.say_status(false)).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => warn!("{problem:#}"),
            Err(_) => warn!(
                "the broker did not take the gateway's last word within {} ms",
                LAST_WORD_LIMIT.as_millis()
            ),
        }
        let (parts, limit) = STOP_TOGETHER;
        well &= self.lifecycle.stop_together(&parts, limit).await;
        for (part, limit) in STOP_AT_LAST {
            well &= self.lifecycle.stop(part, limit).await;
        }
        self.history.clone().close().await;
        self.accounts.close().await;
        well
    }
}
