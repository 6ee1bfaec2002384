//! Hashing of passwords: slow on purpose, so it happens beside the runtime and only a few at a time.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash};
use gatehouse_model::Randomness;
use tokio::sync::Semaphore;

use super::AccountsError;

/// Memory of one hash, in KiB; with [`PASSES`] and [`LANES`] the first choice of the OWASP Password Storage Cheat
/// Sheet for argon2id (19 MiB, two passes, one lane).
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes at the same time. Two take 38 MiB, which a Pi Zero 2 with its 512 MiB can spare.
const MAX_CONCURRENT_HASHES: usize = 2;

/// Log-ins that may wait for their turn, for instance when all phones and devices come back after a restart. Further
/// ones are told that the gateway is busy.
const MAX_WAITING_HASHES: usize = 128;

/// Salt length, in bytes (RFC 9106, section 3.1).
const SALT_BYTES: usize = 16;

/// Stands in for the hash of a user who does not exist, so that the answer takes as long. Its output is all zeros,
/// which no known password yields, and the answer is no in any case.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Makes and checks password hashes, a few at a time.
pub(super) struct Hasher {
    places: Semaphore,
    turns: Arc<Semaphore>,
    randomness: Arc<dyn Randomness>,
}

impl Hasher {
    pub(super) fn new(randomness: Arc<dyn Randomness>) -> Self {
        Self {
            places: Semaphore::new(MAX_CONCURRENT_HASHES + MAX_WAITING_HASHES),
            turns: Arc::new(Semaphore::new(MAX_CONCURRENT_HASHES)),
            randomness,
        }
    }

    /// The hash of a password with a new salt, in the PHC string format.
    pub(super) async fn hash(&self, password: &str) -> Result<String, AccountsError> {
        let mut salt = [0; SALT_BYTES];
        self.randomness.fill(&mut salt);
        let password = password.to_owned();
        self.run(move || {
            let hash: password_hash::phc::PasswordHash =
                algorithm()?.hash_password_with_salt(password.as_bytes(), &salt)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether `password` is the one behind `hash`. Without a hash the answer is no and takes as long.
    pub(super) async fn matches(&self, password: &[u8], hash: Option<&str>) -> Result<bool, AccountsError> {
        let exists = hash.is_some();
        let (password, hash) = (password.to_owned(), hash.unwrap_or(NOBODY).to_owned());
        let same = self
            .run(move || match algorithm()?.verify_password(&password, hash.as_str()) {
                Ok(()) => Ok(true),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error),
            })
            .await?;
        Ok(same && exists)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, password_hash::Error> + Send + 'static,
    ) -> Result<T, AccountsError> {
        let _place = self.places.try_acquire().map_err(|_| AccountsError::Busy)?;
        // The turn moves into the work: a caller who gives up does not make the work stop, nor free its memory.
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| AccountsError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        match done.await {
            Ok(result) => result.map_err(|error| AccountsError::Hash(error.to_string())),
            Err(_) => Err(AccountsError::Hash("the work was broken off".to_owned())),
        }
    }
}

fn algorithm() -> Result<Argon2<'static>, password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::SeededRandomness;

    fn hasher() -> Hasher {
        Hasher::new(Arc::new(SeededRandomness::new(1)))
    }

    #[tokio::test]
    async fn a_hash_knows_its_password() {
        let hasher = hasher();
        let hash = hasher.hash("lamp in the window").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.matches(b"lamp in the window", Some(&hash)).await.unwrap());
        assert!(!hasher.matches(b"lamp in the windoW", Some(&hash)).await.unwrap());
        assert_ne!(hash, hasher.hash("lamp in the window").await.unwrap(), "each hash has its own salt");
    }

    #[tokio::test]
    async fn nobody_has_no_password_but_costs_the_same() {
        let parameters = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        let hasher = hasher();
        assert_eq!(parameters(NOBODY), parameters(&hasher.hash("lamp in the window").await.unwrap()));
        assert!(!hasher.matches(b"", None).await.unwrap());
    }

    #[tokio::test]
    async fn a_broken_hash_is_an_error_and_not_a_no() {
        assert!(matches!(hasher().matches(b"x", Some("rubbish")).await, Err(AccountsError::Hash(_))));
    }

    #[tokio::test]
    async fn too_many_at_the_door_are_told_so() {
        let hasher = hasher();
        let _all =
            hasher.places.try_acquire_many((MAX_CONCURRENT_HASHES + MAX_WAITING_HASHES) as u32).unwrap();
        assert!(matches!(hasher.matches(b"x", None).await, Err(AccountsError::Busy)));
    }
}
