//! The bridge from start to end: its parts are started together, and end together.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, Stream};
use gatehouse_model::Message;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::answers::Answers;
use super::devices::Device;
use super::kept::Keeper;
use super::live::{Asked, Questions, Request, Requests, answering};
use super::outlet::{Losses, OutboxClosed, Outlet};
use super::outputs::OutputLoop;
use super::serving::{MAX_OUTPUT_CHANGES, Serving};
use super::watched::Watched;
use super::{Bridge, BridgeError, time};
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
    let Bridge {
        parts,
        buses,
        lines,
        devices,
        handle,
        mut requests,
        asked,
        says_unsafe,
        discoveries,
        trust,
        signs: _,
        ears,
        replacement,
    } = bridge;
    let Asked { outputs: mut asks_outputs, devices: mut asks_devices, messages: mut asks_messages } = asked;
    let outlet = Arc::new(Outlet::default());
    let stop = CancellationToken::new();
    let memory = parts.memory.clone();
    let (clock, is_simulated) = (parts.clock.clone(), parts.board.is_simulated());
    let answers = Answers::new(parts.scheme.clone(), outlet.clone());
    let (changing, mut changes) = mpsc::channel(MAX_OUTPUT_CHANGES);
    let mut serving = Serving::new(
        parts,
        buses,
        discoveries,
        lines.clone(),
        outlet.clone(),
        (changing, handle.unsafe_still()),
        stop.clone(),
    );
    // Outputs come first: what was held over an upgrade must be safe before its pin is requested by whoever has it now.
    let (switched, others) = devices.into_iter().partition(Device::is_switched);
    let ports = serving.start(switched);
    let keeper = Keeper::new(memory.clone(), clock.clone(), trust);
    let (watched, streams) = (Watched::new(serving.observations(), ears), serving.streams());
    let mut outputs = OutputLoop::new(lines, is_simulated, clock, answers, keeper, watched, streams)
        .telling(says_unsafe)
        .replacing(replacement);
    for device in ports {
        outputs.add(device);
    }
    outputs.end_replacement().await;
    let _no_outputs = serving.start(others);
    serving.start_board();
    let mut delivery: Delivery = tokio::spawn({
        let outlet = outlet.clone();
        async move { outlet.deliver(outbox, &mut asks_messages).await }
    });

    let switching = async {
        let served = AssertUnwindSafe(outputs.serve(&mut commands, &mut changes, &mut asks_outputs, &stop))
            .catch_unwind()
            .await;
        stop.cancel();
        served.unwrap_or_else(|_| {
            Err(BridgeError::PartDied { part: "output loop".to_owned(), problem: "it panicked".to_owned() })
        })
    };
    let watching = async {
        let outcome =
            watch(&mut serving, (&mut requests, &mut asks_devices), &mut delivery, &shutdown, &stop).await;
        stop.cancel();
        outcome
    };
    let (served, watched) = tokio::join!(switching, watching);

    outputs.end(&mut commands, served.is_ok() && watched.is_ok()).await;
    serving.tasks.end(END_LIMIT).await;
    remember(&memory).await;
    serving.say_offline();
    let said = last_words(&outlet, delivery).await;
    served.and(watched).and(said)
}

/// Waits for the shutdown, or for the first part that dies before it and that is not the task of one device: that device
/// is started anew.
async fn watch(
    serving: &mut Serving,
    (requests, questions): (&mut Requests, &mut Questions),
    delivery: &mut Delivery,
    shutdown: &CancellationToken,
    stop: &CancellationToken,
) -> Result<(), BridgeError> {
    let clock = serving.clock();
    loop {
        let restarts_at = serving.next_restart();
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            () = stop.cancelled() => return Ok(()),
            died = serving.tasks.first_death() => serving.handle_death(died)?,
            Some(question) = questions.recv() => {
                // Whoever asked may have given up.
                let _ = question.send(());
            }
            Ok(()) = serving.unsafe_still.changed() => serving.let_go(),
            // It only ends when nobody takes messages any more, as the outlet is not closed yet.
            _ = &mut *delivery => return Err(BridgeError::OutboxClosed),
            () = time::until(restarts_at, &*clock) => tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                () = stop.cancelled() => return Ok(()),
                () = answering(questions, serving.restart()) => {}
            },
            Some(Request { devices, answer }) = requests.recv() => tokio::select! {
                biased;
                // What is half changed then is stopped with all the rest.
                () = shutdown.cancelled() => return Ok(()),
                () = stop.cancelled() => return Ok(()),
                // One sick device may take all the time that a change has, which is no reason to start the gateway afresh.
                outcome = answering(questions, serving.apply(devices)) => {
                    // A refused configuration has touched nothing; anything else is the death of a part.
                    let death = match &outcome {
                        Ok(_) | Err(BridgeError::Configuration(_)) => None,
                        Err(death) => Some(death.to_string()),
                    };
                    let _ = answer.send(outcome);
                    if let Some(problem) = death {
                        return Err(BridgeError::PartDied { part: "device".to_owned(), problem });
                    }
                }
            },
        }
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
