//! The gateway itself: its name, its topics, its addresses.

use std::net::SocketAddr;

use gatehouse_model::Scheme;

use super::problems::Findings;
use super::section::Section;
use super::{Gateway, Location};

/// The name and the base topic of a gateway whose configuration gives none.
const DEFAULT_NAME: &str = "Gatehouse";
const DEFAULT_BASE: &str = "home";

/// `[gateway]`. Nothing when something in it cannot be used.
pub(super) fn read(section: Option<Section<'_>>, findings: &mut Findings) -> Option<Gateway> {
    let Some(mut section) = section else {
        let scheme = Scheme::new(DEFAULT_BASE).ok()?;
        return Some(Gateway { name: DEFAULT_NAME.to_owned(), scheme, time_zone: None, location: None });
    };
    let name = section.name("name", "Casa", findings).unwrap_or_else(|| DEFAULT_NAME.to_owned());
    let scheme = scheme(&mut section, findings);
    let time_zone = time_zone(&mut section, findings);
    let location = section.table("location", findings).and_then(|section| location(section, findings));
    section.finish("[gateway]", findings);
    Some(Gateway { name, scheme: scheme?, time_zone, location })
}

fn scheme(section: &mut Section<'_>, findings: &mut Findings) -> Option<Scheme> {
    let Some(base) = section.text("base", DEFAULT_BASE, findings) else {
        return Scheme::new(DEFAULT_BASE).ok();
    };
    let hint = "write the first levels of all topics: base = \"home\", or base = \"home/garage\"";
    let complaint = if base.value.starts_with('$') {
        "topics that begin with `$` belong to the broker itself".to_owned()
    } else if base.value.split('/').any(|level| level.trim() != level || level.is_empty())
        && !base.value.is_empty()
    {
        format!("`{}` has a level that is empty or begins or ends with a space", base.value)
    } else if base.value.chars().any(char::is_control) {
        "the base topic contains a character that cannot be shown".to_owned()
    } else {
        match Scheme::new(base.value) {
            Ok(scheme) => return Some(scheme),
            Err(problem) => format!("`{}` cannot be the base topic: {problem}", base.value),
        }
    };
    findings.push(section.error(base.span, complaint, hint));
    None
}

/// Time zones are looked up when they are needed; here only the form is checked, so that a configuration is good or bad
/// on every machine alike.
fn time_zone(section: &mut Section<'_>, findings: &mut Findings) -> Option<String> {
    let zone = section.text("time_zone", "Europe/Madrid", findings)?;
    let is_plain = |level: &str| {
        !level.is_empty()
            && level.chars().all(|character| character.is_ascii_alphanumeric() || "_+-".contains(character))
    };
    if zone.value.split('/').all(is_plain) {
        return Some(zone.value.to_owned());
    }
    let hint = "write it as the time zone database does: time_zone = \"Europe/Madrid\", or \"UTC\"";
    findings.push(section.error(zone.span, format!("`{}` is not the name of a time zone", zone.value), hint));
    None
}

fn location(mut section: Section<'_>, findings: &mut Findings) -> Option<Location> {
    let latitude = degrees(&mut section, "latitude", 90.0, "40.4", findings);
    let longitude = degrees(&mut section, "longitude", 180.0, "-3.7", findings);
    section.finish("location", findings);
    Some(Location { latitude: latitude?, longitude: longitude? })
}

fn degrees(
    section: &mut Section<'_>,
    key: &'static str,
    most: f64,
    example: &str,
    findings: &mut Findings,
) -> Option<f64> {
    let hint = format!("write degrees from -{most} to {most}: {key} = {example}");
    if section.item(key).is_none() {
        findings.push(section.missing(key, hint));
        return None;
    }
    let number = section.number(key, example, findings)?;
    if number.value.abs() <= most {
        return Some(number.value);
    }
    findings.push(section.error(number.span, format!("`{key}` is not on Earth"), hint));
    None
}

/// `[http]` and `[mqtt]`: the address, and whether somebody asked for just that.
pub(super) fn listen(
    section: Option<Section<'_>>,
    table: &str,
    default: SocketAddr,
    findings: &mut Findings,
) -> (SocketAddr, bool) {
    let Some(mut section) = section else { return (default, false) };
    let asked = section.item("listen").is_some();
    let address = section.address("listen", default, findings);
    section.finish(table, findings);
    (address.unwrap_or(default), asked)
}
