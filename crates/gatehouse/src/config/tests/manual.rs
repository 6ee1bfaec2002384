//! The manual page of the configuration says what the reader of the configuration knows.

use super::{load, loaded};

/// The manual page as a person reads it, as far as that matters here.
fn page() -> String {
    include_str!("../../../../../deploy/gatehouse.toml.5").replace("\\-", "-")
}

/// Its examples, one after the other.
fn examples() -> String {
    page().split(".EX\n").skip(1).filter_map(|rest| rest.split(".EE\n").next()).collect()
}

/// Everything that the page shows can be written, all of it at once.
#[test]
fn what_the_manual_page_shows_is_a_configuration() {
    let config = loaded(&examples());
    assert!(config.warnings.is_empty(), "{}", config.warnings);
    assert_eq!(config.devices.len(), 3);
    assert!(config.backup.is_some());
}

/// What is not marked as having none is the value when nothing is written.
#[test]
fn what_the_manual_page_shows_is_what_holds_without_it() {
    let shown = examples();
    let before_backups = shown.split("[backup]").next().unwrap();
    let unmarked: Vec<&str> = before_backups.lines().filter(|line| !line.contains("# none")).collect();
    // A set of rights has no value that holds without it.
    let text =
        unmarked.join("\n").replace("publish = [\"sensors/%c/#\"]\nsubscribe = [\"sensors/%c/set\"]\n", "");
    let (shown, nothing) = (loaded(&text), loaded(""));
    assert_eq!(shown.history, nothing.history);
    assert_eq!(shown.broker.settings, nothing.broker.settings);
    assert_eq!((shown.http, shown.mqtt, shown.mdns), (nothing.http, nothing.mqtt, nothing.mdns));
    assert_eq!(shown.gateway, nothing.gateway);
}

/// A setting that nobody finds is none. A table with few settings names all of them where one is not known.
#[test]
fn the_manual_page_names_every_setting_of_the_small_tables() {
    for table in
        ["gateway", "http", "https", "dashboard", "discovery", "mqtt", "mqtts", "tls", "backup", "board"]
    {
        let problems = load(&format!("[{table}]\nqqqqqqqqqqqq = 1\n"), "gatehouse.toml").err().unwrap();
        let hint = problems.listed().iter().find(|found| found.2.contains("qqqqqqqqqqqq")).unwrap().3;
        let settings: Vec<&str> = hint.split('`').skip(1).step_by(2).collect();
        assert!(!settings.is_empty(), "[{table}]: {hint}");
        for setting in settings {
            // A line of an example, or the word in bold.
            let told = [format!("{setting} ="), format!(".B {setting}"), format!(".BR {setting} ")];
            let told = page().lines().any(|line| told.iter().any(|begin| line.starts_with(begin)));
            assert!(told, "[{table}] has `{setting}`, and the manual page does not tell it");
        }
    }
}
