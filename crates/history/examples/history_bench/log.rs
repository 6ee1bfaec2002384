//! Which tables the pages in the write-ahead log belong to: where the bytes of a day go.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

/// Bytes of the head of the log and before each page (<https://www.sqlite.org/fileformat2.html#walformat>).
const HEAD: u64 = 32;
const FRAME_HEAD: u64 = 24;

/// Pages of a file that is read whole for their owners in less than a second; of a larger one only the recent rows are told
/// apart.
const LARGE: i64 = 100_000;

/// Follows the log.
#[derive(Debug)]
pub(crate) struct Log {
    file: PathBuf,
    log: PathBuf,
    page: u64,
    /// Up to where it was read, and the salt of that log: a new one begins in the place of the old one.
    at: u64,
    salt: [u8; 8],
    commits: u64,
    is_large: bool,
    /// How often each page was written since the owners were looked up.
    pages: HashMap<u32, u64>,
    owners: BTreeMap<String, u64>,
}

impl Log {
    pub(crate) fn new(file: &Path) -> Self {
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        Self {
            file: file.to_owned(),
            log: log.into(),
            page: 0,
            at: HEAD,
            salt: [0; 8],
            commits: 0,
            is_large: false,
            pages: HashMap::new(),
            owners: BTreeMap::new(),
        }
    }

    /// Counts the pages that were written since the last look.
    pub(crate) fn look(&mut self) {
        // Where the log cannot be read, the report shows that its pages are missing.
        let _ = self.try_look();
    }

    fn try_look(&mut self) -> std::io::Result<()> {
        let mut log = std::fs::File::open(&self.log)?;
        let mut head = [0; HEAD as usize];
        log.read_exact(&mut head)?;
        self.page = u64::from(u32::from_be_bytes([head[8], head[9], head[10], head[11]]));
        if head[16..24] != self.salt {
            self.salt.copy_from_slice(&head[16..24]);
            self.at = HEAD;
        }
        log.seek(SeekFrom::Start(self.at))?;
        let mut rest = Vec::new();
        log.read_to_end(&mut rest)?;
        for frame in rest.chunks_exact((FRAME_HEAD + self.page) as usize) {
            if frame[8..16] != self.salt {
                break;
            }
            let number = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
            *self.pages.entry(number).or_default() += 1;
            self.commits += u64::from(frame[4..8] != [0; 4]);
            self.at += FRAME_HEAD + self.page;
        }
        Ok(())
    }

    /// Looks up to whom the pages belong.
    pub(crate) async fn attribute(&mut self) -> Result<(), sqlx::Error> {
        let mut connection =
            SqliteConnectOptions::new().filename(&self.file).read_only(true).connect().await?;
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut connection).await?;
        let all = "SELECT name, pageno, pagetype FROM dbstat";
        let recent = "SELECT name, pageno, pagetype FROM dbstat WHERE name = 'recent'";
        self.is_large = pages > LARGE;
        let found: Vec<(String, i64, String)> =
            sqlx::query_as(if self.is_large { recent } else { all }).fetch_all(&mut connection).await?;
        connection.close().await?;
        let owners: HashMap<u32, String> = found
            .into_iter()
            .filter_map(|(name, page, kind)| Some((u32::try_from(page).ok()?, format!("{name}, {kind}"))))
            .collect();
        // Each page of the map of pages tells of those that follow it, with five bytes for each.
        let of_map = u32::try_from(self.page / 5 + 1).unwrap_or(1).max(1);
        for (number, times) in self.pages.drain() {
            let owner = match owners.get(&number) {
                _ if number == 1 => "the first page of the file",
                _ if number >= 2 && (number - 2) % of_map == 0 => "the map of pages",
                Some(owner) => owner,
                None if self.is_large => "chunks, rollups, and pages that are free now",
                None => "pages that are free now",
            };
            *self.owners.entry(owner.to_owned()).or_default() += times;
        }
        Ok(())
    }

    /// Begins to count anew.
    pub(crate) fn forget(&mut self) {
        self.pages.clear();
        self.owners.clear();
        self.commits = 0;
    }

    /// How many pages were written, and their size.
    pub(crate) fn pages(&self) -> (u64, u64) {
        (self.owners.values().sum(), self.page)
    }

    /// What was counted, beside all bytes that were written.
    pub(crate) fn report(&self, all: u64) -> String {
        let mega = |pages: u64| (pages * (self.page + FRAME_HEAD)) as f64 / 1e6;
        let total: u64 = self.owners.values().sum();
        let mut text = format!(
            "Written in that day: {:.1} MB to files, of which {:.1} MB in {} transactions into the log, and the rest from there into the file:\n",
            all as f64 / 1e6,
            mega(total),
            self.commits
        );
        let mut owners: Vec<_> = self.owners.iter().collect();
        owners.sort_by_key(|(_, pages)| std::cmp::Reverse(**pages));
        for (owner, pages) in owners.into_iter().filter(|(_, pages)| mega(**pages) >= 0.05) {
            text.push_str(&format!("  {owner}: {:.1} MB in {pages} pages\n", mega(*pages)));
        }
        text
    }
}
