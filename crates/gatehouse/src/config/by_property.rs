//! Settings that are written for each property of a device: `calibrate.temperature`.

use std::collections::BTreeMap;
use std::ops::Range;

use gatehouse_board::config::DriverConfig;
use gatehouse_model::PropertyId;
use toml_edit::Item;

use super::numbers;
use super::problems::{Finding, Findings};
use super::section::Section;

/// The setting of one property.
pub(super) struct Entry<'d> {
    pub(super) item: &'d Item,
    pub(super) span: Range<usize>,
    /// `calibrate.temperature`.
    pub(super) path: String,
}

impl<'d> Entry<'d> {
    /// It as a table.
    pub(super) fn table(&self, example: &str, findings: &mut Findings) -> Option<Section<'d>> {
        let Some(table) = self.item.as_table_like() else {
            let hint = format!("write {} = {example}", self.path);
            findings.push(Finding::error(
                self.item.span().unwrap_or_else(|| self.span.clone()),
                format!("`{}` must be a table", self.path),
                hint,
            ));
            return None;
        };
        Some(Section::new(table, self.span.clone(), format!("`{}`: ", self.path)))
    }
}

/// The tables below a key: one for each property that is a number.
pub(super) fn by_property<T>(
    section: &mut Section<'_>,
    key: &'static str,
    driver: Option<&DriverConfig>,
    findings: &mut Findings,
    read: impl Fn(Entry<'_>, &mut Findings) -> Option<T>,
) -> BTreeMap<PropertyId, T> {
    let Some(table) = section.table(key, findings) else { return BTreeMap::new() };
    let numbers = driver.map(numbers::numbers);
    let mut settings = BTreeMap::new();
    for (word, item) in table.entries() {
        let property = match PropertyId::new(word.value) {
            Ok(property) => property,
            Err(problem) => {
                let hint = format!("write the name of a property, such as {key}.temperature");
                findings.push(section.error(word.span, format!("`{key}`: {problem}"), hint));
                continue;
            }
        };
        if let Some(finding) = numbers
            .as_ref()
            .and_then(|numbers| numbers.problem_with(&property, key))
            .map(|(what, hint)| section.error(word.span.clone(), what, hint))
        {
            findings.push(finding);
        }
        let entry = Entry { item, span: word.span, path: format!("{key}.{property}") };
        if let Some(setting) = read(entry, findings) {
            settings.insert(property, setting);
        }
    }
    settings
}
