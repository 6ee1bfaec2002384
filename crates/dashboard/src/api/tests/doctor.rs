//! The check-up of the machine, and having it mended.

use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::json;

use super::world::World;
use crate::wire::{
    DoctorChange, DoctorFinding, DoctorKind, DoctorLevel, DoctorMend, DoctorMended, DoctorReport,
    DoctorRestart,
};
use crate::{Doctor, DoctorProblem, Role};

const PATH: &str = "/api/v1/doctor";
const MEND: &str = "/api/v1/doctor/mend";

/// A machine on which I²C is off; it keeps the words that it was told to mend.
#[derive(Default)]
pub(super) struct FakeDoctor {
    pub(super) mended: Mutex<Vec<String>>,
    pub(super) problem: Mutex<Option<DoctorProblem>>,
}

#[async_trait]
impl Doctor for FakeDoctor {
    async fn look(&self) -> Result<DoctorReport, DoctorProblem> {
        if let Some(problem) = self.problem.lock().unwrap().clone() {
            return Err(problem);
        }
        let change = DoctorChange {
            file: "/boot/firmware/config.txt".to_owned(),
            is_new: false,
            removed: Vec::new(),
            added: vec!["dtparam=i2c_arm=on".to_owned()],
        };
        let mend = DoctorMend {
            word: "enable-i2c".to_owned(),
            changes: vec![change],
            commands: Vec::new(),
            restart: DoctorRestart::Machine,
            by_hand: "sudo gatehouse doctor --mend enable-i2c".to_owned(),
        };
        let finding = DoctorFinding {
            kind: DoctorKind::I2cOff,
            level: DoctorLevel::Problem,
            facts: vec!["air".to_owned()],
            what: "I²C is switched off.".to_owned(),
            why: "No chip can be read.".to_owned(),
            remedy: "Switch it on.".to_owned(),
            mend: Some(mend),
        };
        Ok(DoctorReport { findings: vec![finding], no_helper: None })
    }

    fn knows(&self, word: &str) -> bool {
        word == "enable-i2c"
    }

    async fn mend(&self, word: &str) -> Result<DoctorMended, DoctorProblem> {
        if let Some(problem) = self.problem.lock().unwrap().clone() {
            return Err(problem);
        }
        self.mended.lock().unwrap().push(word.to_owned());
        Ok(DoctorMended { done: vec!["changed a file".to_owned()], restart: DoctorRestart::Machine })
    }
}

#[tokio::test]
async fn the_check_up_is_for_administrators() {
    let world = World::new().await;
    let body = json!({ "word": "enable-i2c" });
    for role in [Role::Operator, Role::Viewer] {
        let cookie = world.cookie_of(role.as_str(), role).await;
        world.get(PATH, &cookie).await.assert_error(403, "forbidden");
        world.post(MEND, &cookie, body.clone()).await.assert_error(403, "forbidden");
    }
    world.get(PATH, "").await.assert_error(401, "not_logged_in");
    world.post(MEND, "", body).await.assert_error(401, "not_logged_in");
    assert!(world.doctor.mended.lock().unwrap().is_empty(), "nothing was passed on");
}

#[tokio::test]
async fn a_mend_is_shown_passed_on_and_written_down() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let report = world.get(PATH, &cookie).await.json();
    assert_eq!(report["no_helper"], serde_json::Value::Null);
    let finding = &report["findings"][0];
    assert_eq!((&finding["kind"], &finding["level"]), (&json!("i2c-off"), &json!("problem")));
    assert_eq!(finding["mend"]["changes"][0]["added"], json!(["dtparam=i2c_arm=on"]));
    let mended = world.post(MEND, &cookie, json!({ "word": finding["mend"]["word"] })).await;
    assert_eq!(mended.status, 200);
    assert_eq!(mended.json()["restart"], "machine");
    assert_eq!(*world.doctor.mended.lock().unwrap(), ["enable-i2c"]);
    assert_eq!(world.audited().await[0], ("machine-mended", Some("enable-i2c".to_owned())));
}

#[tokio::test]
async fn a_word_that_is_none_reaches_nobody() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    for word in ["", "enable-i2c\n", "rm -rf /", "enable-i2c groups"] {
        world.post(MEND, &cookie, json!({ "word": word })).await.assert_error(422, "unknown_mend");
    }
    world
        .post(MEND, &cookie, json!({ "word": "enable-i2c", "file": "/x" }))
        .await
        .assert_error(400, "bad_json");
    assert!(world.doctor.mended.lock().unwrap().is_empty());
    assert!(!world.audited().await.iter().any(|(word, _)| *word == "machine-mended"));
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_mend_is_told() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let body = json!({ "word": "enable-i2c" });
    let told = |problem| *world.doctor.problem.lock().unwrap() = Some(problem);
    told(DoctorProblem::NoHelper("There is no helper. Type `sudo …`.".to_owned()));
    let said = world.post(MEND, &cookie, body.clone()).await.assert_error(409, "no_helper");
    assert!(said.contains("sudo"), "{said}");
    told(DoctorProblem::Failed("The disk is full.".to_owned()));
    let said = world.post(MEND, &cookie, body.clone()).await.assert_error(500, "mend_failed");
    assert_eq!(said, "The disk is full.");
    assert_eq!(
        world.audited().await[0],
        ("machine-mended", Some("enable-i2c".to_owned())),
        "what it did half"
    );
    told(DoctorProblem::Inside("a secret path".to_owned()));
    world.get(PATH, &cookie).await.assert_error(500, "internal");
}
