//! A device that is added to the text of a configuration.

use toml_edit::{DocumentMut, Item, Table, value};

/// What is set in the place of what the device's own text says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// Its id.
    pub(crate) id: Option<String>,
    /// Its name for people.
    pub(crate) name: Option<String>,
    /// Its room.
    pub(crate) room: Option<String>,
}

/// The list of devices.
const DEVICE: &str = "device";

/// `text` with one more device at its end; every character of `text` stays as it is.
///
/// # Errors
/// When `device` is not exactly one `[[device]]`, in a sentence for people. Whether the whole makes sense is for the
/// check to say.
pub(crate) fn with_device(text: &str, device: &str, given: &Given) -> Result<String, String> {
    let mut document: DocumentMut = device.parse().map_err(|error: toml_edit::TomlError| {
        format!("The device is not written as TOML: {}.", error.message())
    })?;
    let is_alone = document.len() == 1;
    let one = document.get_mut(DEVICE).and_then(Item::as_array_of_tables_mut).filter(|list| list.len() == 1);
    let Some(table) = one.and_then(|list| list.get_mut(0)).filter(|_| is_alone) else {
        return Err("Give one device: a `[[device]]` with its settings, and nothing else.".to_owned());
    };
    let settings = [("id", &given.id), ("name", &given.name), ("room", &given.room)];
    for (key, text) in settings.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?))) {
        set(table, key, text);
    }
    let mut whole = text.to_owned();
    if !whole.is_empty() && !whole.ends_with('\n') {
        whole.push('\n');
    }
    if !whole.trim().is_empty() {
        whole.push('\n');
    }
    whole.push_str(document.to_string().trim_start_matches(['\n', '\r']));
    if !whole.ends_with('\n') {
        whole.push('\n');
    }
    Ok(whole)
}

/// Sets a text, and leaves the comment that stands behind the one before.
fn set(table: &mut Table, key: &str, text: &str) {
    let mut item = value(text);
    if let (Some(former), Some(new)) = (table.get(key).and_then(Item::as_value), item.as_value_mut()) {
        *new.decor_mut() = former.decor().clone();
    }
    table.insert(key, item);
}
