//! The configuration as administrators read and change it.

use std::sync::Mutex;

use async_trait::async_trait;
use axum::http::Method;
use serde_json::json;

use super::world::World;
use crate::wire::{
    Configuration, ConfigurationChanged, ConfigurationCheck, ConfigurationDevice, ConfigurationDeviceEdit,
    ConfigurationDeviceView, ConfigurationDraft, ConfigurationVersionText, ConfigurationVersionView,
    GatewayChange, GatewaySettings,
};
use crate::{ConfigurationKeeper, ConfigurationProblem, Role, TextChange};

/// Takes every text, and does as it is told.
#[derive(Default)]
pub(super) struct FakeConfiguration {
    pub(super) problem: Mutex<Option<ConfigurationProblem>>,
    pub(super) asked: Mutex<Vec<TextChange>>,
    pub(super) named: Mutex<Vec<GatewayChange>>,
}

impl FakeConfiguration {
    fn feel(&self) -> Result<(), ConfigurationProblem> {
        self.problem.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn changed(added: &[&str]) -> ConfigurationChanged {
        ConfigurationChanged {
            version: "2".to_owned(),
            added: added.iter().map(|&id| id.to_owned()).collect(),
            changed: Vec::new(),
            removed: Vec::new(),
            at_next_start: Vec::new(),
            warnings: Vec::new(),
            unconfirmed: None,
        }
    }
}

#[async_trait]
impl ConfigurationKeeper for FakeConfiguration {
    async fn read(&self) -> Result<Configuration, ConfigurationProblem> {
        self.feel()?;
        let (text, version) = ("# casa\n".to_owned(), "1".to_owned());
        Ok(Configuration {
            text,
            version,
            path: None,
            read_only: None,
            unwritten_devices: 0,
            unconfirmed: None,
        })
    }

    async fn check(&self, text: String) -> Result<ConfigurationCheck, ConfigurationProblem> {
        assert!(!text.is_empty());
        Ok(ConfigurationCheck::default())
    }

    async fn change(&self, change: TextChange) -> Result<ConfigurationChanged, ConfigurationProblem> {
        self.feel()?;
        self.asked.lock().unwrap().push(change);
        Ok(Self::changed(&[]))
    }

    async fn add_device(
        &self,
        device: ConfigurationDevice,
    ) -> Result<ConfigurationChanged, ConfigurationProblem> {
        self.feel()?;
        Ok(Self::changed(&[&device.id.unwrap()]))
    }

    async fn gateway(&self) -> Result<GatewaySettings, ConfigurationProblem> {
        self.feel()?;
        Ok(GatewaySettings { name: "Casa".to_owned(), time_zone: None, location: None, read_only: None })
    }

    async fn check_gateway(&self, change: GatewayChange) -> Result<(), ConfigurationProblem> {
        match change.name.as_deref() {
            Some("") => Err(ConfigurationProblem::Wrong("`name` is empty.".to_owned())),
            _ => Ok(()),
        }
    }

    async fn change_gateway(
        &self,
        change: GatewayChange,
    ) -> Result<ConfigurationChanged, ConfigurationProblem> {
        self.feel()?;
        self.named.lock().unwrap().push(change);
        Ok(Self::changed(&[]))
    }

    async fn device(&self, id: &str) -> Result<ConfigurationDeviceView, ConfigurationProblem> {
        self.feel()?;
        let (id, settings, calibrations) = (id.to_owned(), Vec::new(), Vec::new());
        Ok(ConfigurationDeviceView { id, settings, calibrations, read_only: None })
    }

    async fn draft(
        &self,
        id: &str,
        edit: ConfigurationDeviceEdit,
    ) -> Result<ConfigurationDraft, ConfigurationProblem> {
        self.feel()?;
        let (before, base) = ("# casa\n".to_owned(), "1".to_owned());
        let text = format!("{id}: {}", edit.settings[0].key);
        Ok(ConfigurationDraft { before, text, base, check: ConfigurationCheck::default() })
    }

    async fn remove_device(&self, id: &str) -> Result<ConfigurationChanged, ConfigurationProblem> {
        self.feel()?;
        Ok(ConfigurationChanged { removed: vec![id.to_owned()], ..Self::changed(&[]) })
    }

    async fn confirm(&self, version: String) -> Result<(), ConfigurationProblem> {
        self.feel()?;
        if version == "2" { Ok(()) } else { Err(ConfigurationProblem::AnotherWaits) }
    }

    async fn take_back(&self) -> Result<(), ConfigurationProblem> {
        self.feel()
    }

    async fn versions(&self) -> Result<Vec<ConfigurationVersionView>, ConfigurationProblem> {
        Ok(Vec::new())
    }

    async fn version(&self, _: &str) -> Result<ConfigurationVersionText, ConfigurationProblem> {
        Err(ConfigurationProblem::UnknownVersion)
    }
}

const PATH: &str = "/api/v1/configuration";

#[tokio::test]
async fn the_configuration_is_for_administrators() {
    let world = World::new().await;
    let operator = world.cookie_of("olga", Role::Operator).await;
    let ways = [
        (Method::GET, ""),
        (Method::PUT, ""),
        (Method::POST, "/check"),
        (Method::POST, "/confirm"),
        (Method::POST, "/take-back"),
        (Method::POST, "/devices"),
        (Method::GET, "/gateway"),
        (Method::PATCH, "/gateway"),
        (Method::GET, "/devices/lamp"),
        (Method::DELETE, "/devices/lamp"),
        (Method::POST, "/devices/lamp/draft"),
        (Method::GET, "/versions"),
        (Method::GET, "/versions/1"),
    ];
    for (method, rest) in ways {
        let path = format!("{PATH}{rest}");
        let body = (method != Method::GET).then(|| json!({}));
        world.ask(method.clone(), &path, "", body.clone()).await.assert_error(401, "not_logged_in");
        world.ask(method, &path, &operator, body).await.assert_error(403, "forbidden");
    }
}

#[tokio::test]
async fn a_change_is_written_down_with_who_made_it() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    assert_eq!(world.get(PATH, &cookie).await.json()["version"], "1");
    let body = json!({ "text": "# villa\n", "base": "1", "confirm_within_s": 60 });
    assert_eq!(world.ask(Method::PUT, PATH, &cookie, Some(body)).await.status, 200);
    let asked = world.configuration.asked.lock().unwrap().clone();
    assert_eq!(asked[0].confirm_within.map(|time| time.as_secs()), Some(60));
    let device = json!({ "configuration": "[[device]]\n", "id": "lamp" });
    assert_eq!(world.post(&format!("{PATH}/devices"), &cookie, device).await.status, 201);
    let draft = json!({ "settings": [{ "key": "name", "value": null }] });
    let draft = world.post(&format!("{PATH}/devices/lamp/draft"), &cookie, draft).await.json();
    assert_eq!((&draft["text"], &draft["base"]), (&json!("lamp: name"), &json!("1")));
    let removed = world.ask(Method::DELETE, &format!("{PATH}/devices/lamp"), &cookie, None).await.json();
    assert_eq!(removed["removed"], json!(["lamp"]));
    let confirm = format!("{PATH}/confirm");
    world.post(&confirm, &cookie, json!({ "version": "1" })).await.assert_error(409, "another_waits");
    assert_eq!(world.post(&confirm, &cookie, json!({ "version": "2" })).await.status, 204);
    let entries = world.accounts.audit(None, 10, false).await.unwrap();
    let details: Vec<_> = entries.iter().filter_map(|entry| entry.detail.as_deref()).collect();
    assert!(
        ["added lamp", "removed lamp", "confirmed"].iter().all(|detail| details.contains(detail)),
        "{details:?}"
    );
    assert!(entries.iter().all(|entry| entry.by.name.as_deref() == Some("ana")), "{entries:?}");
}

#[tokio::test]
async fn each_problem_has_a_word_and_a_sentence() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let problems = [
        (ConfigurationProblem::ReadOnly("It is a demonstration.".to_owned()), 409, "read_only"),
        (ConfigurationProblem::Changed, 409, "changed_meanwhile"),
        (ConfigurationProblem::Unconfirmed, 409, "unconfirmed"),
        (ConfigurationProblem::Wrong("Line 2: it is wrong.".to_owned()), 422, "wrong_configuration"),
        (ConfigurationProblem::File("No room there.".to_owned()), 500, "configuration_file"),
        (ConfigurationProblem::UnknownDevice, 404, "unknown_device"),
        (ConfigurationProblem::Stopping, 503, "stopping"),
    ];
    for (problem, status, code) in problems {
        *world.configuration.problem.lock().unwrap() = Some(problem);
        let body = json!({ "text": "", "base": "1" });
        world.ask(Method::PUT, PATH, &cookie, Some(body)).await.assert_error(status, code);
    }
    *world.configuration.problem.lock().unwrap() = Some(ConfigurationProblem::NothingToConfirm);
    for way in ["confirm", "take-back"] {
        let answer = world.post(&format!("{PATH}/{way}"), &cookie, json!({ "version": "2" })).await;
        answer.assert_error(409, "nothing_to_confirm");
    }
    world.get(&format!("{PATH}/versions/9"), &cookie).await.assert_error(404, "unknown_version");
    let body = json!({ "text": "", "base": "1", "confirm_within_s": 9 });
    world.ask(Method::PUT, PATH, &cookie, Some(body)).await.assert_error(422, "wrong_time");
}

/// Bodies are short everywhere else; a configuration of a large house is not.
#[tokio::test]
async fn a_long_text_is_taken_up_to_the_longest_configuration() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Admin).await;
    let check = format!("{PATH}/check");
    let longest = json!({ "text": "\n".repeat(1_024 * 1_024) });
    assert_eq!(world.post(&check, &cookie, longest).await.status, 200);
    let longer = json!({ "text": "\n".repeat(1_100_000) });
    world.post(&check, &cookie, longer).await.assert_error(413, "too_large");
    let device = json!({ "configuration": " ".repeat(17_000) });
    world.post(&format!("{PATH}/devices"), &cookie, device).await.assert_error(413, "too_large");
}
