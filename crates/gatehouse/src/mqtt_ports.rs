//! Which ports the broker takes where nobody asked for one, and the note of those that it had.
//!
//! Another broker may have the usual port, and clients are given the one that was free in its place. So at a boot the gateway
//! listens only on the ports that it had in its last run, whichever of the two brokers starts first; a start later than that also
//! takes the wanted one when it is free, and keeps the one that clients were given meanwhile.

use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use gatehouse_model::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{paths, whole_file};

/// The note, in the data directory. It tells of this machine and not of the house, so that no backup has it.
pub(crate) const FILE: &str = "mqtt-ports.json";

/// Until then a machine may still be starting its services, and a port that is free may be one that somebody is about to take.
pub(crate) const BOOT_TIME: Duration = Duration::from_secs(5 * 60);

/// Most bytes that are read of the note.
const MAX_BYTES: u64 = 4_096;

/// Most ports that one run has: the wanted one, and the one that was given in its place.
const MAX_PORTS: usize = 2;

/// The ports of a run that was not on the wanted one alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Had {
    /// The one that it would have liked.
    wanted: u16,
    /// Those that it had, the main one first.
    ports: Vec<u16>,
    /// Since when.
    since: Timestamp,
}

impl Had {
    /// The note of the last run; none where that was on the wanted port, and where there was no run yet.
    ///
    /// # Errors
    /// When it cannot be read, or says nothing that this gateway could have written.
    pub(crate) fn read(directory: &Path) -> anyhow::Result<Option<Self>> {
        let is_missing = |problem: &anyhow::Error| {
            problem.downcast_ref::<std::io::Error>().is_some_and(|why| why.kind() == ErrorKind::NotFound)
        };
        // Root looks as well, in the directory of somebody else.
        let file = match paths::open_itself(&directory.join(FILE)) {
            Err(problem) if is_missing(&problem) => return Ok(None),
            opened => opened?,
        };
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text)?;
        let had: Self = serde_json::from_str(&text)?;
        let is_possible = |ports: &[u16]| (1..=MAX_PORTS).contains(&ports.len()) && !ports.contains(&0);
        ensure!(is_possible(&had.ports), "it names ports that no gateway has");
        Ok(Some(had))
    }

    /// Those that it had, the main one first.
    pub(crate) fn ports(&self) -> &[u16] {
        &self.ports
    }
}

/// The ports of the last run; none where it was on the wanted one, or is not known.
pub(crate) fn remembered(directory: &Path) -> Vec<u16> {
    match Had::read(directory) {
        Ok(had) => had.map(|had| had.ports).unwrap_or_default(),
        Err(problem) => {
            let file = directory.join(FILE);
            warn!(
                "the ports of MQTT that clients were given are not known, as {} cannot be read: {problem:#}",
                file.display()
            );
            Vec::new()
        }
    }
}

/// Notes the ports of this run, where the note says something else. That of a run on the wanted port alone is none, so that most
/// gateways write nothing. A disk that takes nothing keeps no gateway from starting.
pub(crate) fn remember(directory: &Path, wanted: u16, ports: &[u16], now: Timestamp) {
    if ports == [wanted] {
        return forget(directory);
    }
    let known = Had::read(directory).ok().flatten();
    if known.is_some_and(|known| known.wanted == wanted && known.ports == ports) {
        return;
    }
    let write = || -> anyhow::Result<()> {
        let had = Had { wanted, ports: ports.to_vec(), since: now };
        Ok(whole_file::put(&directory.join(FILE), serde_json::to_string(&had)?)?)
    };
    if let Err(problem) = write() {
        let file = directory.join(FILE);
        warn!(
            "the ports of MQTT cannot be kept in {}, and the next start may be on other ones: {problem:#}",
            file.display()
        );
    }
}

/// Takes over what another directory says, which a gateway has kept in place of this one. That it was on the wanted port alone is
/// something that it says, too.
///
/// # Errors
/// When that cannot be read or written.
pub(crate) fn take_over(directory: &Path, from: &Path) -> anyhow::Result<()> {
    let Some(had) = Had::read(from)? else {
        forget(directory);
        return Ok(());
    };
    if Had::read(directory).ok().flatten().as_ref() != Some(&had) {
        whole_file::put_for_owner_of(directory, &directory.join(FILE), serde_json::to_string(&had)?)?;
    }
    Ok(())
}

/// Removes the note: the gateway is where clients look first, or where somebody wanted it.
pub(crate) fn forget(directory: &Path) {
    whole_file::forget(&directory.join(FILE));
}

/// Takes ports: the main one first, nothing where none of them can be had. `bind` takes one, where it is free.
pub(crate) fn take<Socket>(
    remembered: &[u16],
    wanted: u16,
    up_for: Duration,
    bind: impl FnMut(u16) -> Option<Socket>,
) -> Vec<Socket> {
    let others = remembered.iter().copied().filter(|port| *port != wanted);
    let wanted = (!is_left_alone(remembered, wanted, up_for)).then_some(wanted);
    wanted.into_iter().chain(others).filter_map(bind).collect()
}

/// Whether the wanted port is left to the program that had it, even where it is free.
pub(crate) fn is_left_alone(remembered: &[u16], wanted: u16, up_for: Duration) -> bool {
    !remembered.is_empty() && !remembered.contains(&wanted) && up_for < BOOT_TIME
}

/// How long this machine is up; a machine that does not tell has just started.
pub(crate) fn up_for() -> Duration {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split_whitespace().next().and_then(|seconds| seconds.parse().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);
    const LATE: Duration = Duration::from_secs(3_600);

    /// What is taken of these that are free, by a gateway that wants 1883.
    fn taken(remembered: &[u16], up_for: Duration, free: &[u16]) -> Vec<u16> {
        take(remembered, 1883, up_for, |port| free.contains(&port).then_some(port))
    }

    #[test]
    fn a_gateway_that_was_never_moved_takes_the_wanted_port_at_any_time() {
        for up_for in [Duration::ZERO, SOON, LATE] {
            assert_eq!(taken(&[], up_for, &[1883, 1884]), [1883]);
            assert_eq!(taken(&[], up_for, &[1884]), [0; 0], "the next free one is somebody else's to find");
        }
    }

    /// A broker in a container comes up after the gateway.
    #[test]
    fn at_a_boot_only_the_ports_of_the_last_run_are_taken() {
        for up_for in [Duration::ZERO, SOON, BOOT_TIME - Duration::from_millis(1)] {
            assert_eq!(taken(&[1884], up_for, &[1883, 1884]), [1884], "{up_for:?}");
            assert_eq!(taken(&[1883, 1884], up_for, &[1883, 1884]), [1883, 1884], "it had both");
            assert_eq!(taken(&[1883, 1884], up_for, &[1884]), [1884]);
            assert_eq!(taken(&[1883, 1884], up_for, &[1883]), [1883]);
        }
    }

    /// Phones that were paired at 1884 found nobody once 1883 was free.
    #[test]
    fn later_the_wanted_port_comes_first_and_the_one_that_clients_were_given_stays() {
        for up_for in [BOOT_TIME, LATE] {
            assert_eq!(taken(&[1884], up_for, &[1883, 1884]), [1883, 1884]);
            assert_eq!(taken(&[1884], up_for, &[1884, 1885]), [1884], "somebody has it still");
            assert_eq!(taken(&[1884], up_for, &[1883, 1885]), [1883]);
            assert_eq!(taken(&[1884], up_for, &[1885]), [0; 0]);
        }
    }

    #[test]
    fn what_was_had_is_written_once_and_removed_when_it_is_no_news() {
        let directory = tempfile::tempdir().unwrap();
        let (place, file) = (directory.path(), directory.path().join(FILE));
        let at = Timestamp::from_millis;
        remember(place, 1883, &[1883], at(1));
        assert!(!file.exists(), "most gateways have no such file");
        remember(place, 1883, &[1884], at(2));
        assert_eq!(remembered(place), [1884]);
        let written = std::fs::read_to_string(&file).unwrap();
        remember(place, 1883, &[1884], at(3));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), written, "it is the same as before");
        remember(place, 1883, &[1883, 1884], at(4));
        assert_eq!(remembered(place), [1883, 1884]);
        remember(place, 1883, &[1883], at(5));
        assert!(!file.exists());
        forget(place);
    }

    #[test]
    fn a_note_of_somebody_else_is_as_good_as_none_and_is_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let (place, file) = (directory.path(), directory.path().join(FILE));
        let note = |ports: &str| {
            format!("{{\"wanted\":1883,\"ports\":[{ports}],\"since\":\"1970-01-01T00:00:00.000Z\"}}")
        };
        std::fs::write(&file, note("1884")).unwrap();
        assert_eq!(remembered(place), [1884], "this is how one looks");

        for text in ["", "[1884]", "1884", &note(""), &note("0"), &note("1884,1885,1886"), &note("65536")] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(remembered(place), [0; 0], "{text}");
            remember(place, 1883, &[1884], Timestamp::default());
            assert_eq!(remembered(place), [1884], "{text}");
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert_eq!(remembered(place), [0; 0]);
        // Neither can be done, and both are only said.
        remember(place, 1883, &[1884], Timestamp::default());
        forget(place);
    }

    #[test]
    fn the_machine_tells_how_long_it_is_up() {
        assert!(up_for() > Duration::ZERO);
    }
}
