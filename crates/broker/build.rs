//! Makes cargo notice a new migration: `sqlx::migrate!` reads the directory when this crate is compiled.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
