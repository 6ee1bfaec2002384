//! File systems for tests: a disk that can fill up and fail, and memory.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own for the data, which is taken away in the end.
pub(super) struct Disk {
    place: PathBuf,
    /// Where the kernel can be told that it found errors.
    errors: PathBuf,
}

impl Disk {
    /// Nothing where this user cannot make one.
    pub(super) fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a directory can be made");
        let image = at.with_extension("image");
        let (place, file) = (at.to_string_lossy(), image.to_string_lossy());
        // Blocks as every card has them. With the smaller ones of a small disk, what SQLite's processes share (`-shm`) has pages of which
        // only a part was given room, and whoever writes to the rest of one on a full disk gets SIGBUS (docs/alone.md).
        let is_there = run("truncate", &["--size=64M", &file])
            && run("mkfs.ext4", &["-q", "-b", "4096", "-m", "0", &file])
            && run("mount", &["-o", "loop,errors=remount-ro", &file, &place]);
        if !is_there {
            return None;
        }
        let mounts = std::fs::read_to_string("/proc/self/mounts").expect("the kernel tells");
        let mount = mounts.lines().find(|line| line.split(' ').nth(1) == Some(&*place));
        let device =
            mount.and_then(|line| line.split(' ').next()?.strip_prefix("/dev/")).expect("it is mounted");
        let errors = Path::new("/sys/fs/ext4").join(device).join("trigger_fs_error");
        Some(Self { place: at.to_owned(), errors })
    }

    /// Bytes that may be written.
    pub(super) fn free(&self) -> u64 {
        let figures = rustix::fs::statvfs(&self.place).expect("the disk tells");
        figures.f_bavail * figures.f_frsize
    }

    /// Takes so many bytes of it; what does not fit is refused.
    pub(super) fn fill(&self, bytes: u64) {
        let bytes = vec![0; usize::try_from(bytes).expect("it is small")];
        drop(std::fs::write(self.filler(), bytes));
    }

    /// Gives them back.
    pub(super) fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("there is a file");
    }

    fn filler(&self) -> PathBuf {
        self.place.join("filler")
    }

    /// Lets somebody write from now on, or nobody, as after a restart of the machine.
    pub(super) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(
            run("mount", &["-o", &options, &self.place.to_string_lossy()]),
            "it cannot be mounted {options}"
        );
    }

    /// Every byte of it.
    pub(super) fn content(&self) -> Vec<u8> {
        std::fs::read(self.place.with_extension("image")).expect("its image can be read")
    }

    /// The kernel finds an error, and lets nobody write any more.
    pub(super) fn fail(&self) {
        std::fs::write(&self.errors, "made by a test").expect("the kernel can be told");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // One that is still used goes with its last user.
        run("umount", &["-l", &self.place.to_string_lossy()]);
    }
}

/// Runs a program, and says whether that went well.
pub(super) fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
}

/// Memory as a service manager hands it over.
pub(super) struct Memory(pub(super) PathBuf);

impl Memory {
    /// Nothing where this user cannot make one.
    pub(super) fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a directory can be made");
        let options = format!("size={size},mode=700");
        run("mount", &["-t", "tmpfs", "-o", &options, "memory", &at.to_string_lossy()])
            .then(|| Self(at.to_owned()))
    }

    /// What is in it.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("it can be read");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("it can be read").file_name();
        entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        run("umount", &["-l", &self.0.to_string_lossy()]);
    }
}
