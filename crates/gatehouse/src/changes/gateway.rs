//! What the gateway is called and where it stands, in the text of a configuration.

use gatehouse_dashboard::wire::GatewayChange;
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

/// The section.
const GATEWAY: &str = "gateway";

/// `text` with what `change` gives; all other characters stay as they are.
///
/// # Errors
/// When the text is no TOML, or has something else in the section's place, in a sentence for people. Whether the whole makes
/// sense is for the check to say.
pub(crate) fn with_gateway(text: &str, change: &GatewayChange) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        format!("The configuration is not written as TOML: {}. Mend it first.", error.message())
    })?;
    let section = document.entry(GATEWAY).or_insert_with(|| Item::Table(Table::new()));
    let other = || "`gateway` is not a table in the configuration. Mend it first.".to_owned();
    let section = section.as_table_like_mut().ok_or_else(other)?;
    if let Some(name) = &change.name {
        set(section, "name", name.as_str().into());
    }
    if let Some(zone) = &change.time_zone {
        set(section, "time_zone", zone.as_str().into());
    }
    if let Some(place) = change.location {
        let degrees = [("latitude", place.latitude), ("longitude", place.longitude)];
        match section.get_mut("location").and_then(Item::as_table_like_mut) {
            Some(location) => degrees.into_iter().for_each(|(key, number)| set(location, key, number.into())),
            None => set(section, "location", Value::InlineTable(InlineTable::from_iter(degrees))),
        }
    }
    Ok(document.to_string())
}

/// Sets a value, and leaves the remark that stands behind the one before.
pub(super) fn set(table: &mut dyn TableLike, key: &str, new: Value) {
    let mut item = value(new);
    if let (Some(former), Some(new)) = (table.get(key).and_then(Item::as_value), item.as_value_mut()) {
        *new.decor_mut() = former.decor().clone();
    }
    table.insert(key, item);
}

#[cfg(test)]
mod tests {
    use gatehouse_dashboard::wire::GatewayPlace;

    use super::*;
    use crate::config;

    fn whole() -> GatewayChange {
        GatewayChange {
            name: Some("Casa \"Sol\"".to_owned()),
            time_zone: Some("Europe/Madrid".to_owned()),
            location: Some(GatewayPlace { latitude: 40.4, longitude: -3.0 }),
        }
    }

    #[test]
    fn only_what_is_given_changes_and_remarks_stay() {
        let text = config::default_text();
        let changed = with_gateway(text, &whole()).unwrap();
        let read = config::load(&changed, "gatehouse.toml").unwrap().gateway;
        assert_eq!((read.name.as_str(), read.time_zone.as_deref()), ("Casa \"Sol\"", Some("Europe/Madrid")));
        let place = read.location.unwrap();
        assert_eq!((place.latitude, place.longitude), (40.4, -3.0));
        for line in text.lines().filter(|line| !line.starts_with("name = ")) {
            assert!(changed.contains(line), "{line} is gone from\n{changed}");
        }
        assert!(changed.contains("# how it is called on the page"), "{changed}");
        assert_eq!(with_gateway(text, &GatewayChange::default()).unwrap(), text);
    }

    #[test]
    fn a_section_is_made_and_a_place_is_replaced() {
        let made = with_gateway("[[device]]\nid = \"a\"\n", &whole()).unwrap();
        assert!(
            made.starts_with("[[device]]\nid = \"a\"\n") && made.contains("[gateway]\nname = "),
            "{made}"
        );
        let elsewhere = GatewayChange {
            location: Some(GatewayPlace { latitude: 1.5, longitude: 2.5 }),
            ..GatewayChange::default()
        };
        let text = "[gateway.location]\nlatitude = 40.4 # north\nlongitude = -3.7\n";
        let expected = "[gateway.location]\nlatitude = 1.5 # north\nlongitude = 2.5\n";
        assert_eq!(with_gateway(text, &elsewhere).unwrap(), expected);
    }

    #[test]
    fn a_text_that_cannot_be_read_is_left_alone() {
        assert!(with_gateway("gateway = 5\n", &whole()).unwrap_err().contains("not a table"));
        assert!(with_gateway("[gateway\n", &whole()).unwrap_err().contains("not written as TOML"));
    }
}
