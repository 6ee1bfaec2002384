//! `[dashboard]`: under which names the page answers.

use super::problems::Findings;
use super::section::Section;
use crate::tls::Name;

/// Most names: a house has one or two.
const MAX_HOSTS: usize = 32;

/// The further host names of the page, in small letters. A star as the first label stands for any.
pub(super) fn read(section: Option<Section<'_>>, findings: &mut Findings) -> Vec<String> {
    let Some(mut section) = section else { return Vec::new() };
    let hosts = hosts(&mut section, findings);
    section.finish("[dashboard]", findings);
    hosts
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
