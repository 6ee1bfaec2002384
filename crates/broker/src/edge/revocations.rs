//! Users who were revoked lately, so that a login that was checked before cannot come in after.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Revocations that are remembered. People revoke a handful of users in a year; a login that began before the oldest
/// of these is refused whoever it is, and comes back.
const REMEMBERED: usize = 64;

/// How many users have ever been revoked. A login notes the number before it is checked.
#[derive(Debug, Default)]
pub(crate) struct Revocations(AtomicU64);

impl Revocations {
    /// The number now.
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// The revocations themselves, kept by the hub.
#[derive(Debug, Default)]
pub(super) struct RevokedUsers {
    count: Arc<Revocations>,
    /// The last of them, in order.
    users: VecDeque<Arc<str>>,
}

impl RevokedUsers {
    pub(super) fn new(count: Arc<Revocations>) -> Self {
        Self { count, users: VecDeque::new() }
    }

    /// Notes that a user was revoked.
    pub(super) fn note(&mut self, user: Arc<str>) {
        self.users.push_back(user);
        if self.users.len() > REMEMBERED {
            self.users.pop_front();
        }
        self.count.0.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether a login that began when there had been `began` revocations may have been overtaken by one of its user.
    pub(super) fn overtook(&self, began: u64, user: &str) -> bool {
        let since = usize::try_from(self.count.now() - began).unwrap_or(usize::MAX);
        since > self.users.len() || self.users.iter().rev().take(since).any(|revoked| &**revoked == user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_began_before_does_not_come_in_after() {
        let mut revoked = RevokedUsers::default();
        assert!(!revoked.overtook(0, "ana"));
        revoked.note("ana".into());
        assert!(revoked.overtook(0, "ana") && !revoked.overtook(0, "bar") && !revoked.overtook(1, "ana"));
        for _ in 0..REMEMBERED {
            revoked.note("bar".into());
        }
        assert!(revoked.overtook(0, "anybody") && !revoked.overtook(1, "ana") && revoked.overtook(1, "bar"));
    }
}
