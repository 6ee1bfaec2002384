//! From the words of the house to the words of the wire.

use gatehouse_model::{Cause, DeviceInfo, Origin, PropertyInfo, PropertyKind, Quality, Value};

use super::{
    AvailabilityWord, CauseKind, CauseView, Device, GapWord, HistoryBefore, HistoryGap, HistoryPoint,
    HistorySeriesInfo, HistoryText, HistoryValue, KindWord, Property, QualityWord, Reading, RoleWord, Scalar,
    SessionUser,
};
use crate::{
    GapReason, MomentValue, RecordedKind, RecordedSeries, RecordedText, Role, SeriesBefore, SeriesGap,
    SeriesPoint, User,
};

impl From<&Value> for Scalar {
    fn from(value: &Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(*number),
            other => Self::Text(other.to_string()),
        }
    }
}

impl From<Quality> for QualityWord {
    fn from(quality: Quality) -> Self {
        match quality {
            Quality::Ok => Self::Ok,
            Quality::Simulated => Self::Simulated,
            Quality::Retried => Self::Retried,
            Quality::Clamped => Self::Clamped,
            Quality::Suspect => Self::Suspect,
            Quality::Stale => Self::Stale,
        }
    }
}

impl From<Role> for RoleWord {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::Operator => Self::Operator,
            Role::Viewer => Self::Viewer,
        }
    }
}

impl From<RoleWord> for Role {
    fn from(role: RoleWord) -> Self {
        match role {
            RoleWord::Admin => Self::Admin,
            RoleWord::Operator => Self::Operator,
            RoleWord::Viewer => Self::Viewer,
        }
    }
}

impl From<&User> for SessionUser {
    fn from(user: &User) -> Self {
        Self { name: user.name.to_string(), role: user.role.into() }
    }
}

/// Names an origin for people, so that it fits into a sentence.
pub(super) fn name(origin: &Origin) -> String {
    match origin {
        Origin::Client { client_id, user } => format!("{user} over MQTT (client {client_id})"),
        Origin::Page { user } => format!("{user} at the dashboard"),
        Origin::Part { name } => format!("the gateway itself ({name})"),
        Origin::FailSafe { reason } => format!("a fail-safe: {reason}"),
    }
}

fn capitalized(sentence: &str) -> String {
    let mut letters = sentence.chars();
    match letters.next() {
        // People's names stay as they write them; the fixed phrases start a sentence.
        Some(first) if sentence.starts_with("the gateway") || sentence.starts_with("a fail-safe") => {
            first.to_uppercase().chain(letters).collect()
        }
        _ => sentence.to_owned(),
    }
}

impl From<&Cause> for CauseView {
    fn from(cause: &Cause) -> Self {
        let chain: Vec<String> = cause.chain.iter().map(name).collect();
        let mut sentence = capitalized(&name(&cause.origin));
        for earlier in &chain {
            sentence.push_str(", after ");
            sentence.push_str(earlier);
        }
        let (mut user, mut client_id, mut name, mut reason) = (None, None, None, None);
        let by = match &cause.origin {
            Origin::Client { client_id: id, user: of } => {
                (user, client_id) = (Some(of.to_string()), Some(id.to_string()));
                CauseKind::Client
            }
            Origin::Page { user: of } => {
                user = Some(of.to_string());
                CauseKind::Page
            }
            Origin::Part { name: of } => {
                name = Some(of.to_string());
                CauseKind::Part
            }
            Origin::FailSafe { reason: why } => {
                reason = Some(why.to_string());
                CauseKind::FailSafe
            }
        };
        Self { sentence, by, user, client_id, name, reason, chain }
    }
}

impl From<&gatehouse_model::Reading> for Reading {
    fn from(reading: &gatehouse_model::Reading) -> Self {
        Self {
            value: (&reading.value).into(),
            quality: reading.quality.into(),
            at: reading.at,
            cause: reading.cause.as_ref().map(CauseView::from),
        }
    }
}

impl Property {
    /// A property with its latest reading.
    pub(crate) fn new(info: &PropertyInfo, reading: Option<&gatehouse_model::Reading>) -> Self {
        let (kind, unit, decimals) = match &info.kind {
            PropertyKind::Number { unit, decimals } => (KindWord::Number, unit.clone(), *decimals),
            PropertyKind::Switch => (KindWord::Switch, String::new(), 0),
            PropertyKind::Text => (KindWord::Text, String::new(), 0),
        };
        Self {
            id: info.id.to_string(),
            name: info.name.clone(),
            kind,
            unit,
            decimals,
            settable: info.settable,
            class: info.class.clone(),
            lowest: info.range.map(|(lowest, _)| lowest),
            highest: info.range.map(|(_, highest)| highest),
            reading: reading.map(Reading::from),
        }
    }
}

impl Device {
    /// A device with its state.
    pub(crate) fn new(
        info: &DeviceInfo,
        availability: AvailabilityWord,
        fault: Option<&str>,
        properties: Vec<Property>,
    ) -> Self {
        Self {
            id: info.id.to_string(),
            name: info.name.clone(),
            room: info.room.clone(),
            driver: info.driver.clone(),
            connection: info.connection.clone(),
            simulated: info.simulated,
            period_ms: info.period_ms,
            availability,
            fault: fault.map(str::to_owned),
            properties,
        }
    }
}

impl From<SeriesBefore> for HistoryBefore {
    fn from(SeriesBefore { at, value, quality }: SeriesBefore) -> Self {
        Self { at, value, quality: quality.into() }
    }
}

impl From<&SeriesPoint> for HistoryPoint {
    fn from(point: &SeriesPoint) -> Self {
        let SeriesPoint { at, min, mean, max, last, count, quality, held } = *point;
        Self { at, min, mean, max, last, count, quality: quality.into(), held }
    }
}

impl From<&SeriesGap> for HistoryGap {
    fn from(gap: &SeriesGap) -> Self {
        let SeriesGap { from, to, why } = *gap;
        let why = match why {
            GapReason::Silent => GapWord::Silent,
            GapReason::Outage => GapWord::Outage,
            GapReason::Damaged => GapWord::Damaged,
        };
        Self { from, to, why }
    }
}

impl From<RecordedText> for HistoryText {
    fn from(RecordedText { at, text, quality }: RecordedText) -> Self {
        Self { at, text: text.as_ref().to_owned(), quality: quality.into() }
    }
}

/// The word of the API for the kind of a value.
fn kind_of(value: &Value) -> KindWord {
    match value {
        Value::Number(_) => KindWord::Number,
        Value::Switch(_) => KindWord::Switch,
        Value::Text(_) => KindWord::Text,
    }
}

fn unit_of(unit: Option<&str>) -> String {
    unit.unwrap_or_default().to_owned()
}

impl From<&MomentValue> for HistoryValue {
    fn from(moment: &MomentValue) -> Self {
        let MomentValue { series, unit, value, at, quality } = moment;
        Self {
            series: series.clone(),
            kind: kind_of(value),
            unit: unit_of(unit.as_deref()),
            value: value.into(),
            at: *at,
            quality: (*quality).into(),
        }
    }
}

impl From<&RecordedSeries> for HistorySeriesInfo {
    fn from(recorded: &RecordedSeries) -> Self {
        let RecordedSeries { series, kind, unit, since, last } = recorded;
        let kind = match kind {
            RecordedKind::Number => KindWord::Number,
            RecordedKind::Switch => KindWord::Switch,
            RecordedKind::Text => KindWord::Text,
        };
        Self { series: series.clone(), kind, unit: unit_of(unit.as_deref()), since: *since, last: *last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_a_sentence() {
        let page = Cause::direct(Origin::Page { user: "ana".into() });
        assert_eq!(CauseView::from(&page).sentence, "ana at the dashboard");
        assert_eq!(CauseView::from(&page).user.as_deref(), Some("ana"));
        let safe = Cause::because(Origin::fail_safe("longest on-time of 2h reached"), &page);
        let view = CauseView::from(&safe);
        assert_eq!(view.sentence, "A fail-safe: longest on-time of 2h reached, after ana at the dashboard");
        assert_eq!((view.by, view.chain), (CauseKind::FailSafe, vec!["ana at the dashboard".to_owned()]));
    }
}
