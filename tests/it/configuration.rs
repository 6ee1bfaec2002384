//! A broken configuration gets every error with its line, column and a hint; a good one is told so.

use gatehouse_tests::Setup;
use gatehouse_tests::gateway::command_line;
use gatehouse_tests::process::Finished;

/// One mistake on each line that carries a comment: what is wrong, and a word of the hint.
const BROKEN: &str = r#"[gateway]
nmae = "Casa"
base = "casa/#"

[[device]]
id = "Kitchen"
name = "Kitchen"
driver = "output"
pin = 22
max_on = "2 hours"

[[device]]
id = "boiler"
driver = "outptu"
pin = 23

[[device]]
id = "pump"
driver = "output"
pin = 22
safe = 5
"#;

/// What must be said about [`BROKEN`]: line, column of the wrong word, and words of the message or its hint.
const EXPECTED: [(u32, u32, &str); 7] = [
    (2, 1, "name"),
    (3, 8, "#"),
    (6, 6, "a-z"),
    (10, 10, "2h"),
    (14, 10, "output"),
    (20, 7, "22"),
    (21, 8, "off"),
];

fn check(setup: &Setup) -> Finished {
    command_line(&["check", &setup.configuration().to_string_lossy()], "")
}

/// Whether `text` names the place, as `file:line:column` does.
fn names_place(text: &str, line: u32, column: u32) -> bool {
    let place = format!("gatehouse.toml:{line}:{column}");
    text.lines().any(|line| line.contains(&place) && !line.contains(&format!("{place}0")))
}

#[test]
fn every_mistake_is_reported_with_its_place_and_a_hint() {
    let setup = Setup::configured(BROKEN);
    let finished = check(&setup);
    assert_eq!(finished.code, Some(78), "{finished:?}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    for (line, column, word) in EXPECTED {
        assert!(names_place(&said, line, column), "{line}:{column} is not named in:\n{said}");
        assert!(said.contains(word), "{line}:{column}: nothing says `{word}` in:\n{said}");
    }
    let hints = said.matches("help:").count();
    assert!(hints >= EXPECTED.len(), "{hints} hints for {} mistakes in:\n{said}", EXPECTED.len());
}

/// The daemon says the same as `check`, with the same exit code, before it has bound a port or made a database.
#[test]
fn a_broken_configuration_does_not_start() {
    let setup = Setup::configured(BROKEN);
    let finished = setup.start_in_vain();
    assert_eq!(finished.code, Some(78), "{finished:?}");
    for (line, column, _) in EXPECTED {
        assert!(names_place(&finished.stderr, line, column), "{line}:{column} is missing in {finished:?}");
    }
    assert!(
        !setup.data_directory().join("gatehouse.db").exists(),
        "a start that fails leaves nothing behind"
    );
}

#[test]
fn text_that_is_no_toml_is_shown_at_its_place() {
    let setup = Setup::configured("[gateway]\nname = \"Casa\nbase = \"casa\"\n");
    let finished = check(&setup);
    assert_eq!(finished.code, Some(78), "{finished:?}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(said.contains("gatehouse.toml:2:"), "{said}");
}

#[test]
fn a_value_of_the_wrong_kind_is_shown_at_its_place() {
    let setup = Setup::configured("device = 5\n\n[gateway]\nname = 7\n");
    let finished = check(&setup);
    assert_eq!(finished.code, Some(78), "{finished:?}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(names_place(&said, 1, 10) && names_place(&said, 4, 8), "{said}");
}

#[test]
fn a_good_configuration_is_told_so_and_starts() {
    let setup = Setup::configured(
        "[gateway]\nname = \"Casa\"\nbase = \"casa\"\n\n[[device]]\nid = \"machine\"\nname = \"This machine\"\ndriver = \"host\"\nevery = \"1s\"\n",
    );
    let finished = check(&setup);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let gateway = setup.with_user("bar", "admin", "behind the counter").start();
    let browser = gateway.browser();
    browser.log_in("bar", "behind the counter");
    let house = browser.house();
    assert_eq!(house["gateway"]["name"], "Casa");
    assert_eq!(house["gateway"]["base"], "casa");
    assert_eq!(house["gateway"]["demo"], false);
    assert_eq!(house["devices"][0]["id"], "machine");
}
