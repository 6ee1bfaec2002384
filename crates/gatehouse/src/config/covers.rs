//! Blinds, shutters, awnings and gates: `driver = "cover"`.

use std::time::Duration;

use gatehouse_board::config::CoverConfig;
use gatehouse_control::interlock::DEAD_TIME;

use super::outputs::interlock;
use super::pins::{self, ACTIVE_LEVELS};
use super::places::Places;
use super::problems::Findings;
use super::section::Section;
use super::terms::class;

/// How long the whole way can take: below a second the place could not be told, and no motor of a house runs longer.
const TRAVEL_LIMITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// How much longer a relay may be on at the ends.
const OVERRUN_LIMITS: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(30));

/// Time between the two ways.
const DEAD_TIME_LIMITS: (Duration, Duration) = (DEAD_TIME, Duration::from_secs(60));

/// Home Assistant's device classes for covers (<https://www.home-assistant.io/integrations/cover/#device-class>).
const COVER_CLASSES: [&str; 10] =
    ["awning", "blind", "curtain", "damper", "door", "garage", "gate", "shade", "shutter", "window"];

/// A cover with a relay for each way.
pub(super) fn read(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<CoverConfig> {
    let open = pins::pin(section, "open_pin", places, findings);
    let close = pins::pin(section, "close_pin", places, findings);
    let active = section.choice("active", &ACTIVE_LEVELS, findings);
    let open_time = travel(section, "open_time", findings);
    let close_time = travel(section, "close_time", findings);
    let overrun = section.duration_within("overrun", OVERRUN_LIMITS, "2s", findings);
    let dead_time = section.duration_within("dead_time", DEAD_TIME_LIMITS, "500ms", findings);
    for key in ["safe", "max_on"] {
        if let Some(found) = section.item(key) {
            let what =
                format!("a cover has no `{key}`: both relays off is safe, and its travel times limit them");
            findings.push(section.error(found.span, what, "remove it"));
        }
    }
    let group = interlock(section, places, findings);
    let class = class(section, "shutter", &COVER_CLASSES, findings);
    let default = CoverConfig::at(open?, close?, open_time?);
    Some(CoverConfig {
        active: active.unwrap_or(default.active),
        close_time: close_time?,
        overrun: overrun.unwrap_or(default.overrun),
        dead_time: dead_time.unwrap_or(default.dead_time),
        interlock: group,
        class,
        ..default
    })
}

/// The time of the whole way is mandatory: it is how long a relay may be on.
fn travel(section: &mut Section<'_>, key: &'static str, findings: &mut Findings) -> Option<Duration> {
    if section.item(key).is_none() {
        let hint = format!("measure how long the whole way takes, and write it: {key} = \"25s\"");
        findings.push(section.missing(key, hint));
        return None;
    }
    section.duration_within(key, TRAVEL_LIMITS, "25s", findings)
}
