//! What the configured devices are in the simulated house: which line heats which room, which contact is a door.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_model::DeviceId;

use crate::config::{
    ActiveLevel, DeviceConfig, DriverConfig, KernelConfig, KernelDevice, LineNumber, Pin, ProbeId,
};

/// What a device does in the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Warms its room while its line is on.
    Heater { room: String },
    /// A contact that bounces, between its room and the outdoors.
    Door { room: String },
    /// A knob whose other contact is at this line.
    Encoder { second: LineNumber, active: ActiveLevel },
    /// The echo of an ultrasonic sensor that is triggered by this line.
    Echo { trigger: LineNumber },
    /// Lights its room while its line is on, or as far as it is.
    Lamp { room: String },
    /// A button that people press.
    Button,
    /// A meter that gives pulses while something flows.
    Meter,
    /// Anything else.
    Other,
}

/// A chip as the house sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedChip {
    /// Its word in the catalogue.
    pub(super) word: &'static str,
    pub(super) room: String,
}

#[derive(Debug)]
struct Wiring {
    line: LineNumber,
    active: ActiveLevel,
    role: Role,
    class: Option<String>,
    is_input: bool,
}

/// An input at a line of an expander.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExpanderInput {
    pub(super) expander: DeviceId,
    pub(super) line: u8,
    pub(super) active: ActiveLevel,
    class: Option<String>,
}

/// The devices with lines, and the rooms.
#[derive(Debug, Default)]
pub(super) struct Plan {
    rooms: BTreeSet<String>,
    wiring: BTreeMap<DeviceId, Wiring>,
    climates: BTreeSet<DeviceId>,
    chips: BTreeMap<DeviceId, PlannedChip>,
    /// 1-Wire thermometers, with their rooms.
    probes: BTreeMap<DeviceId, (ProbeId, String)>,
    /// Inputs at lines of expanders.
    expander_inputs: BTreeMap<DeviceId, ExpanderInput>,
    /// The lines that interrupt outputs of expanders are wired to.
    interrupts: BTreeMap<DeviceId, LineNumber>,
}

/// The simulated room of a device: its room's name, or the device's own id when it stands in none.
pub(super) fn room_of(device: &DeviceConfig) -> String {
    device.room.clone().unwrap_or_else(|| device.id.to_string())
}

impl Plan {
    pub(super) fn of(devices: &[DeviceConfig]) -> Self {
        let mut plan = Self::default();
        for device in devices {
            let room = room_of(device);
            let wiring = match &device.driver {
                DriverConfig::Kernel(KernelConfig { device: KernelDevice::OneWire(probe), .. }) => {
                    plan.rooms.insert(room.clone());
                    plan.probes.insert(device.id.clone(), (probe.clone(), room));
                    continue;
                }
                DriverConfig::Host(_)
                | DriverConfig::Derived(_)
                | DriverConfig::Kernel(_)
                | DriverConfig::Stream(_)
                | DriverConfig::Cover(_) => continue,
                DriverConfig::SimulatedClimate(_) => {
                    plan.rooms.insert(room);
                    plan.climates.insert(device.id.clone());
                    continue;
                }
                DriverConfig::Chip(chip) => {
                    plan.rooms.insert(room.clone());
                    let planned = PlannedChip { word: chip.entry.word, room };
                    plan.chips.insert(device.id.clone(), planned);
                    if let Some(line) = chip.interrupt.as_ref().and_then(Pin::header_line) {
                        plan.interrupts.insert(device.id.clone(), line);
                    }
                    continue;
                }
                DriverConfig::Input(input) => Wiring {
                    line: match &input.pin {
                        Pin::Header(line) => *line,
                        Pin::Expander { device: expander, line } => {
                            let input = ExpanderInput {
                                expander: expander.clone(),
                                line: *line,
                                active: input.active,
                                class: input.class.clone(),
                            };
                            plan.expander_inputs.insert(device.id.clone(), input);
                            continue;
                        }
                    },
                    active: input.active,
                    role: match input.class.as_deref() {
                        Some("door" | "window" | "garage_door" | "opening") => Role::Door { room },
                        _ if input.clicks.is_some() => Role::Button,
                        _ => Role::Other,
                    },
                    class: input.class.clone(),
                    is_input: true,
                },
                DriverConfig::Counter(counter) => {
                    let Some(line) = counter.pin.header_line() else { continue };
                    Wiring { line, active: counter.active, role: Role::Meter, class: None, is_input: true }
                }
                DriverConfig::Encoder(encoder) => {
                    let lines = (encoder.pin.header_line(), encoder.second_pin.header_line());
                    let (Some(line), Some(second)) = lines else { continue };
                    let role = Role::Encoder { second, active: encoder.active };
                    Wiring { line, active: encoder.active, role, class: None, is_input: true }
                }
                DriverConfig::Ultrasonic(sensor) => {
                    let lines = (sensor.echo.header_line(), sensor.trigger.header_line());
                    let (Some(line), Some(trigger)) = lines else { continue };
                    let role = Role::Echo { trigger };
                    Wiring { line, active: ActiveLevel::High, role, class: None, is_input: true }
                }
                DriverConfig::Output(output) => Wiring {
                    line: match output.pin.header_line() {
                        Some(line) => line,
                        None => continue,
                    },
                    active: output.active,
                    role: match output.class.as_deref() {
                        Some("heat") => Role::Heater { room },
                        Some("light") => Role::Lamp { room },
                        _ => Role::Other,
                    },
                    class: output.class.clone(),
                    is_input: false,
                },
            };
            plan.wiring.insert(device.id.clone(), wiring);
        }
        plan
    }

    pub(super) fn rooms(&self) -> Vec<String> {
        self.rooms.iter().cloned().collect()
    }

    pub(super) fn line_of(&self, device: &DeviceId) -> Option<LineNumber> {
        let interrupt = || self.interrupts.get(device).copied();
        self.wiring.get(device).map(|wiring| wiring.line).or_else(interrupt)
    }

    /// The lines that something outside drives.
    pub(super) fn inputs(&self) -> impl Iterator<Item = (LineNumber, ActiveLevel)> {
        let interrupts = self.interrupts.values().map(|line| (*line, ActiveLevel::Low));
        let inputs = self.wiring.values().filter(|wiring| wiring.is_input).flat_map(|wiring| {
            let second = match wiring.role {
                Role::Encoder { second, active } => Some((second, active)),
                Role::Heater { .. }
                | Role::Door { .. }
                | Role::Echo { .. }
                | Role::Lamp { .. }
                | Role::Button
                | Role::Meter
                | Role::Other => None,
            };
            [Some((wiring.line, wiring.active)), second].into_iter().flatten()
        });
        inputs.chain(interrupts)
    }

    /// The two lines of a rotary encoder.
    pub(super) fn encoder(&self, device: &DeviceId) -> Option<(LineNumber, LineNumber)> {
        match self.wiring.get(device) {
            Some(Wiring { line, role: Role::Encoder { second, .. }, .. }) => Some((*line, *second)),
            _ => None,
        }
    }

    /// The ultrasonic sensor that this line triggers, and its echo line.
    pub(super) fn triggered_by(&self, line: LineNumber) -> Option<(DeviceId, LineNumber)> {
        let is_it = |wiring: &&Wiring| matches!(wiring.role, Role::Echo { trigger } if trigger == line);
        let (device, wiring) = self.wiring.iter().find(|(_, wiring)| is_it(wiring))?;
        Some((device.clone(), wiring.line))
    }

    /// The rotary encoders.
    pub(super) fn encoders(&self) -> impl Iterator<Item = &DeviceId> {
        let is_one = |wiring: &Wiring| matches!(wiring.role, Role::Encoder { .. });
        self.wiring.iter().filter(move |(_, wiring)| is_one(wiring)).map(|(device, _)| device)
    }

    /// Inputs of one class, by device.
    pub(super) fn inputs_of_class(&self, class: &str) -> impl Iterator<Item = &DeviceId> {
        let at_header = self
            .wiring
            .iter()
            .filter(move |(_, wiring)| wiring.is_input && wiring.class.as_deref() == Some(class))
            .map(|(device, _)| device);
        let at_expanders = self
            .expander_inputs
            .iter()
            .filter(move |(_, input)| input.class.as_deref() == Some(class))
            .map(|(device, _)| device);
        at_header.chain(at_expanders)
    }

    pub(super) fn input(&self, device: &DeviceId) -> Option<(LineNumber, ActiveLevel, Role)> {
        let wiring = self.wiring.get(device).filter(|wiring| wiring.is_input)?;
        Some((wiring.line, wiring.active, wiring.role.clone()))
    }

    pub(super) fn heated_by(&self, line: LineNumber) -> Option<String> {
        self.wiring.values().find(|wiring| wiring.line == line).and_then(|wiring| match &wiring.role {
            Role::Heater { room } => Some(room.clone()),
            _ => None,
        })
    }

    /// The lines of the lamps in a room.
    pub(super) fn lamps_in<'a>(&'a self, room: &'a str) -> impl Iterator<Item = LineNumber> + 'a {
        self.wiring
            .values()
            .filter(move |wiring| matches!(&wiring.role, Role::Lamp { room: of } if of == room))
            .map(|wiring| wiring.line)
    }

    /// The lines of everything that is switched.
    pub(super) fn outputs(&self) -> impl Iterator<Item = LineNumber> {
        self.wiring.values().filter(|wiring| !wiring.is_input).map(|wiring| wiring.line)
    }

    /// The inputs that are these.
    pub(super) fn inputs_that_are(&self, role: &Role) -> impl Iterator<Item = &DeviceId> {
        self.wiring
            .iter()
            .filter(move |(_, wiring)| wiring.is_input && wiring.role == *role)
            .map(|(device, _)| device)
    }

    /// Whether the device is the climate of a room, without a chip.
    pub(super) fn is_climate(&self, device: &DeviceId) -> bool {
        self.climates.contains(device)
    }

    /// A chip, by its device.
    pub(super) fn chip(&self, device: &DeviceId) -> Option<&PlannedChip> {
        self.chips.get(device)
    }

    /// The 1-Wire thermometers, with their rooms.
    pub(super) fn probes(&self) -> impl Iterator<Item = (&DeviceId, &ProbeId, &str)> {
        self.probes.iter().map(|(device, (probe, room))| (device, probe, room.as_str()))
    }

    /// An input at a line of an expander.
    pub(super) fn expander_input(&self, device: &DeviceId) -> Option<&ExpanderInput> {
        self.expander_inputs.get(device)
    }
}
