//! Who or what asked: nothing switches without a cause.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest chain of causes that is kept. A longer one is a loop.
pub const MAX_CAUSE_CHAIN: usize = 8;

/// The immediate source of a message or a state change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Origin {
    /// A client that speaks MQTT over the network.
    Client {
        /// Its client identifier.
        client_id: Arc<str>,
        /// The user it logged in as.
        user: Arc<str>,
    },
    /// Somebody at the dashboard.
    Page {
        /// The user who is logged in there.
        user: Arc<str>,
    },
    /// A part of the gateway itself.
    Part {
        /// Its name, such as `bridge`.
        name: Arc<str>,
    },
    /// A limit or a safe state that holds below MQTT.
    FailSafe {
        /// Which one, as a sentence.
        reason: Arc<str>,
    },
}

impl Origin {
    /// A part of the gateway.
    pub fn part(name: &str) -> Self {
        Self::Part { name: name.into() }
    }

    /// A fail-safe, with its reason as a sentence.
    pub fn fail_safe(reason: &str) -> Self {
        Self::FailSafe { reason: reason.into() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client { client_id, user } => write!(f, "client {client_id} (user {user})"),
            Self::Page { user } => write!(f, "{user} on the page"),
            Self::Part { name } => write!(f, "{name}"),
            Self::FailSafe { reason } => write!(f, "fail-safe: {reason}"),
        }
    }
}

/// Why something switched: who asked, and what stood behind that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Who or what asked.
    #[serde(flatten)]
    pub origin: Origin,
    /// What made the origin ask, nearest first. Empty when somebody asked directly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Origin>,
}

impl Cause {
    /// A cause with nothing behind it.
    pub fn direct(origin: Origin) -> Self {
        Self { origin, chain: Vec::new() }
    }

    /// A cause that stands on an earlier one, whose origins become the chain (cut at [`MAX_CAUSE_CHAIN`]).
    pub fn because(origin: Origin, earlier: &Self) -> Self {
        let mut chain = vec![earlier.origin.clone()];
        chain.extend(earlier.chain.iter().cloned());
        chain.truncate(MAX_CAUSE_CHAIN);
        Self { origin, chain }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin)?;
        for earlier in &self.chain {
            write!(f, ", because of {earlier}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_kept_and_bounded() {
        let mut cause = Cause::direct(Origin::Page { user: "ana".into() });
        for _ in 0..20 {
            cause = Cause::because(Origin::fail_safe("longest on-time"), &cause);
        }
        assert_eq!(cause.chain.len(), MAX_CAUSE_CHAIN);
        let json = serde_json::to_string(&cause).unwrap();
        assert_eq!(serde_json::from_str::<Cause>(&json).unwrap(), cause);
    }
}
