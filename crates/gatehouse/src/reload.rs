//! The configuration, read again while the daemon runs: on SIGHUP, which `systemctl reload gatehouse` sends, and when the
//! page changes it.
//!
//! Devices are changed live, only those that differ, and so are the gateway's name and place. Everything else of the file waits for the next start, and the log
//! says so. A file with a mistake changes nothing.

#[path = "reload_orders.rs"]
mod orders;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use gatehouse_board::bridge::{Discovered, take_over};
use gatehouse_board::config::DeviceConfig;
use gatehouse_board::scan::Scanner;
use gatehouse_board::{Applied, BridgeError, BridgeHandle};
use gatehouse_dashboard::Accounts;
use gatehouse_dashboard::accounts::{By, Deed};
use gatehouse_model::{Clock, DeviceId, GatewayInfo};
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, watch};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::adopt;
use crate::config::{Config, Source};
use crate::mistakes;
use crate::running_copy::RunningCopies;
use crate::voice::GatewayVoice;
use crate::wiring::{DoorGuard, Order, notes};

/// What a new configuration is applied to.
pub(crate) struct Reloader {
    /// Where it is noted which outputs there are; a simulated board has none to note.
    pub(crate) copies: Option<RunningCopies>,
    pub(crate) source: Source,
    /// What was read at the start: sections that differ from it wait for the next one.
    pub(crate) config: Config,
    /// What is served.
    pub(crate) devices: Vec<DeviceConfig>,
    pub(crate) bridge: BridgeHandle,
    /// Whose outputs are not safe yet although they are not in the configuration any more.
    pub(crate) unsafe_still: watch::Receiver<BTreeSet<DeviceId>>,
    pub(crate) guard: Arc<DoorGuard>,
    pub(crate) voice: GatewayVoice,
    /// Where it is written down that the configuration changed.
    pub(crate) accounts: Accounts,
    pub(crate) info: GatewayInfo,
    /// What devices are found to give after the start.
    pub(crate) discovered: watch::Receiver<Discovered>,
    /// Who has to know which devices are configured.
    pub(crate) scanner: Scanner,
    /// Where earlier texts of the configuration are kept.
    pub(crate) data: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    /// What the page asks.
    pub(crate) orders: mpsc::Receiver<Order>,
    /// When the change is taken back that waits to be confirmed.
    pub(crate) deadline: Option<Pin<Box<Sleep>>>,
}

/// What a configuration that was taken over did.
struct Taken {
    added: Vec<DeviceId>,
    changed: Vec<DeviceId>,
    removed: Vec<DeviceId>,
    /// All of that in a line.
    summary: String,
}

/// Why a configuration was not taken over; everything is as it was.
enum Untaken {
    /// In a sentence for people.
    Refused(String),
    /// The bridge has ended.
    Stopping,
}

impl Reloader {
    /// Reads the configuration again with each signal, until `stop`.
    pub(crate) async fn serve(mut self, mut hangups: Signal, stop: CancellationToken) -> anyhow::Result<()> {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            adopted = self.adopt() => adopted?,
        }
        self.await_confirmation();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = hangups.recv() => {
                    self.reload(&By::command_line()).await?;
                }
                Some(order) = self.orders.recv() => self.obey(order).await?,
                () = orders::end_of(&mut self.deadline) => self.take_back_in_time().await?,
                Ok(()) = self.discovered.changed() => self.tell_discovered().await?,
                Ok(()) = self.unsafe_still.changed() => self.tell_safe().await?,
            }
        }
    }

    /// Takes care of outputs that were not safe when the daemon before this one ended, and that are not configured any more.
    async fn adopt(&mut self) -> anyhow::Result<()> {
        let Some(copies) = &mut self.copies else { return Ok(()) };
        let Some(left) = copies.left() else { return Ok(()) };
        let Some(with_them) = adopt::taken_up(left, &self.config.board, &self.devices) else {
            // Their pins are those of other devices by now, or of another board: nobody here can do anything for them.
            copies.follow(&BTreeSet::new());
            return Ok(());
        };
        match self.bridge.apply(with_them).await {
            Ok(_) => {}
            Err(problem @ BridgeError::Configuration(_)) => {
                error!(
                    "outputs that were taken out of the configuration were not safe when the gateway ended, and cannot be driven beside those of now: stop the gateway and run `gatehouse safe-outputs`: {problem}"
                );
                return Ok(());
            }
            // The bridge's end is told by the bridge.
            Err(_) => return Ok(()),
        }
        let Ok(applied) = self.bridge.apply(self.devices.clone()).await else { return Ok(()) };
        copies.follow(&applied.unsafe_still);
        self.guard.expect(&applied.inventory, notes(&self.devices));
        self.info.devices = applied.inventory;
        self.voice.say_info(&self.info).await?;
        let ids: Vec<String> = applied.removed.iter().map(|id| format!("`{id}`")).collect();
        let outcome =
            if applied.unsafe_still.is_empty() { "they are now" } else { "NOT all of them are yet" };
        warn!(
            "{} had been taken out of the configuration and not been safe when the gateway ended: {outcome}",
            ids.join(", ")
        );
        Ok(())
    }

    /// A device has appeared that shows only now what it measures: the inventory is said again.
    async fn tell_discovered(&mut self) -> anyhow::Result<()> {
        let has_changed = take_over(&mut self.info.devices, &self.discovered.borrow_and_update());
        if has_changed {
            self.voice.say_info(&self.info).await?;
        }
        Ok(())
    }

    /// What was taken out of the configuration has become safe: nobody needs to know of it any more.
    async fn tell_safe(&mut self) -> anyhow::Result<()> {
        let unsafe_still = self.unsafe_still.borrow_and_update().clone();
        if let Some(copies) = &mut self.copies {
            copies.follow(&unsafe_still);
        }
        let count = self.info.devices.len();
        let devices = &self.devices;
        self.info.devices.retain(|info| {
            unsafe_still.contains(&info.id) || devices.iter().any(|config| config.id == info.id)
        });
        if self.info.devices.len() != count {
            self.guard.expect(&self.info.devices, notes(&self.devices));
            self.voice.say_info(&self.info).await?;
        }
        Ok(())
    }

    /// Reads the file and takes it over, and writes down by whom.
    async fn reload(&mut self, by: &By) -> anyhow::Result<()> {
        let Some(file) = self.source.file() else {
            info!("there is no configuration file to read again: this is the demonstration house");
            return Ok(());
        };
        let name = file.display().to_string();
        if let Some(summary) = self.read_again(&name).await? {
            self.accounts.note(Deed::ConfigurationChanged, by, Some(&name), Some(&summary)).await;
        }
        Ok(())
    }

    /// Reads the file and takes it over. Gives what that changed when it is what is served now.
    async fn read_again(&mut self, name: &str) -> anyhow::Result<Option<String>> {
        let config = match self.source.again() {
            Ok(config) => config,
            Err(problems) => {
                error!("{name} has mistakes, so nothing was changed:\n{problems}");
                return Ok(None);
            }
        };
        Ok(self.take_over(config).await?.ok().map(|taken| taken.summary))
    }

    /// Applies a configuration without a mistake, and tells the log what came of that.
    async fn take_over(&mut self, config: Config) -> anyhow::Result<Result<Taken, Untaken>> {
        let name = self.source.file().map(|file| file.display().to_string()).unwrap_or_default();
        mistakes::print(&config.warnings);
        let waiting = self.config.sections_that_differ(&config);
        if !waiting.is_empty() {
            warn!("{} of {name} changed: that takes effect at the next start", waiting.join(", "));
        }
        // An end in the middle of the change must leave no output out, neither an old nor a new one.
        if let Some(copies) = &mut self.copies
            && let Err(problem) = copies.begin(&config.text)
        {
            error!("{problem:#}; nothing was changed");
            return Ok(Err(Untaken::Refused(format!("{problem:#}."))));
        }
        match self.bridge.apply(config.devices.clone()).await {
            Ok(applied) => {
                if let Some(copies) = &mut self.copies {
                    copies.end(&applied.unsafe_still);
                }
                let summary = summary(&applied, config.devices.len());
                self.guard.expect(&applied.inventory, notes(&config.devices));
                self.scanner.expect_devices(&config.devices);
                self.devices = config.devices;
                self.info.devices = applied.inventory;
                self.info.name = config.gateway.name;
                self.voice.say_info(&self.info).await?;
                info!("{name} was read again: {summary}");
                let Applied { added, changed, removed, .. } = applied;
                Ok(Ok(Taken { added, changed, removed, summary }))
            }
            Err(problem @ BridgeError::Configuration(_)) => {
                if let Some(copies) = &mut self.copies {
                    copies.undo();
                }
                error!("{name} cannot be served, so nothing was changed: {problem}");
                Ok(Err(Untaken::Refused(format!(
                    "This cannot be served, so nothing was changed: {problem}."
                ))))
            }
            // The bridge's end is told by the bridge.
            Err(_) => Ok(Err(Untaken::Stopping)),
        }
    }
}

fn summary(applied: &Applied, configured: usize) -> String {
    let touched = applied.added.len() + applied.changed.len();
    let untouched = configured.saturating_sub(touched);
    let named = |what: &str, ids: &[DeviceId]| {
        let ids: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
        (!ids.is_empty()).then(|| format!("{what} {}", ids.join(", ")))
    };
    let unsafe_still: Vec<DeviceId> = applied.unsafe_still.iter().cloned().collect();
    let parts = [
        named("added", &applied.added),
        named("changed", &applied.changed),
        named("removed", &applied.removed),
        Some(format!("{untouched} devices untouched")),
        named("NOT SAFE yet, and tried again and again:", &unsafe_still),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
