//! `[discovery]`: whether the gateway says over multicast DNS what it serves.

use super::problems::Findings;
use super::section::Section;

/// Whether it does; it does unless it is told not to.
pub(super) fn read(section: Option<Section<'_>>, findings: &mut Findings) -> bool {
    let Some(mut section) = section else { return true };
    let mdns = section.item("mdns").and_then(|found| {
        let flag = found.value.as_bool();
        if flag.is_none() {
            findings.push(section.wrong_kind("mdns", &found, "write mdns = true or false"));
        }
        flag
    });
    section.finish("[discovery]", findings);
    mdns.unwrap_or(true)
}
