//! MQTT with TLS: the gateway's own authority, certificates from elsewhere, and what is wrong with them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use gatehouse_tests::gateway::command_line;
use gatehouse_tests::{Gateway, LIMIT, Login, Setup, websocket, wire};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

/// A phone with TLS, at the level of bytes.
pub(crate) struct SecurePhone {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl SecurePhone {
    /// Connects to `name` at `address`, and trusts `authority` alone.
    pub(crate) fn connect(
        address: SocketAddr,
        name: &str,
        authority: &str,
        version: &'static SupportedProtocolVersion,
        credentials: Option<&CertifiedKey<KeyPair>>,
    ) -> Result<Self, std::io::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("PEM")).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("a version that is built in")
            .with_root_certificates(roots);
        let config = match credentials {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
                builder.with_client_auth_cert(vec![own.cert.der().clone()], key).expect("key and certificate")
            }
        };
        let name = name.to_owned().try_into().expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        let socket = TcpStream::connect_timeout(&address, LIMIT)?;
        socket.set_read_timeout(Some(LIMIT))?;
        socket.set_write_timeout(Some(LIMIT))?;
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream })
    }

    fn read(&mut self, count: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).map(|()| bytes)
    }

    /// Logs in with MQTT 3.1.1 and reads whether the gateway is there.
    pub(crate) fn reads_online(mut self, login: &Login) -> std::io::Result<()> {
        self.stream.write_all(&wire::connect("secure-phone", login))?;
        assert_eq!(self.read(4)?, [0x20, 2, 0, 0]);
        self.stream.write_all(b"\x82\x10\0\x01\0\x0bhome/status\0")?;
        assert_eq!(self.read(5)?, [0x90, 3, 0, 1, 0]);
        assert_eq!(self.read(2)?, [0x31, 19]);
        assert_eq!(self.read(19)?[2..], *b"home/statusonline");
        Ok(())
    }
}

fn authority(gateway: &Gateway) -> String {
    let file = gateway.data_directory().join("tls/ca.crt");
    assert!(gateway.words().contains(&format!("CA for TLS:  {}", file.display())), "{}", gateway.words());
    // What the page says before any log-in is what stands in the journal, which no network can have changed.
    let session = gateway.browser().get("/api/v1/session").expect(200).json();
    let digest = session["authority_sha256"].as_str().expect("a fingerprint");
    assert!(gateway.words().contains(&format!("CA SHA-256:  {digest}")), "{}", gateway.words());
    std::fs::read_to_string(file).expect("the authority is written")
}

pub(crate) fn mqtts(gateway: &Gateway) -> SocketAddr {
    gateway.mqtts_address().unwrap_or_else(|| panic!("no `MQTT (TLS):` line\n{}", gateway.words()))
}

#[test]
fn a_phone_that_has_the_authority_once_is_served_for_ever() {
    let gateway = Setup::demo().start();
    let authority_pem = authority(&gateway);
    let login = gateway.demo_user();
    for version in [&TLS12, &TLS13] {
        for name in ["localhost", "127.0.0.1"] {
            let phone = SecurePhone::connect(mqtts(&gateway), name, &authority_pem, version, None);
            phone.and_then(|phone| phone.reads_online(&login)).expect("the phone is served");
        }
    }
    let files =
        ["ca.crt", "ca.key", "server.pem"].map(|name| gateway.data_directory().join("tls").join(name));
    let read = || files.clone().map(|file| std::fs::read(file).expect("it is there"));
    let before = read();
    for file in &files {
        let mode = std::fs::metadata(file).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} can be read by others", file.display());
    }
    let gateway = gateway.restart();
    assert_eq!(read(), before, "authority and leaf outlive a restart");
    SecurePhone::connect(mqtts(&gateway), "localhost", &authority_pem, &TLS13, None)
        .and_then(|phone| phone.reads_online(&login))
        .expect("the phone is served again");
    // Another gateway is not this one.
    let other = Setup::demo().start();
    let refused = SecurePhone::connect(mqtts(&other), "localhost", &authority_pem, &TLS13, None);
    let refused = refused.map(drop).expect_err("another gateway's certificate is refused").to_string();
    assert!(refused.contains("certificate"), "{refused}");
}

/// A certificate from elsewhere, for `localhost`.
pub(crate) fn elsewhere() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate can be made")
}

pub(crate) fn own_certificate(certificate: &str, key: &str) -> Setup {
    let setup = Setup::configured("[tls]\ncertificate = \"gateway.pem\"\nkey = \"gateway.key\"\n");
    let write = |name: &str, text: &str| {
        std::fs::write(setup.configuration().with_file_name(name), text).expect("it can be written");
    };
    write("gateway.pem", certificate);
    write("gateway.key", key);
    setup
}

#[test]
fn a_certificate_from_elsewhere_is_shown() {
    let own = elsewhere();
    let setup = own_certificate(&own.cert.pem(), &own.signing_key.serialize_pem());
    let login = Login { user: "ana".to_owned(), password: "a lamp in the window".to_owned() };
    let gateway = setup.with_user(&login.user, "admin", &login.password).start();
    SecurePhone::connect(mqtts(&gateway), "localhost", &own.cert.pem(), &TLS13, None)
        .and_then(|phone| phone.reads_online(&login))
        .expect("the phone is served");
    assert!(!gateway.data_directory().join("tls").exists(), "no authority of the gateway's own is needed");
}

#[test]
fn a_certificate_that_cannot_be_used_is_a_mistake_of_the_configuration_with_its_line() {
    let (own, other) = (elsewhere(), elsewhere());
    let (pem, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    for (certificate, key, place, reason) in [
        (
            pem.as_str(),
            other.signing_key.serialize_pem().as_str(),
            "3:7",
            "it is not the key of the certificate in",
        ),
        ("nonsense", &key, "2:15", "there is no certificate in it"),
        (&pem, "nonsense", "3:7", "there is no private key in it"),
    ] {
        let setup = own_certificate(certificate, key);
        let checked = command_line(&["check", &setup.configuration().to_string_lossy()], "");
        for finished in [checked, setup.start_in_vain()] {
            assert_eq!(finished.code, Some(78), "{finished:?}");
            let said = &finished.stderr;
            assert!(said.contains(&format!("gatehouse.toml:{place}")), "{said}");
            assert!(said.contains(reason) && said.contains("help: "), "{said}");
        }
    }
}

#[test]
fn a_key_that_may_not_be_read_is_named_with_what_to_do() {
    let own = elsewhere();
    let setup = own_certificate(&own.cert.pem(), &own.signing_key.serialize_pem());
    let key = setup.configuration().with_file_name("gateway.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o000)).expect("rights can be changed");
    if std::fs::read(&key).is_ok() {
        // The superuser may read everything: something that nobody can read takes the place of the key.
        std::fs::remove_file(&key).expect("it can be removed");
        std::fs::create_dir(&key).expect("a directory can be made");
    }
    let finished = setup.start_in_vain();
    assert_eq!(finished.code, Some(78), "{finished:?}");
    let said = &finished.stderr;
    assert!(said.contains("gatehouse.toml:3:7") && said.contains("gateway.key: it "), "{said}");
    assert!(said.contains("help: "), "{said}");
}

#[test]
fn clients_without_a_certificate_stay_outside_where_one_is_required() {
    let client = elsewhere();
    let login = Login { user: "ana".to_owned(), password: "a lamp in the window".to_owned() };
    let setup =
        Setup::configured("[mqtts]\nclient_certificates = \"required\"\nclient_ca = \"clients.pem\"\n");
    std::fs::write(setup.configuration().with_file_name("clients.pem"), client.cert.pem())
        .expect("it is written");
    let gateway = setup.with_user(&login.user, "admin", &login.password).start();
    let authority_pem = authority(&gateway);
    let stranger = elsewhere();
    let come_in = |version, credentials| {
        SecurePhone::connect(mqtts(&gateway), "localhost", &authority_pem, version, credentials)
            .and_then(|phone| phone.reads_online(&login))
    };
    for version in [&TLS12, &TLS13] {
        come_in(version, Some(&client)).expect("a client with its certificate is served");
        come_in(version, None).expect_err("a client without one is not");
        come_in(version, Some(&stranger)).expect_err("nor is one with another");
    }
    gateway.browser().get("/").expect(200);
}

#[test]
fn a_port_that_was_asked_for_and_is_taken_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has an address").to_string();
    let setup = Setup::demo();
    let finished = setup.start_in_vain_with(&["--mqtts", &address]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains(&address) && finished.stderr.contains("--mqtts"), "{finished:?}");
    assert!(finished.stderr.contains("stop the program that has this port"), "{finished:?}");
}

#[test]
fn an_authority_that_lost_its_key_is_not_replaced_silently() {
    let stopped = Setup::demo().start().stop();
    let key = stopped.setup.data_directory().join("tls/ca.key");
    std::fs::remove_file(&key).expect("it is there");
    let finished = stopped.setup.start_in_vain();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains(&*key.to_string_lossy()), "{finished:?}");
    assert!(finished.stderr.contains("backup"), "{finished:?}");
}

/// mosquitto_sub with the authority's file, as an installer would try it out.
#[cfg(feature = "clients")]
#[test]
fn mosquitto_sub_is_served_with_the_authority_and_refuses_without() {
    use gatehouse_tests::process::Process;
    use std::process::Command;

    let gateway = Setup::demo().start();
    let login = gateway.demo_user();
    let port = mqtts(&gateway).port().to_string();
    let other = gateway.data_directory().join("other.pem");
    std::fs::write(&other, elsewhere().cert.pem()).expect("it is written");
    let listen = |authority: &std::path::Path, version: &str| {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-u", &login.user, "-P", &login.password]);
        command.args(["-t", "home/status", "-C", "1", "-W", "10", "--tls-version", version]);
        Process::run(command.arg("--cafile").arg(authority), "", LIMIT)
    };
    let good = gateway.data_directory().join("tls/ca.crt");
    for version in ["tlsv1.2", "tlsv1.3"] {
        assert_eq!(listen(&good, version).stdout.trim(), "online");
    }
    let refused = listen(&other, "tlsv1.3");
    assert!(refused.code != Some(0) && !refused.stdout.contains("online"), "{refused:?}");
}

/// The page with TLS, the authority to be fetched without it, and MQTT over WebSocket inside TLS: with one certificate.
#[test]
fn the_page_speaks_tls_and_gives_the_authority_to_whoever_asks() {
    let gateway = Setup::demo().start();
    let https = gateway.https_address().unwrap_or_else(|| panic!("no `With TLS:` line\n{}", gateway.words()));
    let fetched = gateway.browser().get("/ca.crt").expect(200);
    assert_eq!(fetched.body, authority(&gateway), "the file that phones need");
    let connect = || SecurePhone::connect(https, "localhost", &authority(&gateway), &TLS13, None);
    let mut page = connect().expect("the page has the gateway's certificate");
    page.stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it listens");
    assert_eq!(page.read(15).expect("it answers"), *b"HTTP/1.1 200 OK");

    let mut phone = connect().expect("a phone comes in by the same port");
    let request = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: mqtt\r\n\r\n";
    phone.stream.write_all(request.as_bytes()).expect("it listens");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(phone.read(1).expect("it answers"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    let login = wire::connect("secure-web", &gateway.demo_user());
    phone.stream.write_all(&websocket::frame(websocket::kind::BINARY, &login)).expect("it listens");
    assert_eq!(phone.read(6).expect("it answers"), [0x82, 4, 0x20, 2, 0, 0], "CONNACK in a binary frame");
}
