//! Where devices get in each other's way: the same id, the same pin, interlocks that do not work out.

use std::collections::BTreeMap;
use std::ops::Range;

use gatehouse_board::catalogue::Kind;
use gatehouse_board::config::{ChipPlace, KernelDevice, LineNumber, Pin};
use gatehouse_model::{DeviceId, PropertyPath};

use super::bus_pins;
use super::connections::Connection;
use super::nearest::{listed, nearest};
use super::numbering::Numbering;
use super::numbers::Numbers;
use super::places::Places;
use super::problems::{Finding, Findings};
use super::section::Spanned;

/// A device of an interlock group.
struct Member {
    name: String,
    word: Range<usize>,
}

/// What the devices so far have taken.
pub(super) struct Conflicts<'t> {
    text: &'t str,
    ids: BTreeMap<DeviceId, usize>,
    pins: BTreeMap<Pin, (String, usize)>,
    /// Those of the header, where buses have theirs.
    header: Vec<(String, Spanned<LineNumber>)>,
    chips: Vec<(ChipPlace, String, usize)>,
    kernel: BTreeMap<KernelDevice, (String, usize)>,
    groups: BTreeMap<String, Vec<Member>>,
    numbers: BTreeMap<DeviceId, Numbers>,
    sources: Vec<(String, Spanned<PropertyPath>)>,
    offers: BTreeMap<DeviceId, Kind>,
    connections: Vec<Connection>,
}

impl<'t> Conflicts<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self {
            text,
            ids: BTreeMap::new(),
            pins: BTreeMap::new(),
            header: Vec::new(),
            chips: Vec::new(),
            kernel: BTreeMap::new(),
            groups: BTreeMap::new(),
            numbers: BTreeMap::new(),
            sources: Vec::new(),
            offers: BTreeMap::new(),
            connections: Vec::new(),
        }
    }

    /// Adds a device, and reports where it takes what another has. `called` is how sentences call it. A device with
    /// mistakes elsewhere counts all the same, so that one mistake does not hide another.
    pub(super) fn add(
        &mut self,
        id: Option<&Spanned<DeviceId>>,
        called: &str,
        places: Places,
        findings: &mut Findings,
    ) {
        self.connections.extend(Connection::all(called, &places));
        if let Some(id) = id {
            self.add_id(id, findings);
            if let Some(numbers) = places.numbers {
                self.numbers.insert(id.value.clone(), numbers);
            }
            if let Some(kind) = places.offers {
                self.offers.insert(id.value.clone(), kind);
            }
        }
        self.sources.extend(places.sources.into_iter().map(|source| (called.to_owned(), source)));
        for pin in &places.pins {
            self.add_pin(pin, called, findings);
            if let (Numbering::Header, Some(line)) = (&places.numbering, pin.value.header_line()) {
                self.header.push((called.to_owned(), Spanned { value: line, span: pin.span.clone() }));
            }
        }
        if let Some(chip) = &places.chip {
            self.add_chip(chip, called, findings);
        }
        if let Some(device) = &places.kernel {
            self.add_kernel(device, called, findings);
        }
        let Some(group) = places.interlock else { return };
        if let Some(safe_on) = places.safe_on {
            let what =
                format!("{called}: outputs of an interlock group are safe when off, and this one when on");
            findings.push(Finding::error(safe_on, what, "write safe = \"off\", or remove `interlock`"));
        }
        let member = Member { name: called.to_owned(), word: group.span };
        self.groups.entry(group.value).or_default().push(member);
    }

    fn add_id(&mut self, id: &Spanned<DeviceId>, findings: &mut Findings) {
        let line = line_of(self.text, id.span.start);
        if let Some(first) = self.ids.get(&id.value) {
            let what = format!("`{}`: this id is already taken by the device at line {first}", id.value);
            findings.push(Finding::error(
                id.span.clone(),
                what,
                "choose another id: each device has topics of its own",
            ));
        } else {
            self.ids.insert(id.value.clone(), line);
        }
    }

    fn add_chip(&mut self, chip: &Spanned<ChipPlace>, called: &str, findings: &mut Findings) {
        if let Some((_, other, at)) = self.chips.iter().find(|(place, _, _)| *place == chip.value) {
            let what = format!("{called}: {} is already used by {other} (line {at})", chip.value);
            let hint = "give one of them another address or bus; two chips cannot share one";
            findings.push(Finding::error(chip.span.clone(), what, hint));
        } else {
            let at = line_of(self.text, chip.span.start);
            self.chips.push((chip.value.clone(), called.to_owned(), at));
        }
    }

    fn add_kernel(&mut self, device: &Spanned<KernelDevice>, called: &str, findings: &mut Findings) {
        if let Some((other, at)) = self.kernel.get(&device.value) {
            let what = format!("{called}: {} is already used by {other} (line {at})", device.value);
            findings.push(Finding::error(device.span.clone(), what, "remove one of the two"));
        } else {
            let at = line_of(self.text, device.span.start);
            self.kernel.insert(device.value.clone(), (called.to_owned(), at));
        }
    }

    fn add_pin(&mut self, pin: &Spanned<Pin>, called: &str, findings: &mut Findings) {
        if let Some((other, at)) = self.pins.get(&pin.value) {
            let what = format!("{called}: {} is already used by {other} (line {at})", pin.value);
            findings.push(Finding::error(pin.span.clone(), what, "choose another pin"));
        } else {
            let at = line_of(self.text, pin.span.start);
            self.pins.insert(pin.value.clone(), (called.to_owned(), at));
        }
    }

    /// Whether a value that a device names is there.
    fn check_source(&self, called: &str, source: &Spanned<PropertyPath>) -> Option<Finding> {
        let PropertyPath { device, property } = &source.value;
        if !self.ids.contains_key(device) {
            let hint = match nearest(device.as_str(), self.ids.keys().map(DeviceId::as_str)) {
                Some(meant) => format!("did you mean \"{meant}/{property}\"?"),
                None => {
                    "write the id of a device and the name of its value: \"kitchen/temperature\"".to_owned()
                }
            };
            let what = format!("{called}: there is no device `{device}`");
            return Some(Finding::error(source.span.clone(), what, hint));
        }
        let known = self.numbers.get(device)?.words()?;
        if known.contains(&property.as_str()) {
            return None;
        }
        let hint = match nearest(property.as_str(), known.iter().copied()) {
            Some(meant) => format!("did you mean \"{device}/{meant}\"?"),
            None if known.is_empty() => "name a device that gives numbers".to_owned(),
            None => format!("its numbers are {}", listed(&known)),
        };
        let what = format!("{called}: `{device}` has no number `{property}`");
        Some(Finding::error(source.span.clone(), what, hint))
    }

    /// Pins that a bus takes at which another device is: the kernel gives such a pin to whoever asks, and the bus is dead
    /// from then on, or the relay chatters with it.
    fn check_buses(&self, findings: &mut Findings) {
        for (called, pin) in &self.header {
            let takes = |(place, _, _): &&(ChipPlace, String, usize)| {
                bus_pins::lines_of(place).0.contains(&pin.value.number())
            };
            if let Some((place, other, at)) = self.chips.iter().find(takes) {
                let bus = bus_pins::lines_of(place).1;
                let what = format!(
                    "{called}: {} belongs to {bus}, where {other} is connected (line {at})",
                    pin.value
                );
                findings.push(Finding::error(pin.span.clone(), what, "choose another pin"));
            }
            let probe = |(device, _): &(&KernelDevice, _)| matches!(device, KernelDevice::OneWire(_));
            if pin.value.number() == bus_pins::ONE_WIRE
                && let Some((_, (other, at))) = self.kernel.iter().find(probe)
            {
                let what = format!(
                    "{called}: {} is where 1-Wire is unless its overlay names another pin, and {other} is on 1-Wire (line {at})",
                    pin.value
                );
                let hint = "choose another pin; or leave it when config.txt says dtoverlay=w1-gpio,gpiopin=… with another number, or the probe is at an adapter";
                findings.push(Finding::warning(pin.span.clone(), what, hint));
            }
        }
    }

    /// Reports what can only be told when all devices are known.
    pub(super) fn finish(self, findings: &mut Findings) {
        self.check_buses(findings);
        let ids: Vec<&str> = self.ids.keys().map(DeviceId::as_str).collect();
        for finding in self.connections.iter().filter_map(|connection| connection.check(&ids, &self.offers)) {
            findings.push(finding);
        }
        for (called, source) in &self.sources {
            if let Some(finding) = self.check_source(called, source) {
                findings.push(finding);
            }
        }
        let words: Vec<&str> = self.groups.keys().map(String::as_str).collect();
        for (group, members) in &self.groups {
            let [only] = members.as_slice() else { continue };
            let others = words.iter().copied().filter(|word| word != group);
            let hint = match nearest(group, others) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!(
                    "write interlock = \"{group}\" at the other outputs of the group too, or remove it here"
                ),
            };
            let what = format!(
                "{} is alone in the interlock group `{group}`, so it is locked against nothing",
                only.name
            );
            findings.push(Finding::warning(only.word.clone(), what, hint));
        }
    }
}

/// The line of a place, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}
