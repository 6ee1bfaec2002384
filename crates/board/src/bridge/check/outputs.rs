//! Whether what is switched can be switched like this.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gatehouse_model::DeviceId;

use crate::config::{
    CoverConfig, DeadMan, DeviceConfig, DriverConfig, Duty, MAX_PWM_PERIOD, MIN_PWM_PERIOD, OutputConfig,
    OutputKind, SERVO_PERIOD, Source,
};

/// Every problem of outputs and covers, as sentences.
pub(super) fn problems(devices: &[DeviceConfig], problems: &mut Vec<String>) {
    let ids: BTreeSet<&DeviceId> = devices.iter().map(|device| &device.id).collect();
    for device in devices {
        let found = match &device.driver {
            DriverConfig::Output(output) => output_problems(output, &ids),
            DriverConfig::Cover(cover) => cover_problems(cover),
            _ => Vec::new(),
        };
        problems.extend(found.into_iter().map(|problem| format!("`{}`: {problem}", device.id)));
    }
    interlocks(devices, problems);
}

fn output_problems(output: &OutputConfig, ids: &BTreeSet<&DeviceId>) -> Vec<String> {
    let mut found = Vec::new();
    if output.max_on == Some(Duration::ZERO) {
        found.push("max_on is zero, so it could never be used".to_owned());
    }
    if output.max_on.is_some_and(|max_on| max_on < output.min_on) {
        found.push("min_on is longer than max_on".to_owned());
    }
    match output.kind {
        OutputKind::Switch if output.safe != Duty::OFF && output.safe != Duty::FULL => {
            found.push("a switch is safe when off or on, and has no level between".to_owned());
        }
        OutputKind::Switch => {}
        OutputKind::Pwm { period } if !(MIN_PWM_PERIOD..=MAX_PWM_PERIOD).contains(&period) => {
            found.push("the period of its PWM is not between 10 µs and 60 s".to_owned());
        }
        OutputKind::Pwm { .. } => {}
        OutputKind::Servo { angles: (least, most), pulses: (short, long) } => {
            if !(least.is_finite() && most.is_finite() && least < most) {
                found.push("its least angle is not below its greatest".to_owned());
            }
            if short.is_zero() || short >= long || long >= SERVO_PERIOD {
                found.push("the pulses of a servo go from a short to a long one below 20 ms".to_owned());
            }
            if output.interlock.is_some() {
                found.push("a servo is never off, so it can be in no interlock".to_owned());
            }
        }
    }
    if let Some(effect) = &output.effect {
        if !effect.change.is_finite() || effect.change == 0.0 {
            found.push("its effect is no change: say by how much the value rises or falls".to_owned());
        }
        if !ids.contains(&effect.sensor.device) {
            found.push(format!("its effect names `{}`, and there is no such device", effect.sensor.device));
        }
    }
    if let Some(DeadMan { source: Source::Sensor(path), .. }) = &output.dead_man
        && !ids.contains(&path.device)
    {
        found.push(format!("its dead_man names `{}`, and there is no such device", path.device));
    }
    found
}

fn cover_problems(cover: &CoverConfig) -> Vec<String> {
    let mut found = Vec::new();
    if cover.open == cover.close {
        found.push("one line cannot open and close it".to_owned());
    }
    if cover.open_time.is_zero() || cover.close_time.is_zero() {
        found.push("its way takes no time, so its place could not be known".to_owned());
    }
    found
}

/// The group of a device, and whether it is safe when on.
fn group_of(device: &DeviceConfig) -> Option<(&str, bool)> {
    match &device.driver {
        DriverConfig::Output(output) => Some((output.interlock.as_deref()?, output.safe.is_on())),
        DriverConfig::Cover(cover) => Some((cover.interlock.as_deref()?, false)),
        _ => None,
    }
}

fn interlocks(devices: &[DeviceConfig], problems: &mut Vec<String>) {
    let mut groups: BTreeMap<&str, Vec<(&DeviceId, bool)>> = BTreeMap::new();
    for device in devices {
        if let Some((group, safe_on)) = group_of(device) {
            groups.entry(group).or_default().push((&device.id, safe_on));
        }
    }
    for (group, members) in groups {
        if let Some((id, _)) = members.iter().find(|(_, safe_on)| *safe_on) {
            problems.push(format!(
                "`{id}` is in the interlock `{group}` but its safe state is on: interlocked outputs are safe when off"
            ));
        }
    }
}
