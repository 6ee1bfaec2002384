//! The rights sets of this gateway: the built-in ones, and those of the configuration.

use std::collections::BTreeMap;

use gatehouse_broker::RightsSet;

/// Names of the sets that are always there, each with what it allows.
pub(crate) const BUILT_IN: [(&str, fn() -> RightsSet); 3] =
    [("admin", RightsSet::admin), ("operator", RightsSet::operator), ("viewer", RightsSet::viewer)];

/// Rights sets by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RightsSets {
    by_name: BTreeMap<String, RightsSet>,
}

/// The built-in ones alone.
impl Default for RightsSets {
    fn default() -> Self {
        Self { by_name: BUILT_IN.iter().map(|(name, set)| ((*name).to_owned(), set())).collect() }
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
