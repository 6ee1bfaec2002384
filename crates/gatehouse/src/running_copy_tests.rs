use super::*;

fn ids(ids: &[&str]) -> BTreeSet<DeviceId> {
    ids.iter().map(|id| DeviceId::new(id).unwrap()).collect()
}

fn output(id: &str, pin: &str) -> String {
    format!("[[device]]\nid = \"{id}\"\ndriver = \"output\"\npin = {pin}\nsafe = \"off\"\nmax_on = \"1h\"\n")
}

fn copies(directory: &Path, text: &str) -> RunningCopies {
    keep(directory, text);
    RunningCopies::new(directory.to_owned(), text.to_owned())
}

#[test]
fn the_copy_is_replaced_whole_and_both_are_there_during_a_change() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    assert_eq!(texts(directory), Vec::<String>::new());
    let mut copies = copies(directory, "a = 1\n");
    assert_eq!(texts(directory), ["a = 1\n"]);
    copies.begin("a = 2\n").unwrap();
    assert_eq!(texts(directory), ["a = 2\n", "a = 1\n"]);
    copies.end(&ids(&[]));
    assert_eq!(texts(directory), ["a = 2\n"]);
    copies.begin("a = 3\n").unwrap();
    // The daemon died in the middle and starts again.
    keep(directory, "a = 4\n");
    assert_eq!(texts(directory), ["a = 4\n"]);
}

/// The copy of before was deleted as soon as a change was made, although a heater that had been taken out of the file
/// hung: nobody tried to drive it safe after the end.
#[test]
fn what_could_not_be_driven_safe_is_known_until_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let board = "[board]\nchip = \"gpiochip1\"\n\n";
    let before = format!("{board}{}{}{}", output("heater", "5"), output("lamp", "6"), output("pump", "7"));
    let mut copies = copies(directory, &before);
    let lamp = output("lamp", "6");
    copies.begin(&lamp).unwrap();
    copies.end(&ids(&["heater", "pump"]));
    let left = |directory: &Path| {
        let texts = texts(directory);
        assert_eq!(texts.len(), 2, "{texts:?}");
        let salvaged = config::salvage(&texts[1]).unwrap();
        assert_eq!(salvaged.board.chip.as_deref(), Some("gpiochip1"));
        let pins = |device: &DeviceConfig| format!("{} {}", device.id, device.driver.pins()[0]);
        salvaged.devices.iter().map(pins).collect::<Vec<_>>()
    };
    assert_eq!(left(directory), ["heater GPIO 5, header pin 29", "pump GPIO 7, header pin 26"]);
    // A further change neither forgets them nor takes others for them.
    copies.begin(&output("fan", "6")).unwrap();
    assert_eq!(texts(directory).len(), 3);
    copies.end(&ids(&["heater", "pump"]));
    assert_eq!(left(directory).len(), 2);
    copies.begin("oh = 1").unwrap();
    copies.undo();
    assert_eq!(left(directory).len(), 2);
    copies.follow(&ids(&["heater"]));
    assert_eq!(left(directory), ["heater GPIO 5, header pin 29"]);
    copies.follow(&ids(&[]));
    assert_eq!(texts(directory).len(), 1);
}

/// A relay of an expander can only be driven by who knows the expander.
#[test]
fn what_is_left_comes_with_what_it_is_connected_through() {
    let directory = tempfile::tempdir().unwrap();
    let expander = "[[device]]\nid = \"porch\"\ndriver = \"mcp23017\"\nbus = \"i2c-1\"\naddress = 0x20\n";
    let before = format!("{expander}{}", output("heater", "\"porch:3\""));
    let mut copies = copies(directory.path(), &before);
    copies.begin("").unwrap();
    copies.end(&ids(&["heater"]));
    let salvaged = config::salvage(&texts(directory.path())[1]).unwrap();
    let known: Vec<&str> = salvaged.devices.iter().map(|device| device.id.as_str()).collect();
    assert_eq!(known, ["porch", "heater"]);
}

#[test]
fn a_change_that_was_refused_leaves_what_was() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let mut copies = copies(directory, "a = 1\n");
    copies.begin("a = 2\n").unwrap();
    copies.undo();
    assert_eq!(texts(directory), ["a = 1\n"]);
    copies.begin("a = 3\n").unwrap();
    copies.end(&ids(&[]));
    // What was refused once came back here, because an older copy of before was still there.
    std::fs::write(directory.join(BEFORE), "a = 0\n").unwrap();
    copies.begin("a = 4\n").unwrap();
    copies.undo();
    assert_eq!(texts(directory), ["a = 3\n"]);
}

/// The chip of the lines does not change while the daemon runs, whatever the file says by now.
#[test]
fn a_change_keeps_the_board_of_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let started = "[board]\nchip = \"gpiochip1\"\n\n[[device]]\nid = \"a\"\n";
    let changed = "[board]\nchip = \"gpiochip2\"\n\n[[device]]\nid = \"b\"\n";
    let mut with_board = copies(directory, started);
    with_board.begin(changed).unwrap();
    with_board.end(&ids(&[]));
    let copy = texts(directory).remove(0);
    assert!(copy.contains("chip = \"gpiochip1\"") && copy.contains("id = \"b\""), "{copy}");
    assert!(!copy.contains("gpiochip2"), "{copy}");
    copies(directory, "").begin(changed).unwrap();
    assert!(!texts(directory).remove(0).contains("board"), "it began without one");
}

#[test]
fn a_copy_that_cannot_be_written_leaves_no_old_one() {
    let directory = tempfile::tempdir().unwrap();
    keep(directory.path(), "old");
    // Nothing can be written where a directory has the name.
    std::fs::create_dir(directory.path().join(format!("{CURRENT}.new"))).unwrap();
    keep(directory.path(), "new");
    assert_eq!(texts(directory.path()), Vec::<String>::new());
}

/// While what is left cannot be written the copy of before stays, and no other change begins.
#[test]
fn a_disk_that_is_full_forgets_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let mut copies = copies(directory, &output("heater", "5"));
    copies.begin("").unwrap();
    let blocker = directory.join(format!("{LEFT}.new"));
    std::fs::create_dir(&blocker).unwrap();
    copies.end(&ids(&["heater"]));
    assert!(texts(directory).iter().any(|text| text.contains("heater")));
    assert!(copies.begin("a = 1\n").is_err());
    assert!(texts(directory).iter().any(|text| text.contains("heater")));
    std::fs::remove_dir(&blocker).unwrap();
    copies.begin("a = 1\n").unwrap();
    copies.end(&ids(&["heater"]));
    assert!(texts(directory)[1].contains("heater"));
}
