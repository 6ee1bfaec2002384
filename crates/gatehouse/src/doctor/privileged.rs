//! The helper with the rights of root: one word in, what it does, one line of JSON out.
//!
//! systemd starts it for each connection to [`SOCKET`] (gatehouse-mend.socket) with the connection as its standard input and
//! output. What comes in is read to its end, within a limit of bytes and of time, and is a word of the closed list or nothing:
//! it never becomes part of a path or of a command. Who may connect is decided by the mode of the socket, and asked of the
//! kernel once more here (SO_PEERCRED).

use std::io::{Read, Write as _};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use gatehouse_dashboard::wire::{DoctorMended, DoctorRestart};
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tracing::{info, warn};

use super::machine::{Machine, SERVICE_USER};
use super::mend::{Mend, Programs, Runner, apply};
use crate::exit::Exit;
use crate::logs;

/// Where the helper is asked.
pub(crate) const SOCKET: &str = "/run/gatehouse-mend.sock";

/// Longest line that is read, with its end. The longest word has 19 characters.
const MAX_LINE: usize = 64;

/// Longest time that the other side may take for its line.
const LINE_TIME: Duration = Duration::from_secs(5);

/// Longest answer that is read, in bytes. Those of the helper have some hundreds.
const MAX_ANSWER: u64 = 16 * 1_024;

/// Longest time until the helper has answered: stopping a service takes a second or two, and the page waits for ten.
const ANSWER_TIME: Duration = Duration::from_secs(8);

/// What the helper says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Answer {
    Done { done: Vec<String>, restart: DoctorRestart },
    Refused { problem: String },
}

/// Serves the connection at standard input.
pub(crate) fn serve_one() -> anyhow::Result<Exit> {
    logs::begin();
    let stdin = std::io::stdin();
    let Ok(peer) = socket_peercred(stdin.as_fd()) else {
        bail!(
            "systemd starts this for the page, with a connection; at a terminal, use `gatehouse doctor --mend`"
        );
    };
    let machine = Machine::this(Path::new("/"));
    let uid = peer.uid.as_raw();
    set_socket_timeout(stdin.as_fd(), Timeout::Recv, Some(LINE_TIME))?;
    let answer = answer(stdin.lock(), uid, &machine, &Programs);
    match &answer {
        Answer::Done { done, .. } => info!("asked by user {uid}: {}", sentence(done)),
        Answer::Refused { problem } => warn!("asked by user {uid}, and not done: {problem}"),
    }
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, &answer)?;
    stdout.write_all(b"\n")?;
    stdout.flush()?;
    Ok(match answer {
        Answer::Done { .. } => Exit::Success,
        Answer::Refused { .. } => Exit::Failure,
    })
}

fn sentence(done: &[String]) -> String {
    if done.is_empty() { "nothing had to be done".to_owned() } else { done.join("; ") }
}

/// Reads the word of a user and does it.
fn answer(input: impl Read, uid: u32, machine: &Machine, runner: &dyn Runner) -> Answer {
    let outcome = if may_ask(uid, machine) {
        read_word(input).and_then(|mend| {
            let plan = mend.plan(machine)?;
            Ok((apply(&plan, machine, runner)?, plan.restart))
        })
    } else {
        Err("Only the gateway may ask for this.".to_owned())
    };
    match outcome {
        Ok((done, restart)) => Answer::Done { done, restart },
        Err(problem) => Answer::Refused { problem },
    }
}

/// Root, and the user of the service.
fn may_ask(uid: u32, machine: &Machine) -> bool {
    uid == 0 || machine.user(SERVICE_USER).is_some_and(|(service, _)| service == uid)
}

/// Reads one line to the end of the input.
fn read_word(input: impl Read) -> Result<Mend, String> {
    let mut bytes = Vec::with_capacity(MAX_LINE + 1);
    let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX).saturating_add(1);
    input
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("The word was not sent to its end: {error}."))?;
    let line = bytes.strip_suffix(b"\n").filter(|_| bytes.len() <= MAX_LINE);
    let word = line.and_then(|line| std::str::from_utf8(line).ok());
    // What it was is not repeated: it may be anything.
    word.and_then(Mend::parse).ok_or_else(|| "This is no word of the list.".to_owned())
}

/// Why a helper did not do something.
#[derive(Debug)]
pub(crate) enum AskError {
    /// There is none.
    NoHelper,
    /// It said so, or did not answer.
    Failed(String),
}

/// Asks the helper at a socket to do a word.
///
/// # Errors
/// See [`AskError`].
pub(crate) async fn ask(socket: &Path, word: &str) -> Result<DoctorMended, AskError> {
    let Some(mend) = Mend::parse(word) else {
        return Err(AskError::Failed("There is no such mend.".to_owned()));
    };
    let Ok(stream) = UnixStream::connect(socket).await else { return Err(AskError::NoHelper) };
    let exchange = tokio::time::timeout(ANSWER_TIME, exchange(stream, mend)).await;
    let text = match exchange {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => return Err(AskError::Failed(format!("The helper went away: {error}."))),
        Err(_) => {
            return Err(AskError::Failed(
                "The helper has not answered yet. `journalctl -u 'gatehouse-mend@*'` says what it does."
                    .to_owned(),
            ));
        }
    };
    match serde_json::from_str(&text) {
        Ok(Answer::Done { done, restart }) => Ok(DoctorMended { done, restart }),
        Ok(Answer::Refused { problem }) => Err(AskError::Failed(problem)),
        Err(_) => Err(AskError::Failed(
            "The helper is busy or ended without an answer. Try again; `journalctl -u 'gatehouse-mend@*'` says why."
                .to_owned(),
        )),
    }
}

async fn exchange(mut stream: UnixStream, mend: Mend) -> std::io::Result<String> {
    stream.write_all(format!("{mend}\n").as_bytes()).await?;
    stream.shutdown().await?;
    let mut text = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut text).await?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::machine::fake::FakeMachine;
    use crate::doctor::mend::Command;
    use proptest::prelude::*;
    use std::cell::Cell;
    use tokio::net::UnixListener;

    /// Counts what it is told to run.
    #[derive(Default)]
    struct Counter(Cell<usize>);

    impl Runner for Counter {
        fn run(&self, _: Command) -> Result<(), String> {
            self.0.set(self.0.get() + 1);
            Ok(())
        }
    }

    fn refused(line: &[u8], uid: u32) -> String {
        let (machine, counter) = (FakeMachine::pi(), Counter::default());
        let config = machine.read("/boot/firmware/config.txt");
        let Answer::Refused { problem } = answer(line, uid, &machine.machine, &counter) else {
            panic!("it was done: {line:?}");
        };
        assert_eq!(counter.0.get(), 0);
        assert_eq!(machine.read("/boot/firmware/config.txt"), config);
        problem
    }

    #[test]
    fn a_word_of_the_gateway_is_done() {
        let (machine, counter) = (FakeMachine::pi(), Counter::default());
        for uid in [990, 0] {
            let answer = answer(&b"stop-mosquitto\n"[..], uid, &machine.machine, &counter);
            let done = vec!["ran `systemctl disable --now mosquitto.service`".to_owned()];
            assert_eq!(answer, Answer::Done { done, restart: DoctorRestart::Gateway });
        }
        assert_eq!(counter.0.get(), 2);
    }

    #[test]
    fn nobody_else_may_ask() {
        assert_eq!(refused(b"stop-mosquitto\n", 1_000), "Only the gateway may ask for this.");
        assert_eq!(refused(b"stop-mosquitto\n", 110), "Only the gateway may ask for this.");
    }

    #[test]
    fn hostile_lines_are_refused() {
        let long = [b"groups".as_slice(), &[b' '; 100], b"\n"].concat();
        let exact = [&[b'a'; MAX_LINE][..], b"\n"].concat();
        let lines: [&[u8]; 18] = [
            b"",
            b"\n",
            b"groups",
            b"groups\r\n",
            b"groups\0\n",
            b" groups\n",
            b"groups \n",
            b"groups\n\n",
            b"groups\ngroups\n",
            b"groups; reboot\n",
            b"$(reboot)\n",
            b"../../bin/sh\n",
            b"enable-one-wire-\n",
            b"enable-one-wire-4,gpiopin=5\n",
            b"enable-one-wire-255\n",
            b"enable-one-wire--1\n",
            b"\xff\xfe\n",
            b"GROUPS\n",
        ];
        for line in lines.into_iter().chain([long.as_slice(), exact.as_slice()]) {
            assert_eq!(refused(line, 990), "This is no word of the list.", "{line:?}");
        }
    }

    proptest! {
        /// Whatever comes: it is a word of the list, or nothing is done.
        #[test]
        fn only_words_are_done(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(mend) = read_word(bytes.as_slice()) {
                prop_assert_eq!(bytes, format!("{mend}\n").into_bytes());
            }
        }
    }

    /// A line without an end is not waited for without end.
    #[test]
    fn a_side_that_falls_silent_is_told_so() {
        struct Silent;
        impl Read for Silent {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::WouldBlock.into())
            }
        }
        assert!(read_word(Silent).unwrap_err().starts_with("The word was not sent to its end"));
    }

    #[tokio::test]
    async fn the_gateway_hears_what_the_helper_says() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mend.sock");
        assert!(matches!(ask(&path, "groups").await, Err(AskError::NoHelper)));
        let listener = UnixListener::bind(&path).unwrap();
        let answers =
            [r#"{"done":["ran it"],"restart":"machine"}"#, r#"{"problem":"The disk is full."}"#, ""];
        let helper = tokio::spawn(async move {
            let mut heard = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut line = String::new();
                stream.read_to_string(&mut line).await.unwrap();
                heard.push(line);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            heard
        });
        let mended = ask(&path, "groups").await.unwrap();
        assert_eq!(mended, DoctorMended { done: vec!["ran it".to_owned()], restart: DoctorRestart::Machine });
        let failed = |answer: Result<DoctorMended, AskError>| match answer {
            Err(AskError::Failed(problem)) => problem,
            other => panic!("{other:?}"),
        };
        assert_eq!(failed(ask(&path, "enable-i2c").await), "The disk is full.");
        assert!(failed(ask(&path, "enable-spi").await).contains("without an answer"));
        assert_eq!(helper.await.unwrap(), ["groups\n", "enable-i2c\n", "enable-spi\n"]);
        assert!(failed(ask(&path, "groups\nreboot").await).contains("no such mend"));
    }
}
