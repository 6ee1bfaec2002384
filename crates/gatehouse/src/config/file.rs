//! The configuration's file: reading it, and making it at the first start.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{Addresses, Config, MAX_FILE_BYTES, Problems, default_text, load};
use gatehouse_board::sim::demo_house;

use crate::paths::DEFAULT_CONFIGURATION;

/// Reads a configuration from its file.
///
/// # Errors
/// When it cannot be read, and every problem in it.
pub(crate) fn load_file(file: &Path) -> Result<Config, Problems> {
    load_named(file, "check its name, or let `gatehouse run` make one")
}

/// Reads it, and says what helps when it is not there.
fn load_named(file: &Path, when_missing: &'static str) -> Result<Config, Problems> {
    let name = file.display().to_string();
    let bytes = read(file).map_err(|error| unreadable(&name, &error, when_missing))?;
    load_bytes(&bytes, &name)
}

/// Where the configuration of a daemon comes from: at its start, and whenever it is read again.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    file: Option<PathBuf>,
    demo: bool,
    addresses: Addresses,
    /// Why nothing that is changed can be kept.
    nothing_is_kept: Option<String>,
}

impl Source {
    /// The file that the command line names, or the usual one; a demonstration has none unless it is named.
    pub(crate) fn new(file: Option<PathBuf>, demo: bool, addresses: Addresses) -> Self {
        let file = file.or_else(|| (!demo).then(|| PathBuf::from(DEFAULT_CONFIGURATION)));
        Self { file, demo, addresses, nothing_is_kept: None }
    }

    /// Of a daemon that can keep nothing, for this reason, in a sentence for people.
    pub(crate) fn keeping_nothing(self, why: Option<String>) -> Self {
        Self { nothing_is_kept: why, ..self }
    }

    /// Why nothing that is changed can be kept, in a sentence for people; nothing when it can.
    pub(crate) fn nothing_is_kept(&self) -> Option<&str> {
        self.nothing_is_kept.as_deref()
    }

    /// The file, if there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The configuration of a daemon that starts. A file that is missing is made at the first start, except for a
    /// demonstration.
    ///
    /// # Errors
    /// When the file cannot be read or made, and every problem in it.
    pub(crate) fn first(&self) -> Result<Config, Problems> {
        match &self.file {
            Some(file) if !self.demo => {
                if let Some(directory) = file.parent().filter(|_| file == Path::new(DEFAULT_CONFIGURATION)) {
                    // Whether this went well shows when the file is opened.
                    let _ = DirBuilder::new().mode(0o750).create(directory);
                }
                Ok(self.completed(load_or_make(file)?))
            }
            _ => self.again(),
        }
    }

    /// What a text would be as the configuration of this daemon.
    ///
    /// # Errors
    /// Every problem in it.
    pub(crate) fn read(&self, text: &str) -> Result<Config, Problems> {
        let name =
            self.file.as_ref().map_or_else(|| "the text".to_owned(), |file| file.display().to_string());
        Ok(self.completed(load_bytes(text.as_bytes(), &name)?))
    }

    /// Whether the board is a simulated one.
    pub(crate) const fn is_demo(&self) -> bool {
        self.demo
    }

    /// The configuration as it is now.
    ///
    /// # Errors
    /// When the file cannot be read, and every problem in it.
    pub(crate) fn again(&self) -> Result<Config, Problems> {
        let config = match &self.file {
            // Nobody makes the file of a demonstration.
            Some(file) if self.demo => load_named(
                file,
                "check its name, or leave --config out: without a file the demonstration has its own house",
            )?,
            Some(file) => load_file(file)?,
            None => load(default_text(), "the default configuration")?,
        };
        Ok(self.completed(config))
    }

    /// With what the command line says.
    fn completed(&self, config: Config) -> Config {
        let mut config = config.with_addresses(self.addresses);
        if self.is_demonstrated(&config) {
            config.devices = demo_house();
        }
        config
    }

    /// Whether the devices are those of the demonstration, which stand in no text.
    fn is_demonstrated(&self, config: &Config) -> bool {
        self.demo && (self.file.is_none() || config.devices.is_empty())
    }

    /// How many devices stand in no text: those of the demonstration, as long as its file has none of its own. The first one
    /// there makes them go.
    ///
    /// # Errors
    /// Every problem in the text.
    pub(crate) fn unwritten_devices(&self, text: &str) -> Result<usize, Problems> {
        let config = load_bytes(text.as_bytes(), "the text")?;
        Ok(if self.is_demonstrated(&config) { demo_house().len() } else { 0 })
    }
}

fn load_or_make(file: &Path) -> Result<Config, Problems> {
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o640).open(file) {
        Ok(mut made) => {
            let name = file.display().to_string();
            made.write_all(default_text().as_bytes()).and_then(|()| made.sync_all()).map_err(|error| {
                Problems::of_file(
                    &name,
                    format!("it cannot be written: {error}"),
                    "make room on the disk, then remove it",
                )
            })?;
            load(default_text(), &name)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => load_file(file),
        // A file that is there but may not be written to is read all the same.
        Err(error) if file.exists() => {
            drop(error);
            load_file(file)
        }
        Err(error) => {
            let hint = "make its directory, run this as a user who may write there, or name another file with --config";
            let what = format!("there is no configuration, and none can be made: {error}");
            Err(Problems::of_file(&file.display().to_string(), what, hint))
        }
    }
}

/// At most one byte more than a configuration may have, so that a file without an end is not read for ever.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why a file cannot be read, with what helps when it is not there.
fn unreadable(name: &str, error: &std::io::Error, when_missing: &'static str) -> Problems {
    let (what, hint) = match error.kind() {
        ErrorKind::NotFound => ("there is no such file".to_owned(), when_missing),
        ErrorKind::PermissionDenied => {
            ("it may not be read".to_owned(), "run this as a user who may read it, for example with sudo")
        }
        ErrorKind::IsADirectory => {
            ("it is a directory".to_owned(), "name the file in it, such as gatehouse.toml")
        }
        _ => (format!("it cannot be read: {error}"), "check the disk"),
    };
    Problems::of_file(name, what, hint)
}

fn load_bytes(bytes: &[u8], name: &str) -> Result<Config, Problems> {
    use super::problems::{Finding, Findings};
    if bytes.len() > MAX_FILE_BYTES {
        let what =
            format!("it is larger than {MAX_FILE_BYTES} bytes, the most that a configuration can have");
        return Err(Problems::of_file(name, what, "check that this is the right file"));
    }
    match std::str::from_utf8(bytes) {
        // Some editors begin a file with the mark of its encoding.
        Ok(text) => load(text.strip_prefix('\u{feff}').unwrap_or(text), name),
        Err(error) => {
            // What stands before the first wrong byte is text, so its place is the same in the mended text.
            let start = error.valid_up_to();
            let text = String::from_utf8_lossy(bytes);
            let mut findings = Findings::default();
            findings.push(Finding::error(
                start..start + '\u{fffd}'.len_utf8(),
                "this is not UTF-8 text",
                "save the file in the encoding UTF-8",
            ));
            Err(findings.into_problems(&text, name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(file: &Path, demo: bool) -> Result<Config, Problems> {
        Source::new(Some(file.to_owned()), demo, Addresses::default()).first()
    }

    #[test]
    fn the_first_start_makes_a_good_configuration_and_the_second_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("gatehouse.toml");
        assert!(load_file(&file).unwrap_err().to_string().contains("there is no such file"));
        let demonstration = first(&file, true).unwrap_err().to_string();
        assert!(demonstration.contains("leave --config out"), "it makes no configuration: {demonstration}");
        assert!(!demonstration.contains("gatehouse run"), "{demonstration}");
        assert!(!file.exists());
        first(&file, false).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), default_text());
        std::fs::write(&file, "[gateway]\nname = \"Casa\"\n").unwrap();
        assert_eq!(first(&file, false).unwrap().gateway.name, "Casa");
    }

    #[test]
    fn a_file_that_cannot_be_made_or_read_is_named_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let nowhere = directory.path().join("nowhere/gatehouse.toml");
        for problems in [first(&nowhere, false).unwrap_err(), load_file(directory.path()).unwrap_err()] {
            let said = problems.to_string();
            assert!(said.contains(&*directory.path().to_string_lossy()) && said.contains("help:"), "{said}");
            assert_eq!(problems.errors(), 1);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_at_their_place() {
        let problems = load_bytes(b"[gateway]\nname = \"C\xe1diz\"\n", "gatehouse.toml").unwrap_err();
        assert_eq!(
            problems.listed(),
            [(2, 10, "this is not UTF-8 text", "save the file in the encoding UTF-8")]
        );
        let large = vec![b'#'; MAX_FILE_BYTES + 1];
        assert!(load_bytes(&large, "f").unwrap_err().to_string().contains("larger than 1048576 bytes"));
        assert!(load_bytes(b"\xef\xbb\xbf[gateway]\nname = \"Casa\"\n", "f").is_ok());
    }
}
