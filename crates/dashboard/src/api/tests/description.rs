//! The description of the API, held against what the routes do.

use axum::http::Method;
use serde_json::{Value as Json, json};

use super::world::{World, request};
use crate::Role;
use crate::api::description::Who;

fn who(method: &str, path: &str) -> Who {
    use utoipa::openapi::path::HttpMethod;
    let method = match method {
        "get" => HttpMethod::Get,
        "put" => HttpMethod::Put,
        "post" => HttpMethod::Post,
        "patch" => HttpMethod::Patch,
        "delete" => HttpMethod::Delete,
        other => panic!("{other}"),
    };
    Who::of(&method, path)
}

/// A path with something in the place of its parameters that is not there.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{device}" => "boiler",
        "{property}" => "power",
        part if part.starts_with('{') => "999",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// What is written about who may ask is what somebody relies on who gives a script a token.
#[tokio::test]
async fn every_described_route_is_for_those_of_whom_it_says_so() {
    let world = World::new().await;
    let viewer = world.cookie_of("eva", Role::Viewer).await;
    let operator = world.cookie_of("olga", Role::Operator).await;
    let administrator = world.cookie_of("ana", Role::Admin).await;
    let description = world.get("/api/v1/openapi.json", "").await.json();
    let mut asked = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (word, operation) in operations.as_object().unwrap() {
            // It would end the log-ins that are needed for the routes after it.
            if path == "/api/v1/logout" {
                continue;
            }
            let who = who(word, path);
            let method: Method = word.to_uppercase().parse().unwrap();
            let ask = async |cookie: &str| {
                let body = (method != Method::GET).then(|| json!({}));
                world.send(request(method.clone(), &filled(path), cookie, body)).await.status().as_u16()
            };
            let is_let_in = |status: u16| ![401, 403].contains(&status);
            let found = (
                is_let_in(ask("").await),
                is_let_in(ask(&viewer).await),
                is_let_in(ask(&operator).await),
                is_let_in(ask(&administrator).await),
            );
            let expected = match who {
                Who::Anybody => (true, true, true, true),
                Who::LoggedIn => (false, true, true, true),
                Who::MaySwitch => (false, false, true, true),
                Who::Administrator => (false, false, false, true),
            };
            assert_eq!(found, expected, "{method} {path}: name it in `Who::of` (api/description.rs)");
            let security = &operation["security"];
            assert_eq!(security.as_array().unwrap().is_empty(), who == Who::Anybody, "{method} {path}");
            assert!(operation["description"].as_str().unwrap().contains("For "), "{method} {path}");
            asked += 1;
        }
    }
    assert!(asked > 40, "{asked}");
    let schemes = &description["components"]["securitySchemes"];
    assert_eq!(
        (&schemes["session"]["in"], &schemes["token"]["scheme"]),
        (&json!("cookie"), &json!("bearer"))
    );
    assert_eq!(schemes["session"]["name"], "gatehouse_session");
}

/// Whoever writes a client finds every error described, in the form that all errors have.
#[tokio::test]
async fn every_error_is_described_with_the_body_of_errors() {
    let world = World::new().await;
    let description = world.get("/api/v1/openapi.json", "").await.json();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let schema = &response["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(*schema, json!("#/components/schemas/ApiErrorBody"), "{method} {path} {status}");
            }
            let has_body = operation["requestBody"] != Json::Null;
            assert_eq!(responses.contains_key("415"), has_body, "{method} {path}");
        }
    }
}
