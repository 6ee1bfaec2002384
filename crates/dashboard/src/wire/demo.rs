//! What can be done to the simulated house.

use serde::Deserialize;
use ts_rs::TS;
use utoipa::ToSchema;

/// What is the matter with a device of the simulated house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(rename = "DemoFault")]
#[schema(as = DemoFault)]
pub enum DemoFaultWord {
    /// Nothing any more.
    None,
    /// A sensor is unplugged.
    Vanished,
    /// A chip holds its bus, and with it all others there.
    StuckBus,
    /// What it sends arrives with a wrong bit: sensors with a checksum notice, others give a value that is a little off.
    Crc,
    /// Another chip answers at its address.
    WrongId,
    /// It answers slowly.
    Slow,
    /// Its pin keeps the voltage that it has.
    StuckPin,
}

/// Lets something go wrong with a device of the simulated house; what was wrong before is put right first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct DemoFaultRequest {
    /// Id of the device.
    pub device: String,
    /// What is the matter with it.
    pub fault: DemoFaultWord,
    /// How long each transfer takes at `slow`, in milliseconds: 1000 when nothing is said, at most 10000.
    #[serde(default)]
    #[ts(optional)]
    pub milliseconds: Option<u32>,
}

/// Opens or closes a contact of the simulated house, presses or lets go of a button, lets a motion sensor see or lose
/// somebody, turns a knob, or holds a thermometer in a hand: one of `on`, `turn` and `warm`.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct DemoInputRequest {
    /// Id of the device; with `warm` also the number of a thermometer on 1-Wire that nobody uses.
    pub device: String,
    /// Whether it is on; of a contact: open.
    #[serde(default)]
    #[ts(optional)]
    pub on: Option<bool>,
    /// By how many detents the knob is turned, counter-clockwise when negative; at most 100 at a time.
    #[serde(default)]
    #[ts(optional)]
    pub turn: Option<i32>,
    /// By about how many degrees a hand warms a thermometer on 1-Wire, or cools it when negative; at most 40.
    #[serde(default)]
    #[ts(optional)]
    pub warm: Option<f64>,
}
