//! Users that are made on the command line.

use gatehouse_tests::gateway::command_line;
use gatehouse_tests::http::Browser;
use gatehouse_tests::{LIMIT, Login, Phone, Setup, until};
use serde_json::json;

fn login(user: &str, password: &str) -> Login {
    Login { user: user.to_owned(), password: password.to_owned() }
}

/// Scripts that install a gateway need no set-up code: the user that they made before the first start may log in to
/// the page, and publish and subscribe everywhere.
#[test]
fn an_administrator_made_before_the_first_start_may_do_everything() {
    let gateway = Setup::demo().with_user("bar", "admin", "behind the counter").start();
    assert_eq!(gateway.setup_code(), None, "there is an administrator, so there is no set-up code");

    let browser = gateway.browser();
    assert_eq!(browser.get("/api/v1/session").expect(200).json()["setup_needed"], false);
    browser.log_in("bar", "behind the counter");
    let heater = browser.find("heater", |_, property| crate::command::is_heater(property));
    browser.post(&heater.set_path(), &json!({ "value": "ON" })).expect(202);

    let phone = Phone::connect(gateway.mqtt_address(), "counter", &login("bar", "behind the counter"));
    phone.subscribe("#");
    for topic in
        ["anything", "casa/ático/luz", "家/客厅/温度", "home/somebody-else/temperature", "a/b/c/d/e/f"]
    {
        assert_eq!(phone.publish(topic, "21.5", false), Ok(()), "{topic}");
        phone.wait_payload(topic, "21.5");
    }
}

#[test]
fn nobody_gets_in_without_the_right_password() {
    let gateway = Setup::demo().with_user("bar", "admin", "behind the counter").start();
    let address = gateway.mqtt_address();
    let connect = |login: Option<&Login>| Phone::connect_with(address, "stranger", login, None).map(|_| ());
    assert!(connect(None).is_err(), "an anonymous client was let in");
    assert!(connect(Some(&login("bar", "in front of the counter"))).is_err());
    assert!(connect(Some(&login("", ""))).is_err());
    assert!(connect(Some(&login("nobody", "behind the counter"))).is_err());
    assert_eq!(connect(Some(&login("bar", "behind the counter"))), Ok(()));
}

#[test]
fn a_viewer_subscribes_and_cannot_publish() {
    let gateway = Setup::demo().with_user("vera", "viewer", "only looking around").start();
    let viewer = Phone::connect(gateway.mqtt_address(), "wall", &login("vera", "only looking around"));
    viewer.subscribe("home/#");
    viewer.wait_payload("home/status", "online");
    assert!(viewer.publish("home/heater/power/set", "ON", false).is_err());
    assert!(viewer.publish("anything", "x", true).is_err());
}

#[test]
fn users_are_listed_changed_and_removed_while_the_gateway_runs() {
    let gateway = Setup::demo().with_user("bar", "admin", "behind the counter").start();
    let directory = gateway.data_directory();
    let directory = directory.to_string_lossy().into_owned();
    let user = |arguments: &[&str], input: &str| {
        let arguments = [&["user"], arguments, &["--data-dir", &directory]].concat();
        let finished = command_line(&arguments, input);
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        finished.stdout
    };
    user(&["add", "vera", "--role", "viewer", "--password-stdin"], "only looking around\n");
    let list = user(&["list"], "");
    assert!(list.contains("bar") && list.contains("vera") && list.contains("viewer"), "{list}");
    let phone = |user: &str, password: &str| {
        Phone::connect_with(gateway.mqtt_address(), "someone", Some(&login(user, password)), None).map(|_| ())
    };
    assert_eq!(phone("vera", "only looking around"), Ok(()));

    user(&["passwd", "vera", "--password-stdin"], "looking a bit closer\n");
    // A running gateway may remember a password that was right a moment ago, for a short while.
    until("the old password to be refused", LIMIT, || match phone("vera", "only looking around") {
        Ok(()) => Err("still let in".to_owned()),
        Err(_) => Ok(()),
    });
    assert_eq!(phone("vera", "looking a bit closer"), Ok(()));

    user(&["remove", "vera"], "");
    until("the removed user to be refused", LIMIT, || match phone("vera", "looking a bit closer") {
        Ok(()) => Err("still let in".to_owned()),
        Err(_) => Ok(()),
    });
    let answer = Browser::new(gateway.dashboard_address())
        .post("/api/v1/login", &json!({ "name": "vera", "password": "looking a bit closer" }));
    answer.expect_error(401, "wrong_login");
}

/// A user who had been removed once went on switching the heater for as long as the connection lasted.
#[test]
fn a_removed_user_is_disconnected() {
    let gateway = Setup::demo().with_user("vera", "operator", "only looking around").start();
    let vera = Phone::connect(gateway.mqtt_address(), "vera's phone", &login("vera", "only looking around"));
    vera.subscribe("home/status");
    vera.wait_payload("home/status", "online");
    let directory = gateway.data_directory().to_string_lossy().into_owned();
    let finished = command_line(&["user", "remove", "vera", "--data-dir", &directory], "");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    vera.wait_end();
}

/// Passwords of MQTT could once be tried without end, sixty a second.
#[test]
fn guessing_over_mqtt_is_slowed_and_who_is_at_home_is_not() {
    let gateway = Setup::demo().with_user("bar", "admin", "behind the counter").start();
    let at_home = gateway.phone("at home");
    let guess = |number: usize| {
        let guess = login("bar", &format!("guess number {number}"));
        Phone::connect_with(gateway.mqtt_address(), "guesser", Some(&guess), None).map(|_| ())
    };
    let answers: Vec<String> = (0..10).filter_map(|number| guess(number).err()).collect();
    assert_eq!(answers.len(), 10, "every guess is refused");
    assert_ne!(answers.first(), answers.last(), "the last ones are not even looked at: {answers:?}");
    at_home.subscribe("home/status");
    at_home.wait_payload("home/status", "online");
}

#[test]
fn the_command_line_says_what_is_wrong() {
    let setup = Setup::demo();
    let directory = setup.data_directory();
    let directory = directory.to_string_lossy();
    let data = ["--data-dir", directory.as_ref()];
    let call = |arguments: &[&str], input: &str| command_line(&[arguments, &data].concat(), input);

    let unknown_role =
        call(&["user", "add", "bar", "--role", "king", "--password-stdin"], "behind the counter\n");
    assert_eq!(unknown_role.code, Some(64), "{unknown_role:?}");
    assert!(unknown_role.stderr.contains("king"), "{unknown_role:?}");
    let no_password = call(&["user", "add", "bar", "--role", "admin"], "");
    assert_eq!(no_password.code, Some(64), "{no_password:?}");
    let unknown_command = command_line(&["dance"], "");
    assert_eq!(unknown_command.code, Some(64), "{unknown_command:?}");

    let weak = call(&["user", "add", "bar", "--role", "admin", "--password-stdin"], "short\n");
    assert_eq!(weak.code, Some(1), "{weak:?}");
    assert!(weak.stderr.contains("password"), "{weak:?}");
    let add = ["user", "add", "bar", "--role", "admin", "--password-stdin"];
    assert_eq!(call(&add, "behind the counter\n").code, Some(0));
    let twice = call(&add, "behind the counter\n");
    assert_eq!(twice.code, Some(1), "{twice:?}");
    assert!(twice.stderr.contains("bar"), "{twice:?}");
    let nobody = call(&["user", "remove", "nobody"], "");
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.stderr.contains("nobody"), "{nobody:?}");
}
