use std::collections::BTreeSet;

use gatehouse_tests::Setup;
use gatehouse_tests::binary::workspace;

/// What makes figures.
const SOURCES: [&str; 3] = [
    "crates/dashboard/src/api/metrics.rs",
    "crates/gatehouse/src/wiring/figures.rs",
    "crates/gatehouse/src/wiring/machine_figures.rs",
];

fn read(file: &str) -> String {
    std::fs::read_to_string(workspace().join(file)).expect("a file of the workspace")
}

/// Each first column of the manual's table.
fn names_in_the_manual() -> BTreeSet<String> {
    let manual = read("docs/monitoring.md");
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.map(str::to_owned).collect()
}

#[test]
fn each_figure_that_prometheus_gets_is_in_the_manual() {
    let gateway = Setup::demo().with_user("ana", "admin", "a lamp in the window").start();
    let browser = gateway.browser();
    browser.log_in("ana", "a lamp in the window");
    let page = browser.get("/metrics").expect(200).body;
    let given = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let given: BTreeSet<String> = given.map(str::to_owned).collect();
    let named = names_in_the_manual();
    let unnamed: Vec<&String> = given.difference(&named).collect();
    assert!(unnamed.is_empty(), "docs/monitoring.md does not name {unnamed:?}");
    // These the page of the system has as well, on every machine that runs this.
    for own in ["process_resident_memory_bytes", "process_start_time_seconds", "gatehouse_disk_free_bytes"] {
        assert!(given.contains(own), "{own} is missing: {given:?}");
    }
    let code: String = SOURCES.map(read).concat();
    let stale: Vec<&String> = named.iter().filter(|name| !code.contains(&format!("\"{name}\""))).collect();
    assert!(stale.is_empty(), "docs/monitoring.md names {stale:?}, which nothing gives");
}
