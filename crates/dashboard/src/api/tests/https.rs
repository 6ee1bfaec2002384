//! The page with TLS, on a real listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::mqtt::{assert_echo, open_on};
use super::world::{PASSWORD, World};
use crate::{DashboardError, Listeners, Role, serve};

/// A dashboard with both doors, and a client that trusts it.
struct Both {
    http: SocketAddr,
    https: SocketAddr,
    client: Arc<ClientConfig>,
    server: JoinHandle<Result<(), DashboardError>>,
}

impl Both {
    async fn start(world: &World) -> Self {
        let made = rcgen::generate_simple_self_signed(["gatehouse".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut server = server.with_single_cert(vec![certificate.clone()], key).unwrap();
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let client = client.unwrap().with_root_certificates(roots).with_no_client_auth();

        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let https = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = (http.local_addr().unwrap(), https.local_addr().unwrap());
        let listeners = Listeners { http, https: Some((https, Arc::new(server))) };
        let server = tokio::spawn(serve(listeners, world.ports(), world.shutdown.clone()));
        Self { http: addresses.0, https: addresses.1, client: Arc::new(client), server }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.https).await.unwrap();
        let connector = TlsConnector::from(Arc::clone(&self.client));
        connector.connect(ServerName::try_from("gatehouse").unwrap(), stream).await.unwrap()
    }
}

/// Sends a request and reads the answer to its end, which the client asked to be that of the connection.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    let (line, rest) = request.split_once('\n').unwrap_or((request, ""));
    let (headers, body) = rest.split_once("\n\n").unwrap_or((rest, ""));
    let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: pi.local:8443\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

fn cookie_of(answer: &str) -> &str {
    let line = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    line.unwrap_or_else(|| panic!("no cookie in {answer}"))
}

/// Both doors lead to one house, and each has its own cookie: without TLS a browser could not replace the one that it got
/// with TLS, and whoever logged in there next would be told nothing and be let in nowhere.
#[tokio::test]
async fn a_cookie_of_one_door_is_none_of_the_other() {
    let world = World::new().await;
    world.accounts.add("eva", Role::Viewer, PASSWORD).await.unwrap();
    let both = Both::start(&world).await;
    let log_in = format!(
        "POST /api/v1/login\nContent-Type: application/json\n\n{{\"name\":\"eva\",\"password\":\"{PASSWORD}\"}}"
    );
    let answer = ask(both.connect().await, &log_in).await;
    let secure = cookie_of(&answer);
    assert!(secure.starts_with("__Host-gatehouse_session=") && secure.ends_with("; Secure"), "{secure}");
    let answer = ask(TcpStream::connect(both.http).await.unwrap(), &log_in).await;
    let plain = cookie_of(&answer);
    assert!(plain.starts_with("gatehouse_session=") && !plain.contains("Secure"), "{plain}");

    let (secure, plain) = (secure.split(';').next().unwrap(), plain.split(';').next().unwrap());
    for (cookies, with_tls, without) in [
        (secure.to_owned(), "200", "401"),
        (plain.to_owned(), "401", "200"),
        (format!("{plain}; {secure}"), "200", "200"),
    ] {
        let house = format!("GET /api/v1/house\nCookie: {cookies}");
        let answer = ask(both.connect().await, &house).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {with_tls} ")), "{cookies}: {answer}");
        let answer = ask(TcpStream::connect(both.http).await.unwrap(), &house).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {without} ")), "{cookies}: {answer}");
    }
    let log_out = format!("POST /api/v1/logout\nCookie: {secure}");
    let answer = ask(both.connect().await, &log_out).await;
    let ended = cookie_of(&answer);
    assert!(ended.starts_with("__Host-gatehouse_session=;") && ended.ends_with("; Secure"), "{ended}");
}

#[tokio::test]
async fn mqtt_goes_through_the_door_with_tls_too() {
    let world = World::new().await;
    let both = Both::start(&world).await;
    let mut stream = both.connect().await;
    open_on(&mut stream).await;
    assert_echo(&mut stream).await;
    world.shutdown.cancel();
    both.server.await.unwrap().unwrap();
    assert_echo(&mut stream).await;
    world.door.stop.cancel();
    let mut close = [0; 4];
    stream.read_exact(&mut close).await.unwrap();
    assert_eq!(&close, b"\x88\x02\x03\xE8");
    stream.write_all(b"\x88\x80\0\0\0\0").await.unwrap();
    // The end of TLS is said as well, so that it cannot be mistaken for a line that was cut.
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

/// People type the port into a browser, which then speaks HTTP to it.
#[tokio::test]
async fn http_on_the_port_for_https_is_sent_on() {
    let world = World::new().await;
    let both = Both::start(&world).await;
    let answer = ask(TcpStream::connect(both.https).await.unwrap(), "GET /devices/boiler?a=b").await;
    assert!(answer.starts_with("HTTP/1.1 307 "), "{answer}");
    assert!(answer.contains("location: https://pi.local:8443/devices/boiler?a=b\r\n"), "{answer}");
    for request in ["POST /api/v1/login\n\n{}", "GET http://elsewhere.example/", "OPTIONS *"] {
        let answer = ask(TcpStream::connect(both.https).await.unwrap(), request).await;
        let is_sent_on = request.starts_with("GET");
        let expected = if is_sent_on { "HTTP/1.1 307 " } else { "HTTP/1.1 400 " };
        assert!(answer.starts_with(expected), "{request}: {answer}");
        assert!(!answer.contains("elsewhere"), "{answer}");
    }
    let log_in = ask(TcpStream::connect(both.https).await.unwrap(), "POST /api/v1/login").await;
    assert!(log_in.contains("This port speaks HTTPS."), "{log_in}");
}

#[tokio::test]
async fn who_does_not_finish_the_handshake_is_closed_and_disturbs_nobody() {
    let world = World::new().await;
    let both = Both::start(&world).await;
    let mut silent = TcpStream::connect(both.https).await.unwrap();
    let mut half = TcpStream::connect(both.https).await.unwrap();
    half.write_all(&[22, 3, 1]).await.unwrap();
    let mut rubbish = TcpStream::connect(both.https).await.unwrap();
    rubbish.write_all(&[22, 0, 0, 0, 0, 0]).await.unwrap();
    rubbish.read_to_end(&mut Vec::new()).await.unwrap();
    assert!(ask(both.connect().await, "GET /health").await.starts_with("HTTP/1.1 200 "));
    tokio::time::pause();
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(half.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn the_shutdown_does_not_wait_for_a_handshake() {
    let world = World::new().await;
    let both = Both::start(&world).await;
    let _silent = TcpStream::connect(both.https).await.unwrap();
    assert!(ask(both.connect().await, "GET /health").await.starts_with("HTTP/1.1 200 "));
    tokio::time::pause();
    world.shutdown.cancel();
    // On tokio's clock, which jumps to the next deadline when nothing else is to be done: well before that of a handshake.
    let ended = tokio::time::timeout(Duration::from_secs(1), both.server).await;
    ended.expect("it ends at once").unwrap().unwrap();
}

#[tokio::test]
async fn everybody_gets_the_certificate_of_the_authority() {
    let mut world = World::new().await;
    world.get("/ca.crt", "").await.assert_error(404, "no_authority");
    world.ca_certificate =
        Some("-----BEGIN CERTIFICATE-----\nQUJDREVG\n-----END CERTIFICATE-----\n".to_owned());
    let both = Both::start(&world).await;
    for answer in [
        ask(TcpStream::connect(both.http).await.unwrap(), "GET /ca.crt").await,
        ask(both.connect().await, "GET /ca.crt").await,
    ] {
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("content-type: application/x-x509-ca-cert\r\n"), "{answer}");
        assert!(answer.ends_with("\nQUJDREVG\n-----END CERTIFICATE-----\n"), "{answer}");
    }
    // The page says before any log-in where it is served with TLS, and what the authority looks like.
    let session = ask(TcpStream::connect(both.http).await.unwrap(), "GET /api/v1/session").await;
    assert!(session.contains(&format!(r#""https_port":{}"#, both.https.port())), "{session}");
    assert!(session.contains(r#""authority_sha256":"E9:C0:F8:B5:75:CB:FC:B4:"#), "{session}");
}

#[tokio::test]
async fn a_port_for_tls_that_only_this_machine_reaches_is_told_to_nobody_else() {
    let mut world = World::new().await;
    let at = |text: &str| text.parse().unwrap();
    for (http, https, expected) in [
        ("[::]:8080", Some("[::]:8443"), Some(8443)),
        ("[::]:8080", Some("127.0.0.1:8443"), None),
        ("127.0.0.1:8080", Some("127.0.0.1:8443"), Some(8443)),
        ("[::]:8080", None, None),
    ] {
        let app = crate::api::App::new(world.ports(), world.shutdown.clone());
        world.router = crate::router::router(app.listening(at(http), https.map(at)));
        let session = world.get("/api/v1/session", "").await.json();
        assert_eq!(session["https_port"], serde_json::json!(expected), "{http} {https:?}");
    }
}
