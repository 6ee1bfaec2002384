//! What happened in the house, and how its recording is.

use gatehouse_model::Timestamp;
use serde::Serialize;
use ts_rs::TS;
use utoipa::ToSchema;

use super::CauseView;

/// What happened, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct HistoryEvents {
    /// The events.
    pub events: Vec<HistoryEvent>,
    /// There are older ones that were asked for too: those before the `id` of the last event.
    pub more: bool,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct HistoryEvent {
    /// Its number: what was noted later has a larger one.
    pub id: i64,
    /// When it happened (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What kind of thing it is.
    pub kind: EventKindWord,
    /// The device that it is about; null when it is about none.
    #[schema(required = true)]
    pub device: Option<String>,
    /// The property of that device; null when it is about none.
    #[schema(required = true)]
    pub property: Option<String>,
    /// What it is now, in one word or number: `ON`, `offline`, `single`, `start`.
    #[schema(required = true)]
    pub value: Option<String>,
    /// A sentence for people, where the value is not enough.
    #[schema(required = true)]
    pub sentence: Option<String>,
    /// Who or what was nearest to it, for people.
    #[schema(required = true)]
    pub who: Option<String>,
    /// Why, with the chain behind it; null when nobody said.
    #[schema(required = true)]
    pub cause: Option<CauseView>,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "EventKind")]
#[schema(as = EventKind)]
pub enum EventKindWord {
    /// An output changed.
    Switched,
    /// A command was refused.
    Refused,
    /// Something is wrong with a device, or that is over.
    Alert,
    /// A device went away or came back.
    Availability,
    /// A button was pressed.
    Press,
    /// The gateway itself: start, stop, outage, clock, damage.
    Gateway,
}

impl EventKindWord {
    /// All of them, with their words.
    pub const ALL: [(&'static str, Self); 6] = [
        ("switched", Self::Switched),
        ("refused", Self::Refused),
        ("alert", Self::Alert),
        ("availability", Self::Availability),
        ("press", Self::Press),
        ("gateway", Self::Gateway),
    ];
}

/// How the recording is: size, pace, troubles. Counts are since the gateway started.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct HistoryStatus {
    /// Bytes on the disk: the database with its log.
    pub file_bytes: u64,
    /// Bytes written to the disk, about.
    pub bytes_written: u64,
    /// Bytes written in a day, from the last day or as much of it as the gateway ran; null in its first minute.
    #[schema(required = true)]
    pub bytes_per_day: Option<u64>,
    /// The time over which the bytes were counted, in milliseconds; less than a day is scaled up.
    pub measured_for_ms: u64,
    /// Samples stored each second, over the last ten minutes; null in the first minute.
    #[schema(required = true)]
    pub samples_per_second: Option<f64>,
    /// Series that were ever recorded.
    pub series: u64,
    /// Samples in the file, about; null when they were too many to be counted quickly.
    #[schema(required = true)]
    pub samples: Option<u64>,
    /// When the recording began (RFC 3339, UTC); null when it has not yet.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub recording_since: Option<Timestamp>,
    /// Samples that were stored.
    pub recorded: u64,
    /// What a power cut costs at most, in milliseconds: the longest time that a sample waits for its commit.
    pub loss_window_ms: u64,
    /// The last commit (RFC 3339, UTC); null when there was none yet.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_commit: Option<Timestamp>,
    /// Samples that wait for their commit.
    pub waiting: u64,
    /// Messages that are held until the clock is set.
    pub held_for_clock: u64,
    /// What was not recorded, by reason.
    pub not_recorded: HistoryNotRecorded,
    /// The last trouble with the disk, which may be over; null when there was none.
    #[schema(required = true)]
    pub last_error: Option<HistoryNotice>,
    /// Since when nothing can be written (RFC 3339, UTC): what is recorded waits in memory, and it is tried again; null while
    /// all is well.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub refused_since: Option<Timestamp>,
    /// Stretches of samples that were found to be damaged since the start: they are missing in what is shown, and all
    /// others are there. What they were is among `notices`.
    pub damaged_chunks: u64,
    /// What this does to a memory card.
    pub wear: HistoryWear,
    /// What was lost or given up, the newest first: at most a hundred.
    pub notices: Vec<HistoryNotice>,
}

/// What was not recorded, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct HistoryNotRecorded {
    /// The disk refused, or was too slow, for too long.
    pub buffer_full: u64,
    /// Dated before 2020 or more than a day ahead.
    pub wrong_time: u64,
    /// Retained, and nobody knows how old.
    pub unknown_time: u64,
    /// Of one series more than the limit.
    pub too_many_series: u64,
    /// More different texts than are kept.
    pub texts: u64,
    /// Held while the clock was not set, and given up for newer ones.
    pub before_the_clock: u64,
    /// Events of devices that made too many, or that waited too long for the disk.
    pub events: u64,
}

/// Something that people should know, and when it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct HistoryNotice {
    /// When (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What, for people.
    pub sentence: String,
}

/// What the recording does to a memory card: an estimate.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct HistoryWear {
    /// How many times more the card is assumed to write than the history does.
    pub write_amplification: u64,
    /// Bytes that the card is assumed to take before it is worn out.
    pub card_endurance_bytes: u64,
    /// Bytes a day that reach the card's cells; null in the first minute.
    #[schema(required = true)]
    pub card_bytes_per_day: Option<u64>,
    /// Years until the history alone has worn the card out; null in the first minute, or when nothing is written.
    #[schema(required = true)]
    pub years: Option<f64>,
    /// What is assumed, for people.
    pub assumption: String,
}
