//! `[dashboard]`: under which names the page answers, and which pages of other sites may speak MQTT.

use super::problems::Findings;
use super::section::Section;
use crate::tls::Name;

/// Most names: a house has one or two.
const MAX_HOSTS: usize = 32;

/// Most pages of other sites.
const MAX_ORIGINS: usize = 32;

/// What `[dashboard]` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dashboard {
    /// Further host names under which the page answers, in small letters. A star as the first label stands for any.
    pub(crate) hosts: Vec<String>,
    /// Origins of pages that may open MQTT over WebSocket, as browsers write them.
    pub(crate) origins: Vec<String>,
}

pub(super) fn read(section: Option<Section<'_>>, findings: &mut Findings) -> Dashboard {
    let Some(mut section) = section else { return Dashboard::default() };
    let dashboard =
        Dashboard { hosts: hosts(&mut section, findings), origins: origins(&mut section, findings) };
    section.finish("[dashboard]", findings);
    dashboard
}

fn hosts(section: &mut Section<'_>, findings: &mut Findings) -> Vec<String> {
    let hint = "write host names, without port: hosts = [\"house.example.org\"]";
    let Some(texts) = section.texts("hosts", hint, findings) else { return Vec::new() };
    if let Some(one_more) = texts.get(MAX_HOSTS) {
        let what = format!("`hosts` has more than {MAX_HOSTS} entries");
        findings.push(section.error(one_more.span.clone(), what, "remove those that nobody uses"));
    }
    let mut hosts = Vec::new();
    for text in texts {
        match Name::parse(text.value) {
            Some(Name::Host(name)) => hosts.push(name),
            Some(Name::Address(_)) => {
                let what = format!("`{}` is an address", text.value);
                findings.push(section.warning(
                    text.span,
                    what,
                    "remove it: the page answers under every address",
                ));
            }
            None => {
                let what = format!("`{}` is no host name", text.value);
                findings.push(section.error(text.span, what, hint));
            }
        }
    }
    hosts
}

fn origins(section: &mut Section<'_>, findings: &mut Findings) -> Vec<String> {
    let hint = "write what a browser shows before the path: origins = [\"https://panel.example.org:8123\"]";
    let Some(texts) = section.texts("origins", hint, findings) else { return Vec::new() };
    if let Some(one_more) = texts.get(MAX_ORIGINS) {
        let what = format!("`origins` has more than {MAX_ORIGINS} entries");
        findings.push(section.error(one_more.span.clone(), what, "remove those that nobody uses"));
    }
    let mut origins = Vec::new();
    for text in texts {
        match origin(text.value) {
            Some(origin) => origins.push(origin),
            None => {
                let what = format!("`{}` is no origin of a page", text.value);
                findings.push(section.error(text.span, what, hint));
            }
        }
    }
    origins
}

/// An origin as browsers send it (RFC 6454 section 6.2): small letters, and no port that is the scheme's own. `null`, which
/// pages of any stranger can have, and patterns are none.
fn origin(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let own_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    // An address of IPv6 stands in brackets and has colons of its own.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => Name::parse(rest.strip_suffix(']')?).filter(|name| matches!(name, Name::Address(_))),
        None => Name::parse(host),
    };
    let is_star = host.starts_with('*');
    let port = port.map(str::parse::<u16>).transpose().ok()?.filter(|port| *port != own_port);
    (name.is_some() && !is_star).then(|| match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}
