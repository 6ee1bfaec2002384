//! Upgrades and the way back, against real databases.

use std::path::PathBuf;
use std::sync::Arc;

use gatehouse_broker::StoreOptions;
use gatehouse_dashboard::accounts::{By, Deed};
use gatehouse_history::{History, Options};
use gatehouse_model::{Clock, ManualClock};
use tempfile::TempDir;

use super::rollback::Plan;
use super::*;
use crate::backup;
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

    /// What a release of another form does to a database.
    async fn change_form(&self, name: &str, form: i64) {
        let file = self.path().join(name);
        let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        let step = match name {
            paths::ACCOUNTS_FILE => format!("PRAGMA user_version = {form}"),
            _ => format!(
                "INSERT INTO _sqlx_migrations SELECT {form}, 'newer', installed_on, success, checksum, execution_time
                 FROM _sqlx_migrations LIMIT 1"
            ),
        };
        sqlx::raw_sql(sqlx::AssertSqlSafe(step)).execute(&pool).await.unwrap();
        pool.close().await;
    }

    /// An upgrade to a release that changes this database.
    async fn upgraded(name: &str) -> Self {
        let house = Self::new().await;
        runs(&house.path(), NOW);
        house.start(&one_more(name), NOW).await.unwrap();
        house.change_form(name, newest()[name] + 1).await;
        house
    }

    async fn start(&self, newest: &Forms, now: Timestamp) -> anyhow::Result<()> {
        prepare_for(&self.path(), Some(&self.path().join("the.toml")), 0, now, newest).await
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
    prepare_for(empty.path(), None, 0, NOW, &newest()).await.unwrap();
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
async fn an_upgrade_that_can_keep_no_copy_goes_on_and_it_is_noted_until_another_one_can() {
    let house = House::new().await;
    runs(&house.path(), NOW);
    let in_the_way = house.path().join("before-upgrade.part");
    std::fs::write(&in_the_way, "no directory").unwrap();
    house.start(&one_more(paths::BROKER_FILE), NOW).await.unwrap();
    assert!(copy::Kept::find(&house.path()).is_none());
    let unkept = Unkept::of_this_release(&house.path()).expect("it is noted");
    assert!(!unkept.reason.is_empty() && unkept.is_news(NOW), "{unkept:?}");
    runs(&house.path(), NOW);
    assert!(Unkept::of_this_release(&house.path()).is_some(), "a start that changes nothing is no upgrade");

    std::fs::remove_file(&in_the_way).unwrap();
    house.start(&one_more(paths::HISTORY_FILE), NOW).await.unwrap();
    assert!(copy::Kept::find(&house.path()).is_some());
    assert_eq!(Unkept::of_this_release(&house.path()), None);

    // The next release brought nothing that would have to be copied.
    let note = "{\"version\":\"0.0.1\",\"reason\":\"no room\",\"at\":\"2026-11-22T09:14:00.000Z\"}";
    std::fs::write(house.path().join(unkept::UNKEPT), note).unwrap();
    runs(&house.path(), NOW);
    assert!(!house.path().join(unkept::UNKEPT).exists());
}

#[tokio::test]
async fn an_older_release_refuses_what_a_newer_one_changed_and_says_how_to_go_back() {
    let house = House::new().await;
    let older = one_less(paths::ACCOUNTS_FILE);
    let said = house.start(&older, NOW).await.unwrap_err().to_string();
    assert!(said.contains("gatehouse.db") && said.contains("newer release again"), "{said}");
    assert!(said.contains("gatehouse restore") && !said.contains("rollback"), "there is no copy: {said}");

    // The copy that the newer one made is of the forms of now, which the older one cannot use either.
    house.start(&one_more(paths::ACCOUNTS_FILE), NOW).await.unwrap();
    let said = house.start(&older, NOW).await.unwrap_err().to_string();
    assert!(!said.contains("rollback"), "{said}");
}

#[tokio::test]
async fn a_copy_that_suits_is_told_about() {
    let house = House::new().await;
    house.start(&one_more(paths::ACCOUNTS_FILE), NOW).await.unwrap();
    house.change_form(paths::ACCOUNTS_FILE, Accounts::newest_form() + 1).await;
    let said = house.start(&newest(), NOW).await.unwrap_err().to_string();
    assert!(said.contains("sudo gatehouse rollback") && said.contains(&NOW.to_string()), "{said}");
}

/// A power cut after one of two databases had been brought up to date: the copy of before is not replaced by one of the
/// middle, which nobody could go back to.
#[tokio::test]
async fn an_upgrade_that_goes_on_keeps_the_copy_of_before_it() {
    let house = House::new().await;
    let mut both = one_more(paths::ACCOUNTS_FILE);
    *both.get_mut(paths::HISTORY_FILE).unwrap() += 1;
    house.start(&both, NOW).await.unwrap();
    house.change_form(paths::ACCOUNTS_FILE, both[paths::ACCOUNTS_FILE]).await;
    house.start(&both, Timestamp::from_millis(NOW.as_millis() + 5_000)).await.unwrap();
    let kept = copy::Kept::find(&house.path()).unwrap();
    assert_eq!((kept.made, kept.suits(&newest())), (NOW, true));
}

/// The second upgrade within a month: the copy of the first is of a release that has not run for weeks.
#[tokio::test]
async fn a_second_upgrade_makes_a_copy_of_its_own_and_is_taken_back_to_that() {
    let later = Timestamp::from_millis(NOW.as_millis() + 5_000);
    let house = House::upgraded(paths::ACCOUNTS_FILE).await;
    let path = house.path();
    let second = one_more(paths::ACCOUNTS_FILE);
    let record = |version: &str| Record { version: version.to_owned(), since: NOW, before: None };
    // The second release came to run; the third changes another form, and does not start.
    record("99.0.0").write(&path).unwrap();
    let mut third = second.clone();
    *third.get_mut(paths::BROKER_FILE).unwrap() += 1;
    house.start(&third, later).await.unwrap();
    let kept = copy::Kept::find(&path).unwrap();
    assert_eq!((kept.version.as_str(), kept.made), ("99.0.0", later));
    house.change_form(paths::BROKER_FILE, third[paths::BROKER_FILE]).await;

    // Should the copy be one of before the first all the same, nobody is taken back there without being asked.
    let config = path.join("the.toml");
    let refused = fall_back::take_back(&path, &config, "98.0.0", &second, later).await;
    let said = format!("{:#}", refused.unwrap_err());
    assert!(said.contains("release 99.0.0") && said.contains("98.0.0 ran last"), "{said}");
    assert_eq!(forms_of(&path).await, third, "nothing was touched");
    assert!(fall_back::take_back(&path, &config, "99.0.0", &second, later).await.unwrap());
    assert_eq!(forms_of(&path).await, second, "what the second release did to the accounts stays");
}

#[tokio::test]
async fn history_that_is_too_new_stops_nobody() {
    let house = House::new().await;
    house.start(&one_less(paths::HISTORY_FILE), NOW).await.unwrap();
}

#[tokio::test]
async fn the_release_that_runs_is_noted_once() {
    let house = House::new().await;
    runs(&house.path(), NOW);
    runs(&house.path(), Timestamp::from_millis(NOW.as_millis() + 1));
    let record = Record::read(&house.path()).unwrap();
    assert_eq!(record, Record { version: VERSION.to_owned(), since: NOW, before: None });
}

#[tokio::test]
async fn an_old_copy_goes_with_what_a_power_cut_left_of_the_one_before_it() {
    let house = House::upgraded(paths::HISTORY_FILE).await;
    let path = house.path();
    let days = |days: i64| Timestamp::from_millis(NOW.as_millis() + days * 24 * 3_600 * 1_000);
    let left = path.join("before-upgrade.old");
    std::fs::create_dir(&left).unwrap();
    std::fs::copy(path.join("before-upgrade/copy.json"), left.join("copy.json")).unwrap();
    for day in [0, 29] {
        forget_old_copy(&path, days(day));
        assert!(copy::Kept::find(&path).is_some());
    }
    forget_old_copy(&path, days(31));
    assert!(copy::Kept::find(&path).is_none() && !left.exists());

    // Where only the former one is whole, it is the copy, and goes as well.
    let house = House::upgraded(paths::HISTORY_FILE).await;
    let path = house.path();
    std::fs::rename(path.join("before-upgrade"), path.join("before-upgrade.old")).unwrap();
    for day in [0, 31] {
        forget_old_copy(&path, days(day));
    }
    assert!(copy::Kept::find(&path).is_none());
}

/// It was taken for the copy of before the last upgrade, once that had gone.
#[tokio::test]
async fn what_a_power_cut_left_of_copies_is_gone_once_a_release_runs_or_goes_back() {
    let house = House::upgraded(paths::HISTORY_FILE).await;
    let path = house.path();
    let [left, draft] = ["before-upgrade.old", "before-upgrade.part"].map(|name| path.join(name));
    let note = std::fs::read(path.join("before-upgrade/copy.json")).unwrap();
    let leave = || {
        for directory in [&left, &draft] {
            std::fs::create_dir_all(directory).unwrap();
            std::fs::write(directory.join("copy.json"), &note).unwrap();
        }
    };
    leave();
    runs(&path, NOW);
    assert!(copy::Kept::find(&path).is_some() && !left.exists() && !draft.exists());
    leave();
    let plan = Plan::make(&path, None, &newest()).await.unwrap();
    plan.carry_out(&path, &By::command_line(), NOW).await.unwrap();
    assert!(copy::Kept::find(&path).is_none());
    // Where only the former one is whole, it is the copy.
    leave();
    runs(&path, NOW);
    assert!(copy::Kept::find(&path).is_some() && left.exists());
}

/// The release of before was installed again and ran on a history that it could not record to; then came the next upgrade. The
/// copy of weeks ago was taken for that of this one: none was made, and when it failed, people got the passwords of weeks ago.
#[tokio::test]
async fn a_copy_is_of_no_upgrade_any_more_once_a_release_has_run_since() {
    let later = Timestamp::from_millis(NOW.as_millis() + 5_000);
    let house = House::upgraded(paths::HISTORY_FILE).await;
    let path = house.path();
    // The release of before again: its name is that of the copy.
    runs(&path, NOW);
    let mut third = one_more(paths::HISTORY_FILE);
    *third.get_mut(paths::ACCOUNTS_FILE).unwrap() += 1;
    let config = path.join("the.toml");
    house.change_form(paths::ACCOUNTS_FILE, third[paths::ACCOUNTS_FILE]).await;
    let refused = fall_back::take_back(&path, &config, VERSION, &newest(), later).await;
    let said = format!("{:#}", refused.unwrap_err());
    assert!(said.contains("a release has run on the data since"), "{said}");
    assert_eq!(forms_of(&path).await, third, "nothing was touched");

    *third.get_mut(paths::BROKER_FILE).unwrap() += 1;
    house.start(&third, later).await.unwrap();
    let kept = copy::Kept::find(&path).unwrap();
    assert_eq!((kept.version.as_str(), kept.made, kept.is_settled), (VERSION, later, false));

    // It changes what the release of before needs, and fails: that one runs on the copy as it had run, history or not.
    let before = forms_of(&path).await;
    house.change_form(paths::BROKER_FILE, third[paths::BROKER_FILE]).await;
    let ran_with = Forms::from_iter(newest().into_iter().map(|(name, form)| match name.as_str() {
        paths::ACCOUNTS_FILE => (name, form + 1),
        _ => (name, form),
    }));
    assert!(fall_back::take_back(&path, &config, VERSION, &ran_with, later).await.unwrap());
    assert_eq!(forms_of(&path).await, before);
}

/// The copy left a disk so full that history began to give up its oldest days, of which the copy was gone a month later too.
#[tokio::test]
async fn history_is_copied_only_where_it_loses_nothing_by_it() {
    for (floor, without_history) in [(0, false), (1 << 60, true)] {
        let house = House::new().await;
        prepare_for(&house.path(), None, floor, NOW, &one_more(paths::BROKER_FILE)).await.unwrap();
        let kept = copy::Kept::find(&house.path()).unwrap();
        assert_eq!(kept.without_history, without_history);
        assert_eq!(house.path().join("before-upgrade/history.db").exists(), !without_history);
    }
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

/// What the upgrade changed goes back, and nothing else: a history that got a newer form costs no passwords.
#[tokio::test]
async fn going_back_puts_back_what_the_upgrade_has_changed_and_nothing_else() {
    for name in [paths::ACCOUNTS_FILE, paths::BROKER_FILE, paths::HISTORY_FILE] {
        let house = House::upgraded(name).await;
        let path = house.path();
        std::fs::write(path.join(paths::BOARD_FILE), "levels of now").unwrap();
        let record = Record { version: "99.0.0".to_owned(), since: NOW, before: Some(VERSION.to_owned()) };
        record.write(&path).unwrap();
        let plan = Plan::make(&path, Some(&path.join("the.toml")), &newest()).await.unwrap();
        let aside = plan.carry_out(&path, &By::command_line(), NOW).await.unwrap().unwrap();
        assert_eq!(forms_of(&path).await, newest());
        // What is aside is the newer one, alone.
        assert_eq!(forms_of(&aside).await, Forms::from([(name.to_owned(), newest()[name] + 1)]));
        assert_eq!(std::fs::read_to_string(path.join(paths::BOARD_FILE)).unwrap(), "levels of now");
        assert_eq!(Record::read(&path).unwrap().version, VERSION);
        assert!(!path.join("restore-pending").exists() && !path.join("before-upgrade").exists());
        assert!(!path.join(backup::RESTORED_CONFIGURATION).exists(), "it is the same");
        house.start(&newest(), NOW).await.unwrap();
    }
}

/// Somebody who was thrown out since the upgrade is not in again with the accounts of before.
#[tokio::test]
async fn nobody_is_logged_in_with_the_accounts_of_before_and_going_back_is_in_the_audit_log() {
    let house = House::new().await;
    let (path, file) = (house.path(), house.path().join(paths::ACCOUNTS_FILE));
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(NOW));
    let open = async || Accounts::open(&file, clock.clone(), Arc::new(SystemRandomness)).await.unwrap();
    let accounts = open().await;
    accounts.add("ana", gatehouse_dashboard::Role::Admin, "a lamp in the window").await.unwrap();
    accounts.close().await;
    let database = async || sqlx::SqlitePool::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    let sessions = "SELECT count(*) FROM session";
    let pool = database().await;
    let logged_in =
        "INSERT INTO session (token_hash, user_key, created_ms, seen_ms) SELECT x'00', key, 0, 0 FROM user";
    sqlx::raw_sql(logged_in).execute(&pool).await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, i64>(sessions).fetch_one(&pool).await.unwrap(), 1);
    pool.close().await;

    house.start(&one_more(paths::ACCOUNTS_FILE), NOW).await.unwrap();
    house.change_form(paths::ACCOUNTS_FILE, newest()[paths::ACCOUNTS_FILE] + 1).await;
    let plan = Plan::make(&path, None, &newest()).await.unwrap();
    plan.carry_out(&path, &By::command_line(), NOW).await.unwrap();
    let pool = database().await;
    assert_eq!(sqlx::query_scalar::<_, i64>(sessions).fetch_one(&pool).await.unwrap(), 0);
    pool.close().await;
    let accounts = open().await;
    assert!(accounts.list().await.unwrap().iter().any(|user| &*user.name == "ana"));
    let newest = accounts.audit(None, 1, false).await.unwrap().remove(0);
    assert_eq!(newest.deed, Deed::Restored);
    assert!(newest.detail.unwrap().contains(&NOW.to_string()));
    accounts.close().await;
}

#[tokio::test]
async fn without_anything_to_go_back_to_nothing_is_touched_and_the_reason_is_told() {
    let refused = async |house: &House, newest: &Forms| {
        let before = forms_of(&house.path()).await;
        let said = format!("{:#}", Plan::make(&house.path(), None, newest).await.unwrap_err());
        assert_eq!(forms_of(&house.path()).await, before);
        assert!(!house.path().join("restore-pending").exists());
        said
    };
    let house = House::new().await;
    let said = refused(&house, &newest()).await;
    assert!(said.contains("no copy") && said.contains("gatehouse restore"), "{said}");

    // The start of the newer release was cut short before it had changed anything.
    house.start(&one_more(paths::BROKER_FILE), NOW).await.unwrap();
    let said = refused(&house, &newest()).await;
    assert!(said.contains("nothing has to go back"), "{said}");

    let house = House::upgraded(paths::BROKER_FILE).await;
    let said = refused(&house, &one_less(paths::BROKER_FILE)).await;
    assert!(said.contains(&format!("install release {VERSION} first")), "{said}");

    let house = House::upgraded(paths::HISTORY_FILE).await;
    let copy = house.path().join("before-upgrade").join(paths::HISTORY_FILE);
    let mut bytes = std::fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xA5);
    std::fs::write(&copy, bytes).unwrap();
    let said = refused(&house, &newest()).await;
    assert!(said.contains("the copy is damaged") && said.contains(paths::HISTORY_FILE), "{said}");
}

#[tokio::test]
async fn a_history_for_which_there_was_no_room_stays_and_is_told_about() {
    let house = House::upgraded(paths::HISTORY_FILE).await;
    std::fs::remove_file(house.path().join("before-upgrade").join(paths::HISTORY_FILE)).unwrap();
    let said = format!("{:#}", Plan::make(&house.path(), None, &newest()).await.unwrap_err());
    assert!(said.contains("runs on the data as it is") && said.contains("not recorded to"), "{said}");
    house.change_form(paths::BROKER_FILE, newest()[paths::BROKER_FILE] + 1).await;
    let plan = Plan::make(&house.path(), None, &newest()).await.unwrap();
    let text = plan.text(Timestamp::from_millis(NOW.as_millis() + 51 * 3_600_000));
    assert!(text.contains("history.db stays") && text.contains("2 days and 3 hours ago"), "{text}");
}

/// A power cut after the last move, before anybody had written which release the data is of: the next start of the newer one
/// took the data that had gone back for its own, and gave its next copy the wrong name.
#[tokio::test]
async fn the_note_of_the_release_goes_back_in_the_same_moves_as_the_data() {
    let house = House::upgraded(paths::BROKER_FILE).await;
    let path = house.path();
    let record = Record { version: "99.0.0".to_owned(), since: NOW, before: Some(VERSION.to_owned()) };
    record.write(&path).unwrap();
    let plan = Plan::make(&path, None, &newest()).await.unwrap();
    plan.make_ready(&path, NOW).await.unwrap();
    let aside = backup::finish_restore(&path, |_| ()).unwrap().unwrap().aside.unwrap();
    assert_eq!(Record::read(&path).unwrap().version, VERSION);
    assert_eq!(Record::read(&aside).unwrap().version, "99.0.0");
}

/// A power cut at the worst instant: the copy was made ready and has not become what is restored. Nothing is lost, and it is
/// asked for again.
#[tokio::test]
async fn going_back_can_be_asked_for_again_after_a_power_cut() {
    let house = House::upgraded(paths::BROKER_FILE).await;
    let path = house.path();
    for left in ["ready.json", "moved.json", "ready.draft"] {
        std::fs::write(path.join("before-upgrade").join(left), "{").unwrap();
    }
    std::fs::create_dir(path.join("before-upgrade/aside")).unwrap();
    let plan = Plan::make(&path, None, &newest()).await.unwrap();
    plan.carry_out(&path, &By::command_line(), NOW).await.unwrap();
    assert_eq!(forms_of(&path).await, newest());
}
