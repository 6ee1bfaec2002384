//! Which test holds which numbered statement of the standards.
//!
//! `statements/v3_1_1.md` and `statements/v5.md` have one row for each statement of appendix B of MQTT 3.1.1 and of
//! MQTT 5.0: its number, what it is about in our own words, and the tests that hold it, or the reason why it does not
//! apply to this broker. The tests here read the tables and the sources, and prove that nothing is missing, nothing is
//! made up, and every named test is there and runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// A number such as 3.3.1-2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Number {
    section: Vec<u8>,
    statement: u8,
}

impl Number {
    fn read(text: &str) -> Option<Self> {
        let (section, statement) = text.split_once('-')?;
        let section = section.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u8>>>()?;
        Some(Self { section, statement: statement.parse().ok()? })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let section: Vec<String> = self.section.iter().map(u8::to_string).collect();
        write!(f, "{}-{}", section.join("."), self.statement)
    }
}

/// How a statement is held.
#[derive(Debug, PartialEq)]
enum Held<'a> {
    By(Vec<&'a str>),
    /// It is about clients alone, or about something that this broker does not do; the reason says what.
    NotOurs(&'a str),
    /// Nobody has looked yet.
    Open,
}

struct Standard {
    name: &'static str,
    table: &'static str,
    /// Section, first and last number of its statements: the whole of appendix B, written down apart from the table.
    sections: &'static [(&'static str, u8, u8)],
}

const STANDARDS: [Standard; 2] = [
    Standard {
        name: "3.1.1",
        table: include_str!("statements/v3_1_1.md"),
        sections: &[
            ("1.5.3", 1, 3),
            ("2.2.2", 1, 2),
            ("2.3.1", 1, 7),
            ("3.1.0", 1, 2),
            ("3.1.2", 1, 24),
            ("3.1.3", 1, 11),
            ("3.1.4", 1, 5),
            ("3.2.0", 1, 1),
            ("3.2.2", 1, 6),
            ("3.3.1", 1, 12),
            ("3.3.2", 1, 3),
            ("3.3.4", 1, 1),
            ("3.3.5", 1, 2),
            ("3.6.1", 1, 1),
            ("3.8.1", 1, 1),
            ("3.8.3", 1, 4),
            ("3.8.4", 1, 6),
            ("3.9.3", 1, 2),
            ("3.10.1", 1, 1),
            ("3.10.3", 1, 2),
            ("3.10.4", 1, 6),
            ("3.12.4", 1, 1),
            ("3.14.1", 1, 1),
            ("3.14.4", 1, 3),
            ("4.1.0", 1, 2),
            ("4.3.1", 1, 1),
            ("4.3.2", 1, 2),
            ("4.3.3", 1, 2),
            ("4.4.0", 1, 1),
            ("4.5.0", 1, 2),
            ("4.6.0", 1, 6),
            ("4.7.1", 1, 3),
            ("4.7.2", 1, 1),
            ("4.7.3", 1, 4),
            ("4.8.0", 1, 2),
            ("6.0.0", 1, 4),
            ("7.0.0", 1, 2),
            ("7.1.1", 1, 1),
            ("7.1.2", 1, 1),
        ],
    },
    Standard {
        name: "5.0",
        table: include_str!("statements/v5.md"),
        sections: &[
            ("1.5.4", 1, 3),
            ("1.5.5", 1, 1),
            ("1.5.7", 1, 1),
            ("2.1.3", 1, 1),
            // The standard has no 2.2.1-1.
            ("2.2.1", 2, 6),
            ("2.2.2", 1, 1),
            ("3.1.0", 1, 2),
            ("3.1.2", 1, 30),
            ("3.1.3", 1, 12),
            ("3.1.4", 1, 6),
            ("3.2.0", 1, 2),
            ("3.2.2", 1, 22),
            ("3.3.1", 1, 13),
            ("3.3.2", 1, 20),
            ("3.3.4", 1, 10),
            ("3.4.2", 1, 3),
            ("3.5.2", 1, 3),
            ("3.6.1", 1, 1),
            ("3.6.2", 1, 3),
            ("3.7.2", 1, 3),
            ("3.8.1", 1, 1),
            ("3.8.3", 1, 5),
            ("3.8.4", 1, 8),
            ("3.9.2", 1, 2),
            ("3.9.3", 1, 2),
            ("3.10.1", 1, 1),
            ("3.10.3", 1, 2),
            ("3.10.4", 1, 6),
            ("3.11.2", 1, 2),
            ("3.11.3", 1, 2),
            ("3.12.4", 1, 1),
            ("3.14.0", 1, 1),
            ("3.14.1", 1, 1),
            ("3.14.2", 1, 4),
            ("3.14.4", 1, 3),
            ("3.15.1", 1, 1),
            ("3.15.2", 1, 3),
            ("4.1.0", 1, 2),
            ("4.2.0", 1, 1),
            ("4.3.1", 1, 1),
            ("4.3.2", 1, 5),
            ("4.3.3", 1, 13),
            ("4.4.0", 1, 2),
            ("4.5.0", 1, 2),
            ("4.6.0", 1, 6),
            ("4.7.0", 1, 1),
            ("4.7.1", 1, 2),
            ("4.7.2", 1, 1),
            ("4.7.3", 1, 4),
            ("4.8.2", 1, 6),
            ("4.9.0", 1, 3),
            ("4.12.0", 1, 7),
            ("4.12.1", 1, 2),
            ("4.13.1", 1, 1),
            ("4.13.2", 1, 1),
            ("6.0.0", 1, 4),
        ],
    },
];

impl Standard {
    fn numbers(&self) -> BTreeSet<Number> {
        let numbers = self.sections.iter().flat_map(|(section, first, last)| {
            (*first..=*last).map(move |number| Number::read(&format!("{section}-{number}")).unwrap())
        });
        numbers.collect()
    }

    /// The rows of the table: number, what it is about, and how it is held.
    fn rows(&self) -> Vec<(Number, &'static str, Held<'static>)> {
        let rows = self.table.lines().filter(|line| line.starts_with("| ")).skip(1);
        rows.map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [number, about, held] = cells[..] else { panic!("three cells in {line}") };
            let number = Number::read(number).unwrap_or_else(|| panic!("a number begins {line}"));
            let reason = held.strip_prefix("client only: ").or(held.strip_prefix("does not apply: "));
            let held = match (held, reason) {
                ("open", _) => Held::Open,
                (_, Some(reason)) => Held::NotOurs(reason),
                _ => Held::By(held.split(", ").collect()),
            };
            (number, about, held)
        })
        .collect()
    }
}

#[test]
fn every_statement_has_one_row() {
    let counts = STANDARDS.map(|standard| standard.numbers().len());
    assert_eq!(counts, [141, 251], "the numbers of statements that the appendices have");
    for standard in STANDARDS {
        let mut missing = standard.numbers();
        for (number, about, held) in standard.rows() {
            assert!(missing.remove(&number), "{number} is unknown to MQTT {} or has two rows", standard.name);
            assert!(about.len() > 10, "{number} says what it is about");
            if let Held::NotOurs(reason) = held {
                assert!(reason.len() > 10, "{number} says why it does not apply");
            }
        }
        assert!(missing.is_empty(), "MQTT {} has these as well: {missing:?}", standard.name);
    }
}

#[test]
fn every_named_test_is_there_and_runs() {
    let tests = tests();
    for standard in STANDARDS {
        for (number, _, held) in standard.rows() {
            let names = match held {
                Held::By(names) => names,
                // A reason may name a test too.
                Held::NotOurs(reason) => {
                    reason.split([' ', ',', ';']).filter(|word| word.contains("::")).collect()
                }
                Held::Open => continue,
            };
            for name in names {
                match tests.get(name) {
                    Some(ignored) => assert!(!ignored, "{name}, which holds {number}, is ignored"),
                    None => panic!("{name}, which holds {number} of MQTT {}, is no test", standard.name),
                }
            }
        }
    }
}

#[test]
fn no_statement_is_open() {
    for standard in STANDARDS {
        for (number, about, held) in standard.rows() {
            assert_ne!(held, Held::Open, "{number} of MQTT {}: {about}", standard.name);
        }
    }
}

/// A number that a comment cites without a version is one of MQTT 5.0; `of 3.1.1` behind it says the other.
#[test]
fn every_cited_statement_exists() {
    let [three, five] = STANDARDS.map(|standard| standard.numbers());
    let mut cited = 0;
    let opening = format!("[{}-", "MQTT");
    let workspace = package().join("../..");
    let folders = ["crates", "tests"].map(|folder| rust_files(&workspace.join(folder)));
    for file in folders.iter().flatten() {
        let text = std::fs::read_to_string(file).unwrap();
        for (at, _) in text.match_indices(&opening) {
            let (number, behind) = text[at + opening.len()..].split_once(']').unwrap();
            let numbers = if behind.starts_with(" of 3.1.1") { &three } else { &five };
            let known = Number::read(number).is_some_and(|number| numbers.contains(&number));
            assert!(known, "{} cites {number}, which the standard does not have", file.display());
            cited += 1;
        }
    }
    assert!(cited > 20, "the citations were found: {cited}");
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Every test of this package, by its path as `cargo test` tells it, and whether it is ignored. Those of this file's
/// crate begin with `it`, those of the dashboard with `dashboard`.
fn tests() -> BTreeMap<String, bool> {
    let mut tests = BTreeMap::new();
    // WebSocket is the dashboard's: the broker sees a stream like others.
    let roots = [("src", None), ("tests/it", Some("it")), ("../dashboard/src", Some("dashboard"))];
    for (root, prefix) in roots {
        let root = package().join(root);
        for file in rust_files(&root) {
            let inner = file.strip_prefix(&root).unwrap().with_extension("");
            let names = inner.iter().map(|part| part.to_str().unwrap());
            let module: Vec<&str> =
                prefix.into_iter().chain(names.filter(|name| *name != "mod" && *name != "main")).collect();
            read_tests(&std::fs::read_to_string(&file).unwrap(), &module.join("::"), &mut tests);
        }
    }
    tests
}

/// A line that says `#[test]` or `#[tokio::test…]`, perhaps other attributes, then the function. A module inside a
/// file is one that the formatter leaves unindented.
fn read_tests(text: &str, module: &str, tests: &mut BTreeMap<String, bool>) {
    let mut inner = String::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            inner = format!("::{name}");
        } else if line == "}" {
            inner.clear();
        }
        let line = line.trim_start();
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            (is_test, is_ignored) = (true, false);
        } else if line.starts_with("#[ignore") {
            is_ignored = true;
        } else if let Some(name) = line.trim_start_matches("async ").strip_prefix("fn ")
            && is_test
        {
            let name = name.split(['(', '<']).next().unwrap();
            tests.insert(format!("{module}{inner}::{name}"), is_ignored);
            is_test = false;
        }
    }
}

#[test]
fn tests_are_recognised_in_sources() {
    let source = "
#[test]
fn plain() {}

mod tests {
    proptest! {
        #[test]
        fn generated(
        ) {}
    }
    #[tokio::test(start_paused = true)]
    #[ignore = \"slow\"]
    async fn slow() {}
    fn helper() {}
}

fn no_test() {}
#[tokio::test]
async fn last() {}
";
    let mut tests = BTreeMap::new();
    read_tests(source, "core", &mut tests);
    let expected = [
        ("core::last", false),
        ("core::plain", false),
        ("core::tests::generated", false),
        ("core::tests::slow", true),
    ];
    assert_eq!(tests, expected.map(|(name, ignored)| (name.to_owned(), ignored)).into());
}
