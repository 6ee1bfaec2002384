//! Which lines of the header the kernel's drivers have, by the device tree that runs: overlays are in it, and it can be
//! read by everybody. The kernel itself shows a line as free that is a part of a bus.
//!
//! Drivers name groups of pins in `pinctrl-0`; a group says its lines and what they become
//! (`Documentation/devicetree/bindings/pinctrl`: `brcm,bcm2835-gpio.txt`, `raspberrypi,rp1-gpio.yaml`).

use std::collections::BTreeMap;
use std::path::Path;

use crate::host::HostPlaces;
use crate::traits::LineNumber;

/// Most nodes that are looked at: a Raspberry Pi has about a thousand.
const MAX_NODES: usize = 8_192;

/// Deepest node that is looked at.
const MAX_DEPTH: usize = 12;

/// Largest property that is read: lists of pins are some dozens of bytes long.
const MAX_PROPERTY_BYTES: usize = 4_096;

/// How the chips of headers call themselves.
const CHIPS: [&str; 4] =
    ["brcm,bcm2835-gpio", "brcm,bcm2711-gpio", "brcm,bcm7211-gpio", "raspberrypi,rp1-gpio"];

/// What `brcm,function` means, as the number of an alternate function; the first two are a plain input and output
/// (BCM2835 ARM Peripherals, table 6-2).
const BRCM_ALTERNATES: [Option<u8>; 8] = [None, None, Some(5), Some(4), Some(0), Some(1), Some(2), Some(3)];

/// What a line becomes for its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TreeFunction {
    /// A plain line that the driver reads or drives.
    Plain,
    /// The alternate function of this number.
    Alternate(u8),
    /// A function by its name, as the RP1 has them: `i2c1`.
    Named(String),
}

/// A line that a driver has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TreeUse {
    pub(crate) line: LineNumber,
    /// The driver's device: `i2c@7e804000`.
    pub(crate) node: String,
    /// How the device tree calls it besides, with its number: `i2c1`.
    pub(crate) alias: Option<String>,
    pub(crate) function: TreeFunction,
}

#[derive(Debug, Default)]
struct Walk {
    seen: usize,
    /// Groups of pins by their handles.
    groups: BTreeMap<u32, Vec<(LineNumber, TreeFunction)>>,
    /// Devices with the handles of their groups.
    users: Vec<(String, String, Vec<u32>)>,
}

/// Which lines drivers have; nothing on machines without a device tree.
pub(crate) fn lines_in_use(places: &HostPlaces) -> Vec<TreeUse> {
    let root = places.proc.join("device-tree");
    let mut walk = Walk::default();
    walk.node(&root, "", 0);
    let aliases = aliases(&root);
    let mut uses = Vec::new();
    for (path, name, handles) in &walk.users {
        let lines = handles.iter().filter_map(|handle| walk.groups.get(handle)).flatten();
        uses.extend(lines.map(|(line, function)| TreeUse {
            line: *line,
            node: name.clone(),
            alias: aliases.get(path).cloned(),
            function: function.clone(),
        }));
    }
    uses
}

impl Walk {
    fn node(&mut self, directory: &Path, path: &str, depth: usize) {
        if depth > MAX_DEPTH || self.seen >= MAX_NODES {
            return;
        }
        let is_chip = texts(directory, "compatible").iter().any(|word| CHIPS.contains(&word.as_str()));
        for (name, child) in children(directory) {
            self.seen += 1;
            if !is_enabled(&child) {
                continue;
            }
            if is_chip {
                if let Some(handle) = cells(&child, "phandle").first() {
                    self.groups.insert(*handle, group(&child));
                }
                continue;
            }
            let path = format!("{path}/{name}");
            let handles = cells(&child, "pinctrl-0");
            // What the chip sets up for itself belongs to nobody.
            let is_other = !texts(&child, "compatible").iter().any(|word| CHIPS.contains(&word.as_str()));
            if !handles.is_empty() && is_other {
                self.users.push((path.clone(), name, handles));
            }
            self.node(&child, &path, depth + 1);
        }
    }
}

/// The lines of a group, which may be made of smaller ones.
fn group(directory: &Path) -> Vec<(LineNumber, TreeFunction)> {
    let mut lines = own_lines(directory);
    for (_, child) in children(directory) {
        lines.extend(own_lines(&child));
    }
    lines
}

fn own_lines(directory: &Path) -> Vec<(LineNumber, TreeFunction)> {
    let numbers = cells(directory, "brcm,pins");
    if !numbers.is_empty() {
        let functions = cells(directory, "brcm,function");
        let function = |index: usize| {
            // One for all, or one for each.
            let code = functions.get(index).or(functions.first());
            let alternate = code.and_then(|code| *BRCM_ALTERNATES.get(usize::try_from(*code).ok()?)?);
            alternate.map_or(TreeFunction::Plain, TreeFunction::Alternate)
        };
        let line = |(index, number): (usize, &u32)| (LineNumber::new(*number), function(index));
        return numbers.iter().enumerate().map(line).collect();
    }
    let word = texts(directory, "function").into_iter().next();
    let function = match word.as_deref() {
        None | Some("gpio" | "gpio_in" | "gpio_out") => TreeFunction::Plain,
        Some(word) => match word.strip_prefix("alt").and_then(|number| number.parse().ok()) {
            Some(number) => TreeFunction::Alternate(number),
            None => TreeFunction::Named(word.to_owned()),
        },
    };
    let number = |name: String| name.strip_prefix("gpio")?.parse().ok().map(LineNumber::new);
    let lines = texts(directory, "pins").into_iter().filter_map(number);
    lines.map(|line| (line, function.clone())).collect()
}

/// The short names of devices, by their paths.
fn aliases(root: &Path) -> BTreeMap<String, String> {
    let directory = root.join("aliases");
    let Ok(entries) = std::fs::read_dir(&directory) else { return BTreeMap::new() };
    let named = entries.flatten().take(MAX_NODES).filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let numbered = ["i2c", "spi", "serial"].iter().find_map(|kind| name.strip_prefix(kind))?;
        let is_number = !numbered.is_empty() && numbered.bytes().all(|byte| byte.is_ascii_digit());
        let path = texts(&directory, &name).into_iter().next()?;
        is_number.then_some((path, name))
    });
    named.collect()
}

fn is_enabled(directory: &Path) -> bool {
    texts(directory, "status").first().is_none_or(|status| status == "okay" || status == "ok")
}

fn children(directory: &Path) -> Vec<(String, std::path::PathBuf)> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let nodes = entries.flatten().take(MAX_NODES).filter_map(|entry| {
        let is_node = entry.file_type().is_ok_and(|kind| kind.is_dir());
        Some((entry.file_name().into_string().ok()?, entry.path())).filter(|_| is_node)
    });
    let mut nodes: Vec<_> = nodes.collect();
    nodes.sort_unstable();
    nodes
}

fn property(directory: &Path, name: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(directory.join(name)).unwrap_or_default();
    bytes.truncate(MAX_PROPERTY_BYTES);
    bytes
}

/// A property that is a list of texts, each with a zero byte behind it.
fn texts(directory: &Path, name: &str) -> Vec<String> {
    let bytes = property(directory, name);
    let texts = bytes.split(|byte| *byte == 0).filter(|text| !text.is_empty());
    texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

/// A property that is a list of numbers of 32 bits, the highest byte first.
fn cells(directory: &Path, name: &str) -> Vec<u32> {
    let bytes = property(directory, name);
    bytes.as_chunks::<4>().0.iter().map(|cell| u32::from_be_bytes(*cell)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(directory: &Path, name: &str, bytes: &[u8]) {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join(name), bytes).unwrap();
    }

    fn put_cells(directory: &Path, name: &str, cells: &[u32]) {
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        put(directory, name, &bytes);
    }

    fn uses(root: &Path) -> Vec<(u32, String, Option<String>, TreeFunction)> {
        let places = HostPlaces { proc: root.to_owned(), ..HostPlaces::of_this_machine(root) };
        let uses = lines_in_use(&places).into_iter();
        uses.map(|used| (used.line.number(), used.node, used.alias, used.function)).collect()
    }

    /// Nodes and values as they are below `/proc/device-tree` of a Pi 3 with I²C, 1-Wire and SPI that is off.
    #[test]
    fn drivers_of_a_pi_3_have_their_lines() {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("device-tree");
        let chip = tree.join("soc/gpio@7e200000");
        put(&chip, "compatible", b"brcm,bcm2835-gpio\0");
        for (name, handle, pins, functions) in [
            ("i2c1", 10, &[2, 3][..], &[4][..]),
            ("spi0_pins", 11, &[9, 10, 11], &[4]),
            ("w1_pins", 12, &[17], &[0]),
        ] {
            put_cells(&chip.join(name), "phandle", &[handle]);
            put_cells(&chip.join(name), "brcm,pins", pins);
            put_cells(&chip.join(name), "brcm,function", functions);
        }
        put_cells(&tree.join("soc/i2c@7e804000"), "pinctrl-0", &[10]);
        put(&tree.join("soc/i2c@7e804000"), "status", b"okay\0");
        put_cells(&tree.join("soc/spi@7e204000"), "pinctrl-0", &[11]);
        put(&tree.join("soc/spi@7e204000"), "status", b"disabled\0");
        put_cells(&tree.join("onewire@11"), "pinctrl-0", &[12]);
        put(&tree.join("aliases"), "i2c1", b"/soc/i2c@7e804000\0");
        put(&tree.join("aliases"), "i2c", b"/soc/i2c@7e804000\0");
        let i2c =
            |line| (line, "i2c@7e804000".to_owned(), Some("i2c1".to_owned()), TreeFunction::Alternate(0));
        let probe = (17, "onewire@11".to_owned(), None, TreeFunction::Plain);
        assert_eq!(uses(root.path()), [probe, i2c(2), i2c(3)]);
    }

    /// The RP1 names lines and functions, and groups are made of groups.
    #[test]
    fn drivers_of_a_pi_5_have_their_lines() {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("device-tree");
        let rp1 = tree.join("axi/pcie@1000120000/rp1");
        put(&rp1.join("gpio@d0000"), "compatible", b"raspberrypi,rp1-gpio\0");
        let group = rp1.join("gpio@d0000/rp1_uart0_14_15");
        put_cells(&group, "phandle", &[7]);
        for (part, pin) in [("pin_txd", &b"gpio14\0"[..]), ("pin_rxd", b"gpio15\0")] {
            put(&group.join(part), "pins", pin);
            put(&group.join(part), "function", b"uart0\0");
        }
        put_cells(&rp1.join("serial@30000"), "pinctrl-0", &[7]);
        // A chip that is no header's has such groups as well.
        put_cells(&tree.join("soc/pinctrl@7d504100/emmc"), "phandle", &[8]);
        put(&tree.join("soc/pinctrl@7d504100/emmc"), "pins", b"gpio4\0");
        put_cells(&tree.join("soc/mmc@1"), "pinctrl-0", &[8]);
        let serial = |line| (line, "serial@30000".to_owned(), None, TreeFunction::Named("uart0".to_owned()));
        let mut found = uses(root.path());
        found.sort_by_key(|(line, ..)| *line);
        assert_eq!(found, [serial(14), serial(15)]);
    }

    #[test]
    fn a_machine_without_a_tree_has_no_uses_and_nonsense_does_no_harm() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(uses(root.path()), []);
        let chip = root.path().join("device-tree/gpio");
        put(&chip, "compatible", b"brcm,bcm2711-gpio");
        put(&chip.join("broken"), "phandle", &[0, 0, 0]);
        put(&chip.join("odd"), "phandle", &[0, 0, 0, 1, 9]);
        put(&chip.join("odd"), "brcm,pins", &[0, 0, 0, 5, 1]);
        put(&chip.join("odd"), "brcm,function", &[255, 255, 255, 255]);
        put_cells(&root.path().join("device-tree/x"), "pinctrl-0", &[1, 99]);
        assert_eq!(uses(root.path()), [(5, "x".to_owned(), None, TreeFunction::Plain)]);
    }
}
