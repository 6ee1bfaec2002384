//! The daemon's side: it hands outputs over when it ends, and takes them when it starts.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use gatehouse_board::held::{HeldLine, HeldOutput, Holder, MAX_HELD, ReturnedOutput};

use super::WORD_LIMIT;
use super::letters::{Answer, Question, Taken, receive, send};

/// The process that holds outputs, behind its socket.
#[derive(Clone, Debug)]
pub(crate) struct SocketHolder {
    socket: PathBuf,
}

impl SocketHolder {
    pub(super) const fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    fn ask(&self, question: &Question, lines: &[OwnedFd]) -> io::Result<(Answer, Vec<OwnedFd>)> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(WORD_LIMIT))?;
        stream.set_write_timeout(Some(WORD_LIMIT))?;
        let lines: Vec<_> = lines.iter().map(OwnedFd::as_fd).collect();
        send(&mut stream, question, &lines)?;
        receive(&mut stream)
    }

    /// Takes everything that is held; nothing where nobody holds anything. It blocks, at most for [`WORD_LIMIT`] twice.
    pub(crate) fn take(&self) -> Vec<ReturnedOutput> {
        if !self.is_there() {
            return Vec::new();
        }
        match self.ask(&Question::Take, &[]) {
            Ok((Answer::Taken { outputs }, lines)) if outputs.len() == lines.len() => {
                outputs.into_iter().zip(lines).map(returned).collect()
            }
            Ok((answer, _)) => {
                tracing::warn!("what was held over the upgrade does not come back: {answer:?}");
                Vec::new()
            }
            Err(problem) => {
                tracing::warn!("what was held over the upgrade does not come back: {problem}");
                Vec::new()
            }
        }
    }

    /// The numbers of the lines that are held away from their safe level. It blocks, at most for [`WORD_LIMIT`] twice.
    pub(crate) fn lines(&self) -> Vec<u32> {
        if !self.is_there() {
            return Vec::new();
        }
        match self.ask(&Question::Which, &[]) {
            Ok((Answer::Which { lines }, _)) => lines,
            Ok(_) | Err(_) => Vec::new(),
        }
    }
}

fn returned((Taken { output, age_ms }, line): (Taken, OwnedFd)) -> ReturnedOutput {
    ReturnedOutput { output, age: Duration::from_millis(age_ms), line: HeldLine::new(line) }
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
        match self.ask(&Question::Hold { outputs }, &lines) {
            Ok((Answer::Held, _)) => Ok(()),
            Ok((Answer::Refused { why }, _)) => Err(why),
            Ok(_) => Err("whoever holds outputs answered something else".to_owned()),
            Err(problem) => Err(format!("whoever holds outputs cannot be asked: {problem}")),
        }
    }
}
