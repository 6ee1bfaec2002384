//! `gatehouse hold-outputs`: the process that has the lines between two daemons.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use gatehouse_board::held::{HeldLine, HeldOutput, Line as _, MAX_HELD};
use gatehouse_model::{Clock, SystemClock};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixListener;

use super::kept::Kept;
use super::letters::{Answer, DRIVEN, Question, Taken, receive, send};
use super::{WAIT_LIMIT, WORD_LIMIT};
use crate::cli::HoldOutputsArguments;
use crate::exit::Exit;
use crate::lifecycle::Signals;
use crate::{logs, paths, supervision};

/// Holds what the daemon gives until the next one asks for it, until its time is over, or until it is stopped.
pub(crate) fn run(arguments: &HoldOutputsArguments) -> anyhow::Result<Exit> {
    logs::begin();
    paths::keep_files_private();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(&arguments.socket, &Arc::new(SystemClock::new())))?;
    Ok(Exit::Success)
}

/// Serves the socket, which is there when the service manager hears that this is ready, and gone at the end.
async fn serve(socket: &Path, clock: &Arc<SystemClock>) -> anyhow::Result<()> {
    let shown = socket.display();
    // What an earlier one left that was killed.
    match std::fs::remove_file(socket) {
        Err(problem) if problem.kind() != io::ErrorKind::NotFound => {
            return Err(problem).with_context(|| format!("{shown} cannot be removed"));
        }
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket).with_context(|| {
        format!("{shown} cannot be listened on: does its directory exist, and is it yours?")
    })?;
    let mut signals = Signals::listen()?;
    supervision::ready();
    let mut kept = Kept::nothing();
    let give_up = clock.moment() + WAIT_LIMIT;
    // Who took the lines, until it has said that it drives them.
    let mut taker: Option<tokio::net::UnixStream> = None;
    while !kept.is_over() {
        let due = kept.next().unwrap_or(give_up);
        tokio::select! {
            signal = signals.next() => {
                kept.end_all(&format!("received {signal} while it was held"), clock.moment());
                break;
            }
            () = tokio::time::sleep(due.saturating_since(clock.moment())) => {
                kept.end_due(clock.moment());
                if kept.next().is_none() {
                    break;
                }
            }
            is_driven = says_driven(taker.as_mut()) => {
                if is_driven {
                    break;
                }
                // It ended before it drove them: they are held on, for their time.
                taker = None;
            }
            asked = listener.accept() => match asked.and_then(|(stream, _)| answer(stream, &mut kept, clock)) {
                Ok(Some(stream)) => taker = Some(stream),
                Ok(None) => {}
                Err(problem) => tracing::warn!("a question was not answered: {problem}"),
            },
        }
    }
    // When it cannot be removed the next one does it.
    let _ = std::fs::remove_file(socket);
    // Before the stream of whoever took them: its end says that the lines are free.
    drop(kept);
    drop(taker);
    Ok(())
}

/// Whether who took the lines says that it drives them; otherwise it went away. Waits for either.
async fn says_driven(taker: Option<&mut tokio::net::UnixStream>) -> bool {
    let Some(taker) = taker else { return std::future::pending().await };
    let mut word = [0];
    taker.read_exact(&mut word).await.is_ok() && word == [DRIVEN]
}

/// Answers one question, and gives the stream back of who took the lines. Each of the few calls that this takes blocks for
/// [`WORD_LIMIT`] at most.
fn answer(
    stream: tokio::net::UnixStream,
    kept: &mut Kept<HeldLine>,
    clock: &Arc<SystemClock>,
) -> io::Result<Option<tokio::net::UnixStream>> {
    let mut stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(WORD_LIMIT))?;
    stream.set_write_timeout(Some(WORD_LIMIT))?;
    let (question, lines) = receive::<Question>(&mut stream)?;
    match question {
        Question::Hold { outputs } => hold(&mut stream, outputs, lines, kept, clock)?,
        Question::Which => send(&mut stream, &Answer::Which { lines: kept.lines() }, &[])?,
        Question::Take => {
            give(&mut stream, kept, clock)?;
            stream.set_nonblocking(true)?;
            return tokio::net::UnixStream::from_std(stream).map(Some);
        }
    }
    Ok(None)
}

fn hold(
    stream: &mut UnixStream,
    outputs: Vec<HeldOutput>,
    lines: Vec<OwnedFd>,
    kept: &mut Kept<HeldLine>,
    clock: &Arc<SystemClock>,
) -> io::Result<()> {
    let why = if outputs.len() != lines.len() || outputs.len() > MAX_HELD {
        Some("there is not one line for each output")
    } else if kept.next().is_some() {
        Some("it holds outputs of another gateway already")
    } else {
        None
    };
    if let Some(why) = why {
        return send(stream, &Answer::Refused { why: why.to_owned() }, &[]);
    }
    for output in &outputs {
        tracing::info!(device = %output.device, "held {}", if output.is_on { "on" } else { "off" });
    }
    let now = clock.moment();
    let mut held = Kept::nothing();
    held.hold(outputs.into_iter().zip(lines.into_iter().map(HeldLine::new)).collect(), now);
    // Who did not hear that they are held drives them safe, through the same lines.
    send(stream, &Answer::Held, &[])?;
    *kept = held;
    Ok(())
}

fn give(stream: &mut UnixStream, kept: &Kept<HeldLine>, clock: &Arc<SystemClock>) -> io::Result<()> {
    let (mut outputs, mut lines) = (Vec::new(), Vec::new());
    for (output, age, line) in kept.shown(clock.moment()) {
        lines.push(line.descriptor()?);
        outputs.push(Taken { output, age_ms: millis(age) });
    }
    let lines: Vec<_> = lines.iter().map(OwnedFd::as_fd).collect();
    send(stream, &Answer::Taken { outputs }, &lines)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use gatehouse_board::held::Holder as _;
    use gatehouse_model::DeviceId;

    use super::super::SocketHolder;
    use super::*;

    /// A process that holds, in this one; and its other side.
    async fn keeper() -> (tempfile::TempDir, Arc<SocketHolder>, tokio::task::JoinHandle<anyhow::Result<()>>) {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("socket");
        let holder = Arc::new(SocketHolder::at(socket.clone()));
        assert!(!holder.is_there() && holder.take().is_empty() && holder.lines().is_empty());
        let serving = tokio::spawn(async move { serve(&socket, &Arc::new(SystemClock::new())).await });
        while !holder.is_there() {
            tokio::task::yield_now().await;
        }
        (place, holder, serving)
    }

    async fn asking<T: Send + 'static>(
        holder: &Arc<SocketHolder>,
        question: impl FnOnce(Arc<SocketHolder>) -> T + Send + 'static,
    ) -> T {
        let holder = holder.clone();
        tokio::task::spawn_blocking(move || question(holder)).await.unwrap()
    }

    fn output(line: u32) -> HeldOutput {
        HeldOutput {
            device: DeviceId::new("lamp").unwrap(),
            chip: "chip".to_owned(),
            line,
            is_active_low: false,
            is_safe_on: false,
            is_on: true,
            at_most_ms: None,
            timer_ms: None,
            away_ms: 0,
        }
    }

    /// Descriptors travel with what is said of them: each line is a pair of sockets here, which tells which one came back.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_given_comes_back_with_its_own_line() {
        let (place, holder, serving) = keeper().await;
        let (mut ends, lines): (Vec<UnixStream>, Vec<UnixStream>) =
            (0..3).map(|_| UnixStream::pair().unwrap()).unzip();
        let given: Vec<_> = (5..8).map(output).zip(lines.into_iter().map(OwnedFd::from)).collect();
        assert_eq!(asking(&holder, move |holder| holder.hold(given)).await, Ok(()));
        let lines = [5, 6, 7].map(|line| ("chip".to_owned(), line));
        assert_eq!(asking(&holder, |holder| holder.lines()).await, lines);
        let refused = asking(&holder, |holder| {
            let line = UnixStream::pair().unwrap().0.into();
            holder.hold(vec![(output(9), line)])
        });
        assert!(refused.await.unwrap_err().contains("already"));
        // Who takes them and ends has not driven them: they are held on.
        let lost = SocketHolder::at(place.path().join("socket"));
        drop(tokio::task::spawn_blocking(move || drop(lost.take())).await);
        assert_eq!(asking(&holder, |holder| holder.lines()).await, lines);
        let mut back = asking(&holder, |holder| holder.take()).await;
        assert!(holder.is_there(), "it does not know yet that they are driven");
        // The daemon has closed a line that went safe, and asks for it anew as soon as the holder is let go.
        let unwanted = back.pop().unwrap();
        drop(unwanted.line);
        asking(&holder, |holder| holder.let_go()).await;
        let free = ends.pop().unwrap();
        free.set_nonblocking(true).unwrap();
        assert_eq!(io::Read::read(&mut &free, &mut [0]).unwrap(), 0, "the holder has closed it");
        assert_eq!(back.iter().map(|returned| returned.output.line).collect::<Vec<_>>(), [5, 6]);
        serving.await.unwrap().unwrap();
        assert!(!holder.is_there(), "its work is done");
        for (mut end, returned) in ends.into_iter().zip(back) {
            let mut line = UnixStream::from(returned.line.descriptor().unwrap());
            io::Write::write_all(&mut line, &[u8::try_from(returned.output.line).unwrap()]).unwrap();
            let mut byte = [0];
            io::Read::read_exact(&mut end, &mut byte).unwrap();
            assert_eq!(u32::from(byte[0]), returned.output.line);
        }
    }

    /// Whoever says something else is not answered, and nothing is lost by it.
    #[tokio::test(flavor = "multi_thread")]
    async fn nonsense_ends_nothing() {
        let (place, holder, serving) = keeper().await;
        let socket = place.path().join("socket");
        for nonsense in [&b""[..], b"\0\0\0\x02{]", b"\xff\xff\xff\xff", b"\0\0\0\x10{\"ask\":\"other\"}"] {
            let mut stream = UnixStream::connect(&socket).unwrap();
            io::Write::write_all(&mut stream, nonsense).unwrap();
        }
        let without_line = UnixStream::connect(&socket).unwrap();
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = without_line;
            send(&mut stream, &Question::Hold { outputs: vec![output(5)] }, &[]).unwrap();
            receive::<Answer>(&mut stream).unwrap().0
        });
        assert!(matches!(answer.await.unwrap(), Answer::Refused { .. }));
        assert!(asking(&holder, |holder| holder.take()).await.is_empty());
        asking(&holder, |holder| holder.let_go()).await;
        serving.await.unwrap().unwrap();
    }
}
