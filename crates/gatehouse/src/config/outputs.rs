//! What is switched: `driver = "output"`, `"pwm"` and `"servo"`.

use std::ops::Range;
use std::time::Duration;

use gatehouse_board::config::{
    DEFAULT_PWM_PERIOD, DEFAULT_SERVO_PULSES, DeadMan, Duty, Effect, MAX_PWM_PERIOD, MIN_PWM_PERIOD,
    OutputConfig, OutputKind, PowerOn, SERVO_PERIOD, Scale, Source,
};
use gatehouse_control::interlock::DEAD_TIME;
use gatehouse_control::outputs::{LAST_WITHIN, MAX_RAMP};
use gatehouse_model::{PropertyPath, TopicFilter};

use super::pins::{self, ACTIVE_LEVELS};
use super::places::Places;
use super::problems::Findings;
use super::section::{Section, Spanned};
use super::terms::class;

/// Longest of an output's times.
const LONGEST_OUTPUT_TIME: Duration = Duration::from_secs(366 * 24 * 3600);

/// Longest dead time between two outputs of a group.
const LONGEST_DEAD_TIME: Duration = Duration::from_secs(600);

/// How old the last change may be at most for an output that comes up as it was.
const LAST_LIMITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));

/// How long a source may be silent.
const SILENCE_LIMITS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(24 * 3600));

/// In what time an effect must show.
const EFFECT_LIMITS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(24 * 3600));

/// Time between two commands, on average.
const COMMAND_LIMITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(3600));

/// What is switched; the page draws its symbol after it.
const OUTPUT_CLASSES: [&str; 10] =
    ["fan", "heat", "light", "lock", "outlet", "pump", "siren", "switch", "valve", "water-heater"];

const LEVELS: [(&str, Duty); 2] = [("off", Duty::OFF), ("on", Duty::FULL)];

/// A relay or another thing that is on or off.
pub(super) fn switch(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<OutputConfig> {
    let safe = mandatory_safe(section, "safe = \"off\"", findings)
        .and_then(|()| section.choice("safe", &LEVELS, findings));
    let output = common(section, OutputKind::Switch, safe, places, findings);
    let holds_over_upgrade = upgrade(section, output.as_ref(), findings);
    Some(OutputConfig { holds_over_upgrade, ..output? })
}

/// `upgrade = "hold"`: only what a line of the header does, for which nobody but time has to be asked.
fn upgrade(section: &mut Section<'_>, output: Option<&OutputConfig>, findings: &mut Findings) -> bool {
    let holds = section.choice("upgrade", &[("safe", false), ("hold", true)], findings).unwrap_or_default();
    let (true, Some(output)) = (holds, output) else { return holds };
    let obstacle = if output.pin.header_line().is_none() {
        "the line of an expander"
    } else if output.dead_man.is_some() {
        "an output with a `dead_man`: nobody would hear it"
    } else if output.interlock.is_some() {
        "an output with an `interlock`: nobody would look after the others"
    } else {
        return true;
    };
    let span = section.item("upgrade").map_or_else(|| section.span.clone(), |found| found.span);
    let what = format!("`upgrade` = \"hold\" is not for {obstacle} while the gateway is replaced");
    findings.push(section.error(span, what, "write upgrade = \"safe\", or remove it"));
    false
}

/// A lamp, a fan or another thing with levels.
pub(super) fn pwm(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<OutputConfig> {
    let safe = mandatory_safe(section, "safe = \"off\"", findings)
        .and_then(|()| number_or_word(section, "safe", Scale::Percent, findings));
    let period = match section.number("frequency", "500", findings) {
        Some(frequency) => period_of(section, &frequency, findings)?,
        None => section
            .duration_within("period", (Duration::from_millis(1), MAX_PWM_PERIOD), "10s", findings)
            .unwrap_or(DEFAULT_PWM_PERIOD),
    };
    let ramp = section.duration_within("ramp", (Duration::ZERO, MAX_RAMP), "2s", findings);
    let output = common(section, OutputKind::Pwm { period }, safe, places, findings)?;
    Some(OutputConfig { ramp: ramp.unwrap_or_default(), ..output })
}

fn period_of(section: &Section<'_>, frequency: &Spanned<f64>, findings: &mut Findings) -> Option<Duration> {
    let period = Duration::try_from_secs_f64(1.0 / frequency.value).ok();
    let period = period.filter(|period| (MIN_PWM_PERIOD..=MAX_PWM_PERIOD).contains(period));
    if period.is_none() {
        let hint = "write it in Hz, up to 100000: frequency = 500; for a heater, write period = \"10s\"";
        findings.push(section.error(frequency.span.clone(), "`frequency` cannot be that", hint));
    }
    period
}

/// A servo.
pub(super) fn servo(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<OutputConfig> {
    let angles = pair(section, "angles", (0.0, 180.0), "[0, 180]", findings)?;
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    let default = (micros(DEFAULT_SERVO_PULSES.0), micros(DEFAULT_SERVO_PULSES.1));
    let pulses = pair(section, "pulses", default, "[1000, 2000]", findings)?;
    if pulses.0 <= 0.0 || pulses.1 >= micros(SERVO_PERIOD) {
        let span = section.item("pulses").map_or_else(|| section.span.clone(), |found| found.span);
        let hint = "write the pulses at both ends in microseconds: pulses = [1000, 2000]";
        findings.push(section.error(span, "`pulses` must lie between 0 and 20000 µs", hint));
        return None;
    }
    let pulses = (Duration::from_secs_f64(pulses.0 / 1e6), Duration::from_secs_f64(pulses.1 / 1e6));
    let kind = OutputKind::Servo { angles, pulses };
    let safe = mandatory_safe(section, "safe = 90", findings)
        .and_then(|()| number_or_word(section, "safe", kind.scale(), findings));
    let ramp = section.duration_within("ramp", (Duration::ZERO, MAX_RAMP), "2s", findings);
    let output = common(section, kind, safe, places, findings)?;
    Some(OutputConfig { ramp: ramp.unwrap_or_default(), ..output })
}

/// Two numbers, the smaller first.
fn pair(
    section: &mut Section<'_>,
    key: &'static str,
    default: (f64, f64),
    example: &str,
    findings: &mut Findings,
) -> Option<(f64, f64)> {
    let Some(found) = section.item(key) else { return Some(default) };
    #[expect(
        clippy::cast_precision_loss,
        reason = "settings are small numbers; a larger one is only rounded"
    )]
    let number = |value: &toml_edit::Value| {
        value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64)).filter(|it| it.is_finite())
    };
    let numbers: Option<Vec<f64>> = found.value.as_array().and_then(|list| list.iter().map(number).collect());
    match numbers.as_deref() {
        Some([least, most]) if least < most => Some((*least, *most)),
        _ => {
            let hint = format!("write two numbers, the smaller first: {key} = {example}");
            findings.push(section.error(found.span, format!("`{key}` is not a range"), hint));
            None
        }
    }
}

/// What all outputs have in common.
fn common(
    section: &mut Section<'_>,
    kind: OutputKind,
    safe: Option<Duty>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<OutputConfig> {
    let pin = pins::pin(section, "pin", places, findings);
    let active = section.choice("active", &ACTIVE_LEVELS, findings);
    let longest = max_on(section, findings);
    let is_servo = kind.scale().is_angle();
    let limits = (Duration::ZERO, LONGEST_OUTPUT_TIME);
    let (mut min_on, mut min_off, mut group) = (Duration::ZERO, Duration::ZERO, None);
    let mut dead_time = DEAD_TIME;
    if !is_servo {
        min_on = section.duration_within("min_on", limits, "1m", findings).unwrap_or_default();
        min_off = section.duration_within("min_off", limits, "3m", findings).unwrap_or_default();
        group = interlock(section, places, findings);
        let limits = (DEAD_TIME, LONGEST_DEAD_TIME);
        dead_time = section.duration_within("dead_time", limits, "1s", findings).unwrap_or(DEAD_TIME);
    }
    let is_safe_on = safe.is_some_and(Duty::is_on);
    // Away from a safe state that is on means off, so the other shortest time is the one that must fit.
    let (key, away_at_least) = if is_safe_on { ("min_off", min_off) } else { ("min_on", min_on) };
    if let Some(Some(longest)) = longest
        && away_at_least > longest
    {
        let span = section.item(key).map_or_else(|| section.span.clone(), |found| found.span);
        let hint = "make it shorter, or `max_on` longer: both cannot hold";
        findings.push(section.error(span, format!("`{key}` is longer than `max_on`"), hint));
    }
    if is_safe_on {
        places.safe_on = section.item("safe").map(|found| found.span);
    }
    let power_on = power_on(section, is_servo, findings);
    let dead_man = dead_man(section, places, findings);
    let effect = effect(section, places, findings);
    let command_every = section.duration_within("command_every", COMMAND_LIMITS, "250ms", findings);
    let class = class(section, "heat", &OUTPUT_CLASSES, findings);
    let default = OutputConfig::at(pin?);
    Some(OutputConfig {
        active: active.unwrap_or(default.active),
        kind,
        safe: safe?,
        max_on: longest?,
        min_on,
        min_off,
        interlock: group,
        dead_time,
        power_on,
        dead_man,
        effect,
        command_every: command_every.unwrap_or(default.command_every),
        class,
        ..default
    })
}

/// `safe` is mandatory: only the owner knows what is safe.
fn mandatory_safe(section: &mut Section<'_>, example: &str, findings: &mut Findings) -> Option<()> {
    if section.item("safe").is_some() {
        return Some(());
    }
    let hint = format!("say which state it takes at start, at stop and when something is wrong: {example}");
    findings.push(section.missing("safe", hint));
    None
}

/// A level: a number of the scale, or off and on where it has those.
fn number_or_word(
    section: &mut Section<'_>,
    key: &'static str,
    scale: Scale,
    findings: &mut Findings,
) -> Option<Duty> {
    let is_text = section.item(key).is_some_and(|found| found.value.as_str().is_some());
    if is_text && !scale.is_angle() {
        return section.choice(key, &LEVELS, findings);
    }
    let (least, most) = scale.ends();
    let number = section.number(key, &least.to_string(), findings)?;
    let level = scale.level(number.value);
    if level.is_none() {
        let what = format!("`{key}` is not between {least} and {most} {}", scale.unit());
        let hint = format!("write a number from {least} to {most}: {key} = {least}");
        findings.push(section.error(number.span, what, hint));
    }
    level
}

/// `max_on` is mandatory, so that nobody forgets it. The inner nothing is the owner's `"unlimited"`.
fn max_on(section: &mut Section<'_>, findings: &mut Findings) -> Option<Option<Duration>> {
    let Some(found) = section.item("max_on") else {
        let hint = "say how long it may be on in one go: max_on = \"2h\", or \"unlimited\"";
        findings.push(section.missing("max_on", hint));
        return None;
    };
    if found.value.as_str() == Some("unlimited") {
        let what = "`max_on` is unlimited: whatever switches it on and then goes away leaves it on for ever";
        findings.push(section.warning(
            found.span,
            what,
            "if there is a longest time that makes sense, write it: max_on = \"2h\"",
        ));
        return Some(None);
    }
    let longest = section.duration("max_on", "2h", findings)?;
    if longest.value.is_zero() || longest.value > LONGEST_OUTPUT_TIME {
        let what = if longest.value.is_zero() {
            "`max_on` is zero, so it could never be used"
        } else {
            "`max_on` is longer than a year"
        };
        let hint = "write how long it may be on in one go: max_on = \"2h\", or \"unlimited\"";
        findings.push(section.error(longest.span, what, hint));
        return None;
    }
    Some(Some(longest.value))
}

/// Longest word of an interlock group, in characters.
const MAX_GROUP_CHARACTERS: usize = 32;

/// The word of an interlock group.
pub(super) fn interlock(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<String> {
    let group = section.text("interlock", "heating", findings)?;
    let is_word = !group.value.is_empty()
        && group.value.chars().count() <= MAX_GROUP_CHARACTERS
        && !group.value.chars().any(char::is_whitespace);
    if !is_word {
        let hint = "write one word, the same at each output of the group: interlock = \"heating\"";
        findings.push(section.error(group.span, "`interlock` is not the name of a group", hint));
        return None;
    }
    places.interlock = Some(group.clone().map(str::to_owned));
    Some(group.value.to_owned())
}

#[derive(Clone, Copy, PartialEq)]
enum PowerOnWord {
    Safe,
    Last,
    On,
}

fn power_on(section: &mut Section<'_>, is_servo: bool, findings: &mut Findings) -> PowerOn {
    let words = [("safe", PowerOnWord::Safe), ("last", PowerOnWord::Last), ("on", PowerOnWord::On)];
    let words = if is_servo { &words[..2] } else { &words };
    let word = section.choice("power_on", words, findings);
    let within = section.item("last_within").map(|found| found.span);
    let last_within = section.duration_within("last_within", LAST_LIMITS, "15m", findings);
    if let Some(span) = within
        && word != Some(PowerOnWord::Last)
    {
        let hint = "write power_on = \"last\" with it, or remove it";
        findings.push(section.error(span, "`last_within` belongs to `power_on` = \"last\"", hint));
    }
    match word {
        None | Some(PowerOnWord::Safe) => PowerOn::Safe,
        Some(PowerOnWord::On) => PowerOn::On,
        Some(PowerOnWord::Last) => PowerOn::Last(last_within.unwrap_or(LAST_WITHIN)),
    }
}

const DEAD_MAN_HINT: &str = "write whom it hears, and for how long it may be silent: dead_man = { topic = \"home/thermostat/alive\", within = \"5m\" }";

/// `dead_man = { topic = "…", within = "5m" }`, or `client`, or `sensor`.
fn dead_man(section: &mut Section<'_>, places: &mut Places, findings: &mut Findings) -> Option<DeadMan> {
    let span = section.item("dead_man")?.span;
    let mut inner = section.table("dead_man", findings)?;
    let topic = inner.text("topic", "home/thermostat/alive", findings);
    let client = inner.text("client", "thermostat", findings);
    let sensor = inner.text("sensor", "kitchen/temperature", findings);
    if inner.item("within").is_none() {
        findings.push(inner.error(span.clone(), "`dead_man`: `within` is missing", DEAD_MAN_HINT));
    }
    let within = inner.duration_within("within", SILENCE_LIMITS, "5m", findings);
    inner.finish("a dead-man", findings);
    let source = match (topic, client, sensor) {
        (Some(topic), None, None) => match TopicFilter::new(topic.value) {
            Ok(_) => Source::Topic(topic.value.into()),
            Err(problem) => {
                let what = format!("`dead_man`: `{}`: {problem}", topic.value);
                findings.push(section.error(topic.span, what, DEAD_MAN_HINT));
                return None;
            }
        },
        (None, Some(client), None) if !client.value.is_empty() => Source::Client(client.value.into()),
        (None, None, Some(sensor)) => Source::Sensor(path(section, "dead_man", &sensor, places, findings)?),
        _ => {
            let what = "`dead_man` needs one of `topic`, `client` and `sensor`";
            findings.push(section.error(span, what, DEAD_MAN_HINT));
            return None;
        }
    };
    Some(DeadMan { source, within: within? })
}

fn path(
    section: &Section<'_>,
    key: &str,
    text: &Spanned<&str>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<PropertyPath> {
    match text.value.parse::<PropertyPath>() {
        Ok(path) => {
            places.sources.push(Spanned { value: path.clone(), span: text.span.clone() });
            Some(path)
        }
        Err(problem) => {
            let hint = "write a device and its value: \"living-room/temperature\"";
            findings.push(section.error(text.span.clone(), format!("`{key}`: {problem}"), hint));
            None
        }
    }
}

const EFFECT_HINT: &str = "write what it must bring about: effect = { sensor = \"living-room/temperature\", rises = 0.5, within = \"30m\" }";

const THEN: [(&str, bool); 2] = [("safe", true), ("warn", false)];

/// `effect = { sensor = "…", rises = 0.5, within = "30m" }`, or `falls`; `then = "warn"` leaves it on.
fn effect(section: &mut Section<'_>, places: &mut Places, findings: &mut Findings) -> Option<Effect> {
    let span = section.item("effect")?.span;
    let mut inner = section.table("effect", findings)?;
    let sensor = inner.text("sensor", "living-room/temperature", findings);
    let rises = inner.number("rises", "0.5", findings);
    let falls = inner.number("falls", "0.5", findings);
    let within = inner.duration_within("within", EFFECT_LIMITS, "30m", findings);
    let goes_safe = inner.choice("then", &THEN, findings).unwrap_or(true);
    let missing: Vec<&str> =
        ["sensor", "within"].into_iter().filter(|key| inner.item(key).is_none()).collect();
    inner.finish("an effect", findings);
    let mut complain = |span: Range<usize>, what: String| {
        findings.push(section.error(span, what, EFFECT_HINT));
    };
    for key in missing {
        complain(span.clone(), format!("`effect`: `{key}` is missing"));
    }
    let change = match (rises, falls) {
        (Some(rises), None) if rises.value > 0.0 => Some(rises.value),
        (None, Some(falls)) if falls.value > 0.0 => Some(-falls.value),
        _ => {
            complain(span, "`effect` needs either `rises` or `falls`, more than zero".to_owned());
            None
        }
    };
    let sensor = path(section, "effect", &sensor?, places, findings)?;
    Some(Effect { sensor, change: change?, within: within?, goes_safe })
}
