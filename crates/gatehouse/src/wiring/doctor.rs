//! The check-up, for the page.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use gatehouse_dashboard::wire::{DoctorMended, DoctorReport};
use gatehouse_dashboard::{Doctor, DoctorProblem};

use crate::config::Source;
use crate::doctor::{self, AskError};
use crate::paths::DEFAULT_CONFIGURATION;

/// Looks with the eyes of the daemon, and asks the helper to mend.
pub(crate) struct PageDoctor {
    source: Source,
    data: PathBuf,
    helper: PathBuf,
}

impl PageDoctor {
    /// Of a daemon with this source and data directory.
    pub(crate) fn new(source: Source, data: &Path) -> Self {
        Self { source, data: data.to_owned(), helper: PathBuf::from(doctor::SOCKET) }
    }

    /// Why nothing can be mended from here.
    fn no_helper(&self) -> Option<String> {
        if self.source.is_demo() {
            return Some("This is a demonstration: the machine is looked at, and left as it is.".to_owned());
        }
        (!self.helper.exists()).then(|| {
            "The helper that may change the machine does not run here (gatehouse-mend.socket). What a mend does can be \
             typed at a terminal of the gateway."
                .to_owned()
        })
    }
}

#[async_trait]
impl Doctor for PageDoctor {
    async fn look(&self) -> Result<DoctorReport, DoctorProblem> {
        let (source, data, no_helper) = (self.source.clone(), self.data.clone(), self.no_helper());
        let look = move || {
            let file = source.file().unwrap_or_else(|| Path::new(DEFAULT_CONFIGURATION));
            doctor::look_for_page(file, &data, &source.again(), no_helper)
        };
        tokio::task::spawn_blocking(look).await.map_err(|error| DoctorProblem::Inside(error.to_string()))
    }

    fn knows(&self, word: &str) -> bool {
        doctor::is_mend(word)
    }

    async fn mend(&self, word: &str) -> Result<DoctorMended, DoctorProblem> {
        if let Some(why) = self.no_helper() {
            return Err(DoctorProblem::NoHelper(why));
        }
        doctor::ask(&self.helper, word).await.map_err(|error| match error {
            AskError::NoHelper => DoctorProblem::NoHelper(
                "The helper that may change the machine does not answer. `systemctl status gatehouse-mend.socket` says why."
                    .to_owned(),
            ),
            AskError::Failed(problem) => DoctorProblem::Failed(problem),
        })
    }
}
