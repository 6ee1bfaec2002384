//! The name of this machine in multicast DNS, beside that of another responder where there is one.

use std::path::Path;

/// The responder that Debian and Raspberry Pi OS bring. Whether it runs already is not asked: at boot it may come later.
const OTHER_RESPONDER: &str = "/usr/sbin/avahi-daemon";

/// What is put behind the machine's name where another responder has that.
const BESIDE: &str = "-gatehouse";

/// Longest label of a name (RFC 1035 section 2.3.4), which also holds for the name of a service.
pub(crate) const MAX_LABEL_BYTES: usize = 63;

/// The name, without `.local`, that stands for this machine in multicast DNS.
pub(crate) fn host_label() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    label(&name, Path::new(OTHER_RESPONDER).exists())
}

fn label(host_name: &str, has_other_responder: bool) -> String {
    let label = host_name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let label = match label.as_str() {
        "" | "localhost" => "gatehouse",
        other => other,
    };
    if has_other_responder {
        format!("{}{BESIDE}", shortened(label, MAX_LABEL_BYTES - BESIDE.len()))
    } else {
        shortened(label, MAX_LABEL_BYTES).to_owned()
    }
}

/// A text without what is more than so many bytes of it.
pub(crate) fn shortened(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_name_is_left_to_who_has_it() {
        assert_eq!(label("raspberrypi", false), "raspberrypi");
        assert_eq!(label("RaspberryPi.lan", true), "raspberrypi-gatehouse");
        assert_eq!(
            (label("localhost", false).as_str(), label("", true).as_str()),
            ("gatehouse", "gatehouse-gatehouse")
        );
        let long = "é".repeat(60);
        for other in [false, true] {
            assert!(label(&long, other).len() <= MAX_LABEL_BYTES);
        }
    }
}
