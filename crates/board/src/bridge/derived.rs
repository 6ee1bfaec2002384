//! Derived devices: what they are made of, and the task that works their values out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::select_all;
use gatehouse_control::Measured;
use gatehouse_control::derived::{Derived, DerivedRules, Input, Quantity, Role};
use gatehouse_control::signal::PERIODS_BEFORE_STALE;
use gatehouse_model::{
    Clock, DeviceId, DeviceInfo, PropertyId, PropertyInfo, PropertyKind, PropertyPath, Quality, Value,
};
use tokio_util::sync::CancellationToken;

use super::observations::{Observations, Watcher};
use super::publication::Publication;
use super::signals::{IsNews, Signals};
use super::time;
use crate::config::{DerivedConfig, DeviceConfig, DriverConfig};
use crate::memory::Memory;
use crate::traits::SensorProperty;

/// How long is waited after a reading for others that come with it: a sensor's temperature and humidity are one moment.
const SETTLE: Duration = Duration::from_millis(20);

/// How long sensors get after the start until a missing value is a fault.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Shortest of the gaps over which energy is counted when the configuration says nothing.
const MIN_GAP: Duration = Duration::from_secs(60);

/// What a derived device gives, and what it takes.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    rules: DerivedRules,
    sources: Vec<PropertyPath>,
    properties: Vec<(Quantity, SensorProperty)>,
    save_every: Duration,
    /// Whether a source is made up.
    pub(super) is_simulated: bool,
}

/// The order in which devices are prepared, as indexes: a derived one after those that it is made of. Those that are
/// made of themselves are told as problems.
pub(super) fn order(devices: &[DeviceConfig]) -> (Vec<usize>, Vec<String>) {
    let mut waiting: BTreeSet<usize> = (0..devices.len()).collect();
    let mut order = Vec::with_capacity(devices.len());
    loop {
        let still: BTreeSet<&DeviceId> = waiting.iter().map(|index| &devices[*index].id).collect();
        let is_ready = |index: &usize| match &devices[*index].driver {
            DriverConfig::Derived(derived) => {
                derived.inputs.iter().all(|(_, path)| !still.contains(&path.device))
            }
            _ => true,
        };
        let ready: Vec<usize> = waiting.iter().copied().filter(is_ready).collect();
        if ready.is_empty() {
            break;
        }
        waiting.retain(|index| !ready.contains(index));
        order.extend(ready);
    }
    let circular = |index: &usize| {
        format!(
            "`{}` is derived from itself, directly or through others: give it another source",
            devices[*index].id
        )
    };
    (order, waiting.iter().map(circular).collect())
}

impl Recipe {
    /// What a derived device gives, among devices that are known.
    ///
    /// # Errors
    /// Why it cannot, in a sentence for people.
    fn new(config: &DerivedConfig, known: &BTreeMap<DeviceId, DeviceInfo>) -> Result<Self, String> {
        let mut infos = Vec::new();
        let (mut is_simulated, mut longest) = (false, None::<u64>);
        for (role, path) in &config.inputs {
            let device =
                known.get(&path.device).ok_or_else(|| format!("there is no device `{}`", path.device))?;
            let property = device.properties.iter().find(|property| property.id == path.property);
            let property = property.ok_or_else(|| format!("there is no value `{path}`"))?;
            check_unit(*role, path, property)?;
            is_simulated |= device.simulated;
            longest = longest.max(device.period_ms);
            infos.push((*role, property));
        }
        let mut properties = Vec::new();
        for quantity in &config.gives {
            properties.push((*quantity, SensorProperty::new(property(*quantity, &infos)?, None)));
        }
        let three_periods = longest.map(|period| Duration::from_millis(period) * PERIODS_BEFORE_STALE);
        let rules = DerivedRules {
            inputs: config.inputs.iter().map(|(role, _)| *role).collect(),
            gives: config.gives.clone(),
            altitude: config.altitude,
            sea_level: config.sea_level,
            pulses_per_unit: config.pulses_per_unit,
            meter_start: config.meter_start,
            direction: config.direction,
            max_gap: config.max_gap.unwrap_or_else(|| three_periods.unwrap_or_default().max(MIN_GAP)),
        };
        let sources = config.inputs.iter().map(|(_, path)| path.clone()).collect();
        Ok(Self { rules, sources, properties, save_every: config.save_every, is_simulated })
    }

    /// Its values.
    pub(super) fn properties(&self) -> Vec<PropertyInfo> {
        self.properties.iter().map(|(_, property)| property.info.clone()).collect()
    }
}

/// What is to be said of a derived device, among devices that are known.
pub(super) enum Outlook {
    /// It can be served.
    Known(Recipe),
    /// The device of this value has not shown yet what it measures.
    Unknown(PropertyPath),
    /// It cannot be served, and why, in a sentence for people.
    Refused(String),
}

/// What is to be said of a derived device. `shows_later` is whether a device of which nothing is known can still show what
/// it measures.
pub(super) fn outlook(
    config: &DerivedConfig,
    known: &BTreeMap<DeviceId, DeviceInfo>,
    shows_later: impl Fn(&DeviceId) -> bool,
) -> Outlook {
    let is_unknown = |path: &PropertyPath| {
        known.get(&path.device).is_some_and(|device| device.properties.is_empty())
            && shows_later(&path.device)
    };
    // A source that does not exist is a mistake, whatever else is still unknown.
    let exist = config.inputs.iter().all(|(_, path)| known.contains_key(&path.device));
    match config.inputs.iter().find(|(_, path)| is_unknown(path)).filter(|_| exist) {
        Some((_, path)) => Outlook::Unknown(path.clone()),
        None => Recipe::new(config, known).map_or_else(Outlook::Refused, Outlook::Known),
    }
}

fn check_unit(role: Role, path: &PropertyPath, property: &PropertyInfo) -> Result<(), String> {
    let PropertyKind::Number { unit, .. } = &property.kind else {
        return Err(format!("`{path}` is no number"));
    };
    match role.unit() {
        Some(needed) if needed != unit => {
            Err(format!("`{path}` is in `{unit}`, but `{}` must be in {needed}", role.word()))
        }
        _ => Ok(()),
    }
}

/// How a quantity is published. Combinations are what their inputs are, so those must be of one kind.
fn property(quantity: Quantity, inputs: &[(Role, &PropertyInfo)]) -> Result<PropertyInfo, String> {
    let word = quantity.word();
    let made_of = |role: &Role| inputs.iter().filter(move |(input, _)| input == role).collect::<Vec<_>>();
    if let Some(missing) = quantity.needs().iter().find(|role| made_of(role).is_empty()) {
        return Err(format!("`{word}` needs `{}`", missing.word()));
    }
    let mut unit = quantity.unit().unwrap_or_default().to_owned();
    let (mut decimals, mut class) = (quantity.decimals(), quantity.class().map(str::to_owned));
    if quantity.unit().is_none() {
        let values = made_of(&Role::Value);
        let kinds: Vec<(&str, u8)> = values.iter().map(|(_, info)| unit_of(&info.kind)).collect();
        let Some((first, _)) = kinds.first() else { return Err(format!("`{word}` needs values")) };
        if let Some((other, _)) = kinds.iter().find(|(other, _)| other != first) {
            return Err(format!("`{word}` of values in `{first}` and in `{other}` means nothing"));
        }
        unit = (*first).to_owned();
        decimals = kinds.iter().map(|(_, decimals)| *decimals).max().unwrap_or(decimals);
        let first = values[0].1.class.clone();
        class = first.filter(|first| values.iter().all(|(_, info)| info.class.as_ref() == Some(first)));
    }
    let id = PropertyId::new(word).map_err(|error| error.to_string())?;
    let kind = PropertyKind::Number { unit, decimals };
    Ok(PropertyInfo { id, name: quantity.name().to_owned(), kind, settable: false, class, range: None })
}

fn unit_of(kind: &PropertyKind) -> (&str, u8) {
    match kind {
        PropertyKind::Number { unit, decimals } => (unit, *decimals),
        PropertyKind::Switch | PropertyKind::Text => ("", 0),
    }
}

/// Why the task woke up.
enum Wake {
    /// An input has changed.
    News,
    /// A filter or a report is due.
    Deadline,
    /// Sensors had time enough to say something.
    Silence,
}

/// Works values out until it is told to stop.
pub(super) struct DerivedTask {
    derived: Derived,
    watchers: Vec<(PropertyPath, Watcher)>,
    properties: Vec<(Quantity, SensorProperty)>,
    signals: Signals,
    memory: Memory,
    save_every: Duration,
    clock: Arc<dyn Clock>,
    publication: Publication,
}

impl DerivedTask {
    pub(super) fn new(
        config: &DeviceConfig,
        recipe: Recipe,
        observations: &Observations,
        memory: Memory,
        clock: Arc<dyn Clock>,
        publication: Publication,
    ) -> Self {
        let Recipe { rules, sources, properties, save_every, .. } = recipe;
        let remembered = energy(&properties).and_then(|id| memory.amount(&config.id, id));
        let infos: Vec<SensorProperty> = properties.iter().map(|(_, property)| property.clone()).collect();
        let watch = |path: PropertyPath| {
            let watcher = observations.subscribe(&path);
            (path, watcher)
        };
        Self {
            derived: Derived::new(rules, remembered),
            watchers: sources.into_iter().map(watch).collect(),
            // What it is made of goes stale by itself, and is told.
            signals: Signals::new(config, &infos, None),
            properties,
            memory,
            save_every,
            clock,
            publication,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work() => {}
        }
    }

    async fn work(&mut self) {
        let mut patience = Some(self.clock.moment() + START_PATIENCE);
        loop {
            let deadline = self.signals.next_deadline();
            let changes = self.watchers.iter_mut().map(|(_, watcher)| watcher.next().boxed());
            let wake = tokio::select! {
                _ = select_all(changes) => Wake::News,
                () = time::until(deadline, &*self.clock) => Wake::Deadline,
                () = time::until(patience, &*self.clock) => Wake::Silence,
            };
            match wake {
                Wake::News => {
                    tokio::time::sleep(SETTLE).await;
                    self.work_out();
                }
                Wake::Deadline => {
                    let now = self.clock.moment();
                    let news = self.signals.handle_timeout(&mut self.publication, now);
                    self.report(news);
                }
                Wake::Silence => {
                    patience = None;
                    self.complain_of_silence();
                }
            }
        }
    }

    /// What was heard so far; each watcher has had it then.
    fn inputs(&mut self) -> Vec<Option<Input>> {
        let input = |(_, watcher): &mut (PropertyPath, Watcher)| {
            let observation = watcher.take()?;
            let Value::Number(value) = observation.reading.value else { return None };
            let (quality, at) = (observation.reading.quality, observation.reading.at);
            Some(Input { measured: Measured { value, quality, at }, heard: observation.heard })
        };
        self.watchers.iter_mut().map(input).collect()
    }

    fn work_out(&mut self) {
        let inputs = self.inputs();
        let found = self.derived.handle_inputs(&inputs);
        let now = self.clock.moment();
        let mut news = IsNews(false);
        for (quantity, property) in &self.properties {
            let id = &property.info.id;
            let heard = match found.iter().find(|(known, _)| known == quantity) {
                Some((_, measured)) if measured.quality != Quality::Stale => {
                    let value = (&Value::Number(measured.value), measured.quality, measured.at);
                    self.signals.handle_value(&mut self.publication, id, value, now)
                }
                // It cannot be worked out any more.
                _ => Ok(self.signals.handle_loss(&mut self.publication, id, now)),
            };
            match heard {
                Ok(IsNews(is_news)) => news.0 |= is_news,
                Err(refusal) => tracing::debug!(device = %self.publication.device(), %id, "{refusal}"),
            }
        }
        if let Some(id) = energy(&self.properties) {
            self.memory.set_amount(self.publication.device(), id, self.derived.kwh(), self.save_every);
        }
        self.report(news);
        let stale =
            |input: &&Option<Input>| input.is_some_and(|input| input.measured.quality == Quality::Stale);
        match inputs.iter().position(|input| stale(&input)) {
            Some(index) => {
                self.publication.fails(&format!("`{}` is stale: see to that device", self.watchers[index].0));
            }
            None if inputs.iter().all(Option::is_some) => self.publication.works(),
            None => {}
        }
    }

    fn complain_of_silence(&mut self) {
        if let Some((path, _)) = self.watchers.iter().find(|(_, watcher)| watcher.latest().is_none()) {
            self.publication.fails(&format!("nothing was heard of `{path}` yet: see to that device"));
        }
    }

    fn report(&self, IsNews(is_news): IsNews) {
        if is_news {
            self.publication.report();
        }
    }
}

/// The id of the energy, for a device that gives one.
fn energy(properties: &[(Quantity, SensorProperty)]) -> Option<&PropertyId> {
    properties
        .iter()
        .find(|(quantity, _)| *quantity == Quantity::Energy)
        .map(|(_, property)| &property.info.id)
}
