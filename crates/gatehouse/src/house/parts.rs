//! The parts of the daemon by their names, and the order and the limits in which they stop.

use std::time::Duration;

/// Names of the parts, for the log and for stopping them.
pub(super) const BROKER: &str = "broker";
pub(super) const HISTORY: &str = "history";
pub(super) const LIVE_PAGE: &str = "live page";
pub(super) const BRIDGE: &str = "bridge";
pub(super) const OUTBOX: &str = "outbox";
pub(super) const DASHBOARD: &str = "dashboard";
pub(super) const WATCHDOG: &str = "watchdog";
pub(super) const REVOCATION: &str = "revocation";
pub(super) const WARNINGS: &str = "warnings";
pub(super) const CERTIFICATES: &str = "certificates";
pub(super) const RELOADING: &str = "reloading";
pub(super) const LOOKING: &str = "look at the buses";
pub(super) const RECORDING_FIGURES: &str = "figures of the recording";
pub(super) const FOUND: &str = "word of what is found";
pub(super) const ALIASES: &str = "aliases";
pub(super) const DISCOVERY: &str = "discovery";
pub(super) const BACKUPS: &str = "backups";

/// The part that stops first, with the longest time that it gets: the bridge drives the outputs safe. Each of these
/// limits is longer than those inside the part, and together they stay below [`crate::lifecycle::STOP_LIMIT`].
pub(super) const STOP_FIRST: (&str, Duration) = (BRIDGE, Duration::from_millis(5_000));

/// The bridge has closed its outbox, which ends when its last words are published.
pub(super) const STOP_BEFORE_OFFLINE: (&str, Duration) = (OUTBOX, Duration::from_millis(1_000));

/// Those that only wait, or whose last word leaves at once, and that keep nothing: they stop together, after the gateway said that
/// it is offline.
pub(super) const STOP_TOGETHER: ([&str; 11], Duration) = (
    [
        DISCOVERY,
        BACKUPS,
        LOOKING,
        FOUND,
        RECORDING_FIGURES,
        RELOADING,
        ALIASES,
        WATCHDOG,
        CERTIFICATES,
        REVOCATION,
        WARNINGS,
    ],
    Duration::from_millis(550),
);

/// Those that stop after them, in this order: the broker closes last.
pub(super) const STOP_AT_LAST: [(&str, Duration); 4] = [
    (DASHBOARD, Duration::from_millis(2_400)),
    (LIVE_PAGE, Duration::from_millis(150)),
    (HISTORY, Duration::from_millis(3_500)),
    // Connections get 0.7 s for their last bytes, while the store commits and moves its log into its file: some 0.1 s,
    // and up to a second on a slow card or when another program holds the file.
    (BROKER, Duration::from_millis(2_000)),
];

/// Longest time that the last word on `<base>/status` may take.
pub(super) const LAST_WORD_LIMIT: Duration = Duration::from_millis(400);
