//! `[https]`, `[mqtts]` and `[tls]`: where TLS is spoken, and which certificates are shown and asked for.
//!
//! The files that are named are read, so that a mistake in them is found with its line, and before the gateway is started
//! with it.

use std::net::SocketAddr;
use std::path::Path;

use super::SecureListen;
use super::problems::Findings;
use super::section::{Section, Spanned};
use crate::tls::{self, ClientCertificates, FileProblem, FileSetting, Name, OwnCertificate, TlsSettings};

/// Most names that can be given: as many again find room in a certificate for those that the gateway finds out.
const MAX_NAMES: usize = 32;

/// What clients of MQTT have to show.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    No,
    Optional,
    Required,
}

/// `[mqtts]` and `[tls]`. Names of files are meant from `directory` on, where the configuration is.
pub(super) fn read(
    mqtts: Option<Section<'_>>,
    tls: Option<Section<'_>>,
    default: SocketAddr,
    directory: &Path,
    findings: &mut Findings,
) -> (SecureListen, TlsSettings) {
    let mut settings = TlsSettings::default();
    let mut listen = SecureListen::default();
    if let Some(mut section) = mqtts {
        listen = where_to_listen(&mut section, default, findings);
        settings.clients = clients(&mut section, directory, findings);
        section.finish("[mqtts]", findings);
    }
    if let Some(mut section) = tls {
        settings.own = own(&mut section, directory, findings);
        settings.names = names(&mut section, findings);
        if let (Some(_), [_, ..], Some(item)) = (&settings.own, &settings.names[..], section.item("names")) {
            let what = "`names` are for the certificate that the gateway makes, and you have one of your own";
            findings.push(section.warning(item.span, what, "remove `names`"));
        }
        section.finish("[tls]", findings);
    }
    (listen, settings)
}

/// `[https]`.
pub(super) fn read_https(
    https: Option<Section<'_>>,
    default: SocketAddr,
    findings: &mut Findings,
) -> SecureListen {
    let Some(mut section) = https else { return SecureListen::default() };
    let listen = where_to_listen(&mut section, default, findings);
    section.finish("[https]", findings);
    listen
}

fn where_to_listen(section: &mut Section<'_>, default: SocketAddr, findings: &mut Findings) -> SecureListen {
    let is_off = |item: Spanned<&toml_edit::Item>| item.value.as_str() == Some("off");
    if section.item("listen").is_some_and(is_off) {
        return SecureListen::Off;
    }
    section.address("listen", default, findings).map_or(SecureListen::default(), SecureListen::At)
}

/// A certificate from elsewhere: both of its files, or none.
fn own(section: &mut Section<'_>, directory: &Path, findings: &mut Findings) -> Option<OwnCertificate> {
    let certificate = section.text("certificate", "/etc/gatehouse/gateway.pem", findings);
    let key = section.text("key", "/etc/gatehouse/gateway.key", findings);
    let (certificate, key) = match (certificate, key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return None,
        (Some(one), None) | (None, Some(one)) => {
            let mut is_there = |key| if section.item(key).is_some() { "" } else { key };
            let missing = [is_there("certificate"), is_there("key")].concat();
            // A setting of the wrong kind has been reported already.
            if !missing.is_empty() {
                let hint =
                    format!("name both PEM files, or remove both: {missing} = \"/etc/gatehouse/FILE\"");
                findings.push(section.error(one.span, format!("`{missing}` is missing"), hint));
            }
            return None;
        }
    };
    let files =
        OwnCertificate { certificate: directory.join(certificate.value), key: directory.join(key.value) };
    if let Err(problem) = tls::check_own(&files) {
        let span = if problem.setting == FileSetting::Key { key.span } else { certificate.span };
        findings.push(section.error(span, problem.what, problem.hint));
    }
    Some(files)
}

fn clients(
    section: &mut Section<'_>,
    directory: &Path,
    findings: &mut Findings,
) -> Option<ClientCertificates> {
    let choices = [("no", Asked::No), ("optional", Asked::Optional), ("required", Asked::Required)];
    let place = section.item("client_certificates");
    let asked = section.choice("client_certificates", &choices, findings);
    let authorities = section.text("client_ca", "/etc/gatehouse/clients.pem", findings);
    match (asked, authorities) {
        (Some(asked @ (Asked::Optional | Asked::Required)), Some(file)) => {
            let clients = ClientCertificates {
                authorities: directory.join(file.value),
                required: asked == Asked::Required,
            };
            if let Err(FileProblem { what, hint, .. }) = tls::check_clients(&clients) {
                findings.push(section.error(file.span, what, hint));
            }
            Some(clients)
        }
        (Some(Asked::Optional | Asked::Required), None) => {
            if let (Some(place), None) = (place, section.item("client_ca")) {
                let hint = "name the PEM file of the authority that signs them: client_ca = \"/etc/gatehouse/clients.pem\"";
                findings.push(section.error(place.span, "`client_ca` is missing", hint));
            }
            None
        }
        (None, Some(file)) if place.is_none() => {
            let hint =
                "say whether clients have to show one: client_certificates = \"required\", or \"optional\"";
            findings.push(section.error(file.span, "`client_certificates` is missing", hint));
            None
        }
        _ => None,
    }
}

fn names(section: &mut Section<'_>, findings: &mut Findings) -> Vec<Name> {
    let hint = "write names and addresses: names = [\"gateway.example.org\", \"192.168.1.20\"]";
    let Some(texts) = section.texts("names", hint, findings) else { return Vec::new() };
    if let Some(one_more) = texts.get(MAX_NAMES) {
        let what = format!("`names` has more than {MAX_NAMES} entries");
        findings.push(section.error(one_more.span.clone(), what, "remove those that no client uses"));
    }
    let mut names = Vec::new();
    for text in texts {
        match Name::parse(text.value) {
            Some(name) => names.push(name),
            None => {
                let what = format!("`{}` is neither a host name nor an address", text.value);
                findings.push(section.error(text.span, what, hint));
            }
        }
    }
    names
}
