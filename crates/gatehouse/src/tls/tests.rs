//! The room as a whole: files, clocks that are wrong, clients that connect.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatehouse_model::{ManualClock, Timestamp};
use proptest::prelude::*;
use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::client::danger::ServerCertVerifier as _;
use rustls::client::{ClientConfig, ClientConnection, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{RootCertStore, ServerConnection, SupportedProtocolVersion, version};

use super::certificates::ServerCertificates;
use super::leaf::{AUTHORITY_UNTIL, EARLIEST, Facts};
use super::names::{Name, Names};
use super::{ClientCertificates, OwnCertificate, TlsSettings};

const DAY: i64 = 86_400;

/// Some day on which the gateway is used, in seconds.
const TODAY: i64 = EARLIEST + 400 * DAY;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

/// A machine with a data directory, a clock, and addresses that come and go.
struct Machine {
    directory: tempfile::TempDir,
    clock: Arc<ManualClock>,
    addresses: Arc<Mutex<Vec<&'static str>>>,
    settings: TlsSettings,
}

impl Machine {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::new(at(TODAY))),
            addresses: Arc::new(Mutex::new(vec!["192.168.1.20"])),
            settings: TlsSettings::default(),
        }
    }

    fn tls(&self) -> std::path::PathBuf {
        self.directory.path().join("tls")
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn try_start(&self) -> anyhow::Result<ServerCertificates> {
        let addresses = Arc::clone(&self.addresses);
        let names = move |configured: &[Name]| {
            let mut names: Names = configured.iter().cloned().collect();
            names.extend(["pi.local", "localhost"].map(|name| Name::parse(name).unwrap()));
            names.extend(addresses.lock().unwrap().iter().map(|text| Name::parse(text).unwrap()));
            names
        };
        ServerCertificates::open_as(&self.settings, "Casa", &self.tls(), self.clock.clone(), Box::new(names))
    }

    fn start(&self) -> ServerCertificates {
        self.try_start().unwrap()
    }

    fn refusal(&self) -> String {
        format!("{:#}", self.try_start().unwrap_err())
    }
}

fn facts(certificates: &ServerCertificates) -> Facts {
    Facts::read(&certificates.shown().cert[0]).unwrap()
}

/// Whether a client that has the authority, and whose clock shows `now`, accepts what is shown.
fn is_accepted(certificates: &ServerCertificates, name: &str, now: i64) -> Result<(), rustls::Error> {
    let roots = roots(certificates.authority_pem().unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap()));
    verifier.verify_server_cert(&certificates.shown().cert[0], &[], &name, &[], now).map(drop)
}

fn roots(pem: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    roots
}

/// What a client shows of itself: its certificate and its key, both PEM.
type Credentials = (String, String);

/// A whole handshake in memory; gives the version of TLS that was spoken.
fn shake_hands(
    server: Arc<rustls::ServerConfig>,
    authority: &str,
    version: &'static SupportedProtocolVersion,
    credentials: Option<&Credentials>,
) -> Result<rustls::ProtocolVersion, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let builder = builder.with_root_certificates(roots(authority));
    let config = match credentials {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    let mut client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    while client.wants_write() || server.wants_write() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut &bytes[..]).unwrap();
        let outcome = server.process_new_packets();
        bytes.clear();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut &bytes[..]).unwrap();
        outcome?;
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(server.protocol_version().unwrap())
}

#[test]
fn the_first_start_makes_an_authority_and_a_leaf_and_the_second_keeps_both() {
    let machine = Machine::new();
    let first = machine.start();
    for name in ["localhost", "pi.local", "192.168.1.20"] {
        is_accepted(&first, name, TODAY).unwrap();
        is_accepted(&first, name, TODAY - DAY).expect("a client may be a day behind");
    }
    is_accepted(&first, "example.org", TODAY).unwrap_err();
    let life = facts(&first).validity;
    assert!((700 * DAY..=825 * DAY).contains(&(life.until - life.from + 1)), "{life:?}");
    let authority = CertificateDer::from_pem_slice(first.authority_pem().unwrap().as_bytes()).unwrap();
    let authority = Facts::read(&authority).unwrap();
    assert!(authority.is_authority && authority.validity.until - TODAY > 10 * 365 * DAY);

    let read = |name: &str| std::fs::read(machine.tls().join(name)).unwrap();
    let files = ["ca.crt", "ca.key", "server.pem"];
    let before = files.map(read);
    for name in files {
        let mode = std::fs::metadata(machine.tls().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(before[0], first.authority_pem().unwrap().as_bytes());
    machine.clock.advance(Duration::from_secs(90 * 86_400));
    machine.start();
    assert_eq!(files.map(read), before, "nothing is made twice");
}

#[test]
fn clients_speak_tls_1_2_and_1_3_and_refuse_another_gateway() {
    let (machine, other) = (Machine::new(), Machine::new());
    // The clients of these handshakes read the clock of the machine that the test runs on.
    machine.clock.set_wall(gatehouse_model::Clock::now(&gatehouse_model::SystemClock::new()));
    let (certificates, other) = (machine.start(), other.start());
    let config = certificates.server_config(&[]).unwrap();
    let authority = certificates.authority_pem().unwrap();
    for version in [&version::TLS12, &version::TLS13] {
        assert_eq!(shake_hands(config.clone(), authority, version, None).unwrap(), version.version);
        shake_hands(config.clone(), other.authority_pem().unwrap(), version, None).unwrap_err();
    }
}

#[test]
fn a_leaf_is_always_good_for_clients_and_renewed_at_two_thirds_of_its_life() {
    let machine = Machine::new();
    let certificates = machine.start();
    let mut shown = vec![certificates.shown().cert[0].clone()];
    for day in 0..3_650 {
        let now = TODAY + day * DAY;
        machine.clock.set_wall(at(now));
        certificates.look();
        let life = facts(&certificates).validity;
        assert!(life.from < now && now + 250 * DAY < life.until, "day {day}: {life:?}");
        assert!(life.until - life.from < 825 * DAY);
        if shown.last() != certificates.shown().cert.first() {
            is_accepted(&certificates, "pi.local", now).unwrap();
            shown.push(certificates.shown().cert[0].clone());
        }
    }
    assert_eq!(shown.len(), 7, "renewed each 547 days");
    assert_eq!(machine.start().shown().cert[0], shown[6], "the last one was kept");
}

/// A board without a battery for its clock starts in 1970, and so may its first start ever.
#[test]
fn what_is_made_in_1970_is_good_once_the_clock_is_set() {
    let machine = Machine::new();
    machine.clock.set_wall(at(5));
    let certificates = machine.start();
    is_accepted(&certificates, "pi.local", TODAY).expect("at once, without a look");
    let first = certificates.shown();
    for now in [60, TODAY, TODAY + DAY] {
        machine.clock.set_wall(at(now));
        certificates.look();
    }
    assert_eq!(certificates.shown().cert, first.cert);
    // The next start in 1970 keeps it, and a new address then does not move its dates.
    machine.clock.set_wall(at(-3_600));
    let again = machine.start();
    assert_eq!(again.shown().cert, first.cert);
    machine.addresses.lock().unwrap().push("10.0.0.5");
    again.look();
    is_accepted(&again, "10.0.0.5", TODAY).unwrap();
    // When the program is old, the dates that it began with are over: the first look with the right time mends it.
    let late = TODAY + 3_000 * DAY;
    machine.clock.set_wall(at(late));
    again.look();
    is_accepted(&again, "pi.local", late).unwrap();
}

#[test]
fn a_clock_far_ahead_spoils_nothing() {
    let machine = Machine::new();
    let certificates = machine.start();
    let good = certificates.shown();
    // An impossible time is not believed.
    machine.clock.set_wall(at(AUTHORITY_UNTIL + 50 * 365 * DAY));
    certificates.look();
    assert_eq!(certificates.shown().cert, good.cert);
    // A possible one is, and what it did is undone at the first look with the right time.
    machine.clock.set_wall(at(TODAY + 3_000 * DAY));
    certificates.look();
    is_accepted(&certificates, "pi.local", TODAY).unwrap_err();
    machine.clock.set_wall(at(TODAY));
    certificates.look();
    is_accepted(&certificates, "pi.local", TODAY).unwrap();
    // A first start with an impossible time, too.
    let other = Machine::new();
    other.clock.set_wall(at(AUTHORITY_UNTIL + DAY));
    is_accepted(&other.start(), "pi.local", TODAY).unwrap();
}

#[test]
fn an_address_that_comes_is_taken_up_and_one_that_goes_and_comes_back_costs_nothing() {
    let machine = Machine::new();
    let certificates = machine.start();
    let first = certificates.shown();
    *machine.addresses.lock().unwrap() = vec!["10.0.0.5", "fd00::5"];
    certificates.look();
    let second = certificates.shown();
    assert_ne!(first.cert, second.cert);
    for name in ["10.0.0.5", "fd00::5", "192.168.1.20"] {
        is_accepted(&certificates, name, TODAY).unwrap();
    }
    for addresses in [vec!["192.168.1.20"], vec!["10.0.0.5"], vec![]] {
        *machine.addresses.lock().unwrap() = addresses;
        certificates.look();
        assert_eq!(certificates.shown().cert, second.cert);
    }
    // A renewal by age forgets what is gone.
    machine.clock.advance(Duration::from_secs(600 * 86_400));
    certificates.look();
    assert_eq!(facts(&certificates).names.len(), 2);
}

#[test]
fn addresses_without_end_do_not_grow_the_certificate_without_end() {
    let machine = Machine::new();
    let certificates = machine.start();
    for n in 0..200 {
        *machine.addresses.lock().unwrap() = vec![format!("10.0.0.{n}").leak()];
        certificates.look();
        is_accepted(&certificates, &format!("10.0.0.{n}"), TODAY).unwrap();
        assert!(facts(&certificates).names.len() <= super::names::MAX_NAMES);
    }
}

#[test]
fn a_power_cut_leaves_the_old_or_the_new() {
    let machine = Machine::new();
    let first = machine.start();
    let leaf = machine.tls().join("server.pem");
    // Half of a next one was written, beside the one that counts.
    std::fs::write(machine.tls().join("server.pem.new"), "-----BEGIN PRIV").unwrap();
    assert_eq!(machine.start().shown().cert, first.shown().cert);
    machine.clock.advance(Duration::from_secs(600 * 86_400));
    let second = machine.start();
    assert_ne!(second.shown().cert, first.shown().cert);
    assert_eq!(machine.start().shown().cert, second.shown().cert);
    // A disk that lost a file costs a new leaf of the same authority.
    for damage in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&leaf, damage).unwrap();
        let mended = machine.start();
        assert_eq!(mended.authority_pem(), first.authority_pem());
        is_accepted(&mended, "pi.local", TODAY + 600 * DAY).unwrap();
    }
    // The power was cut after the key of the authority and before its certificate.
    let fresh = Machine::new();
    let authority = fresh.start().authority_pem().unwrap().to_owned();
    std::fs::remove_file(fresh.tls().join("ca.crt")).unwrap();
    let again = fresh.start();
    assert_ne!(again.authority_pem().unwrap(), "");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let old =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots(&authority)), provider).build().unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(TODAY).unwrap()));
    let name = ServerName::try_from("pi.local").unwrap();
    old.verify_server_cert(&again.shown().cert[0], &[], &name, &[], now)
        .expect("the same key is the same authority for those who have the certificate that was lost");
}

#[test]
fn an_authority_that_cannot_be_used_is_never_replaced_silently() {
    let machine = Machine::new();
    machine.start();
    let (certificate, key) = (machine.tls().join("ca.crt"), machine.tls().join("ca.key"));
    let (good_certificate, good_key) = (std::fs::read(&certificate).unwrap(), std::fs::read(&key).unwrap());
    std::fs::remove_file(&key).unwrap();
    let said = machine.refusal();
    assert!(said.contains("ca.key") && said.contains("backup"), "{said}");
    std::fs::write(&key, "nonsense").unwrap();
    assert!(machine.refusal().contains("ca.key is no private key"), "{}", machine.refusal());
    std::fs::write(&key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let said = machine.refusal();
    assert!(said.contains("the key belongs to another certificate") && said.contains("backup"), "{said}");
    std::fs::write(&key, &good_key).unwrap();
    std::fs::write(&certificate, "nonsense").unwrap();
    assert!(machine.refusal().contains("there is no certificate in it"), "{}", machine.refusal());
    std::fs::write(&certificate, &good_certificate).unwrap();
    machine.start();
    // Another authority was put there on purpose: it gets a leaf of its own.
    let other = Machine::new();
    other.start();
    for name in ["ca.crt", "ca.key"] {
        std::fs::copy(other.tls().join(name), machine.tls().join(name)).unwrap();
    }
    is_accepted(&machine.start(), "pi.local", TODAY).unwrap();
}

/// An authority of somebody else, and what it signs.
fn elsewhere() -> CertifiedIssuer<'static, KeyPair> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "Elsewhere");
    CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap()
}

fn signed(authority: &CertifiedIssuer<'static, KeyPair>, until: i32) -> Credentials {
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    leaf.not_after = rcgen::date_time_ymd(until, 1, 1);
    (leaf.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_certificate_from_elsewhere_is_shown_and_read_again_when_it_changes() {
    let mut machine = Machine::new();
    let (certificate, key) = (machine.file("gateway.pem"), machine.file("gateway.key"));
    machine.settings.own = Some(OwnCertificate { certificate: certificate.clone(), key: key.clone() });
    let authority = elsewhere();
    let (one, one_key) = signed(&authority, 2090);
    std::fs::write(&certificate, &one).unwrap();
    std::fs::write(&key, &one_key).unwrap();
    let certificates = machine.start();
    assert_eq!(certificates.authority_pem(), None);
    assert!(!machine.tls().exists(), "nothing of the gateway's own is made");
    let config = certificates.mqtt_config().unwrap();
    shake_hands(config.clone(), &authority.pem(), &version::TLS13, None).unwrap();

    let first = certificates.shown();
    let (two, two_key) = signed(&authority, 2091);
    std::fs::write(&certificate, &two).unwrap();
    certificates.look();
    assert_eq!(certificates.shown().cert, first.cert, "its key is not there yet");
    std::fs::write(&key, &two_key).unwrap();
    certificates.look();
    assert_ne!(certificates.shown().cert, first.cert);
    shake_hands(config, &authority.pem(), &version::TLS12, None).unwrap();
    std::fs::remove_file(&certificate).unwrap();
    certificates.look();
    assert_ne!(
        certificates.shown().cert,
        first.cert,
        "what was read is shown for as long as nothing better is there"
    );
}

#[test]
fn what_is_wrong_with_a_certificate_from_elsewhere_is_said_with_file_and_reason() {
    let mut machine = Machine::new();
    let (certificate, key) = (machine.file("gateway.pem"), machine.file("gateway.key"));
    machine.settings.own = Some(OwnCertificate { certificate: certificate.clone(), key: key.clone() });
    let authority = elsewhere();
    let ((good, good_key), (_, other_key)) = (signed(&authority, 2090), signed(&authority, 2090));
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let half = &good[..good.len() - 40];
    for (pem, key_pem, file, reason) in [
        (good.as_str(), other_key.as_str(), &key, "it is not the key of the certificate in"),
        (&good_key, &good_key, &certificate, "this is a private key"),
        (&good, &good, &key, "there is a certificate in it and no private key"),
        ("", &good_key, &certificate, "there is no certificate in it"),
        (&good, "", &key, "there is no private key in it"),
        (&good, locked, &key, "openssl pkey"),
        (half, &good_key, &certificate, "it is damaged"),
        (&authority.pem(), &authority.key().serialize_pem(), &certificate, "that of an authority"),
        (
            "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            &good_key,
            &certificate,
            "cannot be read",
        ),
    ] {
        std::fs::write(&certificate, pem).unwrap();
        std::fs::write(&key, key_pem).unwrap();
        let said = machine.refusal();
        assert!(said.starts_with(&format!("{}: ", file.display())) && said.contains(reason), "{said}");
    }
    std::fs::remove_file(&key).unwrap();
    std::fs::write(&certificate, &good).unwrap();
    assert!(machine.refusal().contains("there is no such file"), "{}", machine.refusal());
    std::fs::write(&key, vec![b'x'; 2 << 20]).unwrap();
    assert!(machine.refusal().contains("some other file"), "{}", machine.refusal());
    machine.settings.own = Some(OwnCertificate { certificate, key: machine.directory.path().to_owned() });
    assert!(machine.refusal().contains("it is a directory"), "{}", machine.refusal());
}

fn client_settings(path: &Path, required: bool) -> Option<ClientCertificates> {
    Some(ClientCertificates { authorities: path.to_owned(), required })
}

#[test]
fn clients_show_certificates_where_they_have_to() {
    let mut machine = Machine::new();
    machine.clock.set_wall(gatehouse_model::Clock::now(&gatehouse_model::SystemClock::new()));
    let file = machine.file("clients.pem");
    let (known, stranger) = (elsewhere(), elsewhere());
    std::fs::write(&file, known.pem()).unwrap();
    let (good, bad, over) = (signed(&known, 2090), signed(&stranger, 2090), signed(&known, 2001));
    for required in [true, false] {
        machine.settings.clients = client_settings(&file, required);
        let certificates = machine.start();
        let config = certificates.mqtt_config().unwrap();
        let authority = certificates.authority_pem().unwrap();
        for version in [&version::TLS12, &version::TLS13] {
            let connect = |credentials| shake_hands(config.clone(), authority, version, credentials);
            connect(Some(&good)).unwrap();
            connect(Some(&bad)).unwrap_err();
            connect(Some(&over)).unwrap_err();
            assert_eq!(connect(None).is_err(), required);
        }
        // The page does not ask for them.
        let page = certificates.server_config(&[b"http/1.1"]).unwrap();
        shake_hands(page, authority, &version::TLS13, None).unwrap();
        // Other authorities count from the next look on.
        std::fs::write(&file, stranger.pem()).unwrap();
        certificates.look();
        shake_hands(config.clone(), authority, &version::TLS13, Some(&good)).unwrap_err();
        shake_hands(config.clone(), authority, &version::TLS13, Some(&bad)).unwrap();
        std::fs::write(&file, "").unwrap();
        certificates.look();
        shake_hands(config, authority, &version::TLS13, Some(&bad)).expect("those before stay");
        assert!(
            machine.refusal().contains("clients.pem: there is no certificate in it"),
            "{}",
            machine.refusal()
        );
        std::fs::write(&file, known.pem()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the clock showed before, in whatever order, with restarts in between: once it is right and one look has
    /// passed, clients accept the gateway.
    #[test]
    fn one_look_with_the_right_time_mends_everything(
        clocks in proptest::collection::vec((-4_000_000_000_i64..8_000_000_000, any::<bool>()), 0..6),
        right in TODAY..AUTHORITY_UNTIL - 900 * DAY,
    ) {
        let machine = Machine::new();
        machine.clock.set_wall(at(clocks.first().map_or(TODAY, |(first, _)| *first)));
        let mut certificates = machine.start();
        for (clock, restarts) in clocks {
            machine.clock.set_wall(at(clock));
            if restarts {
                certificates = machine.start();
            } else {
                certificates.look();
            }
            let life = facts(&certificates).validity;
            prop_assert!(life.until - life.from < 825 * DAY && life.until <= AUTHORITY_UNTIL);
        }
        machine.clock.set_wall(at(right));
        certificates.look();
        is_accepted(&certificates, "pi.local", right).unwrap();
    }
}
