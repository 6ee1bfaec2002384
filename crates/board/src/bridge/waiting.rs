//! A derived device whose sources have not shown yet what they measure, as a chip of the kernel's does that is unplugged.
//! It says so, and becomes a derived device like any other when they appear.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatehouse_model::{Clock, DeviceId, DeviceInfo};
use tokio_util::sync::CancellationToken;

use super::derived::{DerivedTask, Outlook, Recipe, outlook};
use super::discoveries::{Discoveries, take_over};
use super::observations::Observations;
use super::publication::Publication;
use super::signals;
use crate::config::{DerivedConfig, DeviceConfig};
use crate::memory::Memory;

/// What a derived device waits for.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    derived: DerivedConfig,
    /// The devices that it is made of, as they were known when it was prepared.
    sources: Vec<DeviceInfo>,
}

impl Waiting {
    /// A device that is made of some of those that are `known`.
    pub(super) fn new(derived: &DerivedConfig, known: &BTreeMap<DeviceId, DeviceInfo>) -> Self {
        let is_source = |id: &DeviceId| derived.inputs.iter().any(|(_, path)| path.device == *id);
        let sources = known.iter().filter(|(id, _)| is_source(id)).map(|(_, info)| info.clone()).collect();
        Self { derived: derived.clone(), sources }
    }

    /// Whether a source is made up.
    pub(super) fn is_simulated(&self) -> bool {
        self.sources.iter().any(|source| source.simulated)
    }
}

/// Waits for the sources, and then works values out until it is told to stop.
pub(super) struct WaitingTask {
    pub(super) config: DeviceConfig,
    pub(super) waiting: Waiting,
    pub(super) observations: Arc<Observations>,
    pub(super) discoveries: Discoveries,
    pub(super) memory: Memory,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) publication: Publication,
}

impl WaitingTask {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let recipe = tokio::select! {
            () = stop.cancelled() => return,
            recipe = self.wait() => recipe,
        };
        let properties = recipe.properties().into_iter();
        let properties = properties.map(|info| signals::as_calibrated(&self.config, info)).collect();
        self.discoveries.tell(&self.config.id, properties);
        let Self { config, observations, memory, clock, publication, .. } = self;
        DerivedTask::new(&config, recipe, &observations, memory, clock, publication).run(stop).await;
    }

    async fn wait(&mut self) -> Recipe {
        let mut discovered = self.discoveries.follow();
        let mut sources = self.waiting.sources.clone();
        loop {
            take_over(&mut sources, &discovered.borrow_and_update());
            let known = sources.iter().map(|source| (source.id.clone(), source.clone())).collect();
            match outlook(&self.waiting.derived, &known, |_| true) {
                Outlook::Known(recipe) => return recipe,
                Outlook::Unknown(path) => {
                    let problem = format!(
                        "`{}` has not shown yet what it measures, and `{path}` is needed: see to that device",
                        path.device
                    );
                    self.publication.fails(&problem);
                }
                // What has appeared is another one than was meant; the right one may follow.
                Outlook::Refused(problem) => self.publication.fails(&problem),
            }
            if discovered.changed().await.is_err() {
                // Whoever discovers is gone: the bridge ends, and nothing appears any more.
                return std::future::pending().await;
            }
        }
    }
}
