//! What is recorded and for how long: what the page about it says, and mistakes.

use super::check;

#[test]
fn the_example_of_the_page_is_a_configuration() {
    let page = include_str!("../../../../../docs/history.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let config = super::load(example, "gatehouse.toml").unwrap_or_else(|problems| panic!("{problems}"));
    let rules = &config.history.topics;
    assert_eq!((rules.len(), rules[0].filter.as_str()), (2, "weather/+/temperature"));
    assert_eq!((rules[1].fields.len(), rules[1].unit.as_deref()), (2, Some("W")));
    assert_eq!(config.history, gatehouse_history::Options { topics: rules.clone(), ..Default::default() });
}

#[test]
fn mistakes_in_topics_are_told_with_their_place() {
    let history = |line: &str| format!("[history]\n{line}\n");
    check(&history("topics = \"a\""), &[(2, 10, "is a text", "write topics = [")]);
    check(
        &history("topics = [\"a/#/b\", 3]"),
        &[
            (2, 11, "`a/#/b` names no topics", "write topics = ["),
            (2, 20, "something that is no topic", "write topics = ["),
        ],
    );
    check(&history("topics = [{ fields = [\"a\"] }]"), &[(2, 11, "`topic` is missing", "write topics")]);
    check(
        &history("topics = [{ topic = \"a\", field = \"b\" }]"),
        &[(2, 26, "`field` is no setting", "did you mean `fields`")],
    );
    check(
        &history("topics = [{ topic = \"a\", fields = [] }]"),
        &[(2, 35, "has 0 fields", "name the fields")],
    );
    check(
        &history("topics = [{ topic = \"a\", fields = [\"b#\", \"\"] }]"),
        &[(2, 36, "`b#` cannot be", "name the fields"), (2, 42, "`` cannot be", "name the fields")],
    );
    check(
        &history("topics = [{ topic = \"a\", unit = \"\" }]"),
        &[(2, 33, "cannot be shown", "unit = \"W\"")],
    );
    let many = format!("topics = [{}]", "\"a\", ".repeat(101));
    check(&history(&many), &[(2, 10, "there are 101 topics", "wildcard")]);
}

#[test]
fn limits_of_events_and_of_the_clock() {
    check("[history]\nmax_events = 10\n", &[(2, 14, "max_events", "from 1000 to 5000000")]);
    check("[history]\nkeep_events = \"1h\"\n", &[(2, 15, "is too short", "between")]);
    check("[history]\nwait_for_clock = \"2h\"\n", &[(2, 18, "is too long", "between")]);
}
