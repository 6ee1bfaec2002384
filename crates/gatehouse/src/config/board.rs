//! `[board]`: what stands between the gateway and the lines, and where its files are.

use std::path::PathBuf;

use gatehouse_board::{Backend, BoardOptions};

use super::problems::Findings;
use super::section::Section;

/// Longest name of a chip: the kernel cuts labels at 31 bytes, and paths of devices are not longer.
const MAX_CHIP_BYTES: usize = 63;

/// The section; everything in it has a default.
pub(super) fn read(section: Option<Section<'_>>, findings: &mut Findings) -> BoardOptions {
    let default = BoardOptions::default();
    let Some(mut section) = section else { return default };
    let backend = backend(&mut section, findings).unwrap_or_default();
    let chip = chip(&mut section, findings);
    if backend == Backend::Rppal
        && let (Some(_), Some(found)) = (&chip, section.item("chip"))
    {
        let hint = "remove it, or take backend = \"cdev\"";
        findings.push(section.error(found.span, "the backend rppal knows only the header's chip", hint));
    }
    let dev = root(&mut section, "dev", "/dev", findings).unwrap_or(default.dev);
    let proc = root(&mut section, "proc", "/proc", findings).unwrap_or(default.proc);
    let sys = root(&mut section, "sys", "/sys", findings).unwrap_or(default.sys);
    section.finish("[board]", findings);
    BoardOptions { backend, chip, dev, proc, sys }
}

fn backend(section: &mut Section<'_>, findings: &mut Findings) -> Option<Backend> {
    let backend = section.choice("backend", &Backend::WORDS, findings)?;
    if !backend.is_built_in()
        && let Some(found) = section.item("backend")
    {
        let hint = "write backend = \"cdev\", or install the package, which has both";
        findings.push(section.error(found.span, "this build does not have this backend", hint));
    }
    Some(backend)
}

fn chip(section: &mut Section<'_>, findings: &mut Findings) -> Option<String> {
    let chip = section.text("chip", "pinctrl-bcm2711", findings)?;
    let is_plain = !chip.value.is_empty()
        && chip.value.len() <= MAX_CHIP_BYTES
        && !chip.value.chars().any(char::is_control);
    if is_plain {
        return Some(chip.value.to_owned());
    }
    let hint =
        "write the chip's label, its name or its device, as `gpiodetect` lists them: chip = \"gpiochip0\"";
    findings.push(section.error(chip.span, "`chip` is not the name of a chip", hint));
    None
}

/// A directory of the kernel's. Only tests and unusual machines have it elsewhere.
fn root(
    section: &mut Section<'_>,
    key: &'static str,
    usual: &str,
    findings: &mut Findings,
) -> Option<PathBuf> {
    let path = section.text(key, usual, findings)?;
    if path.value.starts_with('/') && !path.value.chars().any(char::is_control) {
        return Some(PathBuf::from(path.value));
    }
    let hint = format!("write the whole path, from the root: {key} = \"{usual}\"");
    findings.push(section.error(path.span, format!("`{key}` is no absolute path"), hint));
    None
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::*;

    #[test]
    fn a_board_is_read_and_everything_has_a_default() {
        let options = |text: &str| load(text, "test.toml").unwrap().board;
        assert_eq!(options(""), BoardOptions::default());
        assert_eq!(options("[board]\n"), BoardOptions::default());
        let all = "[board]\nbackend = \"cdev\"\nchip = \"pinctrl-rk3399\"\ndev = \"/tmp/dev\"\nproc = \"/tmp/proc\"\nsys = \"/tmp/sys\"\n";
        let read = options(all);
        assert_eq!(read.chip.as_deref(), Some("pinctrl-rk3399"));
        assert_eq!([read.dev, read.proc, read.sys], ["/tmp/dev", "/tmp/proc", "/tmp/sys"].map(PathBuf::from));
    }

    #[test]
    fn each_mistake_is_told_with_its_place() {
        let text = "[board]\nbackend = \"gpiod\"\nchip = \"\"\ndev = \"dev\"\nchips = 1\n";
        let problems = load(text, "test.toml").unwrap_err();
        let listed = problems.listed();
        let found: Vec<(usize, &str)> = listed.iter().map(|(line, _, what, _)| (*line, *what)).collect();
        assert_eq!(
            found,
            [
                (2, "`backend` cannot be `gpiod`"),
                (3, "`chip` is not the name of a chip"),
                (4, "`dev` is no absolute path"),
                (5, "`chips` is no setting of [board]"),
            ]
        );
        assert!(listed[3].3.contains("chip"), "the nearest right word: {}", listed[3].3);
    }

    #[test]
    fn a_backend_that_this_build_lacks_is_an_error() {
        let result = load("[board]\nbackend = \"rppal\"\n", "test.toml");
        assert_eq!(result.is_ok(), Backend::Rppal.is_built_in());
    }
}
