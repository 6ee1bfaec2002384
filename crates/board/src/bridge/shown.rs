//! Commands for what shows texts: displays.

use std::sync::Arc;

use gatehouse_model::{Action, Cause, Command, CommandResult, Message, Place, PropertyId, Value};
use tokio::sync::mpsc;

use super::answers::Answers;
use super::streams::{STOPPING, refuse};

/// Where the commands for one device come out.
pub(super) struct Commands {
    messages: mpsc::Receiver<Message>,
    answers: Answers,
}

/// A text that is to be shown.
pub(super) struct Wanted {
    pub(super) property: PropertyId,
    pub(super) text: Arc<str>,
    pub(super) cause: Cause,
    id: Option<Arc<str>>,
    message: Message,
}

/// What a command says.
struct Told {
    property: PropertyId,
    text: Arc<str>,
    id: Option<Arc<str>>,
}

impl Commands {
    pub(super) const fn new(messages: mpsc::Receiver<Message>, answers: Answers) -> Self {
        Self { messages, answers }
    }

    /// The next text. What is none is refused here.
    pub(super) async fn next(&mut self) -> Wanted {
        loop {
            // Nobody can send any more: the device is being stopped.
            let Some(message) = self.messages.recv().await else { std::future::pending().await };
            match self.understand(&message) {
                Ok(Told { property, text, id }) => {
                    let cause = Cause::direct(message.origin.clone());
                    return Wanted { property, text, cause, id, message };
                }
                Err(reason) => refuse(&self.answers, &message, reason),
            }
        }
    }

    fn understand(&self, message: &Message) -> Result<Told, String> {
        // The guard in the broker refuses these before they come here.
        if message.retain {
            let reason = "a retained text would be shown again at every start: send it without retain";
            return Err(reason.to_owned());
        }
        let Some(Place::Set(_, property)) = self.answers.scheme().place(&message.topic) else {
            return Err(format!("{} takes no commands", message.topic));
        };
        let command = Command::parse_text(&message.payload).map_err(|error| error.to_string())?;
        let Action::Set(Value::Text(text)) = command.action else {
            return Err("the payload is no text".to_owned());
        };
        // An empty payload would take the topic back instead of telling what is shown.
        let text = if text.is_empty() { " ".into() } else { text };
        Ok(Told { property, text, id: command.id })
    }

    /// Says what became of it.
    pub(super) fn answer(&self, wanted: Wanted, refused: Option<String>) {
        let Wanted { message, id, cause, .. } = wanted;
        let ok = refused.is_none();
        self.answers.give(&message, &CommandResult { id, ok, reason: refused.map(Into::into), cause });
    }

    /// Refuses what is still waiting when the device is stopped.
    pub(super) async fn end(mut self) {
        self.messages.close();
        while let Some(message) = self.messages.recv().await {
            refuse(&self.answers, &message, STOPPING.to_owned());
        }
    }
}
