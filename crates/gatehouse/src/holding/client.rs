//! The daemon's side: it hands outputs over when it ends, and takes them when it starts.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatehouse_board::held::{HeldLine, HeldOutput, Holder, MAX_HELD, ReturnedOutput};

use super::letters::{Answer, DRIVEN, Question, Taken, receive, send};
use super::{END_LIMIT, LOOK_LIMIT, WORD_LIMIT};

/// How often it is asked for what is held: on a busy board the first answer may come too late.
const TAKE_TRIES: usize = 3;

/// The process that holds outputs, behind its socket.
#[derive(Debug)]
pub(crate) struct SocketHolder {
    socket: PathBuf,
    /// What was taken is told here to be driven.
    taking: Mutex<Option<UnixStream>>,
}

impl SocketHolder {
    pub(super) const fn at(socket: PathBuf) -> Self {
        Self { socket, taking: Mutex::new(None) }
    }

    /// Asks, with `limit` for each of the few calls that this takes.
    fn ask(
        &self,
        question: &Question,
        lines: &[OwnedFd],
        limit: Duration,
    ) -> io::Result<(Answer, Vec<OwnedFd>, UnixStream)> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let lines: Vec<_> = lines.iter().map(OwnedFd::as_fd).collect();
        send(&mut stream, question, &lines)?;
        let (answer, lines) = receive(&mut stream)?;
        Ok((answer, lines, stream))
    }

    /// Takes everything that is held; nothing where nobody holds anything. Whoever holds it has it too, and ends it in its time,
    /// until it is [let go](Holder::let_go). It blocks for a second or so at most.
    pub(crate) fn take(&self) -> Vec<ReturnedOutput> {
        for _ in 0..TAKE_TRIES {
            if !self.is_there() {
                return Vec::new();
            }
            match self.ask(&Question::Take, &[], WORD_LIMIT) {
                Ok((Answer::Taken { outputs }, lines, stream)) if outputs.len() == lines.len() => {
                    *self.taking.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
                    return outputs.into_iter().zip(lines).map(returned).collect();
                }
                Ok((answer, ..)) => {
                    tracing::warn!("what was held over the upgrade does not come back: {answer:?}");
                }
                Err(problem) => {
                    tracing::warn!("what was held over the upgrade does not come back: {problem}");
                }
            }
        }
        Vec::new()
    }

    /// The chips and numbers of the lines that are held away from their safe level. It blocks for some tenths of a second at
    /// most: the other outputs wait for it.
    pub(crate) fn lines(&self) -> Vec<(String, u32)> {
        if !self.is_there() {
            return Vec::new();
        }
        match self.ask(&Question::Which, &[], LOOK_LIMIT) {
            Ok((Answer::Which { lines }, ..)) => lines,
            Ok(_) | Err(_) => Vec::new(),
        }
    }
}

fn returned((Taken { output, age_ms }, line): (Taken, OwnedFd)) -> ReturnedOutput {
    ReturnedOutput { output, age: Duration::from_millis(age_ms), line: Box::new(HeldLine::new(line)) }
}

impl Holder for SocketHolder {
    fn is_there(&self) -> bool {
        self.socket.exists()
    }

    fn hold(&self, outputs: Vec<(HeldOutput, OwnedFd)>) -> Result<(), String> {
        if outputs.len() > MAX_HELD {
            return Err(format!("at most {MAX_HELD} outputs can be held"));
        }
        let (outputs, lines): (Vec<_>, Vec<_>) = outputs.into_iter().unzip();
        match self.ask(&Question::Hold { outputs }, &lines, WORD_LIMIT) {
            Ok((Answer::Held, ..)) => Ok(()),
            Ok((Answer::Refused { why }, ..)) => Err(why),
            Ok(_) => Err("whoever holds outputs answered something else".to_owned()),
            Err(problem) => Err(format!("whoever holds outputs cannot be asked: {problem}")),
        }
    }

    fn let_go(&self) {
        let taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut stream) = taking else { return };
        if let Err(problem) = stream.write_all(&[DRIVEN]) {
            // It ends them in its time then, although they are driven here; each is read back, and that is noticed.
            tracing::warn!(
                "whoever held outputs over the upgrade was not told that they are driven: {problem}"
            );
            return;
        }
        // It closes the lines before the stream, on which it says nothing more. Any other problem is that it had ended already.
        let ended = stream.set_read_timeout(Some(END_LIMIT)).and_then(|()| stream.read(&mut [0]));
        if ended.is_err_and(|problem| matches!(problem.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)) {
            tracing::warn!(
                "whoever held outputs over the upgrade has not ended yet, and has their lines still"
            );
        }
    }
}
