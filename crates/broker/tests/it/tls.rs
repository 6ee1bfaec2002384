//! The broker behind TLS: who gets in, and what those do to it who do not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_broker::Settings;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ConfigBuilder, ProtocolVersion, RootCertStore, ServerConfig, SupportedProtocolVersion,
    WantsVerifier,
};

use super::harness::{House, Raw, connect_packet, packet, text, within};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `localhost`, with its key.
fn signed(by: &Authority) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    (vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}

fn roots(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    roots
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn server_builder() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap()
}

/// A broker whose certificate `authority` has signed.
fn server(authority: &Authority) -> Arc<ServerConfig> {
    let (chain, key) = signed(authority);
    Arc::new(server_builder().with_no_client_auth().with_single_cert(chain, key).unwrap())
}

type Credentials = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Connects as a client that trusts `authority`.
async fn connect(
    address: SocketAddr,
    authority: &Authority,
    version: &'static SupportedProtocolVersion,
    credentials: Option<Credentials>,
) -> std::io::Result<Raw<TlsStream<TcpStream>>> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
    let builder = builder.with_root_certificates(roots(authority));
    let config = match credentials {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let socket = within(TcpStream::connect(address)).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = within(connector.connect("localhost".try_into().unwrap(), socket)).await?;
    Ok(Raw { stream })
}

/// Logs in and gives whether that went well. A client of TLS 1.3 learns only here that its certificate was refused.
async fn logs_in(raw: &mut Raw<TlsStream<TcpStream>>, client_id: &str) -> bool {
    let mut answer = [0; 4];
    let exchange = async {
        raw.stream.write_all(&connect_packet(client_id)).await?;
        raw.stream.read_exact(&mut answer).await
    };
    within(exchange).await.is_ok() && answer == [0x20, 2, 0, 0]
}

/// PUBLISH with QoS 0 and a payload of any length.
fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut length = 2 + topic.len() + payload.len();
    let mut bytes = vec![0x30];
    while length > 0x7F {
        bytes.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    [bytes, text(topic), payload.to_vec()].concat()
}

#[tokio::test]
async fn clients_of_tls_1_2_and_1_3_speak_with_those_without() {
    let authority = authority();
    let (house, secure) = House::secure(Settings::default(), server(&authority)).await;
    let mut plain = house.client("plain").await;
    for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let mut raw = connect(secure, &authority, version, None).await.unwrap();
        assert_eq!(raw.stream.get_ref().1.protocol_version(), Some(expected));
        assert!(logs_in(&mut raw, "secure").await);
        raw.send(&packet(0x82, &[vec![0, 1], text("casa/#"), vec![0]].concat())).await;
        assert_eq!(raw.packet().await, [0x90, 3, 0, 1, 0]);
        let small = publish("casa/luz", b"ON");
        plain.send(&small).await;
        assert_eq!(raw.packet().await, small);
        // Many records at once, which the socket does not take in one go: what is kept back is written later.
        let large = publish("casa/bild", &vec![7; 200_000]);
        raw.send(&large).await;
        assert_eq!(raw.packet().await, large);
        raw.ping().await;
    }
    let mut raw = connect(secure, &authority, &TLS13, None).await.unwrap();
    assert!(logs_in(&mut raw, "last").await);
    assert_eq!(house.handle.statistics().tls_failures, 0);
    house.stop().await;
    let mut rest = Vec::new();
    within(raw.stream.read_to_end(&mut rest))
        .await
        .expect("the end is said in TLS too, so that nobody can forge it");
}

#[tokio::test]
async fn a_client_that_knows_another_authority_does_not_go_on() {
    let (authority, other) = (authority(), authority());
    let (house, secure) = House::secure(Settings::default(), server(&authority)).await;
    for version in [&TLS12, &TLS13] {
        let refused = connect(secure, &other, version, None).await.err().unwrap();
        assert!(refused.to_string().contains("certificate"), "{refused}");
    }
    let mut raw = connect(secure, &authority, &TLS13, None).await.unwrap();
    assert!(logs_in(&mut raw, "good").await);
    house.stop().await;
}

#[tokio::test]
async fn a_certificate_that_is_required_and_missing_or_wrong_keeps_a_client_out() {
    let (authority, clients, stranger) = (authority(), authority(), authority());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(&clients).into(), provider()).build().unwrap();
    let (chain, key) = signed(&authority);
    let config = server_builder().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
    let (house, secure) = House::secure(Settings::default(), Arc::new(config)).await;
    for version in [&TLS12, &TLS13] {
        for credentials in [None, Some(signed(&stranger))] {
            match connect(secure, &authority, version, credentials).await {
                Ok(mut raw) => assert!(!logs_in(&mut raw, "nobody").await),
                Err(refused) => assert!(refused.to_string().contains("alert"), "{refused}"),
            }
        }
        let mut raw = connect(secure, &authority, version, Some(signed(&clients))).await.unwrap();
        assert!(logs_in(&mut raw, "somebody").await);
    }
    assert_eq!(house.handle.statistics().tls_failures, 4);
    assert_eq!(house.handle.statistics().clients_connected, 1);
    house.stop().await;
}

/// The first message of a TLS handshake as a client sends it.
fn client_hello(authority: &Authority) -> Vec<u8> {
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots(authority)).with_no_client_auth();
    let mut client =
        tokio_rustls::rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap())
            .unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn bytes_of_the_wrong_kind_close_one_connection_are_counted_and_nothing_else() {
    let authority = authority();
    let settings = Settings { handshake_time: Duration::from_millis(300), ..Settings::default() };
    let (house, secure) = House::secure(settings, server(&authority)).await;
    let mut bystander = connect(secure, &authority, &TLS13, None).await.unwrap();
    assert!(logs_in(&mut bystander, "bystander").await);
    let hello = client_hello(&authority);

    // TLS where there is none.
    let mut raw = house.connect().await;
    raw.send(&hello).await;
    assert!(raw.rest().await.is_empty());
    assert_eq!(house.handle.statistics().protocol_errors, 1);

    // No TLS where it is spoken, or half of it. A refusal may be told by an alert, a record of type 21.
    let failures = || house.handle.statistics().tls_failures;
    let mqtt = connect_packet("plain");
    let mut spoiled = hello.clone();
    spoiled[5] ^= 0xFF; // the kind of the message
    let largest = [&[22, 3, 1, 0xFF, 0xFF][..], &[1; 70_000]].concat();
    for (count, bytes) in
        [&mqtt[..], b"GET / HTTP/1.1\r\n\r\n", &[0; 64], &spoiled, &largest].iter().enumerate()
    {
        let mut raw = Raw { stream: within(TcpStream::connect(secure)).await.unwrap() };
        // It may be closed before it has sent everything.
        let _ = within(raw.stream.write_all(bytes)).await;
        let answer = raw.rest().await;
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
        assert_eq!(failures(), count as u64 + 1);
    }
    // Nothing more comes: the handshake has a limit of time.
    for (count, bytes) in [&[][..], &hello[..1], &hello[..hello.len() / 2], &hello].iter().enumerate() {
        let mut raw = Raw { stream: within(TcpStream::connect(secure)).await.unwrap() };
        raw.send(bytes).await;
        let _ = raw.rest().await;
        assert_eq!(failures(), count as u64 + 6);
    }
    // Whoever leaves in the middle is noticed at once.
    let mut raw = Raw { stream: within(TcpStream::connect(secure)).await.unwrap() };
    raw.send(&hello[..9]).await;
    raw.stream.shutdown().await.unwrap();
    raw.rest().await;
    assert_eq!(failures(), 10);
    bystander.ping().await;
    house.stop().await;
}

/// A handshake costs more than a login's first bytes, so that the limits of newcomers hold before it.
#[tokio::test]
async fn silent_connections_block_nobody_and_one_too_many_is_closed_before_its_handshake() {
    let authority = authority();
    let settings = Settings { max_newcomers_of_one_address: 3, ..Settings::default() };
    let (house, secure) = House::secure(settings, server(&authority)).await;
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(within(TcpStream::connect(secure)).await.unwrap());
    }
    let mut third = connect(secure, &authority, &TLS13, None).await.unwrap();
    assert!(logs_in(&mut third, "third").await, "two silent ones are in nobody's way");
    // One that has done its handshake and has not logged in is still a newcomer.
    let mut fourth = connect(secure, &authority, &TLS13, None).await.unwrap();
    connect(secure, &authority, &TLS13, None).await.err().unwrap();
    let statistics = house.handle.statistics();
    assert_eq!((statistics.connections_refused, statistics.tls_failures), (1, 0));
    assert!(logs_in(&mut fourth, "fourth").await);
    house.stop().await;
}
