//! How much may be written to a disk. History gives up old readings when the disk that it lies on has less than its floor left,
//! so that nothing else may take that room.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use gatehouse_history::Retention;

use super::{DATABASES, HISTORY};
use crate::config::{Addresses, Source};
use crate::paths;
use crate::progress::megabytes;
use crate::stand_in::{MAX_BACKUP_BYTES, MIN_FREE_BYTES};

/// Bytes that stay free on the gateway's disk beyond the floor of history: everything goes on writing meanwhile, and the logs
/// of the databases grow until a copy is done.
pub(super) const RESERVE_BYTES: u64 = 64 * 1024 * 1024;

/// What an archive takes beside the databases, at most: certificates, the manifest, and what a file system adds.
const OVERHEAD_BYTES: u64 = 1024 * 1024;

/// What encryption adds is less than one byte in so many: 16 to each 64 KiB.
const SEALING_SHARE: u64 = 1024;

/// What the system says of the disk of a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    /// Which disk it is.
    pub(super) device: u64,
    /// Bytes that this process may still write.
    pub(super) free: u64,
}

/// Asks the system about the disk of a directory.
type Probe = Arc<dyn Fn(&Path) -> io::Result<Figures> + Send + Sync>;

/// There is less room than is needed.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no room in {}: it takes {}, and {} may be written there{}. Make room, then try again",
    place.display(), megabytes(*needed), megabytes(*spare), Kept(*kept)
)]
pub(super) struct NoRoom {
    /// Where.
    pub(super) place: PathBuf,
    /// Bytes that are needed there.
    pub(super) needed: u64,
    /// Bytes that may be written there.
    pub(super) spare: u64,
    /// Bytes that stay free there.
    kept: u64,
    /// Bytes that would have to come free.
    pub(super) lacking: u64,
}

/// Why not all that is free may be written.
struct Kept(u64);

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            bytes => write!(f, " ({} stay free for the gateway and its history)", megabytes(bytes)),
        }
    }
}

/// The disks that are written to, and what has to stay free on that of the data directory.
#[derive(Clone)]
pub(super) struct Disks {
    data: PathBuf,
    /// Where the databases are, in the order of [`DATABASES`].
    databases: [PathBuf; 3],
    /// Bytes that stay free on that of the data directory.
    kept: u64,
    /// Most bytes that are written there.
    most: u64,
    probe: Probe,
}

impl Disks {
    /// Of a gateway with this data directory, whose history wants so many bytes free.
    pub(super) fn of(data: &Path, floor: u64) -> Self {
        Self::probed(data, floor, Arc::new(figures))
    }

    /// The same, for a command: with the floor of the configuration, or without one that can be read the usual one.
    pub(super) fn on_command_line(data: &Path, configuration: Option<&Path>) -> Self {
        let configured = || {
            let file = configuration?;
            let text = std::fs::read_to_string(file).ok()?;
            let source = Source::new(Some(file.to_owned()), false, Addresses::default());
            Some(source.read(&text).ok()?.history.retention)
        };
        Self::of(data, configured().unwrap_or_else(Retention::default).disk_floor)
    }

    /// Of a gateway that runs from memory, where little is, and whose history is still in its data directory.
    pub(super) fn in_memory(place: &Path, data: &Path) -> Self {
        let disks = Self { kept: MIN_FREE_BYTES, most: MAX_BACKUP_BYTES, ..Self::of(place, 0) };
        disks.with_history(Some(&data.join(paths::HISTORY_FILE)))
    }

    /// With the history in this file, or without one.
    pub(super) fn with_history(mut self, file: Option<&Path>) -> Self {
        self.databases[HISTORY] = file.map(Path::to_owned).unwrap_or_default();
        self
    }

    /// Where the databases are that go into a backup, each with its name there.
    pub(super) fn databases(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let files = self.databases.iter().map(PathBuf::as_path);
        DATABASES.into_iter().zip(files).filter(|(_, file)| file.exists())
    }

    /// With figures from elsewhere.
    pub(super) fn probed(data: &Path, floor: u64, probe: Probe) -> Self {
        let databases = DATABASES.map(|name| data.join(name));
        Self {
            data: data.to_owned(),
            databases,
            kept: floor.saturating_add(RESERVE_BYTES),
            most: u64::MAX,
            probe,
        }
    }

    /// Whether so many bytes fit into the data directory.
    ///
    /// # Errors
    /// [`NoRoom`], or that the system does not say.
    pub(super) fn check_data(&self, needed: u64) -> anyhow::Result<()> {
        self.check(&self.data, needed, self.ask(&self.data)?)
    }

    /// Whether an archive can be unpacked in the data directory; it is as large as what is in it.
    ///
    /// # Errors
    /// As for [`Self::check_data`]. Whoever reads the archive says when there is none.
    pub(super) fn check_unpacking(&self, archive: &Path) -> anyhow::Result<()> {
        self.check_data(std::fs::metadata(archive).map_or(0, |file| file.len()).max(1))
    }

    /// Whether a backup of the data directory can be made in a place, with the copies of the databases, one at a time, in
    /// `copies`, and with these small files.
    ///
    /// # Errors
    /// As for [`Self::check_data`].
    pub(super) fn check_backup<'a>(
        &self,
        place: &Path,
        copies: &Path,
        small: impl IntoIterator<Item = &'a Path>,
    ) -> anyhow::Result<()> {
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        // What was written last may still be in the log only.
        let log = |file: &Path| PathBuf::from(format!("{}-wal", file.display()));
        let databases = self.databases().map(|(_, file)| bytes(file) + bytes(&log(file)));
        let databases: Vec<u64> = databases.collect();
        let largest = databases.iter().copied().max().unwrap_or(0);
        let all: u64 = databases.iter().sum::<u64>()
            + bytes(&self.data.join(paths::BOARD_FILE))
            + small.into_iter().map(bytes).sum::<u64>()
            + OVERHEAD_BYTES;
        let archive = all + all / SEALING_SHARE;
        let (there, beside) = (self.ask(place)?, self.ask(copies)?);
        if there.device == beside.device {
            return self.check(place, archive + largest, there);
        }
        self.check(place, archive, there)?;
        self.check(copies, largest, beside)
    }

    fn check(&self, place: &Path, needed: u64, figures: Figures) -> anyhow::Result<()> {
        let is_ours = figures.device == self.ask(&self.data)?.device;
        let (kept, most) = if is_ours { (self.kept, self.most) } else { (0, u64::MAX) };
        let spare = figures.free.saturating_sub(kept).min(most);
        if needed > spare {
            let lacking = needed.saturating_add(kept).saturating_sub(figures.free);
            return Err(NoRoom { place: place.to_owned(), needed, spare, kept, lacking }.into());
        }
        Ok(())
    }

    fn ask(&self, place: &Path) -> anyhow::Result<Figures> {
        (self.probe)(place).with_context(|| format!("the room in {} is not known", place.display()))
    }
}

fn figures(place: &Path) -> io::Result<Figures> {
    let device = std::fs::metadata(place)?.dev();
    let found = rustix::fs::statvfs(place)?;
    // Some file systems of networks do not say how large they are.
    let free = if found.f_blocks == 0 { u64::MAX } else { found.f_bavail.saturating_mul(found.f_frsize) };
    Ok(Figures { device, free })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::CONFIGURATION;

    const MB: u64 = 1_000_000;

    /// A data directory with a history of 100 MB, beside a stick.
    fn house(free: u64, free_on_stick: u64) -> (tempfile::TempDir, Disks) {
        let place = tempfile::TempDir::new().unwrap();
        let data = place.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let history = std::fs::File::create(data.join(paths::HISTORY_FILE)).unwrap();
        history.set_len(90 * MB).unwrap();
        let log = std::fs::File::create(data.join(format!("{}-wal", paths::HISTORY_FILE))).unwrap();
        log.set_len(10 * MB).unwrap();
        std::fs::write(data.join(CONFIGURATION), "[gateway]\n").unwrap();
        let probe: Probe = Arc::new(move |path| {
            Ok(if path.ends_with("stick") {
                Figures { device: 2, free: free_on_stick }
            } else {
                Figures { device: 1, free }
            })
        });
        let disks = Disks::probed(&data, 256 * MB, probe);
        (place, disks)
    }

    fn said(outcome: anyhow::Result<()>) -> Option<(PathBuf, u64)> {
        let problem = outcome.err()?;
        let no_room: &NoRoom = problem.downcast_ref().expect("there is no room");
        Some((no_room.place.clone(), no_room.spare))
    }

    /// History deletes readings below its floor: a backup on the same disk stays above it.
    #[test]
    fn what_history_wants_free_stays_free() {
        let on_card = |free: u64| {
            let (place, disks) = house(free, 0);
            let data = place.path().join("data");
            said(disks.check_backup(&data, &data, [data.join(CONFIGURATION).as_path()]))
                .map(|(_, spare)| spare)
        };
        let kept = 256 * MB + RESERVE_BYTES;
        // The archive, and the copy of the history beside it.
        assert_eq!(on_card(kept + 203 * MB), None);
        assert_eq!(on_card(kept + 200 * MB), Some(200 * MB));
        assert_eq!(on_card(kept - 1), Some(0));
        let (_place, disks) = house(kept + 5 * MB, 0);
        disks.check_data(5 * MB).unwrap();
        let problem = disks.check_data(5 * MB + 1).unwrap_err().to_string();
        assert!(problem.contains("323.1 MB stay free") && problem.contains("Make room"), "{problem}");
    }

    /// Memory that the machine has in plenty is still the service's own, which is ended when it takes too much.
    #[test]
    fn a_gateway_that_runs_from_memory_takes_little_of_it_and_its_history_from_the_disk() {
        let house = tempfile::TempDir::new().unwrap();
        let [data, memory] = ["data", "memory"].map(|name| house.path().join(name));
        for place in [&data, &memory] {
            std::fs::create_dir(place).unwrap();
        }
        let history = std::fs::File::create(data.join(paths::HISTORY_FILE)).unwrap();
        std::fs::write(memory.join(paths::ACCOUNTS_FILE), "").unwrap();
        let probe: Probe = Arc::new(|_| Ok(Figures { device: 1, free: 1 << 40 }));
        let disks = Disks { probe, ..Disks::in_memory(&memory, &data) };
        let check = |disks: &Disks| said(disks.check_backup(&memory, &memory, []));
        history.set_len(30 * MB).unwrap();
        assert_eq!(check(&disks), None);
        let names = |disks: &Disks| disks.databases().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&disks), [paths::ACCOUNTS_FILE, paths::HISTORY_FILE]);
        history.set_len(60 * MB).unwrap();
        assert_eq!(check(&disks), Some((memory.clone(), MAX_BACKUP_BYTES)));
        let without = disks.with_history(None);
        assert_eq!((check(&without), names(&without)), (None, vec![paths::ACCOUNTS_FILE]));
    }

    /// On a stick all of the room may be used; the copies need theirs on the card.
    #[test]
    fn a_stick_and_the_card_are_asked_each_for_its_part() {
        let on_stick = |free: u64, free_on_stick: u64| {
            let (place, disks) = house(free, free_on_stick);
            let (data, stick) = (place.path().join("data"), place.path().join("stick"));
            let found = said(disks.check_backup(&stick, &data, [data.join(CONFIGURATION).as_path()]));
            found.map(|(place, spare)| (place.file_name().unwrap().to_owned(), spare))
        };
        let kept = 256 * MB + RESERVE_BYTES;
        assert_eq!(on_stick(kept + 101 * MB, 102 * MB), None);
        assert_eq!(on_stick(kept + 101 * MB, 100 * MB), Some(("stick".into(), 100 * MB)));
        assert_eq!(on_stick(kept + 99 * MB, 102 * MB), Some(("data".into(), 99 * MB)));
    }

    #[test]
    fn a_command_takes_the_floor_of_the_configuration() {
        let place = tempfile::TempDir::new().unwrap();
        let file = place.path().join(CONFIGURATION);
        let floor = |file: Option<&Path>| Disks::on_command_line(place.path(), file).kept - RESERVE_BYTES;
        assert_eq!((floor(None), floor(Some(&file))), (256 << 20, 256 << 20));
        std::fs::write(&file, "[history]\ndisk_floor = \"1 GiB\"\n").unwrap();
        assert_eq!(floor(Some(&file)), 1 << 30);
    }

    #[test]
    fn the_system_says_how_much_is_free() {
        let place = tempfile::TempDir::new().unwrap();
        let found = figures(place.path()).unwrap();
        assert!(found.free > 0);
        assert_eq!(figures(&place.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
