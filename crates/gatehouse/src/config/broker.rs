//! `[broker]`: who may come in without a name, and what clients are allowed.

use super::problems::Findings;
use super::section::Section;
use super::{BrokerConfig, limits, rights};
use crate::rights::RightsSets;

/// `[broker]`. `sets` are the rights sets that it can name.
pub(super) fn read(section: Option<Section<'_>>, sets: &RightsSets, findings: &mut Findings) -> BrokerConfig {
    let Some(mut section) = section else { return BrokerConfig::default() };
    let settings = limits::read(&mut section, findings);
    let anonymous = rights::chosen(&mut section, "anonymous", sets, findings).map(|set| {
        let what = format!(
            "everybody who reaches the broker may do what `{}` allows, without a password",
            set.value
        );
        let hint =
            "this is for closed test benches: remove the line, and give each device a name and a password";
        findings.push(section.warning(set.span, what, hint));
        set.value
    });
    section.finish("[broker]", findings);
    BrokerConfig { anonymous, settings }
}
