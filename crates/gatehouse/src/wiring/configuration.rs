//! The configuration, for the page: what only reads is done here, what changes it is asked of the part that applies it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_dashboard::wire::{
    Configuration, ConfigurationChanged, ConfigurationCheck, ConfigurationDevice, ConfigurationDeviceEdit,
    ConfigurationDeviceView, ConfigurationDraft, ConfigurationFinding, ConfigurationUnconfirmed,
    ConfigurationVersionText, ConfigurationVersionView, GatewayChange, GatewayPlace, GatewaySettings,
};
use gatehouse_dashboard::{ConfigurationKeeper, ConfigurationProblem, TextChange};
use gatehouse_model::Clock;
use tokio::sync::{mpsc, oneshot};

use crate::changes::{
    Changes, EditProblem, Unconfirmed, edited, mistakes, read_only, version_of, view, with_gateway,
};
use crate::config::{Problems, Source, default_text};
use crate::pins;

/// Something that changes the configuration, with the way back for the answer.
pub(crate) enum Order {
    /// Another text.
    Change(TextChange, oneshot::Sender<Result<ConfigurationChanged, ConfigurationProblem>>),
    /// One more device.
    AddDevice(ConfigurationDevice, oneshot::Sender<Result<ConfigurationChanged, ConfigurationProblem>>),
    /// Another name or place of the gateway.
    ChangeGateway(GatewayChange, oneshot::Sender<Result<ConfigurationChanged, ConfigurationProblem>>),
    /// One device less.
    RemoveDevice(String, oneshot::Sender<Result<ConfigurationChanged, ConfigurationProblem>>),
    /// The change to this version, which waits, stays.
    Confirm(String, oneshot::Sender<Result<(), ConfigurationProblem>>),
    /// What waits is taken back.
    TakeBack(oneshot::Sender<Result<(), ConfigurationProblem>>),
}

/// The configuration as the dashboard asks about it.
pub(crate) struct PageConfiguration {
    source: Source,
    data: PathBuf,
    orders: mpsc::Sender<Order>,
    clock: Arc<dyn Clock>,
}

impl PageConfiguration {
    /// Of a daemon with this source and data directory; `orders` go to the part that applies configurations.
    pub(crate) fn new(
        source: Source,
        data: &Path,
        orders: mpsc::Sender<Order>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { source, data: data.to_owned(), orders, clock }
    }

    fn changes(&self) -> Option<Changes> {
        self.source.file().map(|file| Changes::new(file, &self.data))
    }

    async fn order<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, ConfigurationProblem>>) -> Order,
    ) -> Result<T, ConfigurationProblem> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).await.map_err(|_| ConfigurationProblem::Stopping)?;
        answer.await.map_err(|_| ConfigurationProblem::Stopping)?
    }
}

/// Files and long texts are looked at where waiting holds nobody up.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ConfigurationProblem> + Send + 'static,
) -> Result<T, ConfigurationProblem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ConfigurationProblem::Stopping)?
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The errors and the warnings among some findings.
pub(crate) fn check_of(problems: &Problems) -> ConfigurationCheck {
    let mut check = ConfigurationCheck::default();
    for finding in problems.findings() {
        let list = if finding.is_error { &mut check.problems } else { &mut check.warnings };
        list.push(ConfigurationFinding {
            line: finding.place.map(|(line, _)| small(line)),
            column: finding.place.map(|(_, column)| small(column)),
            message: finding.what,
            hint: finding.hint,
        });
    }
    check
}

/// What is wrong with a text, and what is worth a second thought.
fn checked(source: &Source, text: &str) -> ConfigurationCheck {
    let config = match source.read(text) {
        Ok(config) => config,
        Err(problems) => return check_of(&problems),
    };
    let mut check = check_of(&config.warnings);
    let warning =
        |message: String| ConfigurationFinding { line: None, column: None, message, hint: String::new() };
    check.warnings.extend(demonstration_ends(source, text).map(warning));
    if !source.is_demo() {
        // What the pins of this machine do at power-on stands nowhere in the text.
        check.warnings.extend(pins::power_on_warnings(&config).into_iter().map(warning));
    }
    check
}

/// That the devices of the demonstration go when the text is used, if they do.
fn demonstration_ends(source: &Source, text: &str) -> Option<String> {
    let before = source.file().and_then(|file| std::fs::read_to_string(file).ok())?;
    let unwritten = |text: &str| source.unwritten_devices(text).unwrap_or(0);
    let (now, then) = (unwritten(&before), unwritten(text));
    (now > then).then(|| {
        format!(
            "The demonstration's {now} devices go: they stand in no file, and this one then says which devices there are."
        )
    })
}

impl From<EditProblem> for ConfigurationProblem {
    fn from(problem: EditProblem) -> Self {
        match problem {
            EditProblem::Unknown => Self::UnknownDevice,
            EditProblem::Wrong(sentence) => Self::Wrong(sentence),
        }
    }
}

/// A change that waits, with the time that is `left`.
pub(crate) fn waiting(unconfirmed: &Unconfirmed, left: Duration) -> ConfigurationUnconfirmed {
    let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    ConfigurationUnconfirmed { version: unconfirmed.version.clone(), left_ms }
}

#[async_trait]
impl ConfigurationKeeper for PageConfiguration {
    async fn read(&self) -> Result<Configuration, ConfigurationProblem> {
        let (source, changes, now) = (self.source.clone(), self.changes(), self.clock.now());
        aside(move || {
            let text = match &changes {
                Some(changes) => changes.text().map_err(ConfigurationProblem::File)?,
                None => default_text().to_owned(),
            };
            // A text with mistakes runs nowhere, so nothing is lost with it.
            let unwritten = source.unwritten_devices(&text).unwrap_or(0);
            let unconfirmed = changes.and_then(|changes| changes.unconfirmed());
            Ok(Configuration {
                version: version_of(&text),
                text,
                path: source.file().map(|file| file.display().to_string()),
                read_only: read_only(&source),
                unwritten_devices: small(unwritten),
                unconfirmed: unconfirmed.map(|change| waiting(&change, change.left(now))),
            })
        })
        .await
    }

    async fn check(&self, text: String) -> Result<ConfigurationCheck, ConfigurationProblem> {
        let source = self.source.clone();
        aside(move || Ok(checked(&source, &text))).await
    }

    async fn change(&self, change: TextChange) -> Result<ConfigurationChanged, ConfigurationProblem> {
        self.order(|reply| Order::Change(change, reply)).await
    }

    async fn add_device(
        &self,
        device: ConfigurationDevice,
    ) -> Result<ConfigurationChanged, ConfigurationProblem> {
        self.order(|reply| Order::AddDevice(device, reply)).await
    }

    async fn gateway(&self) -> Result<GatewaySettings, ConfigurationProblem> {
        let source = self.source.clone();
        aside(move || {
            let config = source.again().map_err(|problems| {
                ConfigurationProblem::File(format!(
                    "The configuration has mistakes. {}",
                    mistakes(&problems, usize::MAX)
                ))
            })?;
            let place = |place: crate::config::Location| GatewayPlace {
                latitude: place.latitude,
                longitude: place.longitude,
            };
            Ok(GatewaySettings {
                name: config.gateway.name,
                time_zone: config.gateway.time_zone,
                location: config.gateway.location.map(place),
                read_only: read_only(&source),
            })
        })
        .await
    }

    async fn check_gateway(&self, change: GatewayChange) -> Result<(), ConfigurationProblem> {
        let (source, changes) = (self.source.clone(), self.changes());
        aside(move || {
            let text = match changes {
                Some(changes) => changes.text().map_err(ConfigurationProblem::File)?,
                None => default_text().to_owned(),
            };
            let text = with_gateway(&text, &change).map_err(ConfigurationProblem::Wrong)?;
            // Lines that the reader of this has not written are not named.
            let wrong = |problems| ConfigurationProblem::Wrong(mistakes(&problems, 0));
            source.read(&text).map(|_| ()).map_err(wrong)
        })
        .await
    }

    async fn change_gateway(
        &self,
        change: GatewayChange,
    ) -> Result<ConfigurationChanged, ConfigurationProblem> {
        self.order(|reply| Order::ChangeGateway(change, reply)).await
    }

    async fn device(&self, id: &str) -> Result<ConfigurationDeviceView, ConfigurationProblem> {
        let (source, changes, id) = (self.source.clone(), self.changes(), id.to_owned());
        aside(move || {
            // The devices of the demonstration house stand in no text.
            let changes = changes.ok_or(ConfigurationProblem::UnknownDevice)?;
            let text = changes.text().map_err(ConfigurationProblem::File)?;
            Ok(view(&text, &id, read_only(&source))?)
        })
        .await
    }

    async fn draft(
        &self,
        id: &str,
        edit: ConfigurationDeviceEdit,
    ) -> Result<ConfigurationDraft, ConfigurationProblem> {
        let (source, changes, id) = (self.source.clone(), self.changes(), id.to_owned());
        aside(move || {
            if let Some(why) = read_only(&source) {
                return Err(ConfigurationProblem::ReadOnly(why));
            }
            let changes = changes.ok_or(ConfigurationProblem::UnknownDevice)?;
            let before = changes.text().map_err(ConfigurationProblem::File)?;
            let text = edited(&before, &id, &edit)?;
            let (base, check) = (version_of(&before), checked(&source, &text));
            Ok(ConfigurationDraft { before, text, base, check })
        })
        .await
    }

    async fn remove_device(&self, id: &str) -> Result<ConfigurationChanged, ConfigurationProblem> {
        self.order(|reply| Order::RemoveDevice(id.to_owned(), reply)).await
    }

    async fn confirm(&self, version: String) -> Result<(), ConfigurationProblem> {
        self.order(|reply| Order::Confirm(version, reply)).await
    }

    async fn take_back(&self) -> Result<(), ConfigurationProblem> {
        self.order(Order::TakeBack).await
    }

    async fn versions(&self) -> Result<Vec<ConfigurationVersionView>, ConfigurationProblem> {
        let changes = self.changes();
        aside(move || {
            let versions = changes.map(|changes| changes.versions()).unwrap_or_default();
            let view = |version: crate::changes::Version| ConfigurationVersionView {
                id: version.id,
                replaced: version.replaced,
                bytes: u32::try_from(version.bytes).unwrap_or(u32::MAX),
            };
            Ok(versions.into_iter().map(view).collect())
        })
        .await
    }

    async fn version(&self, id: &str) -> Result<ConfigurationVersionText, ConfigurationProblem> {
        let (changes, id) = (self.changes(), id.to_owned());
        aside(move || {
            let text = changes.and_then(|changes| changes.version(&id));
            let text = text.ok_or(ConfigurationProblem::UnknownVersion)?;
            Ok(ConfigurationVersionText { id, text })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Addresses;

    const DEVICE: &str = "[[device]]\nid = \"lamp\"\nname = \"Lamp\"\ndriver = \"output\"\npin = 17\nactive = \"high\"\nsafe = \"off\"\nmax_on = \"1h\"\n";

    fn said(file: &Path, demo: bool, text: &str) -> Vec<String> {
        let source = Source::new(Some(file.to_owned()), demo, Addresses::default());
        let check = checked(&source, text);
        assert_eq!(check.problems, []);
        check
            .warnings
            .into_iter()
            .map(|finding| finding.message)
            .filter(|one| one.contains("devices go"))
            .collect()
    }

    /// Somebody who tried the gateway out added one device on the page, and the whole house was gone without a word.
    #[test]
    fn the_first_device_in_the_file_of_a_demonstration_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gatehouse.toml");
        std::fs::write(&file, "").unwrap();
        let source = Source::new(Some(file.clone()), true, Addresses::default());
        let unwritten = source.unwritten_devices("").unwrap();
        assert!(unwritten > 10, "{unwritten}");
        assert_eq!(source.unwritten_devices(DEVICE).unwrap(), 0);
        let warned = said(&file, true, DEVICE);
        assert!(warned[0].contains(&format!("demonstration's {unwritten} devices go")), "{warned:?}");
        assert!(said(&file, true, "# nothing yet\n").is_empty());
        assert!(said(&file, false, DEVICE).is_empty(), "a gateway that is none loses nothing");
        std::fs::write(&file, DEVICE).unwrap();
        assert!(said(&file, true, DEVICE).is_empty(), "they are gone already");
    }
}
