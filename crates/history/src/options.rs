//! What can be set.

use std::time::Duration;

use crate::Retention;

use crate::sources::TopicRule;

/// How history is kept. Every limit is here, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The longest time that a reading waits for its commit, and so the stated loss window: what arrived within it
    /// is lost in a power cut. Longer is kinder to a memory card: each commit costs it at least one page and one flush.
    /// A commit comes earlier when a whole batch waits.
    pub commit_every: Duration,
    /// The longest time that a state change with a cause waits. It is short since switching is rare and matters more,
    /// and not zero so that an output that flutters does not wear the card out.
    pub commit_states_within: Duration,
    /// Most readings that wait while the disk refuses: at 8 readings a second that is more than an hour, in about 2 MB.
    pub buffer_limit: usize,
    /// Most bytes of the database file: what is left of a small card belongs to the system. At this limit recording
    /// stops with an error that is shown, and what is not recorded is counted.
    pub max_file_bytes: u64,
    /// Longest time that one query may take; then it is cut off.
    pub query_time_limit: Duration,
    /// How long raw samples are kept.
    pub retention: Retention,
    /// Topics outside the gateway's scheme that are recorded too.
    pub topics: Vec<TopicRule>,
    /// How long readings are held in memory while the clock shows a possible time and nobody says whether it is right. A
    /// gateway that reaches a time server is told within seconds; one that never does records after this time all the same.
    pub wait_for_clock: Duration,
    /// How old events become.
    pub keep_events: Duration,
    /// Most events: the oldest go first. One takes about 200 bytes.
    pub max_events: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            commit_every: Duration::from_secs(10),
            commit_states_within: Duration::from_secs(1),
            buffer_limit: 50_000,
            max_file_bytes: 4 * 1024 * 1024 * 1024,
            query_time_limit: Duration::from_secs(5),
            retention: Retention::default(),
            topics: Vec::new(),
            wait_for_clock: Duration::from_secs(300),
            keep_events: Duration::from_secs(10 * 365 * 86_400),
            max_events: 1_000_000,
        }
    }
}
