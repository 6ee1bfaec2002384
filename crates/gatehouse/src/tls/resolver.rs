//! The certificate that is shown to whoever connects; it can be exchanged while connections come in.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Shows the same certificate to everybody: many small clients do not say whom they want to reach.
#[derive(Debug)]
pub(super) struct Shown {
    current: RwLock<Arc<CertifiedKey>>,
}

impl Shown {
    pub(super) fn new(first: Arc<CertifiedKey>) -> Self {
        Self { current: RwLock::new(first) }
    }

    /// Shows another one from now on.
    pub(super) fn show(&self, next: Arc<CertifiedKey>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    pub(super) fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}
