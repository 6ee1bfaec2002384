//! The generated files of the web app are checked in; this test makes them again and compares.

use std::collections::BTreeSet;
use std::path::PathBuf;

#[test]
fn generated_files_are_up_to_date() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../web/src/lib/api/generated");
    let files = gatehouse_dashboard::wire::generated_files().unwrap();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir_all(&folder).unwrap();
        for (name, content) in &files {
            std::fs::write(folder.join(name), content).unwrap();
        }
    }
    let refresh = "refresh with: UPDATE_GENERATED=1 cargo test -p gatehouse-dashboard --test generated";
    for (name, content) in &files {
        let kept = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(kept == *content, "web/src/lib/api/generated/{name} is out of date; {refresh}");
    }
    let made: BTreeSet<String> = files.into_iter().map(|(name, _)| name).collect();
    let kept: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(kept, made, "a file that nothing makes any more; {refresh}");
}
