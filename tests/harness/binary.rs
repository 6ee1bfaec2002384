//! Finds or builds the binary under test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The binary under test: the one that `GATEHOUSE_BIN` names, or one that is built now, once.
///
/// # Panics
/// When it is not there or does not build.
pub fn path() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("GATEHOUSE_BIN") {
        Some(path) => {
            let path = PathBuf::from(path);
            // Relative to where `cargo test` was called, while tests run in the directory of their package.
            let path = if path.is_relative() { workspace().join(path) } else { path };
            assert!(path.is_file(), "GATEHOUSE_BIN: there is no file {}", path.display());
            path
        }
        None => build(),
    })
}

/// The root of the workspace.
///
/// # Panics
/// Never: the manifest of this package lies below it.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace")
}

fn build() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace()).stderr(Stdio::inherit());
    cargo.args(["build", "--package", "gatehouse", "--message-format", "json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    // The test lies in <target directory>/<profile>/deps: building into the same directory reuses what is there, also
    // when the directory was given on the command line.
    let test = std::env::current_exe().expect("a running program knows its path");
    if let Some(target_directory) = test.ancestors().nth(3) {
        cargo.arg("--target-dir").arg(target_directory);
    }
    let output = cargo.output().expect("cargo can be started");
    assert!(output.status.success(), "gatehouse does not build: {cargo:?}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "gatehouse")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the executable that it built")
}
