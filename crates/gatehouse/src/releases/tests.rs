//! Upgrades and the way back, against real databases.

use std::path::PathBuf;
use std::sync::Arc;

use gatehouse_broker::StoreOptions;
use gatehouse_history::{History, Options};
use gatehouse_model::{Clock, ManualClock};
use tempfile::TempDir;

use super::*;
use crate::system::SystemRandomness;

const NOW: Timestamp = Timestamp::from_millis(1_795_252_440_000);

/// A data directory with databases of this release.
struct House {
    directory: TempDir,
}

impl House {
    async fn new() -> Self {
        let house = Self { directory: TempDir::new().unwrap() };
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(NOW));
        let path = house.path();
        let file = path.join(paths::ACCOUNTS_FILE);
        Accounts::open(&file, clock.clone(), Arc::new(SystemRandomness)).await.unwrap().close().await;
        let file = path.join(paths::HISTORY_FILE);
        History::open(&file, Options::default(), clock.clone()).await.unwrap().close().await;
        drop(
            SqliteStore::open(&path.join(paths::BROKER_FILE), StoreOptions::default(), clock).await.unwrap(),
        );
        std::fs::write(path.join(paths::BOARD_FILE), "levels").unwrap();
        std::fs::create_dir(path.join(paths::TLS_DIRECTORY)).unwrap();
        std::fs::write(path.join("tls/ca.crt"), "authority").unwrap();
        std::fs::write(path.join("the.toml"), "# mine").unwrap();
        house
    }

    fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    async fn start(&self, newest: &Forms, now: Timestamp) -> anyhow::Result<()> {
        prepare_for(&self.path(), Some(&self.path().join("the.toml")), now, newest).await
    }
}

/// The forms of a release that changed one database.
fn one_more(name: &str) -> Forms {
    let mut forms = newest();
    *forms.get_mut(name).unwrap() += 1;
    forms
}

/// Those of a release that did not know the newest form of one database.
fn one_less(name: &str) -> Forms {
    let mut forms = newest();
    *forms.get_mut(name).unwrap() -= 1;
    forms
}

#[tokio::test]
async fn the_forms_of_all_databases_are_known_and_nothing_is_copied_without_need() {
    let house = House::new().await;
    assert_eq!(forms_of(&house.path()).await, newest(), "what this release made has its own forms");
    house.start(&newest(), NOW).await.unwrap();
    assert!(copy::Kept::find(&house.path()).is_none());

    let empty = TempDir::new().unwrap();
    assert!(forms_of(empty.path()).await.is_empty());
    prepare_for(empty.path(), None, NOW, &newest()).await.unwrap();
}

#[tokio::test]
async fn before_a_newer_form_everything_is_copied() {
    for name in [paths::ACCOUNTS_FILE, paths::BROKER_FILE, paths::HISTORY_FILE] {
        let house = House::new().await;
        runs(&house.path(), NOW);
        house.start(&one_more(name), NOW).await.unwrap();
        let kept = copy::Kept::find(&house.path()).unwrap();
        assert_eq!((kept.version.as_str(), kept.made), (VERSION, NOW));
        assert!(!kept.without_history && kept.suits(&newest()), "{kept:?}");
        let copy = house.path().join("before-upgrade");
        assert_eq!(forms_of(&copy).await, newest(), "the copies open, and are of the form of before");
        for (name, text) in
            [("board.state", "levels"), ("tls/ca.crt", "authority"), ("gatehouse.toml", "# mine")]
        {
            assert_eq!(std::fs::read_to_string(copy.join(name)).unwrap(), text);
        }
    }
}

#[tokio::test]
async fn a_copy_that_was_cut_short_is_none_and_the_next_start_makes_it() {
    let house = House::new().await;
    std::fs::create_dir(house.path().join("before-upgrade.part")).unwrap();
    std::fs::write(house.path().join("before-upgrade.part/gatehouse.db"), "half").unwrap();
    assert!(copy::Kept::find(&house.path()).is_none());
    house.start(&one_more(paths::BROKER_FILE), NOW).await.unwrap();
    assert!(copy::Kept::find(&house.path()).is_some());
    assert!(!house.path().join("before-upgrade.part").exists());
}

#[tokio::test]
async fn an_older_release_refuses_what_a_newer_one_changed_and_says_how_to_go_back() {
    let house = House::new().await;
    let older = one_less(paths::ACCOUNTS_FILE);
    let said = house.start(&older, NOW).await.unwrap_err().to_string();
    assert!(said.contains("gatehouse.db") && said.contains("newer release again"), "{said}");
    assert!(
        said.contains("gatehouse restore") && !said.contains("before-upgrade"),
        "there is no copy: {said}"
    );

    // The copy that the newer one made is of the forms of now, which the older one cannot use either.
    house.start(&one_more(paths::ACCOUNTS_FILE), NOW).await.unwrap();
    let said = house.start(&older, NOW).await.unwrap_err().to_string();
    assert!(!said.contains("before-upgrade"), "{said}");
}

#[tokio::test]
async fn a_copy_that_suits_is_told_about() {
    let house = House::new().await;
    house.start(&one_more(paths::ACCOUNTS_FILE), NOW).await.unwrap();
    // The newer release has changed the accounts since.
    let file = house.path().join(paths::ACCOUNTS_FILE);
    let text = std::fs::read(&file).unwrap();
    // The user version is a big-endian number at byte 60 of the head (https://www.sqlite.org/fileformat2.html).
    let mut changed = text.clone();
    let form = u32::try_from(Accounts::newest_form()).unwrap() + 1;
    changed[60..64].copy_from_slice(&form.to_be_bytes());
    std::fs::write(&file, changed).unwrap();
    let said = house.start(&newest(), NOW).await.unwrap_err().to_string();
    assert!(said.contains("before-upgrade") && said.contains("docs/upgrades.md"), "{said}");
}

/// A power cut after one of two databases had been brought up to date: the copy of before is not replaced by one of the
/// middle, which nobody could go back to.
#[tokio::test]
async fn an_upgrade_that_goes_on_keeps_the_copy_of_before_it() {
    let house = House::new().await;
    let mut both = one_more(paths::ACCOUNTS_FILE);
    *both.get_mut(paths::HISTORY_FILE).unwrap() += 1;
    house.start(&both, NOW).await.unwrap();
    let file = house.path().join(paths::ACCOUNTS_FILE);
    let mut changed = std::fs::read(&file).unwrap();
    changed[60..64].copy_from_slice(&u32::try_from(both[paths::ACCOUNTS_FILE]).unwrap().to_be_bytes());
    std::fs::write(&file, changed).unwrap();
    house.start(&both, Timestamp::from_millis(NOW.as_millis() + 5_000)).await.unwrap();
    let kept = copy::Kept::find(&house.path()).unwrap();
    assert_eq!((kept.made, kept.suits(&newest())), (NOW, true));
}

#[tokio::test]
async fn history_that_is_too_new_stops_nobody() {
    let house = House::new().await;
    house.start(&one_less(paths::HISTORY_FILE), NOW).await.unwrap();
}

#[tokio::test]
async fn the_release_that_runs_is_noted_once_and_an_old_copy_goes() {
    let house = House::new().await;
    runs(&house.path(), NOW);
    runs(&house.path(), Timestamp::from_millis(NOW.as_millis() + 1));
    let record = Record::read(&house.path()).unwrap();
    assert_eq!(record, Record { version: VERSION.to_owned(), since: NOW, before: None });

    house.start(&one_more(paths::HISTORY_FILE), NOW).await.unwrap();
    let days = |days: i64| Timestamp::from_millis(NOW.as_millis() + days * 24 * 3_600 * 1_000);
    runs(&house.path(), days(29));
    assert!(copy::Kept::find(&house.path()).is_some());
    runs(&house.path(), days(31));
    assert!(copy::Kept::find(&house.path()).is_none());
}

#[test]
fn a_record_that_makes_no_sense_is_none() {
    let directory = TempDir::new().unwrap();
    assert_eq!(Record::read(directory.path()), None);
    std::fs::write(directory.path().join("release.json"), "{\"version\":").unwrap();
    assert_eq!(Record::read(directory.path()), None);
    let record = Record { version: "9.9.9".to_owned(), since: NOW, before: Some("9.9.8".to_owned()) };
    record.write(directory.path()).unwrap();
    assert_eq!(Record::read(directory.path()), Some(record));
}
