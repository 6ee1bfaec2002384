//! A dashboard with one boiler, on a clock that stands still, with a commander and a history that do as they are told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use gatehouse_model::{
    Cause, DeviceId, DeviceInfo, GatewayInfo, ManualClock, Message, Origin, PropertyId, PropertyInfo,
    PropertyKind, Qos, Quality, Scheme, SeededRandomness, Timestamp, TopicName, Value,
};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::api::{App, Peer};
use crate::wire::{Board, BoardScan, Catalogue, FoundThing, HolderWord, Probe, Probes, ScannedBus};
use crate::wire::{
    CauseView, EventKindWord, HistoryEvent, HistoryNotRecorded, HistoryNotice, HistoryStatus, HistoryWear,
};
use crate::{
    Accounts, BoardProblem, BoardReader, ByteStream, CommandRefused, Commander, DemoFault, DemoHouse,
    DemoProblem, EventsQuery, ExportQuery, Figure, FigureKind, FigureSource, GapReason, HistoryProblem,
    HistoryReader, LiveHouse, MomentValue, MqttClientState, MqttClients, MqttConnection, MqttDoor, MqttGone,
    MqttPlace, MqttRefusal, NamedRights, Ports, Reach, RecordedKind, RecordedSeries, RecordedText, Role,
    RowExport, SeriesBefore, SeriesGap, SeriesPoint, SeriesQuery, SeriesView, TextsQuery, TextsView,
    Whereabouts,
};

pub(super) const PASSWORD: &str = "lamp in the window";

/// Keeps what it was sent; refuses when it has a reason.
#[derive(Default)]
pub(super) struct FakeCommander {
    pub(super) sent: Mutex<Vec<(String, String, Json)>>,
    pub(super) refusal: Mutex<Option<String>>,
}

#[async_trait]
impl Commander for FakeCommander {
    async fn send(
        &self,
        user: &str,
        device: &DeviceId,
        property: &PropertyId,
        payload: Bytes,
    ) -> Result<(), CommandRefused> {
        if let Some(reason) = self.refusal.lock().unwrap().clone() {
            return Err(CommandRefused { reason });
        }
        let payload = serde_json::from_slice(&payload).unwrap();
        self.sent.lock().unwrap().push((user.to_owned(), format!("{device}/{property}"), payload));
        Ok(())
    }
}

/// A bench with one unknown chip; it fails, or hangs, when told so.
#[derive(Default)]
pub(super) struct FakeBoard {
    pub(super) problem: Mutex<Option<String>>,
    pub(super) is_stuck: Mutex<bool>,
    stuck: AtomicUsize,
}

impl FakeBoard {
    /// Whether a scan hangs in here.
    pub(super) fn is_waiting(&self) -> bool {
        self.stuck.load(Ordering::SeqCst) > 0
    }
}

#[async_trait]
impl BoardReader for FakeBoard {
    async fn board(&self) -> Result<Board, BoardProblem> {
        Ok(Board {
            name: "bench".to_owned(),
            model: None,
            header_pins: None,
            simulated: true,
            lines: Vec::new(),
            lines_problem: Some("it has none".to_owned()),
            buses: Vec::new(),
            found: Vec::new(),
        })
    }

    async fn scan(&self) -> Result<BoardScan, BoardProblem> {
        if let Some(problem) = self.problem.lock().unwrap().clone() {
            return Err(BoardProblem(problem));
        }
        if *self.is_stuck.lock().unwrap() {
            self.stuck.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        let thing = FoundThing {
            bus: "i2c-1".to_owned(),
            place: "0x0b".to_owned(),
            held_by: HolderWord::Nobody,
            holder: None,
            candidates: Vec::new(),
            note: None,
            configuration: None,
        };
        let bus = ScannedBus {
            name: "i2c-1".to_owned(),
            description: String::new(),
            problem: None,
            things: vec![thing],
        };
        Ok(BoardScan { at: Timestamp::from_millis(0), buses: vec![bus], kernel: Vec::new() })
    }

    async fn probes(&self) -> Result<Probes, BoardProblem> {
        if let Some(problem) = self.problem.lock().unwrap().clone() {
            return Err(BoardProblem(problem));
        }
        let probe = Probe {
            id: "28-00000b3f41c2".to_owned(),
            model: "DS18B20".to_owned(),
            device: None,
            celsius: Some(21.5),
            problem: None,
            at: Timestamp::from_millis(0),
            configuration: String::new(),
        };
        Ok(Probes { probes: vec![probe] })
    }

    fn catalogue(&self) -> Catalogue {
        Catalogue { entries: Vec::new() }
    }
}

/// What the history does when it is asked.
#[derive(Clone, Debug, Default)]
pub(super) enum Mood {
    #[default]
    Well,
    Refusing(HistoryProblem),
    Panicking,
    Stuck,
}

#[derive(Default)]
pub(super) struct FakeHistory {
    pub(super) mood: Mutex<Mood>,
    pub(super) asked: Mutex<Vec<SeriesQuery>>,
    pub(super) exports: Mutex<Vec<ExportQuery>>,
    pub(super) searches: Mutex<Vec<EventsQuery>>,
    stuck: AtomicUsize,
}

impl FakeHistory {
    /// Answers, or does not.
    async fn feel(&self) -> Result<(), HistoryProblem> {
        let mood = self.mood.lock().unwrap().clone();
        match mood {
            Mood::Well => Ok(()),
            Mood::Refusing(problem) => Err(problem),
            Mood::Panicking => panic!("secret bug"),
            Mood::Stuck => {
                self.stuck.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            }
        }
    }

    /// Requests that hang in here.
    pub(super) fn waiting(&self) -> usize {
        self.stuck.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl HistoryReader for FakeHistory {
    async fn range(&self, query: SeriesQuery) -> Result<SeriesView, HistoryProblem> {
        self.feel().await?;
        let point = SeriesPoint {
            at: query.from,
            min: 1.0,
            mean: 2.0,
            max: 3.0,
            last: 2.5,
            count: 4,
            quality: Quality::Simulated,
            held: false,
        };
        let (bucket, recording_since) = (Duration::from_secs(60), Some(query.from));
        let yesterday = Timestamp::from_millis(query.from.as_millis() - 86_400_000);
        let before = Some(SeriesBefore { at: yesterday, value: 1.0, quality: Quality::Ok });
        let minute = |minutes: i64| Timestamp::from_millis(query.from.as_millis() + minutes * 60_000);
        let held = SeriesPoint { at: minute(1), count: 0, held: true, ..point };
        let gaps = vec![SeriesGap { from: minute(2), to: query.to, why: GapReason::Outage }];
        self.asked.lock().unwrap().push(query);
        Ok(SeriesView { bucket, recording_since, before, points: vec![point, held], gaps })
    }

    async fn texts(&self, query: TextsQuery) -> Result<TextsView, HistoryProblem> {
        self.feel().await?;
        let text = |at, text: &str| RecordedText { at, text: text.into(), quality: Quality::Ok };
        Ok(TextsView {
            recording_since: Some(query.from),
            before: Some(text(Timestamp::from_millis(query.from.as_millis() - 1_000), "closed")),
            texts: vec![text(query.from, "open")],
            gaps: vec![SeriesGap { from: query.from, to: query.to, why: GapReason::Silent }],
            more: query.limit == 1,
        })
    }

    async fn as_of(&self, at: Timestamp) -> Result<Vec<MomentValue>, HistoryProblem> {
        self.feel().await?;
        let value = |series: &str, unit: Option<&str>, value| MomentValue {
            series: series.to_owned(),
            unit: unit.map(Into::into),
            value,
            at,
            quality: Quality::Ok,
        };
        Ok(vec![
            value("boiler/power", None, Value::Switch(true)),
            value("boiler/temperature", Some("°C"), Value::Number(61.5)),
            value("topic:zigbee2mqtt/door", None, Value::Text("open".into())),
        ])
    }

    async fn series(&self) -> Result<Vec<RecordedSeries>, HistoryProblem> {
        self.feel().await?;
        let since = Timestamp::from_millis(1_795_252_440_000);
        let series = |name: &str, kind, unit: Option<&str>| RecordedSeries {
            series: name.to_owned(),
            kind,
            unit: unit.map(Into::into),
            since,
            last: None,
        };
        Ok(vec![
            series("boiler/temperature", RecordedKind::Number, Some("°C")),
            // What follows is not in the house any more, or never was a device of it.
            series("attic/pressure", RecordedKind::Number, Some("hPa")),
            series("attic/said", RecordedKind::Text, None),
            series("boiler/flow", RecordedKind::Number, Some("l/min")),
            series("topic:cellar/level", RecordedKind::Number, Some("mm")),
        ])
    }

    async fn export(&self, query: ExportQuery) -> Result<Box<dyn RowExport>, HistoryProblem> {
        self.exports.lock().unwrap().push(query);
        Ok(Box::new(FakeExport { mood: self.mood.lock().unwrap().clone(), pieces: 0 }))
    }

    async fn events(&self, query: EventsQuery) -> Result<Vec<HistoryEvent>, HistoryProblem> {
        self.feel().await?;
        let last = query.before_id.unwrap_or(10);
        let cause = Cause::direct(Origin::Page { user: "ana".into() });
        let event = |id| HistoryEvent {
            id,
            at: Timestamp::from_millis(1_795_252_440_000),
            kind: EventKindWord::Switched,
            device: Some("boiler".to_owned()),
            property: Some("power".to_owned()),
            value: Some("ON".to_owned()),
            sentence: None,
            who: None,
            cause: Some(CauseView::from(&cause)),
        };
        let all = (last - 3..last).rev().map(event).take(usize::try_from(query.limit).unwrap());
        self.searches.lock().unwrap().push(query);
        Ok(all.collect())
    }

    async fn status(&self) -> Result<HistoryStatus, HistoryProblem> {
        self.feel().await?;
        let at = Timestamp::from_millis(1_795_252_440_000);
        Ok(HistoryStatus {
            file_bytes: 4_096,
            bytes_written: 100,
            bytes_per_day: Some(1_000),
            measured_for_ms: 60_000,
            samples_per_second: Some(8.5),
            series: 3,
            samples: None,
            recording_since: Some(at),
            recorded: 12,
            loss_window_ms: 10_000,
            last_commit: Some(at),
            waiting: 4,
            held_for_clock: 1,
            not_recorded: HistoryNotRecorded { events: 2, ..HistoryNotRecorded::default() },
            last_error: None,
            refused_since: Some(at),
            damaged_chunks: 5,
            wear: HistoryWear {
                write_amplification: 8,
                card_endurance_bytes: 9,
                card_bytes_per_day: Some(8_000),
                years: Some(70.0),
                assumption: "Assumed.".to_owned(),
            },
            notices: vec![HistoryNotice { at, sentence: "A page was torn.".to_owned() }],
        })
    }
}

/// One figure.
struct FakeFigures;

#[async_trait]
impl FigureSource for FakeFigures {
    async fn figures(&self) -> Vec<Figure> {
        let samples = vec![(Some(("reason", "full")), 7.0)];
        vec![Figure { name: "fake_total", kind: FigureKind::Counter, help: "A fake.", samples }]
    }
}

/// An export of three pieces, or one that fails behind the first, or one that never comes to its end.
struct FakeExport {
    mood: Mood,
    pieces: usize,
}

#[async_trait]
impl RowExport for FakeExport {
    async fn next(&mut self) -> Result<Option<Bytes>, HistoryProblem> {
        self.pieces += 1;
        match (&self.mood, self.pieces) {
            (_, 1) => Ok(Some(Bytes::from_static(b"one,"))),
            (Mood::Refusing(problem), _) => Err(problem.clone()),
            (Mood::Stuck, _) => Ok(Some(vec![b'x'; 64 * 1_024].into())),
            (_, 2 | 3) => Ok(Some(Bytes::from_static(b"more,"))),
            _ => Ok(None),
        }
    }
}

/// Keeps what was done to it; the boiler cannot be unplugged.
#[derive(Default)]
pub(super) struct FakeDemo {
    pub(super) done: Mutex<Vec<String>>,
}

impl DemoHouse for FakeDemo {
    fn set_fault(&self, device: &DeviceId, fault: Option<DemoFault>) -> Result<(), DemoProblem> {
        if fault == Some(DemoFault::Vanished) {
            return Err(DemoProblem("It is screwed to the wall.".to_owned()));
        }
        self.done.lock().unwrap().push(format!("{device}: {fault:?}"));
        Ok(())
    }

    fn set_input(&self, device: &DeviceId, on: bool) -> Result<(), DemoProblem> {
        self.done.lock().unwrap().push(format!("{device}: {on}"));
        Ok(())
    }

    fn warm(&self, thermometer: &str, degrees: f64) -> Result<(), DemoProblem> {
        self.done.lock().unwrap().push(format!("{thermometer}: warmed by {degrees}"));
        Ok(())
    }

    fn turn(&self, device: &DeviceId, detents: i32) -> Result<(), DemoProblem> {
        self.done.lock().unwrap().push(format!("{device}: turned by {detents}"));
        Ok(())
    }
}

/// Sends back what a client says; has no places when told so.
#[derive(Default)]
pub(super) struct FakeDoor {
    pub(super) refusal: Mutex<Option<MqttRefusal>>,
    pub(super) admitted: Mutex<Vec<SocketAddr>>,
    /// Ends all conversations.
    pub(super) stop: CancellationToken,
}

struct EchoPlace(CancellationToken);

#[async_trait]
impl MqttDoor for FakeDoor {
    async fn admit(&self, peer: SocketAddr) -> Result<Box<dyn MqttPlace>, MqttRefusal> {
        if let Some(refusal) = *self.refusal.lock().unwrap() {
            return Err(refusal);
        }
        self.admitted.lock().unwrap().push(peer);
        Ok(Box::new(EchoPlace(self.stop.clone())))
    }
}

#[async_trait]
impl MqttPlace for EchoPlace {
    async fn serve(self: Box<Self>, stream: &mut dyn ByteStream) {
        let mut bytes = [0; 256];
        loop {
            let read = tokio::select! {
                read = stream.read(&mut bytes) => read,
                () = self.0.cancelled() => break stream.shutdown().await.unwrap(),
            };
            match read {
                Ok(count) if count > 0 => stream.write_all(&bytes[..count]).await.unwrap(),
                _ => break,
            }
            stream.flush().await.unwrap();
        }
    }
}

pub(super) struct World {
    pub(super) accounts: Accounts,
    pub(super) live: LiveHouse,
    pub(super) commander: Arc<FakeCommander>,
    pub(super) board: Arc<FakeBoard>,
    pub(super) configuration: Arc<super::configuration::FakeConfiguration>,
    pub(super) doctor: Arc<super::doctor::FakeDoctor>,
    pub(super) backups: Arc<super::backup::FakeBackups>,
    pub(super) history: Arc<FakeHistory>,
    pub(super) door: Arc<FakeDoor>,
    pub(super) demo: Arc<FakeDemo>,
    pub(super) mqtt_clients: Arc<FakeMqttClients>,
    pub(super) messages: Arc<super::messages::FakeRoom>,
    pub(super) system: Arc<super::system::FakeSystem>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) shutdown: CancellationToken,
    pub(super) router: Router,
    /// What is being done whoever has hung up.
    pub(super) running: TaskTracker,
    pub(super) ca_certificate: Option<String>,
    _folder: tempfile::TempDir,
}

/// A broker with the clients that it is given.
#[derive(Default)]
pub(super) struct FakeMqttClients {
    pub(super) clients: Mutex<Vec<MqttClientState>>,
}

impl FakeMqttClients {
    /// Connects a client under this login.
    pub(super) fn connect(&self, login: &str) {
        let connection = MqttConnection {
            address: Some("192.168.1.7".parse().unwrap()),
            protocol: "5",
            connected_for: Duration::from_secs(60),
        };
        self.clients.lock().unwrap().push(MqttClientState {
            client_id: format!("id/{login}"),
            login: login.to_owned(),
            connection: Some(connection),
            last_heard: Some(Duration::from_secs(2)),
            subscriptions: 1,
            queued: 0,
            dropped: 0,
        });
    }
}

#[async_trait]
impl MqttClients for FakeMqttClients {
    fn rights_sets(&self) -> Vec<NamedRights> {
        let set = |name: &str| NamedRights {
            name: name.to_owned(),
            publish: vec![],
            subscribe: vec!["#".to_owned()],
        };
        ["admin", "operator", "sensors", "viewer"].map(set).to_vec()
    }

    async fn clients(&self) -> Result<Vec<MqttClientState>, MqttGone> {
        Ok(self.clients.lock().unwrap().clone())
    }

    async fn disconnect(&self, client_id: &str) -> Result<bool, MqttGone> {
        let mut clients = self.clients.lock().unwrap();
        let found = clients.iter_mut().find(|client| client.client_id == client_id);
        Ok(found.and_then(|client| client.connection.take()).is_some())
    }
}

struct FakeWhereabouts;

impl Whereabouts for FakeWhereabouts {
    fn is_own_name(&self, name: &str) -> bool {
        ["casa", "casa.local", "gateway.local", "pi.local"].contains(&name)
    }

    fn is_welcome_origin(&self, origin: &str) -> bool {
        origin == "https://panel.example:9443"
    }

    fn reach(&self) -> Reach {
        Reach {
            names: vec!["casa.local".to_owned()],
            addresses: vec!["192.168.1.20".parse().unwrap()],
            mqtt: 1883,
            mqtts: Some(8883),
            http: 8080,
            https: None,
        }
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
        let randomness = Arc::new(SeededRandomness::new(1));
        let path = folder.path().join("gatehouse.db");
        let accounts = Accounts::open(&path, clock.clone(), randomness).await.unwrap();
        let scheme = Scheme::new("casa").unwrap();
        let live = LiveHouse::new(scheme, info(), clock.clone(), &SeededRandomness::new(3));
        let shutdown = CancellationToken::new();
        let (commander, history) = (Arc::<FakeCommander>::default(), Arc::<FakeHistory>::default());
        let mut world = Self {
            accounts,
            live,
            commander,
            board: Arc::default(),
            configuration: Arc::default(),
            doctor: Arc::default(),
            backups: Arc::default(),
            history,
            door: Arc::default(),
            demo: Arc::default(),
            mqtt_clients: Arc::default(),
            messages: Arc::default(),
            system: Arc::default(),
            clock,
            shutdown,
            router: Router::new(),
            running: TaskTracker::new(),
            ca_certificate: None,
            _folder: folder,
        };
        let app = App::new(world.ports(), world.shutdown.clone());
        world.running = app.running();
        world.router = crate::router::router(app);
        world
    }

    pub(super) fn ports(&self) -> Ports {
        Ports {
            accounts: self.accounts.clone(),
            live: self.live.clone(),
            commander: self.commander.clone(),
            board: self.board.clone(),
            configuration: self.configuration.clone(),
            doctor: self.doctor.clone(),
            backups: self.backups.clone(),
            history: self.history.clone(),
            figures: Arc::new(FakeFigures),
            mqtt_clients: self.mqtt_clients.clone(),
            messages: self.messages.clone(),
            whereabouts: Arc::new(FakeWhereabouts),
            system: self.system.clone(),
            mqtt_door: self.door.clone(),
            clock: self.clock.clone(),
            randomness: Arc::new(SeededRandomness::new(2)),
            demo: Some(self.demo.clone()),
            mqtt_port: 1883,
            setup_hint: "gatehouse setup-code --data-dir /srv/casa".to_owned(),
            nothing_is_kept: None,
            ca_certificate: self.ca_certificate.clone(),
        }
    }

    /// Adds a user, logs in, and gives the cookie.
    pub(super) async fn cookie_of(&self, name: &str, role: Role) -> String {
        let user = self.accounts.add(name, role, PASSWORD).await.unwrap();
        let token = self.accounts.start_session(&user).await.unwrap();
        format!("gatehouse_session={}", token.as_str())
    }

    pub(super) async fn hear(&self, messages: &[(&str, &str)]) {
        let message = |(topic, payload): &(&str, &str)| {
            let topic = TopicName::new(*topic).unwrap();
            Message::new(topic, (*payload).to_owned(), Qos::AtMostOnce, false, Origin::part("bridge"))
        };
        self.live.follow(stream::iter(messages.iter().map(message).collect::<Vec<_>>())).await;
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(super) async fn get(&self, path: &str, cookie: &str) -> Answer {
        Answer::read(self.send(request(Method::GET, path, cookie, None)).await).await
    }

    pub(super) async fn post(&self, path: &str, cookie: &str, body: Json) -> Answer {
        Answer::read(self.send(request(Method::POST, path, cookie, Some(body))).await).await
    }

    pub(super) async fn ask(&self, method: Method, path: &str, cookie: &str, body: Option<Json>) -> Answer {
        Answer::read(self.send(request(method, path, cookie, body)).await).await
    }

    /// The words of the audit log, the newest first, with whom or what they are about.
    pub(super) async fn audited(&self) -> Vec<(&'static str, Option<String>)> {
        let entries = self.accounts.audit(None, 200, false).await.unwrap();
        entries.into_iter().map(|entry| (entry.deed.as_str(), entry.about)).collect()
    }

    pub(super) async fn log_in(&self, name: &str, password: &str, from: &str) -> Answer {
        let body = json!({ "name": name, "password": password });
        let mut request = request(Method::POST, "/api/v1/login", "", Some(body));
        let address: SocketAddr = format!("{from}:50000").parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(Peer { address, is_secure: false }));
        Answer::read(self.send(request).await).await
    }
}

pub(super) fn request(method: Method, path: &str, cookie: &str, body: Option<Json>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !cookie.is_empty() {
        request = request.header(COOKIE, cookie);
    }
    match body {
        Some(json) => request.header(CONTENT_TYPE, "application/json").body(json.to_string().into()).unwrap(),
        None => request.body(Body::empty()).unwrap(),
    }
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 10_000_000).await.unwrap();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(super) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(super) fn header(&self, name: HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is an error in the form that all errors have, and gives its sentence.
    #[track_caller]
    pub(super) fn assert_error(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{:?}", self.body);
        let json = self.json();
        assert_eq!(json["error"]["code"], code);
        let message = json["error"]["message"].as_str().unwrap().to_owned();
        assert!(!message.is_empty() && !message.contains("secret"), "{message}");
        message
    }

    /// The cookie that the answer sets, as a browser sends it back.
    pub(super) fn cookie(&self) -> String {
        self.header(SET_COOKIE).split(';').next().unwrap().to_owned()
    }
}

pub(super) fn info() -> GatewayInfo {
    let property = |id: &str, kind: PropertyKind, settable: bool| PropertyInfo {
        id: PropertyId::new(id).unwrap(),
        name: id.to_owned(),
        kind,
        settable,
        class: None,
        range: None,
    };
    let celsius = PropertyKind::Number { unit: "°C".to_owned(), decimals: 1 };
    GatewayInfo {
        name: "Casa".to_owned(),
        version: "0.1.0".to_owned(),
        board: "simulated".to_owned(),
        base: "casa".to_owned(),
        devices: vec![DeviceInfo {
            id: DeviceId::new("boiler").unwrap(),
            name: "Caldera".to_owned(),
            room: Some("Cocina".to_owned()),
            driver: "output".to_owned(),
            connection: "GPIO 22, header pin 15".to_owned(),
            simulated: true,
            period_ms: None,
            properties: vec![
                property("power", PropertyKind::Switch, true),
                property("temperature", celsius, false),
            ],
        }],
    }
}
