//! The firmware's files: the gateway's parts of `config.txt`, each a block between two marks, which is all that is ever
//! touched there; and how such a file is replaced.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Where the file is: on Raspberry Pi OS since 2023, and before.
pub(crate) const PLACES: [&str; 2] = ["/boot/firmware/config.txt", "/boot/config.txt"];

/// Largest file that is taken for a `config.txt`. The firmware reads lines of 98 characters, and nobody has thousands.
const MAX_BYTES: u64 = 256 * 1024;

/// A block of the gateway's: what it begins and ends with, and what is said of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    begin: &'static str,
    end: &'static str,
    remark: &'static str,
}

/// The levels of the outputs at power-on.
pub(crate) const OUTPUTS: Marks = Marks {
    begin: "# >>> gatehouse: outputs at power-on >>>",
    end: "# <<< gatehouse <<<",
    remark: "# Written by `gatehouse pins --write`, which replaces this block and nothing else.",
};

/// The buses that were switched on.
pub(crate) const BUSES: Marks = Marks {
    begin: "# >>> gatehouse: buses >>>",
    end: "# <<< gatehouse: buses <<<",
    remark: "# Written by `gatehouse doctor --mend`, which replaces this block and nothing else.",
};

/// The file of this machine, if it has one.
pub(crate) fn file_of_this_machine() -> Option<PathBuf> {
    PLACES.into_iter().map(PathBuf::from).find(|path| path.is_file())
}

/// The block with these lines. `[all]` ends whatever condition stands before it, since the firmware would otherwise read
/// the lines on some boards only (Raspberry Pi documentation, "Conditional filters").
pub(crate) fn block(marks: Marks, lines: &[String]) -> Vec<String> {
    let mut block = vec![marks.begin.to_owned(), marks.remark.to_owned(), "[all]".to_owned()];
    block.extend_from_slice(lines);
    block.push(marks.end.to_owned());
    block
}

/// The lines between these marks, without remarks and the condition; none when the block is not there.
pub(crate) fn lines_of(text: &str, marks: Marks) -> Vec<String> {
    let inside = text.lines().map(str::trim).skip_while(|line| *line != marks.begin).skip(1);
    let inside = inside.take_while(|line| *line != marks.end);
    inside.filter(|line| !line.starts_with('#') && *line != "[all]").map(str::to_owned).collect()
}

/// The text with this block: where the old one stood, or at the end. What stands around it stays byte for byte.
pub(crate) fn with_block(text: &str, marks: Marks, block: &[String]) -> Result<String, String> {
    let Marks { begin: first, end: last, .. } = marks;
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let places = |mark: &str| -> Vec<usize> {
        lines.iter().enumerate().filter(|(_, line)| line.trim() == mark).map(|(index, _)| index).collect()
    };
    let place = match (places(first).as_slice(), places(last).as_slice()) {
        ([], []) => None,
        ([begin], [end]) if begin < end => Some(*begin..*end + 1),
        _ => {
            return Err(format!(
                "its marks are damaged: there must be one line `{first}` and after it one line `{last}`; remove both, with what stands between them"
            ));
        }
    };
    let joined: String = block.iter().flat_map(|line| [line.as_str(), ending]).collect();
    let mut before = String::new();
    let after: String;
    match place {
        Some(place) => {
            after = lines.split_off(place.end).concat();
            before.extend(lines.drain(..place.start));
        }
        None => {
            before.push_str(text);
            // The last line may lack its end, and a blank line makes the block easier to see.
            if !before.is_empty() && !before.ends_with('\n') {
                before.push_str(ending);
            }
            if !before.is_empty() {
                before.push_str(ending);
            }
            after = String::new();
        }
    }
    Ok(before + &joined + &after)
}

/// What writing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// The block was there already, just so.
    Unchanged,
    /// It is there now; the file as it was is in this one.
    Changed { backup: PathBuf },
}

/// Writes the block into the file. The old file is kept beside it, and the new one takes its place in one step, so that
/// a power cut leaves one or the other.
pub(crate) fn write(path: &Path, marks: Marks, block: &[String]) -> anyhow::Result<Written> {
    let shown = path.display();
    let text = read(path)?;
    let new = with_block(&text, marks, block).map_err(|problem| anyhow::anyhow!("{shown}: {problem}"))?;
    if new == text {
        return Ok(Written::Unchanged);
    }
    Ok(Written::Changed { backup: replace(path, &text, &new)? })
}

/// The text of a file that the machine starts with.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() as u64 > MAX_BYTES => {
            bail!(
                "{shown} has more than {MAX_BYTES} bytes: is it really the file that the machine starts with?"
            )
        }
        Ok(_) => Ok(text),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            bail!("{shown} is no text in UTF-8, and is left alone: write the lines by hand")
        }
        Err(error) => Err(error).with_context(|| format!("{shown} cannot be read")),
    }
}

/// Replaces a file whose text is `old`. The old one is kept beside it, and the new one takes its place in one step, so that
/// a power cut leaves one or the other. A text from before the gateway changed anything is kept for good: a later change does
/// not put one of the gateway's in its place. Gives the file that is kept.
pub(crate) fn replace(path: &Path, old: &str, new: &str) -> anyhow::Result<PathBuf> {
    let shown = path.display();
    // The file may be a link, as on some systems; what it points to is what is written.
    let real = std::fs::canonicalize(path).with_context(|| format!("{shown} cannot be found"))?;
    let backup = beside(&real, "before-gatehouse");
    let next = beside(&real, "gatehouse-new");
    if !is_original(&backup) {
        put(&next, old, &real)?;
        // Whole or not at all: what is kept is taken for the original from then on.
        take_place(&next, &backup).with_context(|| format!("{} cannot be made", backup.display()))?;
    }
    put(&next, new, &real)?;
    take_place(&next, &real).with_context(|| format!("{shown} cannot be replaced"))?;
    Ok(backup)
}

/// Gives a file that is on the disk whole the place of another one, or a name that is free, and returns when that is on the disk.
///
/// On FAT a name says where its file lies. It says so on the disk once the file itself is synchronised, or half a minute after the
/// rename, while what the former file took is free at once, and with the next synchronisation on the disk: a power cut in
/// between left a config.txt that pointed to nothing. So the former file is held open, which keeps its room, until the name
/// says where the new one lies. The directory goes first: it takes away the other name of the new file, and two names must never say
/// the same place.
fn take_place(next: &Path, path: &Path) -> std::io::Result<()> {
    let directory = || path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all());
    let former = File::open(path).ok();
    std::fs::rename(next, path)?;
    directory()?;
    File::open(path)?.sync_all()?;
    drop(former);
    directory()
}

/// Whether a file that is kept is from before the gateway changed anything: nothing of the gateway's stands in it. An empty one is
/// what a power cut left.
fn is_original(kept: &Path) -> bool {
    let is_of_gateway = |line: &str| [OUTPUTS, BUSES].iter().any(|marks| line.trim() == marks.begin);
    read(kept).is_ok_and(|text| !text.is_empty() && !text.lines().any(is_of_gateway))
}

/// Makes a file that is not there, in one step.
pub(crate) fn create(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("{} cannot be made", directory.display()))?;
    }
    let next = beside(path, "gatehouse-new");
    put(&next, text, path)?;
    take_place(&next, path).with_context(|| format!("{} cannot be made", path.display()))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

fn put(path: &Path, text: &str, like: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        file.write_all(text.as_bytes())?;
        // The boot partition knows no owners and takes no permissions: then there are none to keep.
        let _ = std::fs::metadata(like).and_then(|like| file.set_permissions(like.permissions()));
        file.sync_all()
    };
    write().with_context(|| format!("{shown} cannot be written: run this as root, with sudo"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marks() -> (&'static str, &'static str) {
        (OUTPUTS.begin, OUTPUTS.end)
    }

    fn with_block_of(text: &str, block: &[String]) -> Result<String, String> {
        with_block(text, OUTPUTS, block)
    }

    fn lines(lines: &[&str]) -> Vec<String> {
        block(OUTPUTS, &lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_block_comes_to_the_end_and_is_replaced_where_it_stands() {
        let (begin, end) = marks();
        let first =
            with_block_of("dtparam=i2c_arm=on\n[pi4]\narm_boost=1", &lines(&["gpio=17=op,dl,pd"])).unwrap();
        assert_eq!(
            first,
            format!(
                "dtparam=i2c_arm=on\n[pi4]\narm_boost=1\n\n{begin}\n# Written by `gatehouse pins --write`, which replaces this block and nothing else.\n[all]\ngpio=17=op,dl,pd\n{end}\n"
            )
        );
        let edited = format!("{first}dtparam=spi=on\n");
        let second = with_block_of(&edited, &lines(&["gpio=5=op,dh,pu"])).unwrap();
        assert!(second.ends_with(&format!("gpio=5=op,dh,pu\n{end}\ndtparam=spi=on\n")), "{second}");
        assert!(!second.contains("gpio=17"));
    }

    #[test]
    fn blocks_of_different_marks_stand_beside_each_other() {
        let outputs = with_block_of("a=1\n", &lines(&["gpio=17=op,dl,pd"])).unwrap();
        let buses = |lines: &[&str]| block(BUSES, &lines.iter().map(ToString::to_string).collect::<Vec<_>>());
        let both = with_block(&outputs, BUSES, &buses(&["dtparam=spi=on"])).unwrap();
        assert_eq!(lines_of(&both, OUTPUTS), ["gpio=17=op,dl,pd"]);
        assert_eq!(lines_of(&both, BUSES), ["dtparam=spi=on"]);
        assert_eq!(lines_of("a=1\n", BUSES), Vec::<String>::new());
        let other = with_block(&both, BUSES, &buses(&["dtparam=i2c_arm=on", "dtparam=spi=on"])).unwrap();
        assert!(other.starts_with(&outputs), "{other}");
    }

    #[test]
    fn line_ends_of_another_system_are_kept() {
        let text = with_block_of("a=1\r\nb=2\r\n", &lines(&["gpio=4=op,dl,pd"])).unwrap();
        assert!(!text.replace("\r\n", "").contains('\n'), "{text:?}");
    }

    #[test]
    fn damaged_marks_are_left_to_a_person() {
        let (begin, end) = marks();
        for text in [format!("{begin}\n"), format!("{end}\n{begin}\n"), format!("{begin}\n{begin}\n{end}\n")]
        {
            assert!(with_block_of(&text, &lines(&[])).unwrap_err().contains("marks are damaged"), "{text}");
        }
    }

    proptest! {
        /// Whatever stands in the file: what was there stays, in its order, and writing twice is writing once.
        #[test]
        fn nothing_else_is_touched_and_twice_is_once(
            text in "([a-z\\[\\]=#, ]{0,12}(\r?\n)?){0,6}",
            first in proptest::collection::vec("gpio=[0-9]{1,2}=op,dl,pd", 0..3),
            second in proptest::collection::vec("gpio=[0-9]{1,2}=op,dh,pu", 0..3),
        ) {
            let once = with_block_of(&text, &block(OUTPUTS, &first)).unwrap();
            prop_assert!(once.starts_with(&text));
            prop_assert_eq!(&with_block_of(&once, &block(OUTPUTS, &first)).unwrap(), &once);
            let other = with_block_of(&once, &block(OUTPUTS, &second)).unwrap();
            prop_assert_eq!(with_block_of(&other, &block(OUTPUTS, &first)).unwrap(), once);
        }
    }

    #[test]
    fn the_file_is_replaced_in_one_step_and_the_old_one_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.txt");
        std::fs::write(&path, "dtparam=audio=on\n").unwrap();
        let backup = directory.path().canonicalize().unwrap().join("config.txt.before-gatehouse");
        let changed = Written::Changed { backup: backup.clone() };
        assert_eq!(write(&path, OUTPUTS, &lines(&["gpio=17=op,dl,pd"])).unwrap(), changed);
        assert_eq!(std::fs::read_to_string(&backup).unwrap(), "dtparam=audio=on\n");
        assert!(std::fs::read_to_string(&path).unwrap().contains("gpio=17=op,dl,pd\n"));
        assert_eq!(write(&path, OUTPUTS, &lines(&["gpio=17=op,dl,pd"])).unwrap(), Written::Unchanged);
        let mut left: Vec<_> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["config.txt", "config.txt.before-gatehouse"], "nothing is left lying about");
        // A later change keeps the original, and not what the gateway wrote first.
        write(&path, OUTPUTS, &lines(&["gpio=5=op,dh,pu"])).unwrap();
        assert_eq!(std::fs::read_to_string(&backup).unwrap(), "dtparam=audio=on\n");
        // What a power cut has left of one is none either.
        std::fs::write(&backup, "").unwrap();
        let before = std::fs::read_to_string(&path).unwrap();
        write(&path, OUTPUTS, &lines(&["gpio=7=op,dh,pu"])).unwrap();
        assert_eq!(std::fs::read_to_string(&backup).unwrap(), before);
        // What an earlier release has put in its place is no original.
        std::fs::write(&backup, with_block_of("old=1\n", &lines(&["gpio=5=op,dh,pu"])).unwrap()).unwrap();
        let before = std::fs::read_to_string(&path).unwrap();
        write(&path, OUTPUTS, &lines(&["gpio=6=op,dh,pu"])).unwrap();
        assert_eq!(std::fs::read_to_string(&backup).unwrap(), before);
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(write(&path, OUTPUTS, &lines(&[])).unwrap_err().to_string().contains("left alone"));
    }
}
