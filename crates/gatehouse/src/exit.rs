//! How the program ends, in the numbers that scripts and service managers read (sysexits.h).

use std::process::ExitCode;

/// The ways to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Success,
    /// Something failed; standard error says what.
    Failure,
    /// The command line is wrong (EX_USAGE).
    Usage,
    /// A release that was installed has not come to run however often it was started (EX_UNAVAILABLE); the service's unit
    /// names this number.
    GaveUp,
    /// It was stopped as somebody asked, and the stop did not go well; standard error says what. The service's units name this
    /// number, since who stops a gateway does not want it started again.
    StoppedBadly,
    /// The configuration is wrong (EX_CONFIG).
    Configuration,
    /// It is to be started again (EX_TEMPFAIL); the service's unit names this number.
    Restart,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Usage => 64,
            Exit::GaveUp => 69,
            Exit::StoppedBadly => 76,
            Exit::Configuration => 78,
            Exit::Restart => 75,
        })
    }
}
