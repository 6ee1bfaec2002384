//! Backups by themselves, on a clock that is moved by hand.

use std::sync::atomic::{AtomicU64, AtomicUsize};

use gatehouse_dashboard::{Accounts, Role};
use gatehouse_model::ManualClock;
use tempfile::TempDir;

use super::*;
use crate::backup::disk::{Figures, RESERVE_BYTES};
use crate::backup::schedule::TRIED_AGAIN_AFTER;
use crate::backup::schedule::TimeOfDay;
use crate::config::Addresses;

const PASSPHRASE: &str = "a lamp in the window";

/// Bytes that history wants free.
const FLOOR: u64 = 256 << 20;

/// Bytes that stay free on the card.
const KEPT: u64 = FLOOR + RESERVE_BYTES;

struct House {
    clock: Arc<ManualClock>,
    place: TempDir,
    room: Backups,
    restarts: Arc<AtomicUsize>,
    /// Bytes that are free on the card, and how large the stick is.
    free: Arc<[AtomicU64; 2]>,
    is_clock_set: Arc<AtomicBool>,
}

impl House {
    async fn new() -> Self {
        let place = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::parse("2026-11-21T12:00:00Z").unwrap()));
        let data = place.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let shared: Arc<dyn Clock> = clock.clone();
        let accounts = Accounts::open(&data.join(paths::ACCOUNTS_FILE), shared, Arc::new(SystemRandomness))
            .await
            .unwrap();
        accounts.add("ana", Role::Admin, PASSPHRASE).await.unwrap();
        accounts.close().await;
        std::fs::create_dir(data.join(".gatehouse-copies-4000001")).unwrap();
        std::fs::write(place.path().join("passphrase"), format!("{PASSPHRASE}\n")).unwrap();
        let schedule = Schedule {
            folder: place.path().join("stick"),
            every: Duration::from_secs(86_400),
            at: TimeOfDay::parse("03:30"),
            keep: 2,
            passphrase_file: place.path().join("passphrase"),
        };
        let restarts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&restarts);
        let restart: Restart = Box::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let source = Source::new(None, true, Addresses::default());
        let free = Arc::new([AtomicU64::new(1 << 40), AtomicU64::new(1 << 40)]);
        let probed = Arc::clone(&free);
        let probe = move |path: &Path| {
            let disk = usize::from(path.ends_with("stick"));
            let device = u64::try_from(disk).unwrap_or(0);
            let free = probed[disk].load(Ordering::SeqCst);
            Ok(Figures { device, free: if disk == 1 { free.saturating_sub(bytes_in(path)) } else { free } })
        };
        let disks = Disks::probed(&data, FLOOR, Arc::new(probe));
        let is_clock_set = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&is_clock_set);
        let is_set: IsClockSet = Box::new(move || asked.load(Ordering::SeqCst));
        let clocks: (Arc<dyn Clock>, IsClockSet) = (clock.clone(), is_set);
        let room = Backups::new(&data, source, Some(schedule), Some("UTC"), clocks, disks, restart);
        Self { clock, place, room, restarts, free, is_clock_set }
    }

    fn leave_free_on_card(&self, bytes: u64) {
        self.free[0].store(bytes, Ordering::SeqCst);
    }

    /// Bytes that have to be free on the stick for the next backup.
    fn needed_on_stick(&self) -> u64 {
        let data = &self.room.0.directory;
        let is_full = Disks::probed(
            data,
            0,
            Arc::new(|path: &Path| {
                let is_stick = path.ends_with("stick");
                Ok(Figures { device: u64::from(is_stick), free: if is_stick { 0 } else { 1 << 40 } })
            }),
        );
        let problem = is_full.check_backup(&self.stick(), data, []).unwrap_err();
        problem.downcast_ref::<NoRoom>().unwrap().needed
    }

    fn make_stick_of(&self, bytes: u64) {
        self.free[1].store(bytes, Ordering::SeqCst);
    }

    /// One look, on a thread that may wait.
    async fn look(&self) -> BackupSchedule {
        let room = self.room.clone();
        tokio::task::spawn_blocking(move || room.look()).await.unwrap();
        self.room.backups().await.schedule.unwrap()
    }

    fn stick(&self) -> PathBuf {
        self.place.path().join("stick")
    }

    async fn bring(&self, bytes: Vec<u8>) {
        let mut upload = self.room.upload(None).await.unwrap();
        upload.write(bytes.into()).await.unwrap();
        upload.finish().await.unwrap();
    }

    /// Restores what was brought, and gives what came of it.
    async fn restore(&self, passphrase: Option<&str>) -> RestoreState {
        self.room.restore(passphrase.map(str::to_owned), By::command_line()).unwrap();
        self.until(|state| state.restoring.step != RestoreStep::Checking).await;
        self.room.restoring()
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        let wait = async {
            while !is_so(&self.room.state()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it comes to its end");
    }
}

/// A stop cuts off what is made; the next start takes away what is left of it.
#[tokio::test]
async fn the_start_takes_away_what_an_interrupted_backup_left() {
    let house = House::new().await;
    assert!(!house.room.0.directory.join(".gatehouse-copies-4000001").exists());
}

#[tokio::test]
async fn a_backup_is_made_each_night_and_the_oldest_goes() {
    let house = House::new().await;
    std::fs::create_dir(house.stick()).unwrap();
    let first = house.look().await;
    assert_eq!((first.next.to_string().as_str(), first.kept.len()), ("2026-11-22T03:30:00.000Z", 0));
    house.clock.advance(Duration::from_secs(15 * 3_600));
    assert!(house.look().await.kept.is_empty(), "half an hour is left");
    assert_eq!(house.room.last_good(), None);
    let mut names = Vec::new();
    for _ in 0..3 {
        house.clock.advance(Duration::from_secs(3_600));
        let looked = house.look().await;
        assert_eq!(looked.problem, None);
        names.insert(0, looked.kept[0].name.clone());
        assert_eq!(house.room.last_good(), Some(looked.kept[0].at));
        assert_eq!(house.look().await.kept, looked.kept, "once a night");
        house.clock.advance(Duration::from_secs(23 * 3_600));
    }
    let kept: Vec<String> = house.look().await.kept.into_iter().map(|file| file.name).collect();
    assert_eq!(kept, names[..2]);
    let files = std::fs::read_dir(house.stick()).unwrap().count();
    assert_eq!(files, 2, "nothing else is left on the stick");
}

fn bytes_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    files.filter(std::fs::Metadata::is_file).map(|file| file.len()).sum()
}

/// The oldest went only once the next one was made, for which there was no room; and it was tried four times an hour, with
/// a copy of the history on the card each time.
#[tokio::test]
async fn on_a_full_stick_the_oldest_makes_way() {
    let house = House::new().await;
    std::fs::create_dir(house.stick()).unwrap();
    house.clock.advance(Duration::from_secs(16 * 3_600));
    house.look().await;
    house.clock.advance(Duration::from_secs(86_400));
    let two = house.look().await.kept;
    assert_eq!(two.len(), 2);
    house.clock.advance(Duration::from_secs(86_400));
    // Both gone would not be enough: they stay.
    let (used, needed) = (bytes_in(&house.stick()), house.needed_on_stick());
    house.make_stick_of(needed - 1);
    let problem = house.look().await.problem.unwrap();
    assert!(problem.contains("there is no room in") && problem.contains("Make room"), "{problem}");
    assert_eq!(kept(&house.stick()).unwrap(), two);
    // With one gone there is room, but it rests, and after the second failure twice as long.
    house.clock.advance(TRIED_AGAIN_AFTER);
    assert!(house.look().await.problem.is_some());
    house.make_stick_of(used - two[1].bytes + needed);
    house.clock.advance(TRIED_AGAIN_AFTER);
    assert!(house.look().await.problem.is_some(), "it rests");
    house.clock.advance(TRIED_AGAIN_AFTER);
    let looked = house.look().await;
    assert_eq!(
        (looked.problem, looked.kept.len(), looked.kept[1].name.as_str()),
        (None, 2, two[0].name.as_str())
    );
    assert_eq!(house.room.state().failures, 0);
    // Where the card has no room for the copies, none on the stick makes way.
    house.make_stick_of(1 << 40);
    house.clock.advance(Duration::from_secs(86_400));
    house.leave_free_on_card(KEPT);
    assert!(house.look().await.problem.is_some_and(|problem| problem.contains("/data")));
    assert_eq!(kept(&house.stick()).unwrap(), looked.kept);
}

/// A board without a battery comes up with some time, and one dated far ahead ended all others.
#[tokio::test]
async fn a_clock_that_was_wrong_ends_no_backups() {
    let house = House::new().await;
    std::fs::create_dir(house.stick()).unwrap();
    let ahead = house.stick().join("gatehouse-2038-01-19T03-14-07Z.tar.age");
    std::fs::write(&ahead, "x").unwrap();
    let first = house.look().await;
    assert_eq!(first.next.to_string(), "2026-11-22T03:30:00.000Z");
    house.clock.advance(Duration::from_secs(16 * 3_600));
    house.is_clock_set.store(false, Ordering::SeqCst);
    let problem = house.look().await.problem.unwrap();
    assert!(problem.contains("the clock of the gateway is not set yet"), "{problem}");
    assert_eq!(std::fs::read_dir(house.stick()).unwrap().count(), 1);
    house.is_clock_set.store(true, Ordering::SeqCst);
    let made = house.look().await;
    assert_eq!((made.problem, made.kept.len()), (None, 2));
    assert_eq!(made.next.to_string(), "2026-11-23T03:30:00.000Z");
    house.clock.advance(Duration::from_secs(86_400));
    assert_eq!(house.look().await.kept.len(), 2);
    assert!(!ahead.exists());
}

#[tokio::test]
async fn a_stick_that_is_not_there_is_said_and_waited_for() {
    let house = House::new().await;
    house.clock.advance(Duration::from_secs(16 * 3_600));
    let mut trouble = house.room.trouble();
    assert_eq!(*trouble.borrow_and_update(), None);
    let problem = house.look().await.problem.unwrap();
    assert!(problem.contains("check that the stick"), "{problem}");
    assert_eq!(trouble.borrow_and_update().as_deref(), Some(problem.as_str()), "every page says so");
    house.look().await;
    assert!(!trouble.has_changed().unwrap(), "once, and not with every look");
    assert!(!house.stick().exists(), "nothing is written to where the stick would be");
    // It comes back, but its passphrase is gone: that is tried again after a while only.
    std::fs::create_dir(house.stick()).unwrap();
    let file = house.place.path().join("passphrase");
    std::fs::remove_file(&file).unwrap();
    let problem = house.look().await.problem.unwrap();
    assert!(problem.contains("the passphrase in"), "{problem}");
    std::fs::write(&file, format!("{PASSPHRASE}\n")).unwrap();
    assert_eq!(house.look().await.problem, Some(problem), "it rests");
    house.clock.advance(TRIED_AGAIN_AFTER);
    let looked = house.look().await;
    assert_eq!((looked.problem, looked.kept.len()), (None, 1));
    assert_eq!(*trouble.borrow_and_update(), None, "it is over");
}

#[tokio::test]
async fn what_the_page_makes_waits_an_hour_and_can_be_restored() {
    let house = House::new().await;
    let short = house.room.begin("short".to_owned());
    assert!(matches!(short, Err(BackupProblem::WeakPassphrase(said)) if said.contains("at least 8")));
    assert!(matches!(house.room.open().await, Err(BackupProblem::Nothing)));
    house.room.begin(PASSPHRASE.to_owned()).unwrap();
    house.until(|state| !state.running).await;
    let (name, bytes, mut file) = house.room.open().await.unwrap();
    assert_eq!(name, "gatehouse-2026-11-21T12-00-00Z.tar.age");
    let mut archive = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut file, &mut archive).await.unwrap();
    assert_eq!(u64::try_from(archive.len()).unwrap(), bytes);

    // Nothing is touched by what is wrong, and another passphrase can be tried with what was brought.
    assert_eq!(house.room.restore(None, By::command_line()), Err(BackupProblem::Nothing));
    house.bring(archive[..archive.len() / 2].to_vec()).await;
    let cut = house.restore(Some(PASSPHRASE)).await.problem.unwrap();
    assert_eq!(cut.code, "wrong_backup");
    assert!(cut.message.starts_with("Nothing was restored, and nothing was changed"), "{}", cut.message);
    house.bring(archive).await;
    assert_eq!(house.restore(None).await.problem.unwrap().code, "needs_passphrase");
    assert_eq!(house.restore(Some("another one")).await.problem.unwrap().code, "wrong_passphrase");
    assert!(!crate::backup::restore_is_pending(&house.room.0.directory));
    let restored = house.restore(Some(PASSPHRASE)).await;
    assert_eq!((restored.step, restored.problem), (RestoreStep::Restarting, None));
    house.until(|_| house.restarts.load(Ordering::SeqCst) == 1).await;
    assert!(crate::backup::restore_is_pending(&house.room.0.directory));
    assert_eq!(house.room.begin(PASSPHRASE.to_owned()), Err(BackupProblem::Busy), "it restarts");

    house.clock.advance(WAITS);
    assert!(matches!(house.room.open().await, Err(BackupProblem::Nothing)));
    assert!(!house.room.0.directory.join(MADE).exists());
}

/// What breaks off leaves nothing, and the next one has its turn.
#[tokio::test]
async fn a_file_that_does_not_come_to_its_end_is_gone() {
    let house = House::new().await;
    let mut upload = house.room.upload(None).await.unwrap();
    upload.write(Bytes::from_static(b"half of it")).await.unwrap();
    assert!(matches!(house.room.upload(None).await, Err(BackupProblem::Busy)));
    drop(upload);
    assert_eq!(std::fs::read_dir(house.room.0.directory.join(BROUGHT)).unwrap().count(), 0);
    house.bring(b"whole".to_vec()).await;
    assert_eq!((house.room.restoring().step, house.room.restoring().bytes), (RestoreStep::Uploaded, 5));
}

/// History deletes readings when its disk has less free than its floor: no backup and no file that is brought goes below that.
#[tokio::test]
async fn a_card_that_is_nearly_full_is_left_as_it_is() {
    let house = House::new().await;
    house.leave_free_on_card(KEPT + 1_000_000);
    house.room.begin(PASSPHRASE.to_owned()).unwrap();
    house.until(|state| !state.running).await;
    let failure = house.room.backups().await.failure.unwrap();
    assert!(failure.starts_with("There is no room in") && failure.contains("Make room"), "{failure}");
    assert!(matches!(house.room.open().await, Err(BackupProblem::Nothing)));
    let full = |outcome: Result<Box<dyn BackupUpload>, BackupProblem>| {
        assert_eq!(outcome.map(|_| ()), Err(BackupProblem::DiskFull));
    };
    full(house.room.upload(None).await);
    // It has to be unpacked as well.
    house.leave_free_on_card(KEPT + 11_000_000);
    full(house.room.upload(Some(6_000_000)).await);
    drop(house.room.upload(Some(5_500_000)).await.unwrap());
    full(house.room.upload(Some(u64::MAX)).await);

    // It fills up while a file comes whose length nobody has told.
    let mut upload = house.room.upload(None).await.unwrap();
    let piece = Bytes::from(vec![7; 1_000_000]);
    for _ in 0..4 {
        upload.write(piece.clone()).await.unwrap();
    }
    house.leave_free_on_card(KEPT + LOOK_AT_ROOM_EVERY - 1);
    assert_eq!(upload.write(piece).await, Err(BackupProblem::DiskFull));
    drop(upload);
    assert_eq!(std::fs::read_dir(house.room.0.directory.join(BROUGHT)).unwrap().count(), 0);

    // There was room for the file, and there is none for what is in it.
    house.leave_free_on_card(1 << 40);
    house.bring(vec![7; 2_000_000]).await;
    house.leave_free_on_card(KEPT + 1_999_999);
    let problem = house.restore(None).await.problem.unwrap();
    assert_eq!(problem.code, "disk_full", "{}", problem.message);
    assert!(!crate::backup::restore_is_pending(&house.room.0.directory));
    house.leave_free_on_card(KEPT + 2_000_000);
    assert_eq!(house.restore(None).await.problem.unwrap().code, "wrong_backup");
}

/// The file of a restore that was given up takes as much room as the history.
#[tokio::test]
async fn a_file_that_was_brought_and_not_restored_goes_after_an_hour() {
    let house = House::new().await;
    let waits = || house.room.0.directory.join(BROUGHT).join(ARCHIVE).exists();
    house.bring(b"no backup".to_vec()).await;
    house.clock.advance(WAITS - Duration::from_secs(1));
    assert_eq!(house.restore(None).await.problem.unwrap().code, "wrong_backup");
    house.clock.advance(Duration::from_secs(1));
    house.room.backups().await;
    assert!(waits(), "another passphrase may be tried");
    house.clock.advance(WAITS);
    house.room.backups().await;
    assert!(!waits());
    assert_eq!(house.room.restoring(), RestoreState::default());
    assert_eq!(house.room.restore(None, By::command_line()), Err(BackupProblem::Nothing));
}
