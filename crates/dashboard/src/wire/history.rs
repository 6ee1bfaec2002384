//! What was recorded.

use gatehouse_model::Timestamp;
use serde::Serialize;
use ts_rs::TS;
use utoipa::ToSchema;

use super::{KindWord, QualityWord, Scalar};

/// The recorded values of a property.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct HistorySeries {
    /// Start, inclusive (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// End, exclusive (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// The time that one point stands for, in milliseconds. Points begin at whole multiples of it (UTC); the first and
    /// the last one are cut by start and end.
    #[ts(type = "number")]
    pub bucket_ms: u64,
    /// The unit of the values; empty when they have none.
    pub unit: String,
    /// When the recording of this property began; null when it has not yet.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub recording_since: Option<Timestamp>,
    /// The last value before the start, when it still holds then, so that a chart begins with it; else null.
    #[schema(required = true)]
    pub before: Option<HistoryBefore>,
    /// In the order of time; times in which nothing is known have no point.
    pub points: Vec<HistoryPoint>,
    /// The stretches in which nothing is known although something was before, in the order of time.
    pub gaps: Vec<HistoryGap>,
}

/// The last recorded value before the start of a chart; on is 1 and off is 0.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct HistoryBefore {
    /// When it was true (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The value.
    pub value: f64,
    /// How far it can be trusted.
    pub quality: QualityWord,
}

/// What was recorded in one stretch of time; on is 1 and off is 0.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct HistoryPoint {
    /// Start of the stretch (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Least value.
    pub min: f64,
    /// Mean over the time in which the value is known. What held when the stretch began counts until its first value.
    pub mean: f64,
    /// Greatest value.
    pub max: f64,
    /// Last value.
    pub last: f64,
    /// Number of values.
    pub count: u32,
    /// The worst quality among them.
    pub quality: QualityWord,
    /// No value was recorded, and an earlier one holds unchanged: it is the least, the mean, the greatest and the last.
    pub held: bool,
}

/// A stretch of time in which nothing is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct HistoryGap {
    /// Its start, or that of the range (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Its end: the next value, the end of the range, or the present (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Why.
    pub why: GapWord,
}

/// Why nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "GapReason")]
#[schema(as = GapReason)]
pub enum GapWord {
    /// The device fell silent.
    Silent,
    /// The gateway did not record.
    Outage,
    /// What was recorded is damaged and cannot be read.
    Damaged,
}

/// The recorded texts of a property.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct HistoryTexts {
    /// Start, inclusive (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// End, exclusive (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// When the recording of its texts began; null when it has not yet.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub recording_since: Option<Timestamp>,
    /// The text that holds at the start; null when none does.
    #[schema(required = true)]
    pub before: Option<HistoryText>,
    /// In the order of time; each holds until the next one or until a gap.
    pub texts: Vec<HistoryText>,
    /// The stretches in which nothing is known although something was before, in the order of time.
    pub gaps: Vec<HistoryGap>,
    /// There are more than asked for: the answer ends with the last of `texts`.
    pub more: bool,
}

/// A text and since when it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct HistoryText {
    /// Since when (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The text.
    pub text: String,
    /// How far it can be trusted.
    pub quality: QualityWord,
}

/// The house as it was at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct HistoryMoment {
    /// The moment (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What was known then, in the order of names. What is not here was not known.
    pub values: Vec<HistoryValue>,
}

/// What was known of a series at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct HistoryValue {
    /// `device/property`, or `topic:` and a whole topic.
    pub series: String,
    /// What its values are.
    pub kind: KindWord,
    /// The unit of the value; empty when it has none.
    pub unit: String,
    /// The value.
    pub value: Scalar,
    /// Since when it held (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How far it could be trusted.
    pub quality: QualityWord,
}

/// Something that was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct HistorySeriesInfo {
    /// `device/property`, or `topic:` and a whole topic.
    pub series: String,
    /// What its values are. What sends sometimes words and sometimes numbers is there twice.
    pub kind: KindWord,
    /// The unit of the values; empty when they have none.
    pub unit: String,
    /// When its recording began (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// The last that was recorded of it (RFC 3339, UTC); null when all was given up.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last: Option<Timestamp>,
}
