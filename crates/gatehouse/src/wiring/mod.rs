//! The joints between rooms: each of these turns what one room offers into what another asks for.

mod aliases;
mod board;
mod charts;
mod clock;
mod commands;
mod demo;
mod diary;
mod figures;
mod found;
mod guard;
mod login;
mod mqtt_door;
mod outbox;
mod revocation;
mod signs;
mod told;
mod warnings;

pub(crate) use aliases::serve_aliases;
pub(crate) use board::{BoardView, catalogue_entries};
pub(crate) use charts::RecordedCharts;
pub(crate) use clock::{clock_trust, history_clock};
pub(crate) use commands::PageCommands;
pub(crate) use demo::Playground;
pub(crate) use figures::RoomFigures;
pub(crate) use found::tell_found;
pub(crate) use guard::DoorGuard;
pub(crate) use login::AccountLogins;
pub(crate) use mqtt_door::WebDoor;
pub(crate) use outbox::carry;
pub(crate) use revocation::enforce_changes;
pub(crate) use signs::hear;
pub(crate) use told::tell_recording;
pub(crate) use warnings::show_warnings;
