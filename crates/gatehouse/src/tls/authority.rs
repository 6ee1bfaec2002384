//! The gateway's own authority: a key that never leaves the machine, and the certificate that phones are given once.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::files;
use super::leaf::{AUTHORITY_FROM, AUTHORITY_UNTIL, Validity};
use super::names::{Name, Names};
use crate::whole_file;

/// The authority's certificate, which clients are given, and its key.
const CERTIFICATE_FILE: &str = "ca.crt";
const KEY_FILE: &str = "ca.key";

/// Both: neither is of use without the other.
pub(crate) const AUTHORITY_FILES: [&str; 2] = [CERTIFICATE_FILE, KEY_FILE];

/// Longest name of a gateway in the name of its authority: a common name has at most 64 characters (RFC 5280, appendix A),
/// and the rest of the sentence needs its share.
const MAX_NAME_CHARACTERS: usize = 32;

/// Vouches for this gateway.
pub(super) struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Reads the authority of this directory, or makes it when there is none. `gateway` is what the gateway is called, and
    /// becomes part of the name under which phones list the authority.
    ///
    /// # Errors
    /// When its files cannot be read, written, or used. A certificate whose key is gone is never replaced silently: every
    /// phone would have to be given another.
    pub(super) fn open_or_make(directory: &Path, gateway: &str) -> anyhow::Result<Self> {
        files::make_private_directory(directory)
            .with_context(|| format!("the directory {} cannot be made", directory.display()))?;
        let (certificate_file, key_file) = (directory.join(CERTIFICATE_FILE), directory.join(KEY_FILE));
        let read = |path: &Path| {
            let content =
                files::read_if_there(path).with_context(|| format!("{} cannot be read", path.display()))?;
            content
                .map(String::from_utf8)
                .transpose()
                .with_context(|| format!("{} is no PEM text", path.display()))
        };
        let (certificate, key) = (read(&certificate_file)?, read(&key_file)?);
        let write = |path: &Path, content: &str| {
            whole_file::put(path, content).with_context(|| format!("{} cannot be written", path.display()))
        };
        let key = match (&certificate, key) {
            (_, Some(pem)) => KeyPair::from_pem(&pem).with_context(|| {
                format!(
                    "{} is no private key: put it back from a backup, or remove it and {} to have a new authority made, \
                     which every client has to be given then",
                    key_file.display(),
                    certificate_file.display()
                )
            })?,
            (Some(_), None) => bail!(
                "the gateway's authority {} has lost its key {}: put the key back from a backup, or remove the \
                 certificate to have a new authority made, which every client has to be given then",
                certificate_file.display(),
                key_file.display()
            ),
            (None, None) => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
                // The key first: without its certificate it means nothing yet, so that a power cut here costs nothing.
                write(&key_file, &key.serialize_pem())?;
                key
            }
        };
        let pem = match certificate {
            Some(pem) => pem,
            None => {
                let pem = certificate_of(&key, gateway)?;
                write(&certificate_file, &pem)?;
                tracing::info!(
                    "made an authority for this gateway; clients that use TLS need {}",
                    certificate_file.display()
                );
                pem
            }
        };
        Self::new(pem, key).with_context(|| {
            format!(
                "{} and {} cannot be used: put both back from one backup, or remove both to have a new authority made, \
                 which every client has to be given then",
                certificate_file.display(),
                key_file.display()
            )
        })
    }

    fn new(pem: String, key: KeyPair) -> anyhow::Result<Self> {
        let certificate =
            CertificateDer::from_pem_slice(pem.as_bytes()).context("there is no certificate in it")?;
        let (_, parsed) = X509Certificate::from_der(&certificate)?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            bail!("the key belongs to another certificate");
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { certificate, pem, issuer })
    }

    /// Where its certificate is, in its directory.
    pub(super) fn file(directory: &Path) -> PathBuf {
        directory.join(CERTIFICATE_FILE)
    }

    /// Its certificate as text, for clients.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// Whether it has signed this certificate.
    pub(super) fn has_signed(&self, der: &[u8]) -> bool {
        let parsed = (X509Certificate::from_der(&self.certificate), X509Certificate::from_der(der));
        let (Ok((_, own)), Ok((_, other))) = parsed else { return false };
        other.verify_signature(Some(own.public_key())).is_ok() && other.issuer() == own.subject()
    }

    /// A new leaf with a key of its own, as PEM text: the key, then the certificate. In one file they can never be those
    /// of two different leaves.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(super) fn issue(&self, names: &Names, validity: Validity) -> anyhow::Result<String> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut leaf = CertificateParams::default();
        leaf.not_before = OffsetDateTime::from_unix_timestamp(validity.from)?;
        leaf.not_after = OffsetDateTime::from_unix_timestamp(validity.until)?;
        leaf.distinguished_name = rcgen::DistinguishedName::new();
        // What people read in a list of certificates; clients look at the alternative names.
        leaf.distinguished_name.push(DnType::CommonName, "Gatehouse");
        for name in names {
            leaf.subject_alt_names.push(match name {
                Name::Host(name) => SanType::DnsName(name.as_str().try_into()?),
                Name::Address(address) => SanType::IpAddress(*address),
            });
        }
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let certificate = leaf.signed_by(&key, &self.issuer)?;
        Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
    }
}

/// The authority's certificate for this key. It may sign leaves and nothing else.
fn certificate_of(key: &KeyPair, gateway: &str) -> anyhow::Result<String> {
    let mut authority = CertificateParams::default();
    authority.not_before = OffsetDateTime::from_unix_timestamp(AUTHORITY_FROM)?;
    authority.not_after = OffsetDateTime::from_unix_timestamp(AUTHORITY_UNTIL)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Two gateways of the same name are told apart by the first digits of their keys' identifiers.
    let id = authority.key_identifier(key);
    let digits: String = id.iter().take(4).map(|byte| format!("{byte:02X}")).collect();
    let gateway: String = gateway.chars().take(MAX_NAME_CHARACTERS).collect();
    authority.distinguished_name = rcgen::DistinguishedName::new();
    authority.distinguished_name.push(DnType::OrganizationName, "Gatehouse");
    authority.distinguished_name.push(DnType::CommonName, format!("{gateway} gateway CA {digits}"));
    Ok(authority.self_signed(key)?.pem())
}
