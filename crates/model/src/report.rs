//! All properties of a device in one object, as published on `<base>/<device>/json`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{PropertyId, Quality, Timestamp, Value};

/// A device at one time. In JSON the properties stand beside `ts`, `quality` and `fault`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceReport {
    /// The latest value of each property.
    #[serde(flatten)]
    pub values: BTreeMap<PropertyId, Value>,
    /// When the newest of them was true; nothing before the first reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ts: Option<Timestamp>,
    /// The worst quality among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// What is wrong with the device, in a sentence for people; nothing when it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_stand_beside_time_and_quality() {
        let report = DeviceReport {
            values: BTreeMap::from([
                (PropertyId::new("temperature").unwrap(), Value::Number(21.5)),
                (PropertyId::new("uptime").unwrap(), Value::Number(4180.0)),
            ]),
            ts: Some(Timestamp::from_millis(0)),
            quality: Some(Quality::Ok),
            fault: None,
        };
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(
            json,
            r#"{"temperature":21.5,"uptime":4180,"ts":"1970-01-01T00:00:00.000Z","quality":"ok"}"#
        );
    }
}
