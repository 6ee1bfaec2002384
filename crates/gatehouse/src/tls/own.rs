//! A certificate that the gateway's owner got from elsewhere.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::OwnCertificate;
use super::files;
use super::leaf::Facts;

/// Which setting a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// The file of the certificate.
    Certificate,
    /// The file of its key.
    Key,
    /// The file of the authorities of clients.
    ClientAuthorities,
}

/// Why a file cannot be used, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileProblem {
    pub(crate) setting: Setting,
    /// What is wrong, with the file.
    pub(crate) what: String,
    /// What to do.
    pub(crate) hint: String,
}

impl FileProblem {
    pub(super) fn new(setting: Setting, path: &Path, what: &str, hint: impl Into<String>) -> Self {
        Self { setting, what: format!("{}: {what}", path.display()), hint: hint.into() }
    }

    pub(super) fn unreadable(setting: Setting, path: &Path, problem: &io::Error) -> Self {
        let (what, hint) = match problem.kind() {
            io::ErrorKind::NotFound => {
                ("there is no such file".to_owned(), "check the path, and write all of it".to_owned())
            }
            io::ErrorKind::PermissionDenied => (
                "it may not be read by the user that this runs as".to_owned(),
                format!(
                    "let the service's group read it, and go through its directories: sudo chgrp gatehouse {0} && sudo \
                     chmod 640 {0}",
                    path.display()
                ),
            ),
            io::ErrorKind::IsADirectory => ("it is a directory".to_owned(), "name the file in it".to_owned()),
            _ => (format!("it cannot be read: {problem}"), "check the file and the disk".to_owned()),
        };
        Self::new(setting, path, &what, hint)
    }
}

/// Reads certificate and key, and checks that they belong together.
///
/// # Errors
/// What is wrong with which file.
pub(super) fn load(
    files: &OwnCertificate,
    provider: &CryptoProvider,
) -> Result<(Arc<CertifiedKey>, Facts), FileProblem> {
    let chain = certificates(Setting::Certificate, &files.certificate)?;
    let key = key(&files.key)?;
    let wrong =
        |what: &str, hint: &str| FileProblem::new(Setting::Certificate, &files.certificate, what, hint);
    let first =
        chain.first().ok_or_else(|| wrong("it has no certificate", "name the file with the certificate"))?;
    let facts = Facts::read(first).map_err(|problem| {
        wrong(
            &format!("its first certificate cannot be read: {problem}"),
            "get the certificate again, as PEM",
        )
    })?;
    if facts.is_authority {
        return Err(wrong(
            "its first certificate is that of an authority",
            "put the certificate of this machine first, and after it those that vouch for it",
        ));
    }
    let certified = CertifiedKey::from_der(chain, key, provider).map_err(|problem| match problem {
        rustls::Error::InconsistentKeys(_) => FileProblem::new(
            Setting::Key,
            &files.key,
            &format!("it is not the key of the certificate in {}", files.certificate.display()),
            "name the key that was made for this certificate",
        ),
        other => FileProblem::new(
            Setting::Key,
            &files.key,
            &format!("this key cannot be used: {other}"),
            "use an RSA key of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519",
        ),
    })?;
    Ok((Arc::new(certified), facts))
}

/// All certificates of a PEM file, at least one.
pub(super) fn certificates(
    setting: Setting,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, FileProblem> {
    let text = files::read(path).map_err(|problem| FileProblem::unreadable(setting, path, &problem))?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>().map_err(|problem| {
        FileProblem::new(
            setting,
            path,
            &format!("it is damaged: {problem}"),
            "get the file again; each part goes from a BEGIN line to its END line",
        )
    })?;
    if found.is_empty() {
        let hint = if PrivateKeyDer::from_pem_slice(&text).is_ok() {
            "this is a private key: name the file with the certificate here"
        } else if text.starts_with(&[0x30]) {
            "this looks like DER: openssl x509 -inform der -in FILE -out NEW-FILE makes PEM of it"
        } else {
            "name a PEM file: it has the line -----BEGIN CERTIFICATE-----"
        };
        return Err(FileProblem::new(setting, path, "there is no certificate in it", hint));
    }
    Ok(found)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, FileProblem> {
    let setting = Setting::Key;
    let text = files::read(path).map_err(|problem| FileProblem::unreadable(setting, path, &problem))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|problem| {
        let says = |words: &[u8]| text.windows(words.len()).any(|window| window == words);
        let (what, hint) = if says(b"ENCRYPTED") {
            (
                "it is locked with a password, which nobody could type at a start".to_owned(),
                "make a file without: openssl pkey -in FILE -out NEW-FILE",
            )
        } else if says(b"-----BEGIN CERTIFICATE-----") {
            (
                "there is a certificate in it and no private key".to_owned(),
                "name the file with the private key here",
            )
        } else if matches!(problem, rustls::pki_types::pem::Error::NoItemsFound) {
            (
                "there is no private key in it".to_owned(),
                "name a PEM file: it has the line -----BEGIN PRIVATE KEY-----",
            )
        } else {
            (
                format!("it is damaged: {problem}"),
                "get the file again; each part goes from a BEGIN line to its END line",
            )
        };
        FileProblem::new(setting, path, &what, hint)
    })
}
