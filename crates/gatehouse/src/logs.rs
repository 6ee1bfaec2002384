//! The log: to standard error, at `info` unless `GATEHOUSE_LOG` says otherwise, and its last lines in memory for the page.

mod ring;

use std::io::IsTerminal as _;
use std::sync::LazyLock;

use gatehouse_model::SystemClock;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) use ring::LogRing;

/// Environment variable with a filter such as `debug` or `gatehouse_broker=debug,info`.
const FILTER_VARIABLE: &str = "GATEHOUSE_LOG";

/// The last lines of this process. The log is one for the process, so this is, too.
static LAST_LINES: LazyLock<LogRing> = LazyLock::new(LogRing::default);

/// The last lines of the log.
pub(crate) fn last_lines() -> &'static LogRing {
    &LAST_LINES
}

/// Begins to log. The journal adds time and program itself, so under systemd a line carries neither.
pub(crate) fn begin() {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .with_env_var(FILTER_VARIABLE)
        .from_env_lossy();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A line that cannot be written is lost. The default reports that on standard error, which panics when nobody
        // reads it any more (`gatehouse run 2>&1 | tee log`, Ctrl-C), in the middle of driving the outputs safe.
        .log_internal_errors(false)
        .with_target(false);
    let kept = ring::layer(last_lines(), SystemClock::new());
    let all = tracing_subscriber::registry().with(filter).with(kept);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        all.with(lines.without_time()).init();
    } else {
        all.with(lines).init();
    }
}
