//! The first run: its steps, and what the gateway is called and where it stands.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::accounts::{FirstRunStep, StepOutcome};

/// What is to be looked at before an administrator is made. Nothing is changed.
#[derive(Clone, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct SetupCheckRequest {
    /// The one-time code that the gateway printed.
    pub code: String,
    /// The name that the gateway is to have.
    #[serde(default)]
    #[ts(optional)]
    pub gateway_name: Option<String>,
}

/// A step of the first run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "FirstRunStep")]
#[schema(as = FirstRunStep)]
pub enum FirstRunStepWord {
    /// The name of the gateway.
    Name,
    /// Time zone and place.
    Place,
    /// What was found on the board.
    Board,
    /// The first device.
    Device,
    /// The first phone.
    Phone,
}

impl From<FirstRunStep> for FirstRunStepWord {
    fn from(step: FirstRunStep) -> Self {
        match step {
            FirstRunStep::Name => Self::Name,
            FirstRunStep::Place => Self::Place,
            FirstRunStep::Board => Self::Board,
            FirstRunStep::Device => Self::Device,
            FirstRunStep::Phone => Self::Phone,
        }
    }
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum FirstRunState {
    /// It waits.
    Open,
    /// It was done.
    Done,
    /// It was passed over.
    Skipped,
}

impl From<StepOutcome> for FirstRunState {
    fn from(outcome: StepOutcome) -> Self {
        match outcome {
            StepOutcome::Open => Self::Open,
            StepOutcome::Done => Self::Done,
            StepOutcome::Skipped => Self::Skipped,
        }
    }
}

/// The first run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct FirstRun {
    /// Whether a step of it is open.
    pub open: bool,
    /// Its steps, in their order.
    pub steps: Vec<FirstRunStepView>,
}

/// A step with what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
#[ts(rename = "FirstRunStepState")]
#[schema(as = FirstRunStepState)]
pub struct FirstRunStepView {
    /// Which.
    pub step: FirstRunStepWord,
    /// What came of it.
    pub state: FirstRunState,
}

/// What came of a step, as the page says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "StepOutcome")]
#[schema(as = StepOutcome)]
pub enum StepOutcomeWord {
    /// It was done.
    Done,
    /// It was passed over.
    Skipped,
}

impl From<StepOutcomeWord> for StepOutcome {
    fn from(word: StepOutcomeWord) -> Self {
        match word {
            StepOutcomeWord::Done => Self::Done,
            StepOutcomeWord::Skipped => Self::Skipped,
        }
    }
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct StepOutcomeRequest {
    /// Which.
    pub state: StepOutcomeWord,
}

/// What the gateway is called, and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, TS)]
pub struct GatewaySettings {
    /// Its name for people.
    pub name: String,
    /// Its time zone, as the IANA database names it; null when none is set.
    #[schema(required = true)]
    pub time_zone: Option<String>,
    /// Where it stands; null when nobody has said.
    #[schema(required = true)]
    pub location: Option<GatewayPlace>,
    /// Why it cannot be changed here, and what to do; null when it can.
    #[schema(required = true)]
    pub read_only: Option<String>,
}

/// A place on Earth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct GatewayPlace {
    /// Degrees north of the equator: -90 to 90.
    pub latitude: f64,
    /// Degrees east of Greenwich: -180 to 180.
    pub longitude: f64,
}

/// What is to change of it; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct GatewayChange {
    /// Its name for people.
    #[serde(default)]
    #[ts(optional)]
    pub name: Option<String>,
    /// Its time zone, as the IANA database names it.
    #[serde(default)]
    #[ts(optional)]
    pub time_zone: Option<String>,
    /// Where it stands.
    #[serde(default)]
    #[ts(optional)]
    pub location: Option<GatewayPlace>,
}
