//! What is read at lines: contacts and buttons, meters with pulses, knobs, ultrasonic sensors.

use std::time::Duration;

use gatehouse_board::config::{
    ActiveLevel, ClickConfig, CounterConfig, EncoderConfig, InputConfig, Pull, UltrasonicConfig,
};
use gatehouse_control::{Click, Metered};

use super::nearest::{listed, nearest};
use super::pins::{ACTIVE_LEVELS, PULLS, pin};
use super::places::Places;
use super::problems::Findings;
use super::section::{Section, Spanned};
use super::terms::{class, period};

/// Longest debounce: whoever waits longer wants something else.
const LONGEST_DEBOUNCE: Duration = Duration::from_secs(10);

/// Longest time that a change has to last before it counts.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 3_600);

/// Limits of the times of a button: faster than hands are, slower than anybody's patience.
const CLICK_LIMITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(10));

/// Limits of the time over which a rate is averaged.
const WINDOW_LIMITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));

/// Longest counting that a power cut may cost.
const LONGEST_SAVE: Duration = Duration::from_secs(3_600);

/// Temperatures of air that anybody measures a distance in, in °C.
const AIR: (f64, f64) = (-60.0, 90.0);

/// Home Assistant's device classes for binary sensors
/// (<https://www.home-assistant.io/integrations/binary_sensor/#device-class>).
const INPUT_CLASSES: [&str; 29] = [
    "battery",
    "battery_charging",
    "carbon_monoxide",
    "cold",
    "connectivity",
    "door",
    "garage_door",
    "gas",
    "heat",
    "leak",
    "light",
    "lock",
    "moisture",
    "motion",
    "moving",
    "occupancy",
    "opening",
    "plug",
    "power",
    "presence",
    "problem",
    "running",
    "safety",
    "smoke",
    "sound",
    "tamper",
    "update",
    "vibration",
    "window",
];

/// What people call a class, and Home Assistant calls otherwise.
const OTHER_NAMES: [(&str, &str); 1] = [("leak", "moisture")];

/// Pull and active level, which all inputs have.
fn wiring(section: &mut Section<'_>, findings: &mut Findings) -> (Option<Pull>, Option<ActiveLevel>) {
    (section.choice("pull", &PULLS, findings), section.choice("active", &ACTIVE_LEVELS, findings))
}

/// `driver = "input"`.
pub(super) fn input(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<InputConfig> {
    let pin = pin(section, "pin", places, findings);
    let (pull, active) = wiring(section, findings);
    let debounce = section.duration_within("debounce", (Duration::ZERO, LONGEST_DEBOUNCE), "20ms", findings);
    let settle = section.duration_within("settle", (Duration::ZERO, LONGEST_DEBOUNCE), "50ms", findings);
    if let (Some(settle), Some(debounce)) = (settle, debounce)
        && !settle.is_zero()
        && !debounce.is_zero()
        && let Some(found) = section.item("settle")
    {
        let what = "`settle` lets a change through at once, but `debounce` holds it back before";
        findings.push(section.warning(found.span, what, "write only one of the two"));
    }
    let delays = (Duration::ZERO, LONGEST_DELAY);
    let delayed_on = section.duration_within("delayed_on", delays, "1s", findings);
    let delayed_off = section.duration_within("delayed_off", delays, "30s", findings);
    let invert = section.flag("invert", findings);
    let clicks = clicks(section, findings);
    let class = class(section, "door", &INPUT_CLASSES, findings);
    let class = class.map(|word| {
        let known = OTHER_NAMES.iter().find(|(other, _)| *other == word);
        known.map_or(word, |(_, name)| (*name).to_owned())
    });
    let default = InputConfig::at(pin?);
    // Whoever asks for `settle` wants no other wait before it.
    let usual =
        if settle.is_some_and(|settle| !settle.is_zero()) { Duration::ZERO } else { default.debounce };
    Some(InputConfig {
        pull: pull.unwrap_or(default.pull),
        active: active.unwrap_or(default.active),
        debounce: debounce.unwrap_or(usual),
        settle: settle.unwrap_or_default(),
        delayed_on: delayed_on.unwrap_or_default(),
        delayed_off: delayed_off.unwrap_or_default(),
        invert: invert.unwrap_or(false),
        clicks,
        class,
        ..default
    })
}

/// `clicks`, with its times.
fn clicks(section: &mut Section<'_>, findings: &mut Findings) -> Option<ClickConfig> {
    let words = Click::ALL.map(Click::word);
    let hint = format!("write clicks = [\"single\", \"double\"]; they can be {}", listed(&words));
    let wanted = section.texts("clicks", &hint, findings);
    let gap = section.duration_within("click_gap", CLICK_LIMITS, "300ms", findings);
    let long_after = section.duration_within("long_after", CLICK_LIMITS, "600ms", findings);
    let repeat_every = section.duration_within("repeat_every", CLICK_LIMITS, "250ms", findings);
    let Some(wanted) = wanted else {
        for key in ["click_gap", "long_after", "repeat_every"] {
            if let Some(found) = section.item(key) {
                let what = format!("`{key}` is of no use without `clicks`");
                findings.push(section.error(found.span, what, hint.clone()));
            }
        }
        return None;
    };
    let mut events = Vec::new();
    for Spanned { value, span } in wanted {
        match Click::ALL.into_iter().find(|click| click.word() == value) {
            Some(click) if events.contains(&click) => {
                let what = format!("`clicks` has `{value}` twice");
                findings.push(section.error(span, what, "write it once"));
            }
            Some(click) => events.push(click),
            None => {
                let hint = match nearest(value, words) {
                    Some(meant) => format!("did you mean \"{meant}\"?"),
                    None => hint.clone(),
                };
                findings.push(section.error(span, format!("`clicks`: there is no `{value}`"), hint));
            }
        }
    }
    if events.is_empty() {
        if let Some(found) = section
            .item("clicks")
            .filter(|found| found.value.as_array().is_some_and(toml_edit::Array::is_empty))
        {
            findings.push(section.error(found.span, "`clicks` is empty", hint));
        }
        return None;
    }
    let repeats = events.contains(&Click::Repeat);
    if repeats != repeat_every.is_some()
        && let Some(found) = section.item(if repeats { "clicks" } else { "repeat_every" })
    {
        let what = "`repeat_every` and \"repeat\" in `clicks` belong together";
        findings.push(section.error(found.span, what, "write both, or neither"));
    }
    let default = ClickConfig::of(events);
    Some(ClickConfig {
        gap: gap.unwrap_or(default.gap),
        long_after: long_after.unwrap_or(default.long_after),
        repeat_every,
        ..default
    })
}

/// `driver = "counter"`.
pub(super) fn counter(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<CounterConfig> {
    let pin = pin(section, "pin", places, findings);
    let (pull, active) = wiring(section, findings);
    let debounce = section.duration_within("debounce", (Duration::ZERO, LONGEST_DEBOUNCE), "5ms", findings);
    let unit = section.choice("unit", &Metered::ALL, findings);
    let per_pulse = per_pulse(section, unit, findings);
    let reading = section.number("reading", "1234.567", findings);
    let reading = reading.filter(|reading| {
        let pulses = unit.unwrap_or(Metered::Pulses).pulses(reading.value, per_pulse.unwrap_or(1.0));
        if pulses.is_none() {
            let hint = "write what the meter shows: reading = 1234.567";
            findings.push(section.error(
                reading.span.clone(),
                "`reading` is not what a meter can show",
                hint,
            ));
        }
        pulses.is_some()
    });
    let window = section.duration_within("window", WINDOW_LIMITS, "10s", findings);
    let zero_after = section.duration_within("zero_after", (WINDOW_LIMITS.0, LONGEST_DELAY), "5m", findings);
    let every = period(section, findings);
    let save_every = section.duration_within("save_every", (Duration::ZERO, LONGEST_SAVE), "1s", findings);
    let default = CounterConfig::at(pin?);
    Some(CounterConfig {
        pull: pull.unwrap_or(default.pull),
        active: active.unwrap_or(default.active),
        debounce: debounce.unwrap_or(default.debounce),
        unit: unit.unwrap_or(default.unit),
        per_pulse: per_pulse?,
        reading: reading.map(|reading| reading.value),
        window: window.unwrap_or(default.window),
        zero_after: zero_after.unwrap_or(default.zero_after),
        every,
        save_every: save_every.unwrap_or(default.save_every),
        ..default
    })
}

/// What a pulse stands for: `per_pulse`, or `pulses_per_unit` as it is printed on the meter.
fn per_pulse(section: &mut Section<'_>, unit: Option<Metered>, findings: &mut Findings) -> Option<f64> {
    let per_pulse = section.number("per_pulse", "0.001", findings);
    let per_unit = section.number("pulses_per_unit", "1000", findings);
    let is_there = section.item("per_pulse").is_some() || section.item("pulses_per_unit").is_some();
    if let (Some(_), Some(per_unit)) = (&per_pulse, &per_unit) {
        let what = "`per_pulse` and `pulses_per_unit` say the same in two ways";
        findings.push(section.error(per_unit.span.clone(), what, "write only one of the two"));
        return None;
    }
    let inverse = per_unit.is_some();
    let Some(given) = per_pulse.or(per_unit) else {
        if is_there {
            return None;
        }
        if unit.is_some_and(|unit| unit != Metered::Pulses) {
            let hint = "write what is printed on the meter: pulses_per_unit = 1000, or per_pulse = 0.001";
            findings.push(section.missing("pulses_per_unit", hint));
            return None;
        }
        return Some(1.0);
    };
    if given.value <= 0.0 {
        let hint = "write a number greater than zero";
        findings.push(section.error(given.span, "a pulse must stand for something", hint));
        return None;
    }
    Some(if inverse { 1.0 / given.value } else { given.value })
}

/// `driver = "encoder"`.
pub(super) fn encoder(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<EncoderConfig> {
    let first = pin(section, "pin", places, findings);
    let second = pin(section, "second_pin", places, findings);
    let (pull, active) = wiring(section, findings);
    let quarters = section.whole_within("quarters_per_detent", (1, 4), findings).unwrap_or(4);
    if quarters == 3
        && let Some(found) = section.item("quarters_per_detent")
    {
        let what = "no encoder has 3 quarters from one detent to the next";
        findings.push(section.error(found.span, what, "write 4, 2 or 1"));
    }
    let lowest = section.number("lowest", "0", findings);
    let highest = section.number("highest", "100", findings);
    let range = match (lowest, highest) {
        (Some(lowest), Some(highest)) if lowest.value < highest.value => {
            Some((whole(lowest.value), whole(highest.value)))
        }
        (Some(_), Some(highest)) => {
            let what = "`highest` is not above `lowest`";
            findings.push(section.error(highest.span, what, "write the larger number there"));
            None
        }
        (None, None) => None,
        (Some(only), None) | (None, Some(only)) => {
            let hint = "write both: lowest = 0 and highest = 100";
            findings.push(section.error(only.span, "`lowest` and `highest` belong together", hint));
            None
        }
    };
    let default = EncoderConfig::at(first?, second?);
    Some(EncoderConfig {
        pull: pull.unwrap_or(default.pull),
        active: active.unwrap_or(default.active),
        quarters_per_detent: u8::try_from(quarters).unwrap_or(4),
        range,
        ..default
    })
}

#[expect(clippy::cast_possible_truncation, reason = "a cast of a float stops at the ends of the range")]
fn whole(number: f64) -> i64 {
    number.round() as i64
}

/// `driver = "hc-sr04"`.
pub(super) fn ultrasonic(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<UltrasonicConfig> {
    let trigger = pin(section, "trigger", places, findings);
    let echo = pin(section, "echo", places, findings);
    let every = period(section, findings);
    let air = section.number("air_temperature", "20", findings);
    let air = air.filter(|air| {
        let is_possible = (AIR.0..=AIR.1).contains(&air.value);
        if !is_possible {
            let hint = "write the temperature of the air in °C: air_temperature = 20";
            findings.push(section.error(
                air.span.clone(),
                "`air_temperature` is no temperature of air",
                hint,
            ));
        }
        is_possible
    });
    let default = UltrasonicConfig::at(trigger?, echo?);
    Some(UltrasonicConfig { every, air: air.map_or(default.air, |air| air.value), ..default })
}
