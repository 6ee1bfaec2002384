//! The rights sets of this gateway: the built-in ones, and those of the configuration.

use std::collections::BTreeMap;

use gatehouse_broker::RightsSet;

/// Names of the sets that are always there.
pub(crate) const BUILT_IN: [&str; 3] = ["admin", "operator", "viewer"];

/// Rights sets by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RightsSets {
    by_name: BTreeMap<String, RightsSet>,
}

/// The built-in ones alone.
impl Default for RightsSets {
    fn default() -> Self {
        let sets = [RightsSet::admin(), RightsSet::operator(), RightsSet::viewer()];
        Self { by_name: BUILT_IN.map(str::to_owned).into_iter().zip(sets).collect() }
    }
}

impl RightsSets {
    /// The set of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&RightsSet> {
        self.by_name.get(name)
    }

    /// All names, in their order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.by_name.keys().map(String::as_str).collect()
    }

    /// Adds a set of the configuration. The name is a new one: the configuration is checked before.
    pub(crate) fn add(&mut self, name: &str, set: RightsSet) {
        self.by_name.insert(name.to_owned(), set);
    }
}
