//! What the program says of how it was built: the compiler, and the commit where the build is told it.

use std::process::Command;

fn main() {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(compiler).arg("--version").output().ok();
    let version = said.and_then(|said| String::from_utf8(said.stdout).ok()).unwrap_or_default();
    println!("cargo::rustc-env=GATEHOUSE_COMPILER={}", version.trim());
    // GATEHOUSE_COMMIT is taken as it is (option_env!); scripts/build-deb sets it. Asking git here would build the program anew
    // with every commit.
    println!("cargo::rerun-if-env-changed=GATEHOUSE_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
}
