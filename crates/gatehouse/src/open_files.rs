//! How many files and connections the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Files that everything but the broker's connections needs: databases, pins, the page and its event streams.
const OTHERS: u64 = 512;

/// Raises the limit to the highest that the system allows, and warns when the broker's connections do not fit into it.
/// The limit that a process starts with is kept low (1,024) for programs that use `select`, which this one does not.
pub(crate) fn make_room_for(connections: usize) {
    let now = getrlimit(Resource::Nofile);
    if now.current != now.maximum {
        // Whether this went well shows in what the limit is then.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
    }
    if let Some(warning) = shortage(connections, getrlimit(Resource::Nofile).current) {
        warn!("{warning}");
    }
}

/// What to say when so many connections do not fit into the limit; without one there is no limit.
fn shortage(connections: usize, limit: Option<u64>) -> Option<String> {
    let needed = (connections as u64).saturating_add(OTHERS);
    let limit = limit.filter(|limit| *limit < needed)?;
    Some(format!(
        "the broker may have {connections} connections (max_connections of [broker]), but this process may have only \
         {limit} files open, and needs {OTHERS} for other things: raise LimitNOFILE in the service's unit to {needed}, or \
         set max_connections to {}",
        limit.saturating_sub(OTHERS).max(1)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_told_with_what_to_do() {
        assert_eq!(shortage(1_024, Some(1_536)), None);
        assert_eq!(shortage(100_000, None), None);
        let warning = shortage(10_000, Some(4_096)).unwrap();
        for part in ["10000 connections", "4096 files", "LimitNOFILE", "to 10512", "max_connections to 3584"]
        {
            assert!(warning.contains(part), "{part} in {warning}");
        }
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        make_room_for(1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
