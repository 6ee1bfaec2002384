//! The archive: what is in it, and whether it is whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use gatehouse_model::{Randomness, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::sealed::{OpenError, Opener, Sealer, is_sealed};
use super::{CONFIGURATION, DATABASES};
use crate::paths;

/// The list of the files, the last entry.
const MANIFEST: &str = "manifest.json";

/// The layout of the archive. A release that changes what a restore has to do counts it up.
const LAYOUT: u64 = 1;

/// Most files of an archive: a gateway has some ten.
const MAX_FILES: usize = 100;

/// Longest name of a file in an archive: what the header of a tar entry holds by itself.
const MAX_NAME_BYTES: usize = 100;

/// Longest manifest: a hundred files with their names.
const MAX_MANIFEST_BYTES: u64 = 64 * 1024;

/// Bytes that are copied at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// How a backup is kept from being read, or opened.
#[derive(Clone, Copy)]
pub(super) enum Lock<'a> {
    /// Anybody who has the file can read it.
    Plain,
    /// Only who knows the passphrase.
    Passphrase(&'a str),
}

/// Why a backup that may be whole was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closed {
    /// Nobody gave one.
    #[error("it is encrypted: give its passphrase")]
    NeedsPassphrase,
    /// It is another one.
    #[error("the passphrase does not open it: it was made with another one")]
    WrongPassphrase,
}

/// What an archive is written to.
enum Sink {
    Plain(BufWriter<File>),
    Sealed(Box<Sealer<BufWriter<File>>>),
}

impl Sink {
    fn finish(self) -> io::Result<File> {
        let mut buffered = match self {
            Self::Plain(file) => file,
            Self::Sealed(sealer) => sealer.finish()?,
        };
        buffered.flush()?;
        buffered.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Sealed(sealer) => sealer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Sealed(sealer) => sealer.flush(),
        }
    }
}

/// Writes an archive.
pub(super) struct Builder {
    tar: tar::Builder<Sink>,
    files: Vec<Value>,
}

impl Builder {
    pub(super) fn new(file: File, lock: Lock<'_>, randomness: &dyn Randomness) -> io::Result<Self> {
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let sink = match lock {
            Lock::Plain => Sink::Plain(file),
            Lock::Passphrase(passphrase) => {
                Sink::Sealed(Box::new(Sealer::new(file, passphrase, randomness)?))
            }
        };
        Ok(Self { tar: tar::Builder::new(sink), files: Vec::new() })
    }

    /// Adds the file of this place under a name. It may be written to meanwhile: what counts is what was read.
    ///
    /// # Errors
    /// That it cannot be read, or [`Interrupted`] as soon as it is to `stop`.
    pub(super) fn add(
        &mut self,
        name: &str,
        (path, file): (&Path, File),
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        ensure!(
            name.len() <= MAX_NAME_BYTES,
            "{} has too long a name for a backup: rename it, or move it elsewhere",
            path.display()
        );
        let bytes = file.metadata()?.len();
        let source = Stoppable { source: file.take(bytes), stop };
        let mut hashed = Hashed { source, hasher: Sha256::new(), bytes: 0 };
        let added = self.tar.append_data(&mut header(bytes), name, &mut hashed);
        ensure!(!stop.is_cancelled(), Interrupted);
        added?;
        ensure!(hashed.bytes == bytes, "{} became shorter while it was read: try again", path.display());
        self.files.push(json!({ "name": name, "bytes": bytes, "sha256": hashed.digest() }));
        Ok(())
    }

    /// Writes the manifest and brings all to the disk. Gives the size of the archive.
    pub(super) fn finish(mut self, now: Timestamp) -> anyhow::Result<u64> {
        let manifest = json!({
            "layout": LAYOUT,
            "release": env!("CARGO_PKG_VERSION"),
            "made": now.to_string(),
            "files": self.files,
        });
        let text = serde_json::to_vec_pretty(&manifest)?;
        let length = u64::try_from(text.len())?;
        self.tar.append_data(&mut header(length), MANIFEST, text.as_slice())?;
        let file = self.tar.into_inner()?.finish()?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    }
}

fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_entry_type(tar::EntryType::Regular);
    header
}

/// What an archive says of itself.
#[derive(Debug)]
pub(super) struct Contents {
    /// When it was made, as it says.
    pub(super) made: String,
    /// The names of its files.
    pub(super) names: Vec<String>,
}

impl Contents {
    /// Whether it has a file of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|found| found == name)
    }
}

/// The file of a backup, open: who unpacks it need not be who may open it.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    file: File,
}

impl Archive {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(Self::of(path, file))
    }

    /// A file that was opened, at this place.
    pub(super) fn of(path: &Path, file: File) -> Self {
        Self { path: path.to_owned(), file }
    }

    /// How large it is.
    pub(super) fn bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |file| file.len())
    }

    /// It at its beginning.
    fn rewound(&self) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

/// Reads the archive from its beginning: opened when it is sealed.
fn open(archive: &Archive, lock: Lock<'_>, most_work: u8) -> anyhow::Result<Box<dyn Read>> {
    let unreadable = || format!("{} cannot be read", archive.path.display());
    let mut beginning = Vec::new();
    archive.rewound().and_then(|file| file.take(64).read_to_end(&mut beginning)).with_context(unreadable)?;
    let file = BufReader::with_capacity(BUFFER_BYTES, archive.rewound().with_context(unreadable)?);
    if !is_sealed(&beginning) {
        return Ok(Box::new(file));
    }
    let Lock::Passphrase(passphrase) = lock else { return Err(Closed::NeedsPassphrase.into()) };
    match Opener::new(file, passphrase, most_work) {
        Ok(opener) => Ok(Box::new(opener)),
        Err(OpenError::WrongPassphrase) => Err(Closed::WrongPassphrase.into()),
        Err(problem) => {
            Err(anyhow!(problem)).with_context(|| format!("{} cannot be opened", archive.path.display()))
        }
    }
}

/// Reads an archive again after it was written and brought to the disk: each file has to be as it was put in.
pub(super) fn check(archive: &Archive, lock: Lock<'_>, stop: &CancellationToken) -> anyhow::Result<()> {
    forget_cached(&archive.file);
    let go_on = |_, _| if stop.is_cancelled() { Err(Interrupted.into()) } else { Ok(()) };
    walk(archive, None, lock, super::sealed::MAX_WORK_IN_DAEMON, go_on).map(drop)
}

/// Lets the system forget what it holds of a file that is on the disk, so that the disk is what is read next, and not what was
/// written to it. A file system that knows no such thing is read as it reads.
fn forget_cached(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

/// Somebody wants it to end.
#[derive(Debug, thiserror::Error)]
#[error("it was interrupted, and nothing is left of it")]
pub(super) struct Interrupted;

/// Takes all files of an archive out into a directory, and gives what they are when each is as it was put in. Nothing is
/// ever written elsewhere, whatever names are in it.
pub(super) fn unpack(
    archive: &Archive,
    directory: &Path,
    lock: Lock<'_>,
    most_work: u8,
    mut progress: impl FnMut(u64, u64),
) -> anyhow::Result<Contents> {
    let tell = |done, total| {
        progress(done, total);
        Ok(())
    };
    walk(archive, Some(directory), lock, most_work, tell)
}

fn walk(
    archive: &Archive,
    directory: Option<&Path>,
    lock: Lock<'_>,
    most_work: u8,
    mut progress: impl FnMut(u64, u64) -> anyhow::Result<()>,
) -> anyhow::Result<Contents> {
    let total = archive.bytes();
    let mut tar = tar::Archive::new(open(archive, lock, most_work)?);
    let mut found = BTreeMap::new();
    let mut manifest = None;
    let damaged = || format!("{} is no backup of a gateway, or is damaged", archive.path.display());
    // Long names and other attributes would be read into memory, however long they say they are; no backup has any.
    for entry in tar.entries().with_context(damaged)?.raw(true) {
        let mut entry = entry.with_context(damaged)?;
        let path = entry.path().with_context(damaged)?.into_owned();
        ensure!(entry.header().entry_type().is_file(), "{}: {} is no plain file", damaged(), path.display());
        ensure!(found.len() < MAX_FILES, "{}: it has more than {MAX_FILES} files", damaged());
        ensure!(manifest.is_none(), "{}: something follows its manifest", damaged());
        if path == Path::new(MANIFEST) {
            let mut text = Vec::new();
            (&mut entry).take(MAX_MANIFEST_BYTES).read_to_end(&mut text).with_context(damaged)?;
            manifest = Some(serde_json::from_slice::<Value>(&text).with_context(damaged)?);
            continue;
        }
        let name = known_name(&path)
            .ok_or_else(|| anyhow!("{}: {} does not belong into one", damaged(), path.display()))?;
        ensure!(!found.contains_key(&name), "{}: {name} is in it twice", damaged());
        let mut made = directory.map(|directory| make(directory, &name)).transpose()?;
        let position = entry.raw_file_position();
        let mut hashed = Hashed { source: entry, hasher: Sha256::new(), bytes: 0 };
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let length = hashed.read(&mut buffer).with_context(damaged)?;
            if length == 0 {
                break;
            }
            if let Some((made, target)) = &mut made {
                made.write_all(&buffer[..length]).with_context(|| {
                    format!("{} cannot be written: check that there is room for it", target.display())
                })?;
            }
            progress(position + hashed.bytes, total)?;
        }
        if let Some((made, _)) = made {
            made.sync_all()?;
        }
        found.insert(name, (hashed.bytes, hashed.digest()));
    }
    // What is sealed is whole only when its last piece was opened as such.
    io::copy(&mut tar.into_inner(), &mut io::sink()).with_context(damaged)?;
    let manifest = manifest.ok_or_else(|| {
        anyhow!("{} is not whole: its end is missing. Take another backup", archive.path.display())
    })?;
    verify(&manifest, &found).with_context(damaged)?;
    let made = manifest["made"].as_str().unwrap_or("an unknown time").to_owned();
    Ok(Contents { made, names: found.into_keys().collect() })
}

/// Makes the file of this name in a directory.
fn make(directory: &Path, name: &str) -> anyhow::Result<(File, PathBuf)> {
    let target = directory.join(name);
    if let Some(parent) = target.parent() {
        paths::make_private_directory(parent)?;
    }
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&target);
    Ok((made.with_context(|| format!("{} cannot be made", target.display()))?, target))
}

/// Whether what was found is what the manifest lists.
fn verify(manifest: &Value, found: &BTreeMap<String, (u64, String)>) -> anyhow::Result<()> {
    let release = manifest["release"].as_str().unwrap_or("unknown");
    ensure!(
        manifest["layout"].as_u64() == Some(LAYOUT),
        "it was made by release {release}, whose backups this release ({}) does not know: install the newest one",
        env!("CARGO_PKG_VERSION")
    );
    ensure!(
        numbers(release) <= numbers(env!("CARGO_PKG_VERSION")),
        "it was made by release {release}, which is newer than this one ({}): install that or a newer one",
        env!("CARGO_PKG_VERSION")
    );
    let listed = manifest["files"].as_array().context("it lists no files")?;
    ensure!(listed.len() == found.len(), "it lists {} files and has {}", listed.len(), found.len());
    for file in listed {
        let name = file["name"].as_str().context("a file has no name")?;
        let Some((bytes, digest)) = found.get(name) else { bail!("{name} is missing") };
        ensure!(
            file["bytes"].as_u64() == Some(*bytes) && file["sha256"].as_str() == Some(digest),
            "the checksum of {name} does not fit: it was damaged since the backup"
        );
    }
    Ok(())
}

/// The numbers of a release, to be compared.
fn numbers(release: &str) -> Vec<u64> {
    release.split(['.', '-', '+']).take(3).map_while(|part| part.parse().ok()).collect()
}

/// The name of a file that belongs into an archive; nothing of any other.
fn known_name(path: &Path) -> Option<String> {
    let mut parts = path.components();
    let (first, second) = (parts.next()?, parts.next());
    let Component::Normal(first) = first else { return None };
    let first = first.to_str()?;
    match second {
        None => {
            let known = DATABASES.contains(&first) || [paths::BOARD_FILE, CONFIGURATION].contains(&first);
            known.then(|| first.to_owned())
        }
        Some(Component::Normal(second)) if first == paths::TLS_DIRECTORY && parts.next().is_none() => {
            Some(format!("{first}/{}", second.to_str()?))
        }
        Some(_) => None,
    }
}

/// A reader that fails as soon as it is to stop.
struct Stoppable<'a, R> {
    source: R,
    stop: &'a CancellationToken,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_cancelled() {
            return Err(io::Error::other(Interrupted));
        }
        self.source.read(buffer)
    }
}

/// A reader that counts and hashes what passes.
struct Hashed<R> {
    source: R,
    hasher: Sha256,
    bytes: u64,
}

impl<R> Hashed<R> {
    fn digest(self) -> String {
        self.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        self.bytes += u64::try_from(length).unwrap_or(0);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSliceMut;

    use rustix::io::{Errno, ReadWriteFlags};

    use super::*;

    /// What was written was compared with what the system still had in memory, whatever the stick had made of it.
    #[test]
    fn what_is_read_again_comes_from_the_disk() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 4 * BUFFER_BYTES]).unwrap();
        file.sync_all().unwrap();
        let is_in_memory = || {
            let mut byte = [0];
            let mut slices = [IoSliceMut::new(&mut byte)];
            match rustix::io::preadv2(&file, &mut slices, 0, ReadWriteFlags::NOWAIT) {
                Ok(count) => Some(count == 1),
                Err(Errno::AGAIN) => Some(false),
                // The file system does not say.
                Err(_) => None,
            }
        };
        if is_in_memory() != Some(true) {
            println!("not tried: this file system does not tell what is in memory");
            return;
        }
        // The kernel may keep a page that it is busy with at that moment; on a loaded machine one try was not enough.
        let is_forgotten = (0..TRIES).any(|_| {
            std::thread::yield_now();
            forget_cached(&file);
            is_in_memory() == Some(false)
        });
        assert!(is_forgotten);
    }

    /// How often the kernel is told that nobody needs what it has of a file.
    const TRIES: usize = 1_000;
}
