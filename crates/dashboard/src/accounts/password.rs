//! Hashing of passwords: slow on purpose, so it happens beside the runtime and only a few at a time.

use std::sync::Arc;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash};
use gatehouse_model::Randomness;
use tokio::sync::{Mutex, Semaphore};

use super::AccountsError;

/// Memory of one hash, in KiB; with [`PASSES`] and [`LANES`] one of the choices for argon2id that the OWASP Password
/// Storage Cheat Sheet calls equally strong. The one with 19 MiB and two passes would take the gateway over its aim of
/// 30 MB at rest, since the memory is kept (see [`Workshop`]).
const MEMORY_KIB: u32 = 12 * 1_024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// Most memory that a stored hash may ask for, in KiB: those of this program ask for less, and a damaged one must not
/// take a small board's memory.
const MAX_STORED_MEMORY_KIB: u32 = 64 * 1_024;

/// Passwords that may wait to be hashed or checked. Further ones are told that the gateway is busy.
const MAX_WAITING_HASHES: usize = 128;

/// Salt length, in bytes (RFC 9106, section 3.1).
const SALT_BYTES: usize = 16;

/// Stands in for the hash of a user who does not exist, so that the answer takes as long. Its output is all zeros,
/// which no known password yields, and the answer is no in any case.
const NOBODY: &str =
    "$argon2id$v=19$m=12288,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The memory that hashes are worked out in: one hash at a time, always in the same blocks. Blocks that are taken anew
/// for each hash are not given back to the system by the allocator, and a dozen log-ins at once would leave hundreds of
/// MB behind.
#[derive(Default)]
struct Workshop {
    blocks: Vec<Block>,
}

/// Makes and checks password hashes, one at a time.
pub(super) struct Hasher {
    places: Semaphore,
    workshop: Arc<Mutex<Workshop>>,
    randomness: Arc<dyn Randomness>,
}

impl Hasher {
    pub(super) fn new(randomness: Arc<dyn Randomness>) -> Self {
        Self { places: Semaphore::new(1 + MAX_WAITING_HASHES), workshop: Arc::default(), randomness }
    }

    /// The hash of a password with a new salt, in the PHC string format.
    pub(super) async fn hash(&self, password: &str) -> Result<String, AccountsError> {
        let mut salt = [0; SALT_BYTES];
        self.randomness.fill(&mut salt);
        let password = password.to_owned();
        self.run(move |workshop| {
            let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(Params::DEFAULT_OUTPUT_LEN))?;
            let hash = Some(workshop.output(&params, password.as_bytes(), &salt)?);
            let salt = Some(Salt::new(&salt)?);
            let version = Some(Version::V0x13.into());
            let algorithm = Algorithm::Argon2id.ident();
            let params = ParamsString::try_from(&params)?;
            Ok(PasswordHash { algorithm, version, params, salt, hash }.to_string())
        })
        .await
    }

    /// Whether `password` is the one behind `hash`. Without a hash the answer is no and takes as long.
    pub(super) async fn matches(&self, password: &[u8], hash: Option<&str>) -> Result<bool, AccountsError> {
        let exists = hash.is_some();
        let (password, hash) = (password.to_owned(), hash.unwrap_or(NOBODY).to_owned());
        let same = self.run(move |workshop| workshop.matches(&password, &hash)).await?;
        Ok(same && exists)
    }

    /// Keeps the workshop busy until the answer is dropped.
    #[cfg(test)]
    pub(super) async fn keep_busy(&self) -> impl Drop + use<> {
        Arc::clone(&self.workshop).lock_owned().await
    }

    /// Passwords that are being hashed or checked, or wait for it.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        1 + MAX_WAITING_HASHES - self.places.available_permits()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Workshop) -> Result<T, password_hash::Error> + Send + 'static,
    ) -> Result<T, AccountsError> {
        let _place = self.places.try_acquire().map_err(|_| AccountsError::Busy)?;
        // The workshop moves into the work: a caller who gives up does not make the work stop.
        let mut workshop = Arc::clone(&self.workshop).lock_owned().await;
        match tokio::task::spawn_blocking(move || work(&mut workshop)).await {
            Ok(result) => result.map_err(|error| AccountsError::Hash(error.to_string())),
            Err(_) => Err(AccountsError::Hash("the work was broken off".to_owned())),
        }
    }
}

impl Workshop {
    fn matches(&mut self, password: &[u8], hash: &str) -> Result<bool, password_hash::Error> {
        let stored = PasswordHash::new(hash)?;
        if stored.algorithm != Algorithm::Argon2id.ident() || stored.version != Some(Version::V0x13.into()) {
            return Err(password_hash::Error::Algorithm);
        }
        let params = Params::try_from(&stored)?;
        if params.m_cost() > MAX_STORED_MEMORY_KIB {
            return Err(password_hash::Error::ParamsInvalid);
        }
        let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else {
            return Err(password_hash::Error::EncodingInvalid);
        };
        // Outputs are compared in constant time (the documentation of `Output`).
        Ok(self.output(&params, password, &salt)? == expected)
    }

    /// The output of argon2id version 1.3 (RFC 9106).
    fn output(
        &mut self,
        params: &Params,
        password: &[u8],
        salt: &[u8],
    ) -> Result<Output, password_hash::Error> {
        let count = params.block_count();
        if self.blocks.len() < count {
            self.blocks.resize_with(count, Block::default);
        }
        let mut buffer = [0; Output::MAX_LENGTH];
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let output = buffer.get_mut(..length).ok_or(password_hash::Error::OutputSize)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        argon2.hash_password_into_with_memory(password, salt, output, &mut self.blocks[..count])?;
        Ok(Output::new(output)?)
    }
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
        assert!(hash.starts_with("$argon2id$v=19$m=12288,t=3,p=1$"), "{hash}");
        assert!(hasher.matches(b"lamp in the window", Some(&hash)).await.unwrap());
        assert!(!hasher.matches(b"lamp in the windoW", Some(&hash)).await.unwrap());
        assert_ne!(hash, hasher.hash("lamp in the window").await.unwrap(), "each hash has its own salt");
    }

    /// Hashes that the library makes with other costs still open the door.
    #[tokio::test]
    async fn hashes_with_other_costs_are_understood() {
        let other =
            Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19_456, 2, 1, None).unwrap());
        let hash =
            argon2::PasswordHasher::hash_password_with_salt(&other, b"hunter2 and more", b"some salt bytes")
                .unwrap();
        let hasher = hasher();
        assert!(hasher.matches(b"hunter2 and more", Some(&hash.to_string())).await.unwrap());
        assert!(!hasher.matches(b"hunter2", Some(&hash.to_string())).await.unwrap());
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
        let greedy = NOBODY.replace("m=12288", "m=4000000");
        assert!(matches!(hasher().matches(b"x", Some(&greedy)).await, Err(AccountsError::Hash(_))));
    }

    #[tokio::test]
    async fn too_many_at_the_door_are_told_so() {
        let hasher = hasher();
        let _all = hasher.places.try_acquire_many((1 + MAX_WAITING_HASHES) as u32).unwrap();
        assert!(matches!(hasher.matches(b"x", None).await, Err(AccountsError::Busy)));
    }
}
