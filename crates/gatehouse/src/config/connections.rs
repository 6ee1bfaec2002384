//! Whether what devices are connected through is there: lines of expanders, channels of multiplexers.

use std::collections::BTreeMap;

use gatehouse_board::catalogue::Kind;
use gatehouse_board::config::{ChipPlace, I2cBusName, Pin};
use gatehouse_model::DeviceId;

use super::nearest::nearest;
use super::places::Places;
use super::problems::Finding;
use super::section::Spanned;

/// What a device uses of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Output,
    Input,
    Bus,
}

/// `pin = "porch:3"` or `bus = "mux:3"` of a device.
#[derive(Debug)]
pub(super) struct Connection {
    /// How sentences call the device.
    called: String,
    way: Way,
    /// Through which device.
    through: Spanned<DeviceId>,
    number: u8,
}

impl Connection {
    /// Those of one device.
    pub(super) fn all(called: &str, places: &Places) -> Vec<Self> {
        let way = if places.reads_lines { Way::Input } else { Way::Output };
        let is_chip = matches!(places.offers, Some(Kind::LineExpander { .. }));
        let lines = places.pins.iter().filter_map(|pin| match &pin.value {
            // An interrupt line of an expander goes to the header, which is told where it is read.
            Pin::Expander { device, line } if !is_chip => Some((way, device, *line, pin.span.clone())),
            _ => None,
        });
        let buses = places.chip.iter().filter_map(|chip| match &chip.value {
            ChipPlace::I2c { bus: I2cBusName::Channel { device, channel }, .. } => {
                Some((Way::Bus, device, *channel, places.bus.clone().unwrap_or_else(|| chip.span.clone())))
            }
            _ => None,
        });
        let connection = |(way, device, number, span): (Way, &DeviceId, u8, _)| {
            let through = Spanned { value: device.clone(), span };
            Self { called: called.to_owned(), way, through, number }
        };
        lines.chain(buses).map(connection).collect()
    }

    /// What is wrong with it, among all devices; those that are not among `offers` have a mistake of their own.
    pub(super) fn check(&self, ids: &[&str], offers: &BTreeMap<DeviceId, Kind>) -> Option<Finding> {
        let (called, through, number) = (&self.called, &self.through.value, self.number);
        let (key, word, part, example) = match self.way {
            Way::Bus => ("bus", "multiplexer", "channel", "driver = \"tca9548a\""),
            Way::Input | Way::Output => ("pin", "expander", "line", "driver = \"mcp23017\""),
        };
        let error = |what, hint| Some(Finding::error(self.through.span.clone(), what, hint));
        if !ids.contains(&through.as_str()) {
            let hint = match nearest(through.as_str(), ids.iter().copied()) {
                Some(meant) => format!("did you mean {key} = \"{meant}:{number}\"?"),
                None => format!("add the {word} as a device: id = \"{through}\", {example}"),
            };
            return error(format!("{called}: there is no device `{through}`"), hint);
        }
        let kind = *offers.get(through)?;
        let count = if self.way == Way::Bus { kind.channels() } else { kind.lines() };
        if count == 0 {
            let fitting = |kind: &Kind| if self.way == Way::Bus { kind.channels() } else { kind.lines() } > 0;
            let others = offers.iter().filter(|(_, kind)| fitting(kind)).map(|(id, _)| id.as_str());
            let hint = match nearest(through.as_str(), others) {
                Some(meant) => format!("did you mean {key} = \"{meant}:{number}\"?"),
                None => format!("name a device that is one, as one with {example}"),
            };
            return error(format!("{called}: `{through}` is no {word}"), hint);
        }
        if number >= count {
            let what = format!("{called}: `{through}` has no {part} {number}");
            return error(what, format!("choose one from 0 to {}", count - 1));
        }
        if self.way == Way::Input && matches!(kind, Kind::PwmExpander { .. }) {
            let what = format!("{called}: the lines of `{through}` are outputs only");
            return error(what, "choose a pin of the header, or a line of another expander".to_owned());
        }
        None
    }
}
