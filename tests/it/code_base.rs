//! The rules of the code base that a program can check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use gatehouse_tests::binary::workspace;

/// Hard limit of a source file, in lines. About 400 is the aim.
const MAX_FILE_LINES: usize = 700;

/// What may know what (design: the floors of the house). A room knows the ground floor and the decisions, and never
/// another room; the tests see the product from outside and use the ground floor alone, for its clock.
fn may_know(package: &str) -> &'static [&'static str] {
    match package {
        "gatehouse-model" => &[],
        "gatehouse-control" => &["gatehouse-model"],
        "gatehouse-broker" | "gatehouse-board" | "gatehouse-history" | "gatehouse-dashboard" => {
            &["gatehouse-model", "gatehouse-control"]
        }
        "gatehouse" => &[
            "gatehouse-model",
            "gatehouse-control",
            "gatehouse-broker",
            "gatehouse-board",
            "gatehouse-history",
            "gatehouse-dashboard",
        ],
        "gatehouse-tests" => &["gatehouse-model"],
        // What stands around the daemon on an emulated board shares nothing with it, mistakes least of all.
        "gatehouse-rig" => &[],
        other => {
            panic!("{other} has no place in the house yet: give it one in design, ARCHITECTURE.md and here")
        }
    }
}

/// Dependencies that would give a pure or a narrow room more to do than its purpose. Tests of a room may use more.
fn must_not_use(package: &str) -> &'static [&'static str] {
    match package {
        "gatehouse-model" | "gatehouse-control" => {
            &["tokio", "async-trait", "axum", "sqlx", "rustix", "getrandom", "tracing"]
        }
        "gatehouse-broker" => &["axum", "tower-http", "getrandom"],
        "gatehouse-board" => &["axum", "sqlx", "tower-http", "getrandom"],
        "gatehouse-history" => &["axum", "tower-http", "rmqtt-codec", "getrandom"],
        "gatehouse-dashboard" => &["rmqtt-codec", "rumqttc", "getrandom"],
        _ => &[],
    }
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(workspace().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo describes the workspace")
}

fn workspace_packages(metadata: &Metadata) -> Vec<&Package> {
    metadata.workspace_packages()
}

#[test]
fn the_rooms_never_know_each_other() {
    let metadata = metadata();
    let packages = workspace_packages(&metadata);
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    for package in &packages {
        let allowed = may_know(&package.name);
        for dependency in &package.dependencies {
            let is_ours = names.contains(dependency.name.as_str());
            assert!(
                !is_ours || allowed.contains(&dependency.name.as_str()),
                "{} must not know {} (as a {:?} dependency): rooms are joined in crates/gatehouse, by passing things in",
                package.name,
                dependency.name,
                dependency.kind,
            );
        }
    }
}

#[test]
fn the_pure_floors_stay_pure() {
    let metadata = metadata();
    for package in workspace_packages(&metadata) {
        let forbidden = must_not_use(&package.name);
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            assert!(
                !forbidden.contains(&dependency.name.as_str()),
                "{} must not use {}",
                package.name,
                dependency.name
            );
        }
    }
}

/// The broker's core decides and its edge talks to clients; only what is behind the `Store` trait knows a database.
#[test]
fn only_the_durable_store_of_the_broker_knows_a_database() {
    let sources = workspace().join("crates/broker/src");
    for file in rust_files(&sources) {
        let text = std::fs::read_to_string(&file).expect("a source file can be read");
        let is_store = file.starts_with(sources.join("durable"));
        assert!(is_store || !text.contains("sqlx::"), "{}: this belongs into durable/", file.display());
    }
}

/// What decides does not wait, and asks no clock.
#[test]
fn the_core_of_the_broker_names_no_runtime() {
    for file in rust_files(&workspace().join("crates/broker/src/core")) {
        let text = std::fs::read_to_string(&file).expect("a source file can be read");
        assert!(!text.contains("tokio::"), "{}: the core is sans-IO", file.display());
    }
}

#[test]
fn there_is_no_junk_room() {
    let metadata = metadata();
    for package in workspace_packages(&metadata) {
        for file in rust_files(package.manifest_path.parent().expect("a manifest has a folder").as_std_path())
        {
            let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            assert!(
                !["utils", "util", "common", "helpers", "helper", "misc"].contains(&name),
                "{}: a module is named after what it is about",
                file.display()
            );
        }
    }
}

#[test]
fn every_dependency_is_declared_once() {
    for manifest in manifests() {
        let text = std::fs::read_to_string(&manifest).expect("a manifest can be read");
        let mut in_dependencies = false;
        for (number, line) in text.lines().enumerate() {
            if line.starts_with('[') {
                in_dependencies = line.trim_end_matches(']').ends_with("dependencies");
            } else if in_dependencies && line.contains('=') {
                assert!(
                    line.contains("workspace = true"),
                    "{}:{}: the version belongs into the root Cargo.toml, with a line that says what it is for",
                    manifest.display(),
                    number + 1
                );
            }
        }
        assert!(text.contains("[lints]\nworkspace = true"), "{}: no workspace lints", manifest.display());
    }
}

#[test]
fn every_room_says_what_it_is_and_what_it_never_does() {
    for room in ["model", "control", "broker", "board", "history", "dashboard"] {
        let path = workspace().join("crates").join(room).join("src/lib.rs");
        let text = std::fs::read_to_string(&path).expect("a room has a lib.rs");
        let introduction: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let introduction = introduction.join("\n");
        assert!(introduction.contains("Architecture invariant:"), "{}", path.display());
    }
}

#[test]
fn no_file_is_too_long_to_hold_in_mind() {
    let files: Vec<PathBuf> = manifests().iter().filter_map(|m| m.parent()).flat_map(rust_files).collect();
    let mut too_long = BTreeMap::new();
    for file in files {
        // What a program writes (types, tables) is not read from top to bottom.
        if file.file_stem().is_some_and(|stem| stem == "generated") {
            continue;
        }
        let lines = std::fs::read_to_string(&file).expect("a source file can be read").lines().count();
        if lines > MAX_FILE_LINES {
            too_long.insert(file, lines);
        }
    }
    assert!(too_long.is_empty(), "more than {MAX_FILE_LINES} lines: {too_long:#?}");
}

fn manifests() -> Vec<PathBuf> {
    let metadata = metadata();
    workspace_packages(&metadata).iter().map(|p| p.manifest_path.clone().into_std_path_buf()).collect()
}

/// All Rust files below a folder, without those of build directories and of other languages' packages.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder can be listed").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                if !["target", "node_modules", ".venv"].iter().any(|skipped| name == *skipped) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}
