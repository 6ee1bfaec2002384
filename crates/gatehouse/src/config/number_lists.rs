//! Numbers in lists, and pairs of them.

use toml_edit::{Item, Value};

use super::problems::Findings;
use super::section::{Section, Spanned};

/// A number, with or without digits behind the point.
#[expect(clippy::cast_precision_loss, reason = "settings are small numbers; a larger one is only rounded")]
pub(super) fn number_of(value: &Value) -> Option<f64> {
    let number = value.as_float().or_else(|| value.as_integer().map(|number| number as f64));
    number.filter(|number| number.is_finite())
}

/// A number or a list of numbers; empty when it is not there or cannot be used.
pub(super) fn numbers(section: &mut Section<'_>, key: &'static str, findings: &mut Findings) -> Vec<f64> {
    let Some(found) = section.item(key) else { return Vec::new() };
    let numbers = match found.value {
        Item::Value(Value::Array(array)) => array.iter().map(number_of).collect(),
        Item::Value(value) => number_of(value).map(|number| vec![number]),
        _ => None,
    };
    numbers.unwrap_or_else(|| {
        let hint = format!("write a number or a list of numbers: {key} = [85.0, -127.0]");
        findings.push(section.wrong_kind(key, &found, hint));
        Vec::new()
    })
}

/// A list of pairs of numbers.
pub(super) fn points(
    section: &mut Section<'_>,
    key: &'static str,
    findings: &mut Findings,
) -> Option<Spanned<Vec<(f64, f64)>>> {
    let found = section.item(key)?;
    let hint = format!("write a list of pairs, measured and true: {key} = [[0.5, 0], [2.8, 100]]");
    let Some(array) = found.value.as_array() else {
        findings.push(section.wrong_kind(key, &found, hint));
        return None;
    };
    let mut points = Vec::with_capacity(array.len());
    for value in array {
        let pair: Option<Vec<f64>> = value.as_array().and_then(|pair| pair.iter().map(number_of).collect());
        let Some([measured, meant]) = pair.as_deref() else {
            let span = value.span().unwrap_or_else(|| found.span.clone());
            findings.push(section.error(
                span,
                format!("`{key}` has something that is no pair of numbers"),
                hint,
            ));
            return None;
        };
        points.push((*measured, *meant));
    }
    Some(Spanned { value: points, span: found.span })
}
