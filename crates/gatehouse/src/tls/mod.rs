//! The room for certificates: who this gateway is to those who connect with TLS.
//!
//! Purpose: always have a certificate that clients accept, without anybody having to think of it. Either the gateway is
//! its own authority, whose certificate a phone is given once and which then vouches for a leaf that is renewed by
//! itself; or its owner has a certificate from elsewhere, which is read again when its files change.
//!
//! Architecture invariant: when to renew, and for how long, is decided in `leaf` from the time that is handed in; the
//! clock of a small computer may be decades wrong at boot, and nothing that is made then is useless later.
//! Architecture invariant: the certificate changes while connections and listeners live on; nothing restarts for it.

mod authority;
mod certificates;
mod clients;
mod files;
mod leaf;
mod names;
mod own;
mod own_leaf;
mod resolver;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use authority::AUTHORITY_FILES;
pub(crate) use certificates::ServerCertificates;
pub(crate) use files::MAX_FILE_BYTES;
pub(crate) use names::Name;
pub(crate) use own::{FileProblem, Setting as FileSetting};

/// Bytes as fingerprints are shown.
pub(crate) fn pairs(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// The names and addresses of this machine as they are now, with those that are configured, as the gateway's own
/// certificate has them.
pub(crate) fn own_names(configured: &[Name]) -> Vec<Name> {
    names::of_this_machine(configured).into_iter().collect()
}

/// Checks the files of a certificate from elsewhere.
///
/// # Errors
/// What is wrong with which file.
pub(crate) fn check_own(files: &OwnCertificate) -> Result<(), FileProblem> {
    own::load(files, &rustls::crypto::ring::default_provider()).map(drop)
}

/// Checks the file of the authorities of clients.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_clients(clients: &ClientCertificates) -> Result<(), FileProblem> {
    clients::load(clients, &Arc::new(rustls::crypto::ring::default_provider())).map(drop)
}

/// What can be configured about certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    /// A certificate from elsewhere; without it the gateway is its own authority.
    pub(crate) own: Option<OwnCertificate>,
    /// Names and addresses for the certificate beside those that the gateway finds out by itself, such as the name that
    /// a router gives it.
    pub(crate) names: Vec<Name>,
    /// What clients of MQTT have to show.
    pub(crate) clients: Option<ClientCertificates>,
}

/// The files of a certificate from elsewhere, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnCertificate {
    /// The certificate, and after it those that vouch for it.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// How MQTT clients show who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientCertificates {
    /// The authorities that may vouch for clients, PEM.
    pub(crate) authorities: PathBuf,
    /// Whether a client without a certificate is turned away. One that shows a bad certificate always is.
    pub(crate) required: bool,
}
