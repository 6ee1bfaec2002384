//! The bridge from start to end: its parts are started together, and end together.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, Stream};
use gatehouse_model::{DeviceId, Message, Scheme};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::answers::Answers;
use super::counter::CounterTask;
use super::derived::DerivedTask;
use super::devices::Part;
use super::encoder::EncoderTask;
use super::input::InputTask;
use super::lines::Lines;
use super::observations::Observations;
use super::outlet::{Losses, OutboxClosed, Outlet};
use super::outputs::{OutputLoop, Port};
use super::publication::Publication;
use super::sensor::SensorTask;
use super::tasks::Tasks;
use super::{Bridge, BridgeError};
use crate::memory::Memory;

/// Longest time that sensors and inputs get to end; one that hangs does not hold the shutdown up.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Longest time that the last messages get to be taken.
const LAST_WORDS_LIMIT: Duration = Duration::from_millis(1_500);

/// Longest time that the last record of the memory may take: a slow card needs some tenths of a second.
const MEMORY_LIMIT: Duration = Duration::from_secs(1);

type Delivery = JoinHandle<Result<(), OutboxClosed>>;

/// See [`Bridge::run`].
pub(super) async fn run(
    bridge: Bridge,
    outbox: mpsc::Sender<Message>,
    mut commands: impl Stream<Item = Message> + Send + Unpin,
    shutdown: CancellationToken,
) -> Result<(), BridgeError> {
    let outlet = Arc::new(Outlet::default());
    let observations = Arc::new(Observations::new(bridge.clock.clone()));
    let stop = CancellationToken::new();
    let scheme = bridge.scheme.clone();
    let ids: Vec<DeviceId> = bridge.devices.iter().map(|device| device.info.id.clone()).collect();
    let memory = bridge.memory.clone();
    let (mut tasks, mut outputs) = start(bridge, &outlet, &observations, &stop);
    let mut delivery: Delivery = tokio::spawn({
        let outlet = outlet.clone();
        async move { outlet.deliver(outbox).await }
    });

    let serving = async {
        let served = AssertUnwindSafe(outputs.serve(&mut commands, &stop)).catch_unwind().await;
        stop.cancel();
        served.unwrap_or_else(|_| {
            Err(BridgeError::PartDied { part: "output loop".to_owned(), problem: "it panicked".to_owned() })
        })
    };
    let watching = async {
        let outcome = watch(&mut tasks, &mut delivery, &shutdown, &stop).await;
        stop.cancel();
        outcome
    };
    let (served, watched) = tokio::join!(serving, watching);

    outputs.end(&mut commands).await;
    tasks.end(END_LIMIT).await;
    remember(&memory).await;
    say_offline(&scheme, &outlet, &observations, ids);
    let said = last_words(&outlet, delivery).await;
    served.and(watched).and(said)
}

fn start(
    bridge: Bridge,
    outlet: &Arc<Outlet>,
    observations: &Arc<Observations>,
    stop: &CancellationToken,
) -> (Tasks, OutputLoop) {
    let Bridge { scheme, board, clock, devices, memory } = bridge;
    let lines = Lines::new(board.clone());
    let is_simulated = board.is_simulated();
    let mut tasks = Tasks::default();
    let mut ports = Vec::new();
    for device in devices {
        let id = device.info.id.clone();
        let publication = Publication::new(scheme.clone(), id.clone(), outlet.clone(), observations.clone());
        let config = &device.config;
        match device.part {
            Part::Sensor { source, properties, every } => {
                let task = SensorTask::new(config, source, &properties, every, clock.clone(), publication);
                tasks.start(&format!("sensor `{id}`"), task.run(stop.clone()));
            }
            Part::Input(input, property) => {
                let task =
                    InputTask::new(input, property, lines.clone(), is_simulated, clock.clone(), publication);
                tasks.start(&format!("input `{id}`"), task.run(stop.clone()));
            }
            Part::Counter(counter, properties) => {
                let task = CounterTask::new(
                    counter,
                    properties,
                    lines.clone(),
                    memory.clone(),
                    is_simulated,
                    clock.clone(),
                    publication,
                );
                tasks.start(&format!("counter `{id}`"), task.run(stop.clone()));
            }
            Part::Encoder(encoder, property) => {
                let task = EncoderTask::new(
                    encoder,
                    property,
                    lines.clone(),
                    is_simulated,
                    clock.clone(),
                    publication,
                );
                tasks.start(&format!("encoder `{id}`"), task.run(stop.clone()));
            }
            Part::Derived(recipe) => {
                let (memory, clock) = (memory.clone(), clock.clone());
                let task = DerivedTask::new(config, recipe, observations, memory, clock, publication);
                tasks.start(&format!("derived `{id}`"), task.run(stop.clone()));
            }
            // It works for as long as those that are connected through it do.
            Part::Bystander => {}
            Part::Output(output, property) => {
                ports.push(Port::new(&config.name, output, property, publication));
            }
        }
    }
    let answers = Answers::new(scheme, outlet.clone());
    let outputs = OutputLoop::new(ports, lines, is_simulated, clock, answers);
    let stop = stop.clone();
    tasks.start("board", async move { board.run(stop).await });
    (tasks, outputs)
}

/// Waits for the shutdown, or for the first part that dies before it.
async fn watch(
    tasks: &mut Tasks,
    delivery: &mut Delivery,
    shutdown: &CancellationToken,
    stop: &CancellationToken,
) -> Result<(), BridgeError> {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => Ok(()),
        () = stop.cancelled() => Ok(()),
        died = tasks.first_death() => Err(died),
        // It only ends when nobody takes messages any more, as the outlet is not closed yet.
        _ = delivery => Err(BridgeError::OutboxClosed),
    }
}

/// The last record of what outlives the process.
async fn remember(memory: &Memory) {
    let problem = match tokio::time::timeout(MEMORY_LIMIT, memory.flush()).await {
        Ok(Ok(())) => return,
        Ok(Err(problem)) => problem.to_string(),
        Err(_) => format!("it took longer than {} s", MEMORY_LIMIT.as_secs()),
    };
    tracing::warn!("what the board remembers could not be written at the end: {problem}");
}

/// Nobody vouches for the devices' values any more. Said here for all of them, also for those whose task is gone.
fn say_offline(scheme: &Scheme, outlet: &Arc<Outlet>, observations: &Arc<Observations>, ids: Vec<DeviceId>) {
    for id in ids {
        Publication::new(scheme.clone(), id, outlet.clone(), observations.clone()).ends();
    }
}

async fn last_words(outlet: &Outlet, delivery: Delivery) -> Result<(), BridgeError> {
    outlet.close();
    let Losses { merged_states, dropped_answers } = outlet.losses();
    if merged_states > 0 || dropped_answers > 0 {
        tracing::warn!(merged_states, dropped_answers, "messages were lost because nobody took them in time");
    }
    if delivery.is_finished() {
        // It has been waited for already, and its end is the outcome of the run.
        return Ok(());
    }
    let abort = delivery.abort_handle();
    match tokio::time::timeout(LAST_WORDS_LIMIT, delivery).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(OutboxClosed))) => Err(BridgeError::OutboxClosed),
        Ok(Err(error)) => {
            Err(BridgeError::PartDied { part: "delivery".to_owned(), problem: error.to_string() })
        }
        Err(_) => {
            abort.abort();
            Err(BridgeError::LastWordsNotTaken { waiting: outlet.waiting() })
        }
    }
}
