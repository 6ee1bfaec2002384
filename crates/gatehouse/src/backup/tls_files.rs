//! TLS files that the configuration names and that lie somewhere on the machine: taken along by a backup, and given a place of
//! the gateway's own by a restore where the one that is named is empty.
//!
//! In the archive and in the data directory they have names of their own beside the gateway's certificates, so that what is
//! restored takes its place with them, in one move.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use gatehouse_dashboard::wire::PlacedFile;
use rustix::fs::OFlags;

use super::CONFIGURATION;
use super::container::Contents;
use crate::changes::{place_of, read_text, tls_files, with_tls_files};
use crate::tls::{FileSetting, MAX_FILE_BYTES};
use crate::{paths, whole_file};

/// The note of what a restore at the page gave another place: the gateway restarts before anybody has read of it.
const NOTE: &str = "restored-files.json";

/// Most bytes that are read of it.
const MAX_NOTE_BYTES: u64 = 64 * 1_024;

/// How the file of a setting is called in an archive, and in the data directory that it was restored to.
pub(super) const fn archive_name(setting: FileSetting) -> &'static str {
    match setting {
        FileSetting::Certificate => "tls/restored-certificate.pem",
        FileSetting::Key => "tls/restored-key.pem",
        FileSetting::ClientAuthorities => "tls/restored-client-ca.pem",
    }
}

/// Whether a file of an archive is one that the configuration names.
pub(super) fn is_named(name: &str) -> bool {
    [FileSetting::Certificate, FileSetting::Key, FileSetting::ClientAuthorities]
        .into_iter()
        .any(|setting| archive_name(setting) == name)
}

/// A setting for people.
fn told(setting: FileSetting) -> String {
    let (section, key) = place_of(setting);
    format!("`{key}` of [{section}]")
}

/// What the configuration names, ready to go into an archive.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The files that were opened, with their names in the archive.
    pub(super) files: Vec<(&'static str, PathBuf, File)>,
    /// Those that are left out, in a sentence each.
    pub(super) left_out: Vec<String>,
}

impl Taken {
    /// Opens what this configuration names with `open`. What cannot be had is no reason to do without a backup.
    pub(super) fn along(
        configuration: File,
        place: &Path,
        open: impl Fn(&Path) -> anyhow::Result<File>,
    ) -> Self {
        let mut text = String::new();
        // One that is no text, or too long for a configuration, names nothing.
        if configuration.take(MAX_FILE_BYTES).read_to_string(&mut text).is_err() {
            return Self::default();
        }
        let mut taken = Self::default();
        for (setting, path) in tls_files(&text, place.parent().unwrap_or(Path::new(""))) {
            match open(&path).and_then(|file| small_enough(&path, file)) {
                Ok(file) => taken.files.push((archive_name(setting), path, file)),
                Err(problem) => {
                    taken.left_out.push(format!("{} is not in the backup: {problem:#}.", told(setting)));
                }
            }
        }
        taken
    }
}

fn small_enough(path: &Path, file: File) -> anyhow::Result<File> {
    ensure!(
        file.metadata()?.len() <= MAX_FILE_BYTES,
        "{} is larger than {MAX_FILE_BYTES} bytes, so it is some other file",
        path.display()
    );
    Ok(file)
}

/// The configuration of a backup, once its TLS files have places.
#[derive(Debug)]
pub(super) struct Placed {
    /// Its text as a check has to read it, while everything still lies in the stage; or why there is none.
    pub(super) text_to_check: Result<String, String>,
    /// What got another place.
    pub(super) placed: Vec<PlacedFile>,
}

/// Gives the TLS files of an unpacked backup their places. One whose named place has a file that can be read goes away; any other
/// stays among the gateway's certificates, and the configuration in the stage names that place.
///
/// # Errors
/// When the stage cannot be written.
pub(super) fn place(
    stage: &Path,
    directory: &Path,
    file_in_use: &Path,
    contents: &mut Contents,
) -> anyhow::Result<Placed> {
    let configuration = stage.join(CONFIGURATION);
    let text = read_text(&configuration);
    let directory = std::path::absolute(directory)?;
    let beside = std::path::absolute(file_in_use)?;
    let named = text.as_ref().map(|text| tls_files(text, beside.parent().unwrap_or(Path::new("/"))));
    let named = named.unwrap_or_default();
    let (mut moves, mut to_check, mut placed) = (Vec::new(), Vec::new(), Vec::new());
    for (setting, path) in named {
        let name = archive_name(setting);
        // What lies there is replaced by what is in the stage.
        let staged = path.strip_prefix(directory.join(paths::TLS_DIRECTORY)).ok();
        let staged = staged.map(|rest| stage.join(paths::TLS_DIRECTORY).join(rest));
        let is_there = is_readable(staged.as_deref().unwrap_or(&path));
        if let (true, Some(staged)) = (is_there, &staged) {
            to_check.push((setting, staged.clone()));
        }
        let is_its_own_place = path == directory.join(name);
        if is_its_own_place || !contents.has(name) {
            continue;
        }
        if is_there {
            leave_out(stage, contents, name)?;
            continue;
        }
        let place = directory.join(name);
        let (named, at) = (path.display().to_string(), place.display().to_string());
        placed.push(PlacedFile { named, place: at });
        moves.push((setting, place));
        to_check.push((setting, stage.join(name)));
    }
    let edited = |text: &str, files: &[(FileSetting, PathBuf)]| {
        with_tls_files(text, files).map_err(|problem| anyhow!(problem))
    };
    if let (Ok(text), [_, ..]) = (&text, &moves[..]) {
        write(&configuration, &edited(text, &moves)?)?;
    }
    let text_to_check = match text {
        Ok(text) if !to_check.is_empty() => Ok(edited(&text, &to_check)?),
        text => text,
    };
    Ok(Placed { text_to_check, placed })
}

/// Notes what got another place, for the page after the restart.
///
/// # Errors
/// When that cannot be written.
pub(super) fn note(directory: &Path, placed: &[PlacedFile]) -> anyhow::Result<()> {
    if placed.is_empty() {
        return Ok(());
    }
    let file = directory.join(NOTE);
    whole_file::put(&file, serde_json::to_string(placed)?)
        .with_context(|| format!("{} cannot be written", file.display()))
}

/// What was noted, as far as this configuration still names those places. A note of which nothing is so any more is forgotten.
pub(super) fn still_placed(directory: &Path, configuration: Option<&Path>) -> Vec<PlacedFile> {
    let file = directory.join(NOTE);
    let noted = paths::small_text(&file, MAX_NOTE_BYTES).and_then(|text| serde_json::from_str(&text).ok());
    let Some(mut placed): Option<Vec<PlacedFile>> = noted else { return Vec::new() };
    // One that cannot be read says nothing of it, and starts no gateway either.
    let Some(Ok(text)) = configuration.map(read_text) else { return placed };
    let named = tls_files(&text, Path::new("/"));
    placed.retain(|file| named.iter().any(|(_, path)| path == Path::new(&file.place)));
    if placed.is_empty() {
        whole_file::forget(&file);
    }
    placed
}

/// Whether there is a plain file that whoever runs this may read. A pipe keeps nobody waiting.
fn is_readable(path: &Path) -> bool {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let opened = File::options().read(true).custom_flags(flags).open(path);
    opened.and_then(|file| file.metadata()).is_ok_and(|found| found.is_file())
}

fn leave_out(stage: &Path, contents: &mut Contents, name: &str) -> anyhow::Result<()> {
    std::fs::remove_file(stage.join(name))
        .with_context(|| format!("{} cannot be removed", stage.join(name).display()))?;
    contents.names.retain(|found| found != name);
    Ok(())
}

/// Writes over a file of the stage, whose owner and mode stay.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let put = || -> std::io::Result<()> {
        let mut opened = File::options().write(true).truncate(true).open(file)?;
        opened.write_all(text.as_bytes())?;
        opened.sync_all()
    };
    put().with_context(|| format!("{} cannot be written: check that there is room for it", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;
    use crate::backup::container::Lock;
    use crate::backup::restore;
    use crate::backup::tests::{House, names, restore_with};

    /// A backup of a house with this configuration, in a file that is made anew.
    async fn backed_up(house: &House, file: &Path, text: &str) -> Vec<String> {
        let _ = std::fs::remove_file(file);
        std::fs::write(house.directory.path().join(CONFIGURATION), text).unwrap();
        house.back_up(file, Lock::Plain).await.unwrap().left_out
    }

    /// What a restore puts beside the data of a directory: the configuration, and what got another place.
    async fn restored(directory: &Path, file: &Path) -> (String, Vec<PlacedFile>) {
        let restored = restore_with(directory, file, Lock::Plain, restore::Taken::No).await.unwrap();
        let text = std::fs::read_to_string(directory.join("gatehouse.toml.restored")).unwrap();
        (text, restored.placed)
    }

    #[tokio::test]
    async fn what_the_configuration_names_comes_along_and_has_a_place_where_its_own_is_empty() {
        let place = TempDir::new().unwrap();
        let [file, certificate, key] =
            ["backup.tar", "house.pem", "house.key"].map(|name| place.path().join(name));
        std::fs::write(&certificate, "certificate").unwrap();
        std::fs::write(&key, "key").unwrap();
        let text = format!(
            "[tls] # mine\ncertificate = \"{}\"\nkey = \"{}\" # secret\n",
            certificate.display(),
            key.display()
        );
        let ana = House::new("ana").await;
        assert_eq!(backed_up(&ana, &file, &text).await, Vec::<String>::new());

        // Where both are, nothing changes.
        let same = TempDir::new().unwrap();
        assert_eq!(restored(same.path(), &file).await, (text.clone(), Vec::new()));
        assert_eq!(names(&same.path().join("tls")), ["ca.pem"]);

        // The machine has one of them.
        std::fs::remove_file(&key).unwrap();
        let fresh = TempDir::new().unwrap();
        let own = fresh.path().join("tls/restored-key.pem");
        let (found, placed) = restored(fresh.path(), &file).await;
        assert_eq!(found, text.replace(key.to_str().unwrap(), own.to_str().unwrap()), "remarks stay");
        let expected = PlacedFile { named: key.display().to_string(), place: own.display().to_string() };
        assert_eq!(placed, [expected]);
        assert_eq!(std::fs::read_to_string(&own).unwrap(), "key");
        assert_eq!(std::fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(&fresh.path().join("tls")), ["ca.pem", "restored-key.pem"]);

        // Its own place is as good as any, on the same machine and on the next one; what nobody names stays behind.
        let ben = House::new("ben").await;
        let tls = ben.directory.path().join("tls");
        std::fs::write(tls.join("restored-key.pem"), "the key of ben").unwrap();
        std::fs::write(tls.join("restored-certificate.pem"), "an old one").unwrap();
        let text = format!("[tls]\nkey = \"{}\"\n", tls.join("restored-key.pem").display());
        backed_up(&ben, &file, &text).await;
        let ben = ben.close().await;
        assert_eq!(restored(ben.path(), &file).await, (text.clone(), Vec::new()));
        assert_eq!(names(&tls), ["ca.pem", "restored-key.pem"]);
        drop(ben);
        let next = TempDir::new().unwrap();
        let (found, _) = restored(next.path(), &file).await;
        let own = next.path().join("tls/restored-key.pem");
        assert_eq!(found, format!("[tls]\nkey = \"{}\"\n", own.display()));
        assert_eq!(std::fs::read_to_string(own).unwrap(), "the key of ben");
    }

    /// The configuration is checked before anything is moved: the files are read where they lie then.
    #[test]
    fn the_check_reads_the_files_where_they_wait() {
        let directory = TempDir::new().unwrap();
        let stage = directory.path().join("restore-pending");
        std::fs::create_dir_all(stage.join("tls")).unwrap();
        let tls = directory.path().join("tls");
        let text =
            format!("[tls]\ncertificate = \"{}\"\nkey = \"keys/house.key\"\n", tls.join("own.pem").display());
        std::fs::write(stage.join(CONFIGURATION), &text).unwrap();
        for name in ["tls/own.pem", "tls/restored-key.pem", "tls/restored-certificate.pem"] {
            std::fs::write(stage.join(name), name).unwrap();
        }
        let file_names = names(&stage.join("tls")).into_iter().map(|name| format!("tls/{name}"));
        let mut contents = Contents { made: String::new(), names: file_names.collect() };
        contents.names.push(CONFIGURATION.to_owned());
        let in_use = Path::new("/nowhere/gatehouse.toml");
        let found = place(&stage, directory.path(), in_use, &mut contents).unwrap();
        let expected = |tls: &Path, own: &Path| {
            format!(
                "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
                own.join("own.pem").display(),
                tls.join("restored-key.pem").display()
            )
        };
        let waiting = stage.join("tls");
        assert_eq!(found.text_to_check.unwrap(), expected(&waiting, &waiting));
        assert_eq!(std::fs::read_to_string(stage.join(CONFIGURATION)).unwrap(), expected(&tls, &tls));
        assert_eq!(found.placed[0].named, "/nowhere/keys/house.key");
        assert_eq!(names(&waiting), ["own.pem", "restored-key.pem"]);
        assert!(!contents.has("tls/restored-certificate.pem"));
    }

    #[tokio::test]
    async fn what_cannot_be_had_is_said_and_the_backup_is_made() {
        let place = TempDir::new().unwrap();
        let [file, large] = ["backup.tar", "large.pem"].map(|name| place.path().join(name));
        File::create(&large).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        let text = format!(
            "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n[mqtts]\nclient_ca = \"missing.pem\"\n",
            large.display(),
            place.path().display()
        );
        let ana = House::new("ana").await;
        let left_out = backed_up(&ana, &file, &text).await;
        for (sentence, why) in left_out.iter().zip([
            ("`certificate` of [tls]", "is larger than"),
            ("`key` of [tls]", "is no plain file"),
            ("`client_ca` of [mqtts]", "cannot be read"),
        ]) {
            assert!(sentence.contains(why.0) && sentence.contains(why.1), "{sentence}");
        }
        assert_eq!(left_out.len(), 3);
        let fresh = TempDir::new().unwrap();
        assert_eq!(restored(fresh.path(), &file).await, (text, Vec::new()));
    }

    /// What the page said of it was gone with the restart that it brought about.
    #[test]
    fn what_got_another_place_is_told_until_the_configuration_names_another_one() {
        let directory = TempDir::new().unwrap();
        let configuration = directory.path().join("gatehouse.toml");
        let placed = ["certificate", "key"].map(|name| PlacedFile {
            named: format!("/etc/ssl/{name}.pem"),
            place: directory.path().join(format!("tls/restored-{name}.pem")).display().to_string(),
        });
        let told = |text: &str| {
            std::fs::write(&configuration, text).unwrap();
            still_placed(directory.path(), Some(&configuration))
        };
        let both = format!("[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n", placed[0].place, placed[1].place);
        assert_eq!(told(&both), [], "nothing was restored");
        note(directory.path(), &placed).unwrap();
        // Another restore, by which nothing got another place, leaves those where they are.
        note(directory.path(), &[]).unwrap();
        assert_eq!(told(&both), placed);
        let own_key = both.replace(&placed[1].place, "/etc/ssl/key.pem");
        assert_eq!(told(&own_key), placed[..1]);
        std::fs::remove_file(&configuration).unwrap();
        assert_eq!(still_placed(directory.path(), Some(&configuration)), placed, "nobody knows");
        assert_eq!(told("[gateway]\n"), []);
        assert_eq!(told(&both), [], "it is over");
        std::fs::write(directory.path().join(NOTE), "[{}]").unwrap();
        assert_eq!(told(&both), []);
    }
}
