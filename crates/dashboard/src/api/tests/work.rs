//! What changes something, for clients that do not wait for the answer.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use axum::http::Method;
use serde_json::{Value as Json, json};

use super::world::{PASSWORD, World, request};
use crate::Role;
use crate::accounts::LogIn;

/// Gives a future up before it is polled for the nth time.
struct GivenUp<F> {
    future: F,
    polls_left: usize,
}

impl<F: Future + Unpin> Future for GivenUp<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls_left == 0 {
            return Poll::Ready(None);
        }
        self.polls_left -= 1;
        Pin::new(&mut self.future).poll(context).map(Some)
    }
}

/// Asks, and hangs up after that many steps. Gives whether the answer came.
async fn ask_and_hang_up(
    world: &World,
    method: Method,
    path: &str,
    cookie: &str,
    body: Json,
    steps: usize,
) -> bool {
    let came = {
        let answer = pin!(world.send(request(method, path, cookie, Some(body))));
        GivenUp { future: answer, polls_left: steps }.await.is_some()
    };
    // What is under way comes to its end by itself.
    world.running.close();
    world.running.wait().await;
    came
}

/// Whoever hung up at the right moment changed things unseen: the change was made, and its entry never written.
#[tokio::test]
async fn who_hangs_up_changes_nothing_unseen() {
    let world = World::new().await;
    let ana = world.cookie_of("ana", Role::Admin).await;
    world.accounts.add("eva", Role::Viewer, PASSWORD).await.unwrap();
    let (mut steps, mut done, mut answered) = (0, 0, false);
    while !answered {
        let name = format!("person{steps}");
        let body = json!({ "name": name, "role": "viewer", "password": PASSWORD });
        answered = ask_and_hang_up(&world, Method::POST, "/api/v1/users", &ana, body, steps).await;
        let is_there = world.accounts.find(&name).await.unwrap().is_some();
        let noted = world.audited().await.contains(&("user-added", Some(name.clone())));
        assert_eq!(is_there, noted, "{name}");
        done += usize::from(is_there);

        let name = format!("token{steps}");
        let body = json!({ "name": name, "scope": "read" });
        answered &= ask_and_hang_up(&world, Method::POST, "/api/v1/tokens", &ana, body, steps).await;
        let is_there = world.accounts.tokens().await.unwrap().iter().any(|token| token.name == name);
        let noted = world.audited().await.contains(&("token-added", Some(format!("ana/{name}"))));
        assert_eq!(is_there, noted, "{name}");
        done += usize::from(is_there);

        let password = format!("a lamp and {steps} more");
        let body = json!({ "password": password });
        let before = passwords_changed(&world).await;
        answered &= ask_and_hang_up(&world, Method::PATCH, "/api/v1/users/eva", &ana, body, steps).await;
        let address = "10.0.0.1".parse().unwrap();
        let holds = world.accounts.log_in("eva", password.as_bytes(), address).await.unwrap();
        let is_there = matches!(holds, LogIn::Welcome(_));
        assert_eq!(is_there, passwords_changed(&world).await == before + 1, "{password}");
        done += usize::from(is_there);
        steps += 1;
        world.clock.advance(std::time::Duration::from_secs(60));
    }
    assert!(done > 3, "some were given up and done all the same: {done} in {steps}");
}

async fn passwords_changed(world: &World) -> usize {
    world.audited().await.iter().filter(|(what, _)| *what == "password-changed").count()
}
