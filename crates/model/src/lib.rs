//! The ground floor of the house: the words that every room uses.
//!
//! Purpose: give ids, values, topics, messages, commands, causes and the clock one meaning each, so that a reading or
//! a command can walk through all rooms without being translated.
//!
//! Architecture invariant: this crate does no input or output, starts no task and knows no other room. The one
//! exception is [`SystemClock`], the only place of the workspace that reads the system's clocks.

pub mod cause;
pub mod clock;
pub mod command;
pub mod id;
pub mod inventory;
pub mod message;
pub mod path;
pub mod random;
pub mod report;
pub mod scheme;
pub mod span;
pub mod topic;
pub mod value;

pub use cause::{Cause, Origin};
pub use clock::{Clock, ManualClock, Moment, SystemClock, Timestamp};
pub use command::{Action, Command, CommandError, CommandResult};
pub use id::{DeviceId, IdError, PropertyId};
pub use inventory::{DeviceInfo, GatewayInfo, PropertyInfo, PropertyKind};
pub use message::{Message, PROPERTY_TIME, Properties, Qos};
pub use path::{PathError, PropertyPath};
pub use random::{Randomness, SeededRandomness};
pub use report::DeviceReport;
pub use scheme::{Place, Scheme};
pub use topic::{TopicError, TopicFilter, TopicName};
pub use value::{MAX_TEXT_BYTES, Quality, Reading, Value};
