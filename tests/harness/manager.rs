//! A service manager that hears what the gateway tells it (sd_notify(3)).

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::{Inbox, LIMIT};

/// Who hears what the gateway says to its service manager.
#[derive(Debug)]
pub struct Manager {
    /// Its socket, for `NOTIFY_SOCKET`.
    pub path: PathBuf,
    /// What was said, a line each.
    pub words: Inbox<String>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Manager {
    /// Listens at a socket in this directory.
    ///
    /// # Panics
    /// When there can be none.
    pub fn listen(directory: &Path) -> Self {
        let path = directory.join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket can be made");
        let words = Inbox::default();
        let heard = words.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 1_024];
            while let Ok(count) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                if text == "END" {
                    break;
                }
                text.lines().for_each(|line| heard.push(line.to_owned()));
            }
        });
        Self { path, words, thread: Some(thread) }
    }

    /// Waits until the gateway that was started after this mark has looked at the machine: it says nothing of how it is
    /// before. The page knows by then what was found.
    ///
    /// # Panics
    /// When it does not come to that in time.
    pub fn wait_until_looked(&self, mark: usize) {
        self.words
            .wait_after(mark, "word of how it is", LIMIT, |line| line.starts_with("STATUS=").then_some(()));
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let end = UnixDatagram::unbound().expect("a socket can be made");
        end.send_to(b"END", &self.path).expect("the thread listens");
        self.thread.take().into_iter().for_each(|thread| thread.join().expect("the thread ended"));
    }
}
