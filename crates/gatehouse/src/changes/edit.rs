//! A device of the text, read for people, changed, or taken out. Comments and everything else stay as they are.

use gatehouse_dashboard::wire::{
    ConfigurationCalibration, ConfigurationDeviceEdit, ConfigurationDeviceView, ConfigurationSetting,
};
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

/// The list of devices.
const DEVICE: &str = "device";

/// Settings that make a device what it is: to change them is to take it out and add another one.
const FIXED: [&str; 2] = ["id", "driver"];

/// Digits behind the point of a factor and an offset that the page works out: more than any sensor deserves.
const DIGITS: f64 = 1e6;

/// Why a device was not found or not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EditProblem {
    /// The text has no device of this id.
    Unknown,
    /// What is wrong, in a sentence for people.
    Wrong(String),
}

fn wrong(sentence: impl Into<String>) -> EditProblem {
    EditProblem::Wrong(sentence.into())
}

/// The text as a document, and where in its list of devices this one is.
fn find(text: &str, id: &str) -> Result<(DocumentMut, usize), EditProblem> {
    let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        wrong(format!("The configuration has a mistake: {}. Mend it as text first.", error.message()))
    })?;
    let Some(list) = document.get(DEVICE) else { return Err(EditProblem::Unknown) };
    let Some(list) = list.as_array_of_tables() else {
        return Err(wrong("The devices are not written as `[[device]]`. Change them as text."));
    };
    let index = list.iter().position(|device| device.get("id").and_then(Item::as_str) == Some(id));
    index.map(|index| (document, index)).ok_or(EditProblem::Unknown)
}

fn device_in(document: &mut DocumentMut, index: usize) -> Result<&mut Table, EditProblem> {
    let list = document.get_mut(DEVICE).and_then(Item::as_array_of_tables_mut);
    list.and_then(|list| list.get_mut(index)).ok_or(EditProblem::Unknown)
}

/// What the text says of a device.
///
/// # Errors
/// When there is none of this id.
pub(crate) fn view(
    text: &str,
    id: &str,
    read_only: Option<String>,
) -> Result<ConfigurationDeviceView, EditProblem> {
    let (mut document, index) = find(text, id)?;
    let device = device_in(&mut document, index)?;
    let setting = |(key, item): (&str, &Item)| {
        let value = item.as_value().filter(|value| !value.is_inline_table())?;
        let mut bare = value.clone();
        bare.decor_mut().clear();
        let is_free = !FIXED.contains(&key);
        is_free.then(|| ConfigurationSetting { key: key.to_owned(), value: Some(bare.to_string()) })
    };
    let settings = device.iter().filter_map(setting).collect();
    let calibrations = device.get("calibrate").and_then(Item::as_table_like).map(|all| {
        let one = |(property, item): (&str, &Item)| {
            let table = item.as_table_like()?;
            Some(ConfigurationCalibration {
                property: property.to_owned(),
                factor: number(table, "scale").unwrap_or(1.0),
                offset: number(table, "offset").unwrap_or(0.0),
                fresh: true,
            })
        };
        all.iter().filter_map(one).collect()
    });
    let calibrations = calibrations.unwrap_or_default();
    Ok(ConfigurationDeviceView { id: id.to_owned(), settings, calibrations, read_only })
}

/// The text with a device changed.
///
/// # Errors
/// When there is none of this id, or a setting cannot be written.
pub(crate) fn edited(text: &str, id: &str, edit: &ConfigurationDeviceEdit) -> Result<String, EditProblem> {
    let (mut document, index) = find(text, id)?;
    let device = device_in(&mut document, index)?;
    for setting in &edit.settings {
        set(device, setting)?;
    }
    for calibration in &edit.calibrations {
        calibrate(device, calibration)?;
    }
    Ok(document.to_string())
}

fn set(device: &mut Table, setting: &ConfigurationSetting) -> Result<(), EditProblem> {
    let key = setting.key.as_str();
    if FIXED.contains(&key) {
        return Err(wrong(format!("`{key}` makes a device what it is. Remove it and add another one.")));
    }
    let is_plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if key.is_empty() || !is_plain {
        return Err(wrong(format!("`{key}` is no setting.")));
    }
    let Some(written) = &setting.value else {
        device.remove(key);
        return Ok(());
    };
    let written: Value = written.parse().map_err(|_| {
        wrong(format!("`{key}`: `{written}` is no value. Write a number, true, false, or a text in quotes."))
    })?;
    put(device, key, written);
    Ok(())
}

/// Sets a value, and leaves the comment that stands behind the one before.
fn put(table: &mut dyn TableLike, key: &str, mut written: Value) {
    match table.get(key).and_then(Item::as_value) {
        Some(former) => *written.decor_mut() = former.decor().clone(),
        None => written.decor_mut().clear(),
    }
    match table.get_mut(key) {
        Some(item) => *item = Item::Value(written),
        None => drop(table.insert(key, value(written))),
    }
}

fn number(table: &dyn TableLike, key: &str) -> Option<f64> {
    let item = table.get(key)?;
    #[expect(clippy::cast_precision_loss, reason = "a factor or an offset is a small number")]
    item.as_float().or_else(|| item.as_integer().map(|whole| whole as f64))
}

/// What is published is the measurement times `scale` plus `offset`; so is what a correction is made of, and the two
/// together are again such a pair.
fn calibrate(device: &mut Table, calibration: &ConfigurationCalibration) -> Result<(), EditProblem> {
    let ConfigurationCalibration { property, factor, offset, fresh } = calibration;
    if !factor.is_finite() || !offset.is_finite() || *factor == 0.0 {
        return Err(wrong(format!("`{property}`: the factor must be a number that is not zero.")));
    }
    let all = device.entry("calibrate").or_insert_with(|| {
        let mut dotted = Table::new();
        dotted.set_dotted(true);
        Item::Table(dotted)
    });
    let all = all.as_table_like_mut().ok_or_else(|| wrong("`calibrate` is no table. Mend it as text."))?;
    if all.get(property).is_none() {
        all.insert(property, Item::Value(Value::InlineTable(InlineTable::new())));
    }
    let one = all.get_mut(property).and_then(Item::as_table_like_mut);
    let one = one.ok_or_else(|| wrong(format!("`calibrate.{property}` is no table. Mend it as text.")))?;
    let (scale, added) = (number(one, "scale").unwrap_or(1.0), number(one, "offset").unwrap_or(0.0));
    let (scale, added) = if *fresh { (*factor, *offset) } else { (factor * scale, factor * added + offset) };
    for (key, number, nothing) in [("scale", rounded(scale), 1.0), ("offset", rounded(added), 0.0)] {
        #[expect(clippy::float_cmp, reason = "what changes nothing is exactly this number")]
        if number == nothing {
            one.remove(key);
        } else {
            put(one, key, number.into());
        }
    }
    if one.is_empty() {
        all.remove(property);
    }
    if all.is_empty() {
        device.remove("calibrate");
    }
    Ok(())
}

fn rounded(number: f64) -> f64 {
    let rounded = (number * DIGITS).round() / DIGITS;
    if rounded == 0.0 && number != 0.0 && number.abs() < 1.0 / DIGITS { number } else { rounded }
}

/// The text without a device. What stands above it and is set off by an empty line is about more than this device, and
/// stays.
///
/// # Errors
/// When there is none of this id.
pub(crate) fn without(text: &str, id: &str) -> Result<String, EditProblem> {
    let (mut document, index) = find(text, id)?;
    let device = device_in(&mut document, index)?;
    let prefix = device.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let kept = prefix.rfind("\n\n").map(|at| prefix[..=at].to_owned()).unwrap_or_default();
    let position = device.position();
    if let Some(list) = document.get_mut(DEVICE).and_then(Item::as_array_of_tables_mut) {
        list.remove(index);
        if list.is_empty() {
            document.remove(DEVICE);
        }
    }
    if kept.trim().is_empty() {
        return Ok(document.to_string());
    }
    match next_table(&mut document, position) {
        Some(next) => {
            let own = next.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned();
            next.decor_mut().set_prefix(format!("{kept}{own}"));
        }
        None => {
            let own = document.trailing().as_str().unwrap_or_default().to_owned();
            document.set_trailing(format!("{kept}{own}"));
        }
    }
    Ok(document.to_string())
}

/// The table whose header comes first behind this place in the text.
fn next_table(document: &mut DocumentMut, position: Option<isize>) -> Option<&mut Table> {
    let tables = document.iter_mut().flat_map(|(_, item): (_, &mut Item)| match item {
        Item::Table(table) => vec![table],
        Item::ArrayOfTables(list) => list.iter_mut().collect(),
        _ => Vec::new(),
    });
    tables.filter(|table| table.position() > position).min_by_key(|table| table.position())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUSE: &str = "\
# My house. Do not touch the heater.

# The first one.
[[device]]
id = \"kitchen\" # by the window
name = \"Kitchen\"
driver = \"bme280\"
every = \"10s\"   # often enough
calibrate.temperature = { offset = -0.4 } # measured in May

[[device]]
id = \"lamp\"
driver = \"output\"
pin = 17
safe = \"off\"

[device.report.power]
delta = 1

# The broker.
[broker]
anonymous = \"viewer\"
";

    fn setting(key: &str, value: Option<&str>) -> ConfigurationDeviceEdit {
        let setting = ConfigurationSetting { key: key.to_owned(), value: value.map(str::to_owned) };
        ConfigurationDeviceEdit { settings: vec![setting], ..ConfigurationDeviceEdit::default() }
    }

    fn calibration(property: &str, factor: f64, offset: f64, fresh: bool) -> ConfigurationDeviceEdit {
        let property = property.to_owned();
        let one = ConfigurationCalibration { property, factor, offset, fresh };
        ConfigurationDeviceEdit { calibrations: vec![one], ..ConfigurationDeviceEdit::default() }
    }

    #[test]
    fn a_device_is_shown_with_its_settings() {
        let shown = view(HOUSE, "kitchen", None).unwrap();
        let settings: Vec<_> =
            shown.settings.iter().map(|one| (one.key.as_str(), one.value.as_deref().unwrap())).collect();
        assert_eq!(settings, [("name", "\"Kitchen\""), ("every", "\"10s\"")]);
        let expected = ConfigurationCalibration {
            property: "temperature".to_owned(),
            factor: 1.0,
            offset: -0.4,
            fresh: true,
        };
        assert_eq!(shown.calibrations, [expected]);
        assert_eq!(view(HOUSE, "hall", None), Err(EditProblem::Unknown));
    }

    #[test]
    fn a_setting_is_changed_added_and_taken_away_with_comments_kept() {
        let text = edited(HOUSE, "kitchen", &setting("every", Some("\"30s\""))).unwrap();
        assert_eq!(text, HOUSE.replace("every = \"10s\"   #", "every = \"30s\"   #"));
        let text = edited(HOUSE, "kitchen", &setting("name", None)).unwrap();
        assert_eq!(text, HOUSE.replace("name = \"Kitchen\"\n", ""));
        let text = edited(HOUSE, "lamp", &setting("max_on", Some("\"1h\""))).unwrap();
        assert_eq!(text, HOUSE.replace("safe = \"off\"\n", "safe = \"off\"\nmax_on = \"1h\"\n"));
        for edit in [setting("id", Some("\"x\"")), setting("pin", Some("1 2")), setting("a.b", Some("1"))] {
            assert!(matches!(edited(HOUSE, "lamp", &edit), Err(EditProblem::Wrong(_))), "{edit:?}");
        }
    }

    /// What the page shows is calibrated already, so what it works out comes on top of that.
    #[test]
    fn a_calibration_comes_on_top_of_what_there_is() {
        let text = edited(HOUSE, "kitchen", &calibration("temperature", 1.5, 2.0, false)).unwrap();
        assert!(text.contains("# measured in May"), "{text}");
        let shown = view(&text, "kitchen", None).unwrap().calibrations;
        assert_eq!((shown[0].factor, shown[0].offset), (1.5, 1.4));
        let text = edited(&text, "kitchen", &calibration("humidity", 1.0, 3.0, false)).unwrap();
        let shown = view(&text, "kitchen", None).unwrap().calibrations;
        assert_eq!((shown[1].property.as_str(), shown[1].factor, shown[1].offset), ("humidity", 1.0, 3.0));
        // Nothing to correct is nothing to say.
        let text = edited(HOUSE, "kitchen", &calibration("temperature", 1.0, 0.0, true)).unwrap();
        assert!(!text.contains("calibrate") && text.contains("every"), "{text}");
        for (factor, offset) in [(0.0, 1.0), (f64::NAN, 0.0), (1.0, f64::INFINITY)] {
            let edit = calibration("temperature", factor, offset, false);
            assert!(matches!(edited(HOUSE, "kitchen", &edit), Err(EditProblem::Wrong(_))));
        }
    }

    #[test]
    fn a_calibration_where_there_was_none_is_one_line() {
        let text = edited(HOUSE, "lamp", &calibration("level", 1.02, -0.5, false)).unwrap();
        let line = "calibrate.level = { scale = 1.02, offset = -0.5 }\n";
        assert_eq!(text, HOUSE.replace("safe = \"off\"\n", &format!("safe = \"off\"\n{line}")));
    }

    #[test]
    fn a_device_is_taken_out_with_its_own_comment_and_nothing_else() {
        let text = without(HOUSE, "kitchen").unwrap();
        let (start, end) =
            (HOUSE.find("# The first").unwrap(), HOUSE.find("\n[[device]]\nid = \"lamp").unwrap());
        assert_eq!(text, format!("{}{}", &HOUSE[..start], &HOUSE[end + 1..]));
        let text = without(&text, "lamp").unwrap();
        assert_eq!(
            text,
            "# My house. Do not touch the heater.\n\n# The broker.\n[broker]\nanonymous = \"viewer\"\n"
        );
        assert_eq!(without(HOUSE, "hall"), Err(EditProblem::Unknown));
        let last = "# Mine.\n\n[[device]]\nid = \"a\"\n";
        assert_eq!(without(last, "a").unwrap().trim_end(), "# Mine.");
    }

    #[test]
    fn what_is_written_in_another_way_is_said_so() {
        for text in ["device = [{ id = \"a\" }]\n", "[[device]\n"] {
            assert!(matches!(view(text, "a", None), Err(EditProblem::Wrong(_))), "{text}");
        }
        assert_eq!(view("", "a", None), Err(EditProblem::Unknown));
    }
}
