//! The log: to standard error, at `info` unless `GATEHOUSE_LOG` says otherwise.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Environment variable with a filter such as `debug` or `gatehouse_broker=debug,info`.
const FILTER_VARIABLE: &str = "GATEHOUSE_LOG";

/// Begins to log. The journal adds time and program itself, so under systemd a line carries neither.
pub(crate) fn begin() {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .with_env_var(FILTER_VARIABLE)
        .from_env_lossy();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A line that cannot be written is lost. The default reports that on standard error, which panics when nobody
        // reads it any more (`gatehouse run 2>&1 | tee log`, Ctrl-C), in the middle of driving the outputs safe.
        .log_internal_errors(false)
        .with_target(false);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        lines.without_time().init();
    } else {
        lines.init();
    }
}
