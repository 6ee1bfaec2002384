//! Certificates that MQTT clients show.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};

use super::ClientCertificates;
use super::own::{FileProblem, Setting, certificates};

/// Checks what clients show against authorities that can be exchanged while connections come in.
#[derive(Debug)]
pub(super) struct ClientCheck {
    current: RwLock<Arc<dyn ClientCertVerifier>>,
    required: bool,
}

impl ClientCheck {
    pub(super) fn new(first: Arc<dyn ClientCertVerifier>, required: bool) -> Self {
        Self { current: RwLock::new(first), required }
    }

    /// Checks against other authorities from now on.
    pub(super) fn replace(&self, next: Arc<dyn ClientCertVerifier>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    fn current(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads the authorities that may vouch for clients.
///
/// # Errors
/// What is wrong with their file.
pub(super) fn load(
    settings: &ClientCertificates,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, FileProblem> {
    let path = &settings.authorities;
    let unusable = |problem: &dyn std::fmt::Display| {
        let what = format!("a certificate in it cannot be used as an authority: {problem}");
        let hint = "name the certificate of the authority that signs those of the clients";
        FileProblem::new(Setting::ClientAuthorities, path, &what, hint)
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(Setting::ClientAuthorities, path)? {
        roots.add(certificate).map_err(|problem| unusable(&problem))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
    let builder = if settings.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|problem| unusable(&problem))
}

impl ClientCertVerifier for ClientCheck {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    /// None: they may change, and small clients have one certificate anyway.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.current().verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.current().verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.current().verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current().supported_verify_schemes()
    }
}
