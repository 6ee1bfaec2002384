//! What a certificate says, and when a new one is due. Time is an argument.
//!
//! A small computer without a battery for its clock may believe for its first minutes that it is 1970, or whatever its
//! clock chip makes up. So:
//! - a clock that shows a time before this program was written, or after its authority's end, is known to be wrong. No
//!   certificate is renewed for the sake of such a time, and one that has to be made then is given the dates of the one
//!   before, or dates that begin with the program;
//! - a certificate that is not valid yet was made while the clock was ahead: it is made anew at the next look.
//!
//! A wrong time that is a possible one cannot be told from a right one. It costs a certificate that is replaced at the
//! first look after the clock was set.

use std::fmt;
use std::net::IpAddr;

use gatehouse_model::Timestamp;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::names::{Name, Names};

/// One day in seconds.
const DAY: i64 = 24 * 60 * 60;

/// Longest life of a leaf, its backdating included: iOS and macOS take certificates of an authority that their owner added
/// for at most 825 days. A day less, because the last second counts as well.
pub(super) const LEAF_LIFE: i64 = 824 * DAY;

/// How far a leaf begins in the past, for clients whose clock is behind.
const BACKDATED: i64 = 2 * DAY;

/// 1 January 2026, when this program was written: no right clock shows an earlier time.
pub(super) const EARLIEST: i64 = 1_767_225_600;

/// The dates of the authority are fixed, so that no wrong clock gets into what cannot be replaced: 1 January 2025 to the
/// end of 2049, the last second that certificates write with two digits for the year (RFC 5280 section 4.1.2.5).
pub(super) const AUTHORITY_FROM: i64 = 1_735_689_600;
pub(super) const AUTHORITY_UNTIL: i64 = 2_524_607_999;

/// First and last second, since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: i64,
    pub(super) until: i64,
}

/// What has to be known of a certificate to decide about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) validity: Validity,
    pub(super) names: Names,
    /// Whether it may vouch for others.
    pub(super) is_authority: bool,
}

impl Facts {
    /// Reads a certificate.
    ///
    /// # Errors
    /// When the bytes are no certificate.
    pub(super) fn read(der: &[u8]) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|problem| problem.to_string())?;
        let validity = certificate.validity();
        let names = match certificate.subject_alternative_name() {
            Ok(Some(extension)) => extension.value.general_names.iter().filter_map(name_of).collect(),
            _ => Names::new(),
        };
        Ok(Self {
            validity: Validity {
                from: validity.not_before.timestamp(),
                until: validity.not_after.timestamp(),
            },
            names,
            is_authority: certificate.is_ca(),
        })
    }
}

fn name_of(name: &GeneralName<'_>) -> Option<Name> {
    match name {
        GeneralName::DNSName(name) => Name::parse(name),
        GeneralName::IPAddress(bytes) => {
            let address = match bytes.len() {
                4 => IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?),
                _ => IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?),
            };
            Some(Name::Address(address.to_canonical()))
        }
        _ => None,
    }
}

/// Why a new leaf is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// There is none, or none that can be used.
    None,
    /// Two thirds of its life are over.
    Age,
    /// It is not valid yet.
    MadeAhead,
    /// The machine has names or addresses that it does not carry.
    Names(Vec<Name>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("there was none"),
            Self::Age => f.write_str("two thirds of the life of the one before are over"),
            Self::MadeAhead => f.write_str("the one before was made while the clock was ahead"),
            Self::Names(names) => {
                f.write_str("this machine is called")?;
                for (index, name) in names.iter().enumerate() {
                    write!(f, "{} {name}", if index == 0 { "" } else { "," })?;
                }
                f.write_str(" now")
            }
        }
    }
}

/// Whether a new leaf is due at `now` for a machine that is called `wanted`, and why. A name or an address that has gone
/// is no reason: it does no harm, and may come back.
pub(super) fn due(now: Timestamp, leaf: Option<&Facts>, wanted: &Names) -> Option<Reason> {
    let Some(leaf) = leaf else { return Some(Reason::None) };
    if let Some(now) = credible(now) {
        let Validity { from, until } = leaf.validity;
        if now < from {
            return Some(Reason::MadeAhead);
        }
        if now >= from + (until - from) / 3 * 2 {
            return Some(Reason::Age);
        }
    }
    let missing: Vec<Name> = wanted.difference(&leaf.names).cloned().collect();
    (!missing.is_empty()).then_some(Reason::Names(missing))
}

/// How long a leaf that is made at `now` is valid; `before` is the one that it replaces.
pub(super) fn validity(now: Timestamp, before: Option<&Facts>) -> Validity {
    let from = match (credible(now), before) {
        (Some(now), _) => now - BACKDATED,
        (None, Some(before)) => return before.validity,
        (None, None) => EARLIEST - BACKDATED,
    };
    Validity { from, until: (from + LEAF_LIFE).min(AUTHORITY_UNTIL) }
}

/// The names of a leaf that is made for a machine that is called `wanted`: these, and as many of the ones before as fit
/// when it is made for the sake of names, so that an address that comes and goes costs one certificate and not one each
/// time. Names that are really gone leave with the next renewal by age.
pub(super) fn names_to_carry(reason: &Reason, wanted: &Names, before: Option<&Facts>) -> Names {
    let mut names = wanted.clone();
    if let (Reason::Names(_), Some(before)) = (reason, before) {
        let room = super::names::MAX_NAMES.saturating_sub(names.len());
        let kept: Vec<Name> = before.names.difference(wanted).take(room).cloned().collect();
        names.extend(kept);
    }
    names
}

/// The time in seconds, unless it cannot be right.
fn credible(now: Timestamp) -> Option<i64> {
    let seconds = now.as_millis().div_euclid(1_000);
    (EARLIEST..AUTHORITY_UNTIL).contains(&seconds).then_some(seconds)
}
