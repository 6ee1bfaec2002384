//! Accounts in a throw-away folder, on a clock that stands still.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{ManualClock, SeededRandomness, Timestamp};

use super::sessions::{MAX_SESSIONS_PER_USER, SESSION_IDLE, SESSION_LONGEST};
use super::*;

const PASSWORD: &str = "lamp in the window";

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

struct World {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
        Self { folder: tempfile::tempdir().unwrap(), clock }
    }

    /// Another process that opens the same file.
    async fn open(&self, seed: u64) -> Accounts {
        let path = self.folder.path().join("gatehouse.db");
        Accounts::open(&path, self.clock.clone(), Arc::new(SeededRandomness::new(seed))).await.unwrap()
    }
}

#[tokio::test]
async fn users_come_and_go() {
    let world = World::new();
    let accounts = world.open(1).await;
    assert!(!accounts.has_administrator().await.unwrap());
    let ana = accounts.add("Ana", Role::Admin, PASSWORD).await.unwrap();
    let bar = accounts.add("bar", Role::Viewer, "another password").await.unwrap();
    assert!(accounts.has_administrator().await.unwrap());
    assert!(matches!(accounts.add("ANA", Role::Viewer, PASSWORD).await, Err(AccountsError::NameTaken(_))));
    assert!(matches!(accounts.add("a b", Role::Viewer, PASSWORD).await, Err(AccountsError::InvalidName(_))));
    assert!(matches!(accounts.add("c", Role::Viewer, "short").await, Err(AccountsError::WeakPassword(_))));
    assert_eq!(accounts.list().await.unwrap(), [ana.clone(), bar]);
    assert_eq!(accounts.find("ANA").await.unwrap().as_ref(), Some(&ana));
    assert_eq!(accounts.find("nobody").await.unwrap(), None);

    assert_eq!(accounts.verify("ana", PASSWORD.as_bytes()).await.unwrap(), Some(ana));
    assert_eq!(accounts.verify("ana", b"lamp in the windoW").await.unwrap(), None);
    assert_eq!(accounts.verify("nobody", PASSWORD.as_bytes()).await.unwrap(), None);
    assert_eq!(accounts.verify("ana", &[b'x'; MAX_PASSWORD_BYTES + 1]).await.unwrap(), None);

    assert!(matches!(accounts.remove("ana").await, Err(AccountsError::LastAdministrator(_))));
    assert!(matches!(accounts.remove("nobody").await, Err(AccountsError::UnknownUser(_))));
    accounts.remove("BAR").await.unwrap();
    assert_eq!(accounts.list().await.unwrap().len(), 1, "the last administrator is still there");

    accounts.set_password("ana", "a new password").await.unwrap();
    assert_eq!(accounts.verify("ana", PASSWORD.as_bytes()).await.unwrap(), None);
    assert!(accounts.verify("ana", b"a new password").await.unwrap().is_some());
    assert!(matches!(accounts.set_password("nobody", PASSWORD).await, Err(AccountsError::UnknownUser(_))));
}

#[tokio::test]
async fn only_the_owner_reads_the_file() {
    let world = World::new();
    let path = world.folder.path().join("gatehouse.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let accounts = world.open(1).await;
    accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
    let bytes = std::fs::read(&path).unwrap();
    assert!(!bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()));
}

/// `sudo gatehouse user add` before the first start left a file of root's, and the service could not start.
#[tokio::test]
async fn the_files_belong_to_the_owner_of_the_folder() {
    let world = World::new();
    // Only root can give a folder away; for others the folder and its files are their own in any case.
    let given = std::os::unix::fs::chown(world.folder.path(), Some(12_345), Some(12_346)).is_ok();
    let accounts = world.open(1).await;
    accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    let folder = std::fs::metadata(world.folder.path()).unwrap();
    assert_eq!(given, folder.uid() == 12_345);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let file = entry.metadata().unwrap();
        assert_eq!((file.uid(), file.gid()), (folder.uid(), folder.gid()), "{}", entry.path().display());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["gatehouse.db", "gatehouse.db-shm", "gatehouse.db-wal"]);
}

/// The daemon's first start failed now and then beside a command of the command line.
#[tokio::test]
async fn a_new_file_that_another_process_is_at_is_waited_for() {
    use sqlx::Connection as _;

    let world = World::new();
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(world.folder.path().join("gatehouse.db"))
        .create_if_missing(true);
    let mut other = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let all_at_once = |statements: &'static str| sqlx::raw_sql(statements);
    all_at_once("BEGIN IMMEDIATE; CREATE TABLE theirs (a INTEGER)").execute(&mut other).await.unwrap();
    let (accounts, ()) = tokio::join!(world.open(1), async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        all_at_once("COMMIT").execute(&mut other).await.unwrap();
    });
    assert_eq!(accounts.list().await.unwrap(), []);
}

#[tokio::test]
async fn two_processes_share_one_file() {
    let world = World::new();
    // Both open a file that is not there yet, at the same time.
    let (daemon, command_line) = tokio::join!(world.open(1), world.open(2));
    let ana = command_line.add("ana", Role::Admin, PASSWORD).await.unwrap();
    assert_eq!(daemon.verify("ana", PASSWORD.as_bytes()).await.unwrap(), Some(ana.clone()));

    let (one, other) = tokio::join!(
        async {
            for number in 0..5 {
                daemon.add(&format!("d{number}"), Role::Viewer, PASSWORD).await.unwrap();
            }
        },
        async {
            for number in 0..5 {
                command_line.add(&format!("c{number}"), Role::Viewer, PASSWORD).await.unwrap();
            }
        }
    );
    ((), ()) = (one, other);
    assert_eq!(daemon.list().await.unwrap().len(), 11);

    // A user who is removed on the command line is out of the daemon's page at once.
    let token = daemon.start_session(&ana).await.unwrap();
    command_line.add("eva", Role::Admin, PASSWORD).await.unwrap();
    assert_eq!(daemon.find_session(&token).await.unwrap(), Some(ana));
    command_line.remove("ana").await.unwrap();
    assert_eq!(daemon.find_session(&token).await.unwrap(), None);
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let world = World::new();
    let path = world.folder.path().join("missing/gatehouse.db");
    let opened = Accounts::open(&path, world.clock.clone(), Arc::new(SeededRandomness::new(1))).await;
    let error = opened.err().unwrap();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    let error = error.to_string();
    assert!(!error.contains(&cause), "{error}: {cause} is said twice where the chain is printed");
    assert!(error.contains("missing/gatehouse.db"), "{error}");
}

#[tokio::test]
async fn a_newer_file_is_left_alone() {
    let world = World::new();
    let accounts = world.open(1).await;
    sqlx::raw_sql("PRAGMA user_version = 99").execute(&accounts.inner.pool).await.unwrap();
    accounts.close().await;
    let path = world.folder.path().join("gatehouse.db");
    let opened = Accounts::open(&path, world.clock.clone(), Arc::new(SeededRandomness::new(1))).await;
    assert!(matches!(opened.err().unwrap(), AccountsError::TooNew { found: 99, .. }));
}

#[tokio::test]
async fn the_set_up_code_works_once() {
    let world = World::new();
    let accounts = world.open(1).await;
    let code = accounts.setup_code().await.unwrap().unwrap();
    assert_eq!(accounts.setup_code().await.unwrap(), Some(code.clone()), "it stays until it is used");
    let other_process = world.open(2).await;
    assert_eq!(other_process.setup_code().await.unwrap(), Some(code.clone()));

    let wrong = accounts.complete_setup("AAAA-AAAA", "ana", PASSWORD, HERE).await;
    assert!(matches!(wrong, Err(SetupError::WrongCode)));
    let weak = accounts.complete_setup(&code, "ana", "short", HERE).await;
    assert!(matches!(weak, Err(SetupError::Accounts(AccountsError::WeakPassword(_)))));
    let unnamed = accounts.complete_setup(&code, "", PASSWORD, HERE).await;
    assert!(matches!(unnamed, Err(SetupError::Accounts(AccountsError::InvalidName(_)))));

    let typed = code.to_lowercase().replace('-', " ");
    let ana = accounts.complete_setup(&typed, "ana", PASSWORD, HERE).await.unwrap();
    assert_eq!(ana.role, Role::Admin);
    assert_eq!(accounts.setup_code().await.unwrap(), None);
    let again = accounts.complete_setup(&code, "eva", PASSWORD, HERE).await;
    assert!(matches!(again, Err(SetupError::AlreadySetUp)));
}

#[tokio::test]
async fn of_two_set_ups_at_once_one_wins() {
    let world = World::new();
    let accounts = world.open(1).await;
    let code = accounts.setup_code().await.unwrap().unwrap();
    let (ana, eva) = tokio::join!(
        accounts.complete_setup(&code, "ana", PASSWORD, HERE),
        accounts.complete_setup(&code, "eva", PASSWORD, HERE)
    );
    assert!(ana.is_ok() != eva.is_ok());
    assert_eq!(accounts.list().await.unwrap().len(), 1);
}

/// Ten requests of anybody on the network used to kill the code.
#[tokio::test]
async fn guesses_are_slowed_and_do_not_kill_the_set_up_code() {
    let world = World::new();
    let accounts = world.open(1).await;
    let code = accounts.setup_code().await.unwrap().unwrap();
    let mut wrong = 0;
    for _ in 0..100 {
        match accounts.complete_setup("AAAA-AAAA", "eva", PASSWORD, HERE).await {
            Err(SetupError::WrongCode) => wrong += 1,
            Err(SetupError::Slowed { retry_after }) => assert_eq!(retry_after, Duration::from_secs(30)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(wrong, 5);
    accounts.complete_setup(&code, "ana", PASSWORD, ELSEWHERE).await.unwrap();
}

#[tokio::test]
async fn the_set_up_code_dies_in_the_end() {
    let world = World::new();
    let accounts = world.open(1).await;
    let code = accounts.setup_code().await.unwrap().unwrap();
    sqlx::query("UPDATE setup_code SET tries = ?")
        .bind(MAX_SETUP_TRIES)
        .execute(&accounts.inner.pool)
        .await
        .unwrap();
    let late = accounts.complete_setup(&code, "ana", PASSWORD, HERE).await;
    assert!(matches!(late, Err(SetupError::TooManyTries)));
    let fresh = accounts.setup_code().await.unwrap().unwrap();
    assert_ne!(fresh, code);
    accounts.complete_setup(&fresh, "ana", PASSWORD, HERE).await.unwrap();
}

#[tokio::test]
async fn the_set_up_code_expires() {
    let world = World::new();
    let accounts = world.open(1).await;
    let code = accounts.setup_code().await.unwrap().unwrap();
    world.clock.advance(SETUP_CODE_LIFE);
    let late = accounts.complete_setup(&code, "ana", PASSWORD, HERE).await;
    assert!(matches!(late, Err(SetupError::WrongCode)));
    assert_ne!(accounts.setup_code().await.unwrap(), Some(code));
}

/// A Pi starts with the time of its last shutdown, or 1970, and jumps when it hears the time. The code in the
/// journal has to survive that.
#[tokio::test]
async fn the_set_up_code_survives_the_clock_being_set() {
    let world = World::new();
    world.clock.set_wall(Timestamp::from_millis(0));
    let accounts = world.open(1).await;
    let code = accounts.setup_code().await.unwrap().unwrap();
    world.clock.set_wall(Timestamp::from_millis(1_795_252_440_000));
    accounts.complete_setup(&code, "ana", PASSWORD, HERE).await.unwrap();
}

#[tokio::test]
async fn an_administrator_of_the_command_line_ends_the_set_up() {
    let world = World::new();
    let accounts = world.open(1).await;
    let code = accounts.setup_code().await.unwrap().unwrap();
    accounts.add("bar", Role::Admin, PASSWORD).await.unwrap();
    assert_eq!(accounts.setup_code().await.unwrap(), None);
    let late = accounts.complete_setup(&code, "ana", PASSWORD, HERE).await;
    assert!(matches!(late, Err(SetupError::AlreadySetUp)));
}

#[tokio::test]
async fn sessions_end_by_rest_and_by_age() {
    let world = World::new();
    let accounts = world.open(1).await;
    let ana = accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    let rested = accounts.start_session(&ana).await.unwrap();
    world.clock.advance(SESSION_IDLE - Duration::from_secs(1));
    assert!(accounts.find_session(&rested).await.unwrap().is_some());
    world.clock.advance(SESSION_IDLE - Duration::from_secs(1));
    assert!(accounts.find_session(&rested).await.unwrap().is_some(), "its use kept it awake");
    world.clock.advance(SESSION_IDLE);
    assert!(accounts.find_session(&rested).await.unwrap().is_none());

    let old = accounts.start_session(&ana).await.unwrap();
    let mut age = Duration::ZERO;
    while age < SESSION_LONGEST {
        assert!(accounts.find_session(&old).await.unwrap().is_some());
        world.clock.advance(SESSION_IDLE / 2);
        age += SESSION_IDLE / 2;
    }
    assert!(accounts.find_session(&old).await.unwrap().is_none());
}

#[tokio::test]
async fn sessions_are_limited_and_end() {
    let world = World::new();
    let accounts = world.open(1).await;
    let ana = accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    let mut tokens = Vec::new();
    for _ in 0..=MAX_SESSIONS_PER_USER {
        tokens.push(accounts.start_session(&ana).await.unwrap());
        world.clock.advance(Duration::from_secs(1));
    }
    assert!(accounts.find_session(&tokens[0]).await.unwrap().is_none(), "the oldest made room");
    for token in &tokens[1..] {
        assert!(accounts.find_session(token).await.unwrap().is_some());
    }
    accounts.end_session(&tokens[1]).await.unwrap();
    assert!(accounts.find_session(&tokens[1]).await.unwrap().is_none());
    accounts.set_password("ana", "a new password").await.unwrap();
    assert!(accounts.find_session(&tokens[2]).await.unwrap().is_none());
}

#[tokio::test]
async fn the_file_holds_no_token() {
    let world = World::new();
    let accounts = world.open(1).await;
    let ana = accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    let token = accounts.start_session(&ana).await.unwrap();
    let kept: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT token_hash FROM session").fetch_all(&accounts.inner.pool).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_ne!(kept[0], token.as_str().as_bytes());
    assert_eq!(kept[0].len(), 32);
}

#[tokio::test]
async fn wrong_log_ins_wait_and_right_ones_do_not() {
    let world = World::new();
    let accounts = world.open(1).await;
    let ana = accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    let log_in =
        async |password: &str, from| accounts.log_in("ana", password.as_bytes(), from).await.unwrap();
    assert_eq!(log_in(PASSWORD, HERE).await, LogIn::Welcome(ana.clone()));
    for _ in 0..5 {
        assert_eq!(log_in("wrong password", ELSEWHERE).await, LogIn::Wrong);
    }
    let wait = LogIn::TooManyTries { retry_after: Duration::from_secs(30) };
    assert_eq!(log_in(PASSWORD, ELSEWHERE).await, wait);
    assert_eq!(log_in(PASSWORD, HERE).await, LogIn::Welcome(ana.clone()));
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(log_in(PASSWORD, ELSEWHERE).await, LogIn::Welcome(ana), "nobody is locked out for ever");
}

/// The phone of somebody who was removed while its password was being checked came in for good.
#[tokio::test]
async fn who_is_removed_during_the_log_in_does_not_come_in() {
    let world = World::new();
    let accounts = world.open(1).await;
    accounts.add("ana", Role::Viewer, PASSWORD).await.unwrap();
    let busy = accounts.inner.hasher.keep_busy().await;
    let mut log_in = Box::pin(accounts.log_in("ana", PASSWORD.as_bytes(), HERE));
    while accounts.inner.hasher.waiting() == 0 {
        tokio::select! {
            biased;
            _ = &mut log_in => panic!("answered early"),
            () = tokio::task::yield_now() => {}
        }
    }
    accounts.remove("ana").await.unwrap();
    drop(busy);
    assert_eq!(log_in.await.unwrap(), LogIn::Wrong);
}

/// After a restart the programs of one host come back at the same time.
#[tokio::test]
async fn right_log_ins_at_once_do_not_refuse_each_other() {
    let world = World::new();
    let accounts = world.open(1).await;
    let ana = accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    let all = (0..12).map(|_| accounts.log_in("ana", PASSWORD.as_bytes(), HERE));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.unwrap(), LogIn::Welcome(ana.clone()));
    }
}

#[tokio::test]
async fn wrong_log_ins_at_once_do_not_get_around_the_limit() {
    let world = World::new();
    let accounts = world.open(1).await;
    accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    let all = (0..40).map(|_| accounts.log_in("ana", b"wrong password", HERE));
    let answers = futures_util::future::join_all(all).await;
    let wrong = answers.iter().filter(|answer| matches!(answer, Ok(LogIn::Wrong))).count();
    assert_eq!(wrong, 5);
}

#[tokio::test]
async fn too_many_log_ins_at_once_are_told_so() {
    let world = World::new();
    let accounts = world.open(1).await;
    let _all = accounts.inner.log_ins.try_acquire_many(1 + login::MAX_WAITING_LOG_INS as u32).unwrap();
    assert!(matches!(accounts.log_in("ana", b"x", HERE).await, Err(AccountsError::Busy)));
}

/// Who hangs up before the answer has still used a try.
#[tokio::test]
async fn hanging_up_early_gives_no_tries_for_nothing() {
    let world = World::new();
    let accounts = world.open(1).await;
    for _ in 0..5 {
        let mut log_in = Box::pin(accounts.log_in("ana", b"wrong password", HERE));
        let before = accounts.attempts().wait(HERE, &attempts::Target::name("ana"), world.clock.moment());
        assert_eq!(before, Duration::ZERO);
        // The answer cannot come before the workshop is free, however slow this test is.
        let busy = accounts.inner.hasher.keep_busy().await;
        while accounts.inner.hasher.waiting() == 0 {
            tokio::select! {
                biased;
                _ = &mut log_in => panic!("answered early"),
                () = tokio::task::yield_now() => {}
            }
        }
        drop(log_in);
        drop(busy);
        drop(accounts.inner.turn.lock().await);
    }
    let refused = accounts.log_in("ana", PASSWORD.as_bytes(), HERE).await.unwrap();
    assert!(matches!(refused, LogIn::TooManyTries { .. }));
}

/// Prometheus sends its password every 15 s, and each time cost a moment of a small processor.
#[tokio::test]
async fn a_password_that_comes_again_is_checked_slowly_once_in_a_while() {
    let world = World::new();
    let accounts = world.open(1).await;
    accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    let bar = accounts.add("bar", Role::Viewer, "another password").await.unwrap();
    let again =
        async |password: &str, from| accounts.log_in_again("bar", password.as_bytes(), from).await.unwrap();
    // Whether it waits for the workshop, in which passwords are checked slowly.
    let slow = async |password: &str, from| {
        let busy = accounts.inner.hasher.keep_busy().await;
        let call = again(password, from);
        tokio::pin!(call);
        let waits = loop {
            tokio::select! {
                biased;
                _ = &mut call => break false,
                () = tokio::task::yield_now() => if accounts.inner.hasher.waiting() > 0 { break true },
            }
        };
        drop(busy);
        if waits {
            call.await;
        }
        waits
    };
    assert_eq!(again("another password", HERE).await, LogIn::Welcome(bar));
    assert!(!slow("another password", HERE).await, "it is known");
    assert!(slow("another passworD", HERE).await && slow("another password", ELSEWHERE).await);
    assert_eq!(again("another passworD", ELSEWHERE).await, LogIn::Wrong);

    world.clock.advance(Duration::from_secs(600));
    assert!(slow("another password", HERE).await, "it was long ago");
    assert!(matches!(again("another password", HERE).await, LogIn::Welcome(_)));
    // The command line is another process.
    let other = world.open(2).await;
    other.set_role("bar", Role::Operator).await.unwrap();
    assert!(slow("another password", HERE).await);
    let LogIn::Welcome(user) = again("another password", HERE).await else { panic!("it is right") };
    assert_eq!(user.role, Role::Operator);
    other.set_password("bar", "a third password").await.unwrap();
    assert_eq!(again("another password", HERE).await, LogIn::Wrong);
    other.remove("bar").await.unwrap();
    assert_eq!(again("a third password", HERE).await, LogIn::Wrong);
}

/// The watchdog of a house is fed while the accounts answer: not while another transaction holds them, and well when they
/// cannot be written.
#[tokio::test]
async fn a_file_that_is_held_gives_no_answer_and_one_that_cannot_be_written_does() {
    use sqlx::Connection as _;
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
    let world = World::new();
    let accounts = world.open(1).await;
    let file = world.folder.path().join("gatehouse.db");
    assert!(accounts.pulse().await);
    let options = SqliteConnectOptions::new().filename(&file).busy_timeout(Duration::ZERO);
    let mut holder = SqliteConnection::connect_with(&options).await.unwrap();
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
    let held = sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap_err();
    assert!(!super::store::is_answer(&held), "{held}");
    sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
    let read_only = SqliteConnectOptions::new().filename(&file).read_only(true);
    let mut reader = SqliteConnection::connect_with(&read_only).await.unwrap();
    let refused = sqlx::query("DELETE FROM user").execute(&mut reader).await.unwrap_err();
    assert!(super::store::is_answer(&refused), "{refused}");
    assert!(accounts.pulse().await, "nobody holds it any more");
}
