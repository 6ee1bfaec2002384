//! What backups are called.

use gatehouse_model::Timestamp;

/// `gatehouse-2026-11-21T09-14-00Z.tar.age`: colons are not allowed on a stick that other systems read.
pub(super) fn default_name(now: Timestamp, is_sealed: bool) -> String {
    format!("gatehouse-{}.{}", file_time(now), if is_sealed { "tar.age" } else { "tar" })
}

/// A time for the name of a file, to the second.
pub(crate) fn file_time(now: Timestamp) -> String {
    let text = now.to_string();
    format!("{}Z", text.split('.').next().unwrap_or(&text).replace(':', "-"))
}
