//! Clients below users.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{ManualClock, SeededRandomness, Timestamp};

use super::*;

const PASSWORD: &str = "lamp in the window";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const START: Timestamp = Timestamp::from_millis(1_795_252_440_000);

async fn open(folder: &tempfile::TempDir, clock: &Arc<ManualClock>) -> Accounts {
    let randomness = Arc::new(SeededRandomness::new(1));
    Accounts::open(&folder.path().join("gatehouse.db"), clock.clone(), randomness).await.unwrap()
}

#[tokio::test]
async fn clients_come_and_go_below_their_user() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new(START)));
    let accounts = open(&folder, &clock).await;
    accounts.add("Ana", Role::Operator, PASSWORD).await.unwrap();
    let (phone, password) = accounts.add_client_with_random_password("ana", "Phone", "viewer").await.unwrap();
    assert_eq!((phone.login().as_str(), password.len()), ("Ana:Phone", 16));
    let add = |user: &'static str, name: &'static str| accounts.add_client(user, name, "sensors", PASSWORD);
    assert!(
        matches!(add("ANA", "PHONE").await, Err(AccountsError::NameTaken(login)) if login == "Ana:PHONE")
    );
    assert!(matches!(add("nobody", "phone").await, Err(AccountsError::UnknownUser(_))));
    assert!(matches!(add("ana", "a:b").await, Err(AccountsError::InvalidName(_))));
    let weak = accounts.add_client("ana", "x", "viewer", "short").await;
    assert!(matches!(weak, Err(AccountsError::WeakPassword(_))));
    let lamp = add("ana", "lamp").await.unwrap();
    assert_eq!(accounts.clients().await.unwrap(), [lamp.clone(), phone]);

    let log_in = async |name: &str, password: &str| {
        accounts.log_in_mqtt(name, password.as_bytes(), HERE).await.unwrap()
    };
    let LogIn::Welcome(login) = log_in("ana:phone", &password).await else { panic!("not let in") };
    assert_eq!((&*login.name, login.user.rights_set()), ("Ana:Phone", "operator"));
    assert_eq!(login.client_rights.as_deref(), Some("viewer"));
    assert_eq!(accounts.find_mqtt("ANA:phone").await.unwrap().as_ref(), Some(&login));
    let LogIn::Welcome(user) = log_in("ana", PASSWORD).await else { panic!("not let in") };
    assert_eq!((&*user.name, user.client_rights), ("Ana", None));
    // One password does not open another door, and the page is for users alone.
    assert_eq!(log_in("ana:phone", PASSWORD).await, LogIn::Wrong);
    assert_eq!(log_in("ana", &password).await, LogIn::Wrong);
    assert_eq!(accounts.log_in("ana:phone", password.as_bytes(), HERE).await.unwrap(), LogIn::Wrong);

    accounts.set_client_rights("ana", "lamp", "viewer").await.unwrap();
    accounts.set_client_password("ana", "lamp", "another password").await.unwrap();
    let LogIn::Welcome(login) = log_in("ana:lamp", "another password").await else { panic!("not let in") };
    assert_eq!(login.client_rights.as_deref(), Some("viewer"));
    accounts.remove_client("ana", "phone").await.unwrap();
    assert!(matches!(
        accounts.remove_client("ana", "phone").await,
        Err(AccountsError::UnknownClient { user, client }) if user == "ana" && client == "phone"
    ));
    assert!(matches!(
        accounts.set_client_rights("ana", "phone", "viewer").await,
        Err(AccountsError::UnknownClient { .. })
    ));
    accounts.remove("ana").await.unwrap();
    assert_eq!(accounts.clients().await.unwrap(), [], "clients go with their user");
    assert_eq!(accounts.find_mqtt("ana:lamp").await.unwrap(), None);
}

#[tokio::test]
async fn the_last_login_is_known_to_the_minute() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new(START)));
    let accounts = open(&folder, &clock).await;
    accounts.add("ana", Role::Viewer, PASSWORD).await.unwrap();
    accounts.add_client("ana", "phone", "viewer", PASSWORD).await.unwrap();
    let last = async || accounts.clients().await.unwrap()[0].last_login;
    assert_eq!(last().await, None);
    let mut seen = Vec::new();
    for _ in 0..3 {
        accounts.log_in_mqtt("ana:phone", PASSWORD.as_bytes(), HERE).await.unwrap();
        seen.push(last().await.unwrap().saturating_since(START).as_secs());
        clock.advance(Duration::from_secs(40));
    }
    assert_eq!(seen, [0, 0, 80]);
    accounts.log_in_mqtt("ana:phone", b"wrong password", HERE).await.unwrap();
    assert_eq!(last().await.unwrap().saturating_since(START).as_secs(), 80, "only those that were let in");
}

#[tokio::test]
async fn roles_and_rights_of_users_change() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new(START)));
    let accounts = open(&folder, &clock).await;
    accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    accounts.add("eva", Role::Viewer, PASSWORD).await.unwrap();
    let rights = async |name: &str| accounts.find(name).await.unwrap().unwrap().rights_set().to_owned();
    assert_eq!(rights("eva").await, "viewer");
    accounts.set_rights("EVA", Some("sensors")).await.unwrap();
    assert_eq!(rights("eva").await, "sensors");
    accounts.set_role("eva", Role::Operator).await.unwrap();
    assert_eq!(rights("eva").await, "sensors");
    accounts.set_rights("eva", None).await.unwrap();
    assert_eq!(rights("eva").await, "operator");
    assert!(matches!(accounts.set_rights("x", None).await, Err(AccountsError::UnknownUser(_))));
    assert!(matches!(accounts.set_role("x", Role::Admin).await, Err(AccountsError::UnknownUser(_))));
    let last = accounts.set_role("ana", Role::Viewer).await;
    assert!(matches!(last, Err(AccountsError::LastAdministrator(_))));
    assert_eq!(accounts.find("ana").await.unwrap().unwrap().role, Role::Admin);
}

/// A file of the form before clients is brought up to date with what is in it.
#[tokio::test]
async fn an_older_file_keeps_its_users() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new(START)));
    let accounts = open(&folder, &clock).await;
    accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    let older = "DROP TABLE home; DROP TABLE first_run; DROP TABLE token; DROP TABLE audit; DROP TABLE client; ALTER TABLE user DROP COLUMN rights;
                 PRAGMA user_version = 1";
    sqlx::raw_sql(older).execute(&accounts.inner.pool).await.unwrap();
    accounts.close().await;
    let accounts = open(&folder, &clock).await;
    assert!(accounts.verify("ana", PASSWORD.as_bytes()).await.unwrap().is_some());
    accounts.add_client("ana", "phone", "viewer", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn clients_have_a_limit() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::new(START)));
    let accounts = open(&folder, &clock).await;
    accounts.add("ana", Role::Admin, PASSWORD).await.unwrap();
    sqlx::query(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)
         INSERT INTO client SELECT 'ana', 'c' || n, 'c' || n, 'viewer', '', 0, NULL FROM number",
    )
    .bind(MAX_CLIENTS)
    .execute(&accounts.inner.pool)
    .await
    .unwrap();
    let more = accounts.add_client("ana", "phone", "viewer", PASSWORD).await;
    assert!(matches!(more, Err(AccountsError::TooManyClients)));
}
