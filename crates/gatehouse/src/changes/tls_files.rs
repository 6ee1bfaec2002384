//! The TLS files that the text of a configuration names, and other places for them in it.
//!
//! A text is asked, and not what was read from it: one with mistakes names its files all the same, and files that are not there
//! are such a mistake.

use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item};

use super::gateway::set;
use crate::tls::FileSetting;

/// The settings, in the order that they are told in.
const SETTINGS: [FileSetting; 3] =
    [FileSetting::Certificate, FileSetting::Key, FileSetting::ClientAuthorities];

/// Where a setting stands: its section and its key.
pub(crate) const fn place_of(setting: FileSetting) -> (&'static str, &'static str) {
    match setting {
        FileSetting::Certificate => ("tls", "certificate"),
        FileSetting::Key => ("tls", "key"),
        FileSetting::ClientAuthorities => ("mqtts", "client_ca"),
    }
}

/// The files that a text names, from the directory of its own file on. None where it is no TOML: its check says so.
pub(crate) fn tls_files(text: &str, directory: &Path) -> Vec<(FileSetting, PathBuf)> {
    let Ok(document) = parsed(text) else { return Vec::new() };
    let named = |setting| {
        let (section, key) = place_of(setting);
        let path = document.get(section)?.as_table_like()?.get(key)?.as_str()?;
        Some((setting, directory.join(path)))
    };
    SETTINGS.into_iter().filter_map(named).collect()
}

/// The text with other files in the place of those that it names; all other characters stay as they are.
///
/// # Errors
/// When it names no such file, in a sentence for people.
pub(crate) fn with_tls_files(text: &str, files: &[(FileSetting, PathBuf)]) -> Result<String, String> {
    let mut document = parsed(text)
        .map_err(|error| format!("The configuration is not written as TOML: {}.", error.message()))?;
    for (setting, path) in files {
        let (section, key) = place_of(*setting);
        let table = document.get_mut(section).and_then(Item::as_table_like_mut);
        let table = table.ok_or_else(|| format!("The configuration has no section [{section}]."))?;
        set(table, key, path.display().to_string().into());
    }
    Ok(document.to_string())
}

fn parsed(text: &str) -> Result<DocumentMut, toml_edit::TomlError> {
    text.strip_prefix('\u{feff}').unwrap_or(text).parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Mine.
[tls]
certificate = \"/etc/gatehouse/house.pem\" # from the company
key = \"keys/house.key\"

[mqtts]
client_certificates = \"optional\"
client_ca = \"/etc/gatehouse/clients.pem\"   # phones
";

    #[test]
    fn files_are_found_from_the_configuration_on_and_get_other_places_with_remarks_kept() {
        let found = tls_files(TEXT, Path::new("/etc/gatehouse"));
        let paths: Vec<&str> = found.iter().map(|(_, path)| path.to_str().unwrap()).collect();
        assert_eq!(
            paths,
            ["/etc/gatehouse/house.pem", "/etc/gatehouse/keys/house.key", "/etc/gatehouse/clients.pem"]
        );
        let moved = [
            (FileSetting::Certificate, PathBuf::from("/data/one.pem")),
            (FileSetting::ClientAuthorities, PathBuf::from("/data/two.pem")),
        ];
        let expected = TEXT
            .replace("/etc/gatehouse/house.pem", "/data/one.pem")
            .replace("/etc/gatehouse/clients.pem", "/data/two.pem");
        assert_eq!(with_tls_files(TEXT, &moved).unwrap(), expected);
        assert_eq!(with_tls_files(TEXT, &[]).unwrap(), TEXT);
    }

    #[test]
    fn a_text_without_such_files_or_that_is_no_toml_names_none() {
        for text in ["", "[tls]\n", "tls = 5\n", "[tls\n", "[tls]\nkey = 5\n"] {
            assert_eq!(tls_files(text, Path::new("/etc")), [], "{text}");
        }
        let moved = [(FileSetting::Key, PathBuf::from("/data/key"))];
        for (text, why) in [("[tls\n", "not written as TOML"), ("", "no section [tls]")] {
            assert!(with_tls_files(text, &moved).unwrap_err().contains(why));
        }
    }
}
