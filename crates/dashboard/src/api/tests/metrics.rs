//! Figures for Prometheus.

use axum::http::Method;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::world::{Answer, PASSWORD, World, request};
use crate::Role;

async fn scrape(world: &World, password: &str) -> Answer {
    let mut request = request(Method::GET, "/metrics", "", None);
    let credentials = format!("Basic {}", STANDARD.encode(format!("prometheus:{password}")));
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(&credentials).unwrap());
    Answer::read(world.send(request).await).await
}

#[tokio::test]
async fn a_scraper_gets_figures_with_a_password_and_nothing_without() {
    let world = World::new().await;
    world.hear(&[("casa/boiler/temperature", "61.5"), ("casa/boiler/power", "ON")]).await;
    let refused = world.get("/metrics", "").await;
    refused.assert_error(401, "not_logged_in");
    assert!(refused.header(WWW_AUTHENTICATE).starts_with("Basic "));
    let cookie = world.cookie_of("prometheus", Role::Viewer).await;
    let answer = scrape(&world, PASSWORD).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header(CONTENT_TYPE)),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        "# TYPE gatehouse_property_value gauge",
        "gatehouse_property_value{device=\"boiler\",property=\"temperature\",unit=\"°C\"} 61.5",
        "gatehouse_property_value{device=\"boiler\",property=\"power\",unit=\"\"} 1",
        "# HELP fake_total A fake.",
        "fake_total{reason=\"full\"} 7",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with('\n'));
    // Each family stands together, below one head.
    let mut heads: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let all = heads.len();
    heads.sort_unstable();
    heads.dedup();
    assert_eq!(heads.len(), all);
    assert_eq!(world.get("/metrics", &cookie).await.status, 200);
    scrape(&world, "wrong password").await.assert_error(401, "not_logged_in");
}
