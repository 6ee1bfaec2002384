//! How somebody arranged the home page, and the day of many values at a glance.

use gatehouse_model::Timestamp;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// How one user arranged the home page. What it names and is not there (any more) is skipped; what is there and it does
/// not name comes behind, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct HomeArrangement {
    /// Ids of the devices that stand above all rooms, in their order.
    #[serde(default)]
    #[schema(max_items = 512)]
    pub favourites: Vec<String>,
    /// Names of rooms in their order.
    #[serde(default)]
    #[schema(max_items = 512)]
    pub rooms: Vec<String>,
    /// Ids of devices in their order, of all rooms together.
    #[serde(default)]
    #[schema(max_items = 512)]
    pub devices: Vec<String>,
}

/// A stretch of time of many values, each thinned out to a small drawing.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct Sparklines {
    /// Start (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// End (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// One for each value that was asked for and has something recorded in that time.
    pub lines: Vec<Sparkline>,
    /// Values that there was no time for; ask for them again.
    pub left: Vec<String>,
}

/// The drawing of one value.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct Sparkline {
    /// `device/property`.
    pub series: String,
    /// The least value in that time.
    pub min: f64,
    /// The greatest value in that time.
    pub max: f64,
    /// Seconds after the start, in rising order.
    pub at_s: Vec<u32>,
    /// The mean at each of them; null where nothing is known between what is before and what comes after.
    pub mean: Vec<Option<f64>>,
}
