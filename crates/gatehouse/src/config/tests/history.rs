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

#[test]
fn retention_is_set_by_age_and_by_size_for_each_kind() {
    use gatehouse_history::{Keep, Retention};
    use std::time::Duration;
    let page = include_str!("../../../../../docs/history.md");
    let example = page.split("```toml\n").nth(2).and_then(|rest| rest.split("```").next()).unwrap();
    let text = format!("{example}disk_floor = \"1 GiB\"\nmax_file_bytes = 100000000\n");
    let history = super::load(&text, "f").unwrap_or_else(|problems| panic!("{problems}")).history;
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    let retention = Retention {
        numbers: Keep { age: days(730), bytes: Some(1 << 30) },
        switches: Keep { age: days(3_650), bytes: None },
        texts: Keep { age: None, bytes: Some(200 << 20) },
        disk_floor: 1 << 30,
    };
    assert_eq!((history.retention, history.max_file_bytes), (retention, 100_000_000));
    let none =
        super::load("[history]\ndisk_floor = 0\n", "f").unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(none.history.retention, Retention { disk_floor: 0, ..Retention::default() });
}

#[test]
fn mistakes_in_retention_are_told_with_their_place() {
    check("[history]\nnumbers = \"730d\"\n", &[(2, 11, "`numbers` is a text", "write numbers = { keep_for")]);
    check(
        "[history]\ntexts = { keep_for = \"1h\", keep_bytes = \"1 KiB\" }\n",
        &[
            (2, 22, "texts: `keep_for` is too short", "between \"1d\""),
            (2, 41, "texts: `keep_bytes` is too small", "write a size from 1MiB to"),
        ],
    );
    check(
        "[history.switches]\nkeep_fro = \"1d\"\n",
        &[(2, 1, "switches: `keep_fro` is no setting of `switches`", "did you mean `keep_for`")],
    );
    check("[history]\ndisk_floor = \"much\"\n", &[(2, 14, "`much` is no size", "write a size")]);
    check("[history]\nmax_file_bytes = 1000\n", &[(2, 18, "is too small", "from 64MiB")]);
}
