//! Randomness of the operating system: the one place that asks for it.

use gatehouse_model::Randomness;

/// The operating system's random bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemRandomness;

impl Randomness for SystemRandomness {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the operating system for random bytes"
    )]
    #[expect(
        clippy::expect_used,
        reason = "without random bytes there are no safe passwords and sessions; Linux fails here only in a broken sandbox"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}
