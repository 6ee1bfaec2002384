//! Decisions: what a raw value means, and whether a command may be done.
//!
//! Purpose: hold every rule about readings and outputs in one place that can be tested by stepping a clock.
//!
//! Architecture invariant: sans-IO. Nothing here starts a task, opens a file, touches a pin or reads a clock. The
//! grammar is the same everywhere: `handle_…` takes an event and the time and gives what to do, `next_deadline` says
//! when to call `handle_timeout`.
//!
//! Architecture invariant: this crate knows the model and no room.

pub mod clicks;
pub mod counter;
pub mod debounce;
pub mod derived;
pub mod duty;
pub mod echo;
pub mod encoder;
pub mod fault;
pub mod filters;
pub mod guard;
pub mod interlock;
pub mod lookup;
pub mod measured;
pub mod outputs;
pub mod plausible;
pub mod rate;
pub mod rounding;
pub mod settle;
pub mod signal;
pub mod stream;

pub use clicks::{Click, ClickRules, Clicks};
pub use counter::{Metered, PulseCounter};
pub use debounce::Debounce;
pub use duty::{Duty, Scale};
pub use encoder::{Encoder, EncoderRules, Turn};
pub use fault::{FaultChange, FaultWatch};
pub use filters::{FilterRule, Filters};
pub use guard::{CommandGuard, DeviceNotes, GuardRefusal, Now, RefusalKind};
pub use interlock::Interlocks;
pub use measured::Measured;
pub use outputs::{Ask, Aspect, OutputAction, OutputId, OutputRules, Outputs, Ticket};
pub use plausible::{Plausibility, PlausibilityRules};
pub use rate::Rate;
pub use settle::{Input, InputRules};
pub use signal::{Heard, Judged, ReportRules, Signal, SignalRules};
pub use stream::{EndOfLine, LineReader, Losses, Received};
