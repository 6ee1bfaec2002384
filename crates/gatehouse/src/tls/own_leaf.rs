//! The leaf that the gateway's own authority signs: read, renewed, kept on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use gatehouse_model::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};

use super::authority::Authority;
use super::files;
use super::leaf::{self, Facts};
use super::names::{Name, Names};
use crate::whole_file;

/// The leaf and its key, in one file.
const LEAF_FILE: &str = "server.pem";

/// A leaf of the gateway's own authority, and what is needed to make the next.
pub(super) struct OwnLeaf {
    authority: Authority,
    configured: Vec<Name>,
    file: PathBuf,
    /// What is known of the one in use.
    facts: Option<Facts>,
    /// A leaf that is in use and not on disk, because the disk did not take it.
    unsaved: Option<String>,
}

impl OwnLeaf {
    /// Nothing is read or made yet. `configured` are names beside those that the gateway finds out by itself.
    pub(super) fn new(authority: Authority, configured: Vec<Name>, directory: &Path) -> Self {
        Self { authority, configured, file: directory.join(LEAF_FILE), facts: None, unsaved: None }
    }

    /// The authority's certificate.
    pub(super) fn authority_pem(&self) -> &str {
        self.authority.pem()
    }

    /// Names beside those that the gateway finds out by itself.
    pub(super) fn configured(&self) -> &[Name] {
        &self.configured
    }

    /// The leaf on disk, if there is one that can be used.
    pub(super) fn read(&mut self, provider: &CryptoProvider) -> Option<Arc<CertifiedKey>> {
        let usable = |pem: &[u8]| -> anyhow::Result<(Arc<CertifiedKey>, Facts)> {
            let (key, facts) = leaf_from_pem(pem, provider)?;
            anyhow::ensure!(
                self.authority.has_signed(key.end_entity_cert()?),
                "it was made by another authority"
            );
            Ok((key, facts))
        };
        let read = files::read_if_there(&self.file).map_err(anyhow::Error::from);
        match read.and_then(|pem| pem.as_deref().map(usable).transpose()) {
            Ok(Some((key, facts))) => {
                self.facts = Some(facts);
                Some(key)
            }
            Ok(None) => None,
            Err(problem) => {
                warn!("{} cannot be used, so another is made: {problem:#}", self.file.display());
                None
            }
        }
    }

    /// Makes a new leaf if one is due, and gives it.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(super) fn renew_if_due(
        &mut self,
        now: Timestamp,
        wanted: &Names,
        provider: &CryptoProvider,
    ) -> anyhow::Result<Option<Arc<CertifiedKey>>> {
        let before = self.facts.as_ref();
        let Some(reason) = leaf::due(now, before, wanted) else { return Ok(None) };
        let names = leaf::names_to_carry(&reason, wanted, before);
        let pem = self.authority.issue(&names, leaf::validity(now, before))?;
        let (key, facts) = leaf_from_pem(pem.as_bytes(), provider)?;
        info!(
            "made a certificate for TLS, valid until {}: {reason}",
            Timestamp::from_millis(facts.validity.until.saturating_mul(1_000))
        );
        self.facts = Some(facts);
        self.unsaved = Some(pem);
        self.save();
        Ok(Some(key))
    }

    /// Puts the leaf on disk if it is not there. A disk that does not take it costs a new leaf at the next start, so it is
    /// used all the same, and tried again.
    pub(super) fn save(&mut self) {
        let Some(pem) = self.unsaved.take() else { return };
        if let Err(problem) = whole_file::put(&self.file, &pem) {
            warn!(
                "the certificate for TLS is in use but cannot be kept in {}: {problem}",
                self.file.display()
            );
            self.unsaved = Some(pem);
        }
    }
}

fn leaf_from_pem(pem: &[u8], provider: &CryptoProvider) -> anyhow::Result<(Arc<CertifiedKey>, Facts)> {
    let key = PrivateKeyDer::from_pem_slice(pem).context("there is no key in it")?;
    let certificate = CertificateDer::from_pem_slice(pem).context("there is no certificate in it")?;
    let facts = Facts::read(&certificate).map_err(anyhow::Error::msg)?;
    let certified = CertifiedKey::from_der(vec![certificate], key, provider)?;
    Ok((Arc::new(certified), facts))
}
