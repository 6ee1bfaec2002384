//! What the page asks of the configuration: another text, one more device, and whether a change stays.

use std::time::Duration;

use gatehouse_dashboard::accounts::{By, Deed};
use gatehouse_dashboard::wire::{ConfigurationChanged, ConfigurationDevice, GatewayChange};
use gatehouse_dashboard::{ConfigurationProblem, TextChange};
use gatehouse_model::DeviceId;
use tracing::{error, info, warn};

use super::{Reloader, Taken, Untaken};
use crate::changes::{Changes, Given, mistakes, read_only, version_of, with_device, with_gateway, without};
use crate::wiring::{Order, check_of, waiting};

/// A change that could not be taken back, as on a full disk, is tried again after so long.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What the audit log says of a change whose time ended, before what that changed: it reads otherwise like an edit of the
/// file.
const TAKEN_BACK_IN_TIME: &str = "taken back: not confirmed in time";

/// How the waiting for a confirmation ends without one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Somebody does not want the change; they are written down at the door of the page.
    ByPerson,
    /// Nobody said anything.
    InTime,
}

/// The answer to somebody at the page, unless the gateway itself failed.
type Outcome<T> = anyhow::Result<Result<T, ConfigurationProblem>>;

/// Does what has to wait for a disk where it holds nobody up.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, ConfigurationProblem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| ConfigurationProblem::Stopping)?.map_err(ConfigurationProblem::File)
}

impl Reloader {
    /// Does what the page asks. An answer that nobody waits for any more is no failure.
    pub(super) async fn obey(&mut self, order: Order) -> anyhow::Result<()> {
        match order {
            Order::Change(change, reply) => {
                let _ = reply.send(self.change(change).await?);
            }
            Order::AddDevice(device, reply) => {
                let _ = reply.send(self.add_device(device).await?);
            }
            Order::ChangeGateway(change, reply) => {
                let _ = reply.send(self.change_gateway(&change).await?);
            }
            Order::RemoveDevice(id, reply) => {
                let _ = reply.send(self.remove_device(&id).await?);
            }
            Order::Confirm(version, reply) => {
                let _ = reply.send(self.confirm(version).await);
            }
            Order::TakeBack(reply) => {
                let _ = reply.send(self.take_back(Ended::ByPerson).await?);
            }
        }
        Ok(())
    }

    fn changes(&self) -> Result<Changes, ConfigurationProblem> {
        if let Some(why) = read_only(&self.source) {
            return Err(ConfigurationProblem::ReadOnly(why));
        }
        let file = self.source.file().ok_or(ConfigurationProblem::Stopping)?;
        Ok(Changes::new(file, &self.data))
    }

    /// Waits for the change that is noted on the disk, as after a restart; nothing when there is none.
    pub(super) fn await_confirmation(&mut self) {
        let noted = self.changes().ok().and_then(|changes| changes.unconfirmed());
        self.deadline = noted.map(|change| Box::pin(tokio::time::sleep(change.left(self.clock.now()))));
    }

    async fn change(&mut self, change: TextChange) -> Outcome<ConfigurationChanged> {
        let own_lines = change.text.lines().count();
        match self.base_of(Some(&change.base)).await {
            Ok((changes, former)) => self.write(changes, former, change, own_lines).await,
            Err(problem) => Ok(Err(problem)),
        }
    }

    async fn add_device(&mut self, device: ConfigurationDevice) -> Outcome<ConfigurationChanged> {
        let (changes, former) = match self.base_of(None).await {
            Ok(base) => base,
            Err(problem) => return Ok(Err(problem)),
        };
        let given = Given { id: device.id, name: device.name, room: device.room };
        let text = match with_device(&former, &device.configuration, &given) {
            Ok(text) => text,
            Err(sentence) => return Ok(Err(ConfigurationProblem::Wrong(sentence))),
        };
        let own_lines = former.lines().count();
        let change = TextChange { text, base: version_of(&former), confirm_within: None };
        self.write(changes, former, change, own_lines).await
    }

    async fn change_gateway(&mut self, change: &GatewayChange) -> Outcome<ConfigurationChanged> {
        let (changes, former) = match self.base_of(None).await {
            Ok(base) => base,
            Err(problem) => return Ok(Err(problem)),
        };
        let text = match with_gateway(&former, change) {
            Ok(text) => text,
            Err(sentence) => return Ok(Err(ConfigurationProblem::Wrong(sentence))),
        };
        let change = TextChange { text, base: version_of(&former), confirm_within: None };
        self.write(changes, former, change, 0).await
    }

    async fn remove_device(&mut self, id: &str) -> Outcome<ConfigurationChanged> {
        let (changes, former) = match self.base_of(None).await {
            Ok(base) => base,
            Err(problem) => return Ok(Err(problem)),
        };
        let text = match without(&former, id) {
            Ok(text) => text,
            Err(problem) => return Ok(Err(problem.into())),
        };
        let own_lines = text.lines().count();
        let change = TextChange { text, base: version_of(&former), confirm_within: None };
        self.write(changes, former, change, own_lines).await
    }

    /// The text that a change is based on, when nothing stands in the way of one.
    async fn base_of(&self, version: Option<&str>) -> Result<(Changes, String), ConfigurationProblem> {
        let changes = self.changes()?;
        let read = changes.clone();
        let (former, waits) = aside(move || Ok((read.text()?, read.unconfirmed().is_some()))).await?;
        if waits {
            return Err(ConfigurationProblem::Unconfirmed);
        }
        if version.is_some_and(|version| version != version_of(&former)) {
            return Err(ConfigurationProblem::Changed);
        }
        Ok((changes, former))
    }

    /// Checks, writes and applies another text; what fails leaves everything as it was.
    async fn write(
        &mut self,
        changes: Changes,
        former: String,
        change: TextChange,
        own_lines: usize,
    ) -> Outcome<ConfigurationChanged> {
        let config = match self.source.read(&change.text) {
            Ok(config) => config,
            Err(problems) => return Ok(Err(ConfigurationProblem::Wrong(mistakes(&problems, own_lines)))),
        };
        let (warnings, version) = (check_of(&config.warnings).warnings, version_of(&change.text));
        let at_next_start = self.config.sections_that_differ(&config);
        let (now, put, text, confirm_within) =
            (self.clock.now(), changes.clone(), change.text, change.confirm_within);
        let before = former.clone();
        if let Err(problem) = aside(move || put.put(&before, &text, confirm_within, now)).await {
            return Ok(Err(problem));
        }
        let taken = match self.take_over(config).await? {
            Ok(taken) => taken,
            Err(untaken) => {
                let undo = changes.clone();
                if let Err(problem) = aside(move || undo.undo(&former)).await {
                    error!("the configuration could not be put back: {problem}");
                }
                return Ok(Err(match untaken {
                    Untaken::Refused(why) => ConfigurationProblem::Wrong(why),
                    Untaken::Stopping => ConfigurationProblem::Stopping,
                }));
            }
        };
        self.await_confirmation();
        let Taken { added, changed, removed, .. } = taken;
        let words = |ids: Vec<DeviceId>| ids.iter().map(ToString::to_string).collect();
        let now = self.clock.now();
        Ok(Ok(ConfigurationChanged {
            version,
            added: words(added),
            changed: words(changed),
            removed: words(removed),
            at_next_start: at_next_start.into_iter().map(str::to_owned).collect(),
            warnings,
            unconfirmed: changes.unconfirmed().map(|change| waiting(&change, change.left(now))),
        }))
    }

    async fn confirm(&mut self, version: String) -> Result<(), ConfigurationProblem> {
        let changes = self.changes()?;
        let waits = changes.clone();
        match aside(move || Ok(waits.unconfirmed())).await? {
            // The time of the one that does wait goes on.
            Some(other) if other.version != version => return Err(ConfigurationProblem::AnotherWaits),
            _ => {}
        }
        let waited = aside(move || changes.confirm()).await?;
        self.deadline = None;
        if waited { Ok(()) } else { Err(ConfigurationProblem::NothingToConfirm) }
    }

    /// Puts the text back that was before the change that nobody confirmed, and applies it.
    async fn take_back(&mut self, ended: Ended) -> Outcome<()> {
        self.deadline = None;
        let changes = match self.changes() {
            Ok(changes) => changes,
            Err(problem) => return Ok(Err(problem)),
        };
        let now = self.clock.now();
        match aside(move || changes.take_back(now)).await {
            Ok(true) => {}
            Ok(false) => return Ok(Err(ConfigurationProblem::NothingToConfirm)),
            Err(problem) => {
                self.deadline = Some(Box::pin(tokio::time::sleep(TRIED_AGAIN_AFTER)));
                return Ok(Err(problem));
            }
        }
        let file = self.source.file().map(|file| file.display().to_string()).unwrap_or_default();
        if let Some(summary) = self.read_again(&file).await? {
            if ended == Ended::InTime {
                let (nobody, detail) =
                    (By { name: None, address: None }, format!("{TAKEN_BACK_IN_TIME}; {summary}"));
                self.accounts.note(Deed::ConfigurationChanged, &nobody, Some(&file), Some(&detail)).await;
            }
            return Ok(Ok(()));
        }
        let sentence = "The former text is in the file again, but it could not be applied: the log says why. Restart the \
                        gateway.";
        Ok(Err(ConfigurationProblem::File(sentence.to_owned())))
    }

    /// The time to confirm a change is over.
    pub(super) async fn take_back_in_time(&mut self) -> anyhow::Result<()> {
        match self.take_back(Ended::InTime).await? {
            Ok(()) => {
                warn!("nobody confirmed the last change of the configuration in time: it was taken back");
            }
            Err(ConfigurationProblem::NothingToConfirm) => info!("no change waits to be confirmed any more"),
            Err(problem) => error!("a change that nobody confirmed could not be taken back: {problem}"),
        }
        Ok(())
    }
}

/// The end of the time to confirm a change; never when none waits.
pub(super) async fn end_of(deadline: &mut Option<std::pin::Pin<Box<tokio::time::Sleep>>>) {
    match deadline {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}
