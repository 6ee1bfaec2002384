//! What was recorded, as a file.

use axum::body::to_bytes;
use axum::http::Method;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use gatehouse_model::Timestamp;

use super::world::{Mood, World, request};
use crate::api::export::{IDLE_LIMIT, MAX_EXPORTS};
use crate::{ExportFormat, ExportQuery, HistoryProblem, Role};

const PATH: &str = "/api/v1/history/export";

#[tokio::test]
async fn an_export_is_a_file_for_everybody_who_is_logged_in() {
    let world = World::new().await;
    world.get(PATH, "").await.assert_error(401, "not_logged_in");
    let cookie = world.cookie_of("ana", Role::Viewer).await;
    let answer = world.get(PATH, &cookie).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "one,more,more,");
    assert!(answer.header(CONTENT_TYPE).starts_with("text/csv"), "{:?}", answer.headers);
    let disposition = answer.header(CONTENT_DISPOSITION);
    assert!(
        disposition.starts_with("attachment; filename=\"gatehouse-20") && disposition.ends_with(".csv\"")
    );
    let asked =
        "?from=2026-11-21T09:14:00Z&to=2026-11-22T09:14:00Z&series=kitchen/*,%20topic:a&format=parquet";
    assert_eq!(world.get(&format!("{PATH}{asked}"), &cookie).await.status, 200);
    let from = Timestamp::parse("2026-11-21T09:14:00Z").unwrap();
    let to = Timestamp::parse("2026-11-22T09:14:00Z").unwrap();
    assert_eq!(
        world.history.exports.lock().unwrap()[1],
        ExportQuery {
            patterns: vec!["kitchen/*".to_owned(), "topic:a".to_owned()],
            from: Some(from),
            to: Some(to),
            format: ExportFormat::Parquet
        }
    );
    for (query, code) in [
        ("from=yesterday", "invalid_range"),
        ("from=2026-11-21T09:14:00Z&to=2026-11-21T09:14:00Z", "invalid_range"),
        ("format=xml", "invalid_format"),
    ] {
        world.get(&format!("{PATH}?{query}"), &cookie).await.assert_error(422, code);
    }
    let many = "a,".repeat(101);
    world.get(&format!("{PATH}?series={many}"), &cookie).await.assert_error(422, "invalid_range");
}

/// What compresses the answer for a browser asks once more after the end, which once ended the task with a panic.
#[tokio::test]
async fn an_export_is_compressed_for_who_takes_that_and_ends_well() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Viewer).await;
    let mut asked = request(Method::GET, PATH, &cookie, None);
    asked.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    let answer = world.send(asked).await;
    assert_eq!(answer.headers()[CONTENT_ENCODING], "gzip");
    let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    assert_eq!(bytes[..2], [0x1f, 0x8b], "RFC 1952 section 2.3.1");
}

/// A file that broke off must not look like a whole one.
#[tokio::test]
async fn an_export_that_fails_breaks_off() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Viewer).await;
    *world.history.mood.lock().unwrap() = Mood::Refusing(HistoryProblem::Broken("the card died".to_owned()));
    let response = world.send(request(Method::GET, PATH, &cookie, None)).await;
    assert_eq!(response.status(), 200);
    assert!(to_bytes(response.into_body(), usize::MAX).await.is_err());
}

/// Who does not take its file holds its place for a minute, and nothing else; who goes gives it back at once.
#[tokio::test]
async fn exports_have_places_and_idle_ones_lose_theirs() {
    let world = World::new().await;
    let cookie = world.cookie_of("ana", Role::Viewer).await;
    *world.history.mood.lock().unwrap() = Mood::Stuck;
    let begin = || world.send(request(Method::GET, PATH, &cookie, None));
    let (first, second) = (begin().await, begin().await);
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    world.get(PATH, &cookie).await.assert_error(503, "too_many_exports");
    drop(first);
    let mut third = begin().await;
    while third.status() == 503 {
        third = begin().await;
    }
    // With nothing else to do the runtime's clock runs ahead to when both have taken nothing for too long.
    tokio::time::pause();
    tokio::time::sleep(IDLE_LIMIT * 2).await;
    tokio::time::resume();
    for _ in 0..MAX_EXPORTS {
        let again = begin().await;
        assert_eq!(again.status(), 200);
    }
    assert!(to_bytes(second.into_body(), usize::MAX).await.is_err());
}

/// Somebody who was removed went on downloading.
#[tokio::test]
async fn the_end_of_the_session_ends_its_exports() {
    let world = World::new().await;
    world.accounts.add("eva", Role::Admin, "a lamp in the window").await.unwrap();
    let cookie = world.cookie_of("ana", Role::Viewer).await;
    let other = world.cookie_of("bob", Role::Viewer).await;
    *world.history.mood.lock().unwrap() = Mood::Stuck;
    let first = world.send(request(Method::GET, PATH, &cookie, None)).await;
    let second = world.send(request(Method::GET, PATH, &other, None)).await;
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    world.accounts.remove("ana").await.unwrap();
    assert!(to_bytes(first.into_body(), usize::MAX).await.is_err());
    // The place is free, and the other one goes on.
    let mut third = world.send(request(Method::GET, PATH, &other, None)).await;
    while third.status() == 503 {
        third = world.send(request(Method::GET, PATH, &other, None)).await;
    }
    assert_eq!(third.status(), 200);
    world.get(PATH, &other).await.assert_error(503, "too_many_exports");
    drop(second);
}
