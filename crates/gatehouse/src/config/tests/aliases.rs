//! Aliases: what the page about them says, and mistakes.

use super::check;

const HOUSE: &str =
    "[[device]]\nid = \"lights\"\ndriver = \"output\"\npin = 22\nsafe = \"off\"\nmax_on = \"2h\"\n";

fn alias(lines: &str) -> String {
    format!("{HOUSE}[[alias]]\n{lines}")
}

#[test]
fn the_example_of_the_page_is_a_configuration() {
    let page = include_str!("../../../../../docs/moving-in.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let config = super::load(example, "gatehouse.toml").unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!((config.devices.len(), config.aliases.len()), (1, 2));
}

#[test]
fn mistakes_in_aliases() {
    check(&alias("topic = \"old/lights\"\n"), &[(7, 1, "`from` is missing", "kitchen/temperature")]);
    check(&alias("from = \"lights/power\"\n"), &[(7, 1, "`topic` is missing", "mqtt_io")]);
    check(
        &alias("from = \"light/power\"\ntopic = \"old\"\n"),
        &[(8, 8, "there is no device `light`", "did you mean `lights/power`?")],
    );
    check(&alias("from = \"lights\"\ntopic = \"old\"\n"), &[(8, 8, "`lights` is no value", "status")]);
    check(
        &alias("from = \"lights/power\"\ntopic = \"home/lights/x\"\n"),
        &[(9, 9, "a topic that the gateway uses itself", "outside")],
    );
    check(
        &alias("from = \"lights/power\"\ntopic = \"old\"\npayloads = { ON = \"1\", OFF = \"1\" }\n"),
        &[(10, 24, "two payloads are translated to `1`", "ours and theirs")],
    );
    check(
        &alias("from = \"status\"\ntopic = \"old\"\ncommands = true\n"),
        &[(10, 12, "takes no commands", "remove")],
    );
    let twice =
        alias("from = \"lights/power\"\ntopic = \"old\"\n[[alias]]\nfrom = \"status\"\ntopic = \"old\"\n");
    check(&twice, &[(12, 9, "has another alias already", "a topic of its own")]);
}
