//! Backups over the API: who may make and restore them, and what is written down of it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE};
use axum::http::{Method, Request};
use bytes::Bytes;
use serde_json::json;

use super::world::{Answer, PASSWORD, World};
use crate::accounts::By;
use crate::wire::{BackupState, RestoreState, RestoreStep};
use crate::{BackupProblem, BackupRoom, BackupUpload, Role};

/// Keeps what it is told.
#[derive(Default)]
pub(super) struct FakeBackups {
    passphrases: Mutex<Vec<String>>,
    uploaded: Arc<Mutex<Option<Vec<u8>>>>,
    restored: Mutex<Vec<(Option<String>, By)>>,
}

struct FakeUpload(Vec<u8>, Arc<Mutex<Option<Vec<u8>>>>);

#[async_trait]
impl BackupUpload for FakeUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BackupProblem> {
        if bytes.starts_with(b"full") {
            return Err(BackupProblem::DiskFull);
        }
        self.0.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), BackupProblem> {
        *self.1.lock().unwrap() = Some(self.0);
        Ok(())
    }
}

#[async_trait]
impl BackupRoom for FakeBackups {
    async fn backups(&self) -> BackupState {
        BackupState { running: !self.passphrases.lock().unwrap().is_empty(), ..BackupState::default() }
    }

    fn begin(&self, passphrase: String) -> Result<(), BackupProblem> {
        if passphrase.len() < 8 {
            return Err(BackupProblem::WeakPassphrase("It is too short.".to_owned()));
        }
        let mut passphrases = self.passphrases.lock().unwrap();
        if !passphrases.is_empty() {
            return Err(BackupProblem::Busy);
        }
        passphrases.push(passphrase);
        Ok(())
    }

    async fn open(&self) -> Result<(String, u64, tokio::fs::File), BackupProblem> {
        if self.passphrases.lock().unwrap().is_empty() {
            return Err(BackupProblem::Nothing);
        }
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"archive").unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        Ok(("gatehouse.tar.age".to_owned(), 7, tokio::fs::File::from_std(file)))
    }

    fn restoring(&self) -> RestoreState {
        let bytes = self.uploaded.lock().unwrap().as_ref().map_or(0, Vec::len);
        let step = if bytes > 0 { RestoreStep::Uploaded } else { RestoreStep::Empty };
        RestoreState { step, bytes: u64::try_from(bytes).unwrap(), ..RestoreState::default() }
    }

    async fn upload(&self, length: Option<u64>) -> Result<Box<dyn BackupUpload>, BackupProblem> {
        if length.is_some_and(|length| length > 4_000_000) {
            return Err(BackupProblem::DiskFull);
        }
        Ok(Box::new(FakeUpload(Vec::new(), Arc::clone(&self.uploaded))))
    }

    fn restore(&self, passphrase: Option<String>, by: By) -> Result<(), BackupProblem> {
        if self.uploaded.lock().unwrap().is_none() {
            return Err(BackupProblem::Nothing);
        }
        self.restored.lock().unwrap().push((passphrase, by));
        Ok(())
    }
}

const FILE: &str = "/api/v1/restore/file";

async fn bring(world: &World, credential: (&str, &str), kind: &str, body: Body) -> Answer {
    let request = Request::builder().method(Method::PUT).uri(FILE).header(CONTENT_TYPE, kind);
    let request = request.header(credential.0, credential.1).body(body).unwrap();
    Answer::read(world.send(request).await).await
}

#[tokio::test]
async fn an_administrator_makes_a_backup_and_loads_it_down() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    world.get("/api/v1/backup/file", &cookie).await.assert_error(404, "no_backup");
    let begin = async |passphrase: &str| {
        world.post("/api/v1/backup", &cookie, json!({ "passphrase": passphrase })).await
    };
    begin("short").await.assert_error(422, "weak_password");
    let begun = begin("a lamp in the window").await;
    assert_eq!((begun.status.as_u16(), &begun.json()["running"]), (202, &json!(true)));
    begin("a lamp in the window").await.assert_error(409, "backup_busy");
    let file = world.get("/api/v1/backup/file", &cookie).await;
    assert_eq!(&file.body[..], b"archive");
    assert_eq!(file.header(CONTENT_LENGTH), "7");
    assert_eq!(file.header(CONTENT_DISPOSITION), "attachment; filename=\"gatehouse.tar.age\"");
    let audited = world.audited().await;
    assert_eq!(audited[0], ("backup-taken", Some("gatehouse.tar.age".to_owned())));
    assert_eq!(audited[1], ("backup-made", None));
}

#[tokio::test]
async fn backups_are_for_administrators() {
    let world = World::new().await;
    world.cookie_of("ana", Role::Admin).await;
    let operator = world.cookie_of("olga", Role::Operator).await;
    let code = world.accounts.setup_code().await.unwrap();
    assert_eq!(code, None);
    for (method, path) in [
        (Method::GET, "/api/v1/backup"),
        (Method::POST, "/api/v1/backup"),
        (Method::GET, "/api/v1/backup/file"),
        (Method::GET, "/api/v1/restore"),
        (Method::POST, "/api/v1/restore"),
        (Method::PUT, FILE),
    ] {
        let body = (method != Method::GET).then(|| json!({}));
        world.ask(method.clone(), path, "", body.clone()).await.assert_error(401, "not_logged_in");
        world.ask(method, path, &operator, body).await.assert_error(403, "forbidden");
    }
    // The set-up code opens nothing once there is an administrator.
    let kind = "application/octet-stream";
    bring(&world, ("gatehouse-setup-code", "AAAA-AAAA"), kind, "x".into())
        .await
        .assert_error(401, "not_logged_in");
}

#[tokio::test]
async fn a_backup_is_brought_as_it_is_and_restored() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let kind = "application/octet-stream";
    let restore = async |body| world.post("/api/v1/restore", &cookie, body).await;
    restore(json!({})).await.assert_error(404, "no_backup");
    let who = (COOKIE.as_str(), cookie.as_str());
    bring(&world, who, "text/plain", "x".into()).await.assert_error(415, "wrong_content_type");
    bring(&world, who, kind, "full".into()).await.assert_error(507, "disk_full");
    // What is too long is refused before it comes, also when it would not come to its end.
    for (length, status, code) in [("4000001", 507, "disk_full"), ("68719476737", 413, "too_large")] {
        let request = Request::builder().method(Method::PUT).uri(FILE).header(CONTENT_TYPE, kind);
        let request = request.header(COOKIE, &cookie).header(CONTENT_LENGTH, length);
        let answer = world.send(request.body("x".into()).unwrap()).await;
        Answer::read(answer).await.assert_error(status, code);
    }
    // Longer than any other body may be.
    let long = vec![7; 3_000_000];
    let brought = bring(&world, who, kind, long.clone().into()).await;
    assert_eq!(brought.json()["bytes"], 3_000_000);
    assert_eq!(*world.backups.uploaded.lock().unwrap(), Some(long));
    assert_eq!(restore(json!({ "passphrase": "a lamp in the window" })).await.status, 202);
    {
        let restored = world.backups.restored.lock().unwrap();
        assert_eq!(restored[0].0.as_deref(), Some("a lamp in the window"));
        assert_eq!(restored[0].1.name.as_deref(), Some("ana"));
    }
    assert_eq!(world.audited().await[0], ("restore-begun", None));
}

#[tokio::test]
async fn on_a_fresh_gateway_the_set_up_code_is_enough() {
    let world = World::new().await;
    let code = world.accounts.setup_code().await.unwrap().unwrap();
    let kind = "application/octet-stream";
    let wrong = ("gatehouse-setup-code", "AAAA-AAAA");
    bring(&world, wrong, kind, "x".into()).await.assert_error(403, "wrong_code");
    assert_eq!(world.audited().await, [("set-up-failed", None)]);
    world.get("/api/v1/restore", "").await.assert_error(401, "not_logged_in");
    assert!(world.backups.uploaded.lock().unwrap().is_none());
    let right = ("gatehouse-setup-code", code.as_str());
    assert_eq!(bring(&world, right, kind, "archive".into()).await.json()["step"], "uploaded");
    let request = Request::builder().method(Method::POST).uri("/api/v1/restore");
    let request = request.header(CONTENT_TYPE, "application/json").header(right.0, right.1);
    let request = request.body(json!({ "passphrase": PASSWORD }).to_string().into()).unwrap();
    assert_eq!(Answer::read(world.send(request).await).await.status, 202);
}
