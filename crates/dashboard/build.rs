//! Puts the web app into the binary: `web/dist` when it was built, otherwise a page that says how to build it.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let crate_folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let web = crate_folder.join("../../web");
    let built = web.join("dist");
    let placeholder = crate_folder.join("placeholder");
    println!("cargo::rerun-if-changed=build.rs");
    let app = if built.join("index.html").is_file() {
        println!("cargo::rerun-if-changed={}", built.display());
        built
    } else {
        // A path that does not exist would make cargo build this crate again each time. The folder around it changes
        // when the web app is built into it, which is when we want to run again.
        if web.is_dir() {
            println!("cargo::rerun-if-changed={}", web.display());
        }
        println!("cargo::rerun-if-changed={}", placeholder.display());
        placeholder
    };
    let app = fs::canonicalize(app)?;
    // memory_serve::load_directory_with_embed would print a warning for each file.
    let silent: fn(&str) = |_| {};
    let assets = memory_serve::assets_to_code(&app.to_string_lossy(), Path::new(&app), &out, true, silent);
    // What is embedded is not read from its path again; with it, two builds in two places would not be the same bytes.
    let assets = assets.replace(&format!("path: r\"{}", app.display()), "path: r\"web/dist");
    fs::write(out.join("memory_serve_assets.rs"), format!("&[(\"default\", {assets})]"))?;
    Ok(())
}
