//! The rooms of the daemon: opened, started in order, joined, and stopped in order.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use gatehouse_board::bridge::ClockTrust;
use gatehouse_board::memory::Memory;
use gatehouse_board::preflight::obstacles;
use gatehouse_board::scan::{Scanner, Thing, Watch};
use gatehouse_board::sim::SimulatedBoard;
use gatehouse_board::traits::Board;
use gatehouse_board::{Bridge, BridgeParts};
use gatehouse_broker::{
    Broker, BrokerHandle, Listener, LocalClient, Parts, Settings, SqliteStore, StoreOptions, Subscription,
};
use gatehouse_dashboard::wire::{DiscoverySilenceWord, SystemDiscovery};
use gatehouse_dashboard::{Accounts, DemoHouse, Listeners, LiveHouse, Ports, Warning, WarningWord};
use gatehouse_history::History;
use gatehouse_model::{Clock, GatewayInfo, Message, Origin, Qos, Randomness, Scheme, SystemClock, TopicName};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use crate::aliases::AliasTable;
use crate::backup::Backups;
use crate::banner::{self, Banner};
use crate::config::{Config, Source};
use crate::discovery::{self, Announcement};
use crate::lifecycle::Lifecycle;
use crate::mqtt_sockets::{MqttAddresses, MqttSockets, open_certificates};
use crate::page_sockets::{PageAddresses, PageSockets};
use crate::reload::Reloader;
use crate::restart::RestartBell;
use crate::running_copy::RunningCopies;
use crate::system::SystemRandomness;
use crate::tls::ServerCertificates;
use crate::wiring::{
    AccountLogins, BoardView, BrokerClients, BrokerMessages, DoorGuard, GatewaySystem, Order, OwnNames,
    PageCommands, PageConfiguration, PageDoctor, Playground, Rates, RecordedCharts, RoomFigures,
    Surroundings, WebDoor, carry, clock_trust, enforce_changes, hear, history_clock, names_of_files_clock,
    notes, serve_aliases, show_warnings, tell_found, tell_recording,
};
use crate::{demo_user, open_files, paths, supervision};

/// Names of the parts, for the log and for stopping them.
const BROKER: &str = "broker";
const HISTORY: &str = "history";
const LIVE_PAGE: &str = "live page";
const BRIDGE: &str = "bridge";
const OUTBOX: &str = "outbox";
const DASHBOARD: &str = "dashboard";
const WATCHDOG: &str = "watchdog";
const REVOCATION: &str = "revocation";
const WARNINGS: &str = "warnings";
const CERTIFICATES: &str = "certificates";
const RELOADING: &str = "reloading";
const LOOKING: &str = "look at the buses";
const RECORDING_FIGURES: &str = "figures of the recording";
const FOUND: &str = "word of what is found";
const ALIASES: &str = "aliases";
const DISCOVERY: &str = "discovery";
const BACKUPS: &str = "backups";

/// Messages of the bridge that wait for the broker. The bridge keeps the newest value of each property itself when
/// this is full, so a short queue is enough.
const OUTBOX_LIMIT: usize = 256;

/// Changes of the configuration that the page asks for and that wait for their turn; who comes later waits at the door.
const ORDERS_LIMIT: usize = 4;

/// The part that stops first, with the longest time that it gets: the bridge drives the outputs safe. Each of these
/// limits is longer than those inside the part, and together they stay below [`crate::lifecycle::STOP_LIMIT`].
const STOP_FIRST: (&str, Duration) = (BRIDGE, Duration::from_millis(5_000));

/// The bridge has closed its outbox, which ends when its last words are published.
const STOP_BEFORE_OFFLINE: (&str, Duration) = (OUTBOX, Duration::from_millis(1_000));

/// Those that stop after the gateway said that it is offline, in this order: the broker closes last.
const STOP_AFTER_OFFLINE: [(&str, Duration); 15] = [
    // Its last word leaves at once.
    (DISCOVERY, Duration::from_millis(50)),
    // These only wait, and end at once.
    (BACKUPS, Duration::from_millis(50)),
    (LOOKING, Duration::from_millis(50)),
    (FOUND, Duration::from_millis(50)),
    (RECORDING_FIGURES, Duration::from_millis(50)),
    (RELOADING, Duration::from_millis(50)),
    (ALIASES, Duration::from_millis(50)),
    (WATCHDOG, Duration::from_millis(50)),
    (CERTIFICATES, Duration::from_millis(50)),
    (REVOCATION, Duration::from_millis(50)),
    (WARNINGS, Duration::from_millis(50)),
    (DASHBOARD, Duration::from_millis(2_400)),
    (LIVE_PAGE, Duration::from_millis(150)),
    (HISTORY, Duration::from_millis(3_500)),
    // Connections get 0.7 s for their last bytes, while the store commits and moves its log into its file: some 0.1 s,
    // and up to a second on a slow card or when another program holds the file.
    (BROKER, Duration::from_millis(2_000)),
];

/// Longest time that the last word on `<base>/status` may take.
const LAST_WORD_LIMIT: Duration = Duration::from_millis(400);

/// Everything that can fail before the first part runs: the devices, the databases, the listeners.
pub(crate) struct House {
    config: Config,
    demo: bool,
    clock: Arc<dyn Clock>,
    accounts: Accounts,
    history: History,
    store: SqliteStore,
    http: PageSockets,
    mqtt: MqttSockets,
    /// What is shown to clients that use TLS, where any port speaks it.
    certificates: Option<Arc<ServerCertificates>>,
    bridge: Bridge,
    info: GatewayInfo,
    board: BoardView,
    found: watch::Sender<Vec<Thing>>,
    clock_trust: ClockTrust,
}

impl House {
    /// Opens everything; nothing runs yet.
    pub(crate) async fn open(config: Config, directory: &Path, demo: bool) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let OpenBoard { bridge, info, board, found, clock_trust } =
            open_board(&config, directory, demo, &clock)?;
        let accounts_file = directory.join(paths::ACCOUNTS_FILE);
        let accounts = Accounts::open(&accounts_file, clock.clone(), Arc::new(SystemRandomness))
            .await
            .with_context(|| format!("the accounts in {} cannot be opened", accounts_file.display()))?;
        let history_file = directory.join(paths::HISTORY_FILE);
        // Without it the house is not without its outputs and its broker.
        let history = History::open_in_any_case(&history_file, config.history.clone(), clock.clone())
            .await
            .trusting_clock(history_clock(demo));
        let broker_file = directory.join(paths::BROKER_FILE);
        let store = SqliteStore::open(&broker_file, StoreOptions::default(), clock.clone())
            .await
            .context("what the broker has kept cannot be opened")?;
        let http = PageSockets::open(&config).await?;
        let mqtt = MqttSockets::open(&config).await?;
        let certificates = match mqtt.speaks_tls() || http.speaks_tls() {
            true => Some(open_certificates(&config, directory, clock.clone())?),
            false => None,
        };
        Ok(Self {
            config,
            demo,
            clock,
            accounts,
            history,
            store,
            http,
            mqtt,
            certificates,
            bridge,
            info,
            board,
            found,
            clock_trust,
        })
    }

    /// Starts the rooms in order and joins them.
    ///
    /// # Errors
    /// What failed, with the parts that run already: they are to be stopped in order, outputs first.
    pub(crate) async fn start(
        self,
        source: Source,
        directory: &Path,
    ) -> Result<Running, (Box<Running>, anyhow::Error)> {
        let (own_names, clock_trust) = (self.config.all_names(), self.clock_trust.clone());
        let Self { config, demo, clock, accounts, history, store, http, mqtt, certificates, .. } = self;
        let (bridge, info, board, found) = (self.bridge, self.info, self.board, self.found);
        let as_started = config.clone();
        let scheme = config.gateway.scheme;
        let notes = notes(&config.devices);
        let aliases = AliasTable::new(&scheme, &config.aliases);
        let guard = DoorGuard::new(scheme.clone(), &info.devices, notes, clock.clone());
        let guard = Arc::new(guard.with_aliases(aliases.commands()));
        let (page_addresses, mqtt_addresses) = (http.addresses(), mqtt.addresses());
        let page_listeners = http.into_listeners(certificates.as_deref());
        let listeners = mqtt.into_listeners(certificates.as_deref());
        let mut lifecycle = Lifecycle::default();
        let (anonymous, mdns) = (config.broker.anonymous, config.mdns);
        if let Some(set) = &anonymous {
            warn!(
                "clients without a name and a password are let in with the rights `{set}` ([broker] anonymous)"
            );
        }
        let logins = AccountLogins::new(accounts.clone(), config.rights, anonymous.as_deref());
        let own_names = OwnNames {
            certificate: own_names,
            configured: config.dashboard.hosts,
            origins: config.dashboard.origins,
        };
        let settings = config.broker.settings;
        open_files::make_room_for(settings.max_connections);
        let broker =
            start_broker(&mut lifecycle, listeners, settings, logins.clone(), guard.clone(), store, &clock);
        let voice = GatewayVoice { client: broker.client("gatehouse"), scheme: scheme.clone() };
        let (bell, restarts) = RestartBell::new();
        let bell = Arc::new(bell);
        let is_clock_set = names_of_files_clock(clock_trust.clone(), demo);
        let backups =
            Backups::of(&as_started, &source, directory, (&clock, Box::new(is_clock_set)), Arc::clone(&bell));
        let mut running = Running { lifecycle, guard, voice, accounts, history, restarts };
        let setup_hint = paths::setup_code_command(directory);
        let joints = Joints {
            doctor: Arc::new(PageDoctor::new(source.clone(), directory)),
            broker,
            scheme,
            info,
            clock,
            demo,
            setup_hint,
            anonymous,
            announced: mdns.then(|| format!("{}.local", discovery::host_label())),
            logins,
            certificates,
            board,
            found,
            backups,
        };
        let started = async {
            let (page, mqtt) = (page_addresses?, mqtt_addresses?);
            let commands = joints.hear_commands(&running.guard).await?;
            let banner = joints.banner(&running.accounts, page, mqtt, directory).await?;
            if let Some(certificates) = &joints.certificates {
                let certificates = Arc::clone(certificates);
                running.lifecycle.start(CERTIFICATES, |stop| certificates.keep(stop));
            }
            if !aliases.is_empty() {
                let client = joints.broker.client("aliases");
                running.lifecycle.start(ALIASES, |stop| serve_aliases(client, aliases, stop));
            }
            let (orders, asked) = mpsc::channel(ORDERS_LIMIT);
            let configuration =
                PageConfiguration::new(source.clone(), directory, orders, joints.clock.clone());
            let reloader = joints.reloader(&running, source, as_started, &bridge, directory, asked);
            // Taken before outputs are: a hang-up that nobody takes would end the process.
            let hangups = signal(SignalKind::hangup())?;
            let (discovery, announced) = watch::channel(SystemDiscovery::default());
            let announcement = match mdns {
                true => Announcement::of(&joints.info.name, page, mqtt, discovery::host_label()),
                false => Err(DiscoverySilenceWord::Off),
            };
            let whereabouts = Surroundings::new(own_names, page, mqtt, announced.clone());
            let system = joints.system(bell, clock_trust, whereabouts, announced, directory);
            let configuration = Arc::new(configuration);
            joints
                .start_parts(&mut running, bridge, commands, page_listeners?, configuration, system)
                .await?;
            running.lifecycle.start(RELOADING, |stop| reloader.serve(hangups, stop));
            running.lifecycle.start(DISCOVERY, |stop| discovery::announce(announcement, discovery, stop));
            announce(&banner);
            anyhow::Ok(())
        };
        match started.await {
            Ok(()) => Ok(running),
            Err(problem) => Err((Box::new(running), problem)),
        }
    }
}

/// What the parts are joined with.
struct Joints {
    /// Who looks at the machine for the page.
    doctor: Arc<PageDoctor>,
    broker: BrokerHandle,
    scheme: Scheme,
    info: GatewayInfo,
    clock: Arc<dyn Clock>,
    demo: bool,
    /// The command that makes another set-up code, for the page to say.
    setup_hint: String,
    /// The rights set of clients without a name, if they are let in.
    anonymous: Option<String>,
    /// The name of multicast DNS, if it is used.
    announced: Option<String>,
    logins: AccountLogins,
    /// What is shown to clients that use TLS.
    certificates: Option<Arc<ServerCertificates>>,
    /// What it takes to look at the board.
    board: BoardView,
    /// Where it is told what is connected and not used.
    found: watch::Sender<Vec<Thing>>,
    /// Who makes and restores backups.
    backups: Backups,
}

impl Joints {
    async fn banner(
        &self,
        accounts: &Accounts,
        page: PageAddresses,
        mqtt: MqttAddresses,
        directory: &Path,
    ) -> anyhow::Result<Banner> {
        Ok(Banner {
            name: self.info.name.clone(),
            http: page.plain,
            https: page.secure,
            mqtt: mqtt.plain,
            mqtts: mqtt.secure,
            authority: self.certificates.as_ref().and_then(|certificates| certificates.authority_file()),
            network_ip: banner::network_ip(),
            demo: if self.demo { Some(demo_user::prepare(accounts, directory).await?) } else { None },
            announced: self.announced.clone(),
            setup_code: accounts.setup_code().await?,
            anonymous: self.anonymous.clone(),
        })
    }

    fn system(
        &self,
        bell: Arc<RestartBell>,
        clock_trust: ClockTrust,
        whereabouts: Surroundings,
        discovery: watch::Receiver<SystemDiscovery>,
        directory: &Path,
    ) -> GatewaySystem {
        GatewaySystem {
            bell,
            clock: self.clock.clone(),
            started: self.clock.moment(),
            places: self.board.places.clone(),
            board: self.info.board.clone(),
            directory: directory.to_owned(),
            broker: self.broker.clone(),
            clock_trust,
            certificates: self.certificates.clone(),
            whereabouts: Arc::new(whereabouts),
            discovery,
            rates: Rates::default(),
        }
    }

    fn reloader(
        &self,
        running: &Running,
        source: Source,
        config: Config,
        bridge: &Bridge,
        directory: &Path,
        orders: mpsc::Receiver<Order>,
    ) -> Reloader {
        Reloader {
            copies: (!self.demo).then(|| RunningCopies::new(directory.to_owned(), config.text.clone())),
            source,
            devices: config.devices.clone(),
            config,
            bridge: bridge.handle(),
            unsafe_still: bridge.handle().unsafe_still(),
            guard: running.guard.clone(),
            voice: GatewayVoice { client: self.broker.client("gatehouse"), scheme: self.scheme.clone() },
            accounts: running.accounts.clone(),
            info: self.info.clone(),
            discovered: bridge.discoveries(),
            scanner: self.board.scanner.clone(),
            data: directory.to_owned(),
            clock: self.clock.clone(),
            orders,
            deadline: None,
        }
    }

    /// The order is that of promises: what the house says before its bridge runs is `offline`, and whoever records or
    /// shows is there before the first reading.
    async fn start_parts(
        &self,
        running: &mut Running,
        bridge: Bridge,
        commands: Subscription,
        listeners: Listeners,
        configuration: Arc<PageConfiguration>,
        system: GatewaySystem,
    ) -> anyhow::Result<()> {
        let (accounts, logins, broker) = (running.accounts.clone(), self.logins.clone(), self.broker.clone());
        running.lifecycle.start(REVOCATION, |stop| enforce_changes(accounts, logins, broker, stop));
        running.voice.say_status(false).await?;
        running.voice.say_info(&self.info).await?;
        self.start_history(running).await?;
        let live = self.start_live_page(running).await?;
        let (broker, page, lasting) = (self.broker.clone(), live.clone(), self.warnings());
        let history = running.history.trouble();
        running.lifecycle.start(WARNINGS, |stop| show_warnings(broker, history, page, lasting, stop));
        let outputs = bridge.handle();
        self.start_bridge(running, bridge, commands);
        self.start_looking(running);
        running.lifecycle.start(BACKUPS, |stop| self.backups.clone().keep_schedule(stop));
        self.start_dashboard(running, listeners, live, configuration, system);
        running.voice.say_status(true).await?;
        let heartbeat = self.broker.client("watchdog");
        running.lifecycle.start(WATCHDOG, |stop| supervision::feed_watchdog(heartbeat, outputs, stop));
        Ok(())
    }

    /// What people should know of as long as the gateway runs.
    fn warnings(&self) -> Vec<Warning> {
        let anonymous = self.anonymous.iter();
        let warning = |set: &String| Warning { kind: WarningWord::AnonymousClients, detail: set.clone() };
        anonymous.map(warning).collect()
    }

    async fn start_history(&self, running: &mut Running) -> anyhow::Result<()> {
        let mut filters = vec![(self.scheme.everything(), Qos::AtLeastOnce)];
        let topics = running.history.topics().iter();
        filters.extend(topics.map(|rule| (rule.filter.clone(), Qos::AtLeastOnce)));
        let messages = self.broker.client("history").subscribe(&filters).await?;
        let (history, scheme) = (running.history.clone(), self.scheme.clone());
        running.lifecycle.start(HISTORY, |stop| async move {
            history.record(scheme, messages, stop).await.context("the history failed")
        });
        let (history, client) = (running.history.clone(), self.broker.client("history figures"));
        running.lifecycle.start(RECORDING_FIGURES, |stop| tell_recording(history, client, stop));
        Ok(())
    }

    async fn start_live_page(&self, running: &mut Running) -> anyhow::Result<LiveHouse> {
        let live =
            LiveHouse::new(self.scheme.clone(), self.info.clone(), self.clock.clone(), &SystemRandomness);
        let messages = self.subscribe("live page").await?;
        let follower = live.clone();
        running.lifecycle.start(LIVE_PAGE, |stop| async move {
            tokio::select! {
                () = follower.follow(messages) => anyhow::bail!("the live page lost the broker"),
                () = stop.cancelled() => Ok(()),
            }
        });
        Ok(live)
    }

    /// Hears commands from here on, for the bridge that is about to start, and only then lets them in: what is acknowledged
    /// is done. Those that come before the bridge runs wait for it.
    async fn hear_commands(&self, guard: &DoorGuard) -> anyhow::Result<Subscription> {
        let client = self.broker.client("bridge");
        let commands = client.subscribe(&[(self.scheme.all_commands(), Qos::ExactlyOnce)]).await;
        let commands = commands.context("commands cannot be heard")?;
        guard.admit();
        Ok(commands)
    }

    fn start_bridge(&self, running: &mut Running, bridge: Bridge, commands: Subscription) {
        let client = self.broker.client("bridge");
        let (outbox, messages) = mpsc::channel(OUTBOX_LIMIT);
        running.lifecycle.start(OUTBOX, |_| carry(messages, client));
        let (signs, broker) = (bridge.signs_of_life(), self.broker.clone());
        running.lifecycle.start(BRIDGE, |stop| async move {
            // It ends with the bridge; when it ends before, outputs with a dead-man go safe because they hear nobody.
            let ears = hear(signs, broker, stop.child_token());
            let ears = tokio::spawn(async move {
                if let Err(problem) = ears.await {
                    error!("nobody hears for the outputs any more that need a sign of life: {problem:#}");
                }
            });
            let outcome = bridge.run(outbox, commands, stop).await.context("the bridge failed");
            ears.abort();
            outcome
        });
    }

    /// Looks from time to time what is connected and not used, and tells everybody.
    fn start_looking(&self, running: &mut Running) {
        let watch = Watch::new(self.board.scanner.clone(), self.clock.clone());
        let found = self.found.clone();
        let (told, client, scheme) = (found.subscribe(), self.broker.client("board"), self.scheme.clone());
        running.lifecycle.start(LOOKING, |stop| async move {
            watch.run(found, stop.clone()).await;
            // Without it the gateway serves as well as before.
            stop.cancelled().await;
            Ok(())
        });
        running.lifecycle.start(FOUND, |stop| tell_found(told, client, scheme, stop));
    }

    fn start_dashboard(
        &self,
        running: &mut Running,
        listeners: Listeners,
        live: LiveHouse,
        configuration: Arc<PageConfiguration>,
        system: GatewaySystem,
    ) {
        let ports = Ports {
            accounts: running.accounts.clone(),
            live,
            commander: Arc::new(PageCommands::new(self.broker.client("page"), self.scheme.clone())),
            board: Arc::new(self.board.clone()),
            configuration,
            doctor: self.doctor.clone(),
            backups: Arc::new(self.backups.clone()),
            history: Arc::new(RecordedCharts::new(running.history.clone())),
            figures: Arc::new(RoomFigures::new(running.history.clone(), self.broker.clone())),
            mqtt_clients: Arc::new(BrokerClients::new(self.broker.clone(), self.logins.sets())),
            messages: Arc::new(BrokerMessages::new(self.broker.clone())),
            mqtt_port: system.whereabouts.mqtt_port(),
            whereabouts: system.whereabouts.clone(),
            system: Arc::new(system),
            mqtt_door: Arc::new(WebDoor::new(self.broker.doorway())),
            clock: self.clock.clone(),
            randomness: Arc::new(SystemRandomness),
            demo: self.board.simulated.clone().map(|board| Arc::new(Playground(board)) as Arc<dyn DemoHouse>),
            setup_hint: self.setup_hint.clone(),
            ca_certificate: self.certificates.as_ref().and_then(|own| own.authority_pem()).map(str::to_owned),
        };
        running.lifecycle.start(DASHBOARD, |stop| async move {
            gatehouse_dashboard::serve(listeners, ports, stop).await.context("the dashboard failed")
        });
    }

    /// Everything below the base topic.
    async fn subscribe(&self, part: &str) -> anyhow::Result<Subscription> {
        Ok(self.broker.client(part).subscribe(&[(self.scheme.everything(), Qos::AtLeastOnce)]).await?)
    }
}

/// The board with its bridge, and what it takes to look at it.
struct OpenBoard {
    bridge: Bridge,
    info: GatewayInfo,
    board: BoardView,
    found: watch::Sender<Vec<Thing>>,
    clock_trust: ClockTrust,
}

fn open_board(
    config: &Config,
    directory: &Path,
    demo: bool,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<OpenBoard> {
    let host = config.board.places(directory);
    let board_name = host.board_name();
    let devices = config.devices.clone();
    let simulated = demo.then(|| {
        let mut seed = [0; 8];
        SystemRandomness.fill(&mut seed);
        SimulatedBoard::new(&devices, u64::from_le_bytes(seed), clock.clone())
    });
    let board: Arc<dyn Board> = match &simulated {
        Some(simulated) => Arc::new(simulated.clone()),
        None => config.board.open(directory, clock),
    };
    let scheme = config.gateway.scheme.clone();
    let memory = open_memory(directory, clock)?;
    let places = host.clone();
    let parts = BridgeParts { scheme, devices, board: board.clone(), host, memory, clock: clock.clone() };
    let clock_trust = clock_trust(demo, &config.board.sys);
    let bridge = Bridge::new(parts)?.trusting_clock(clock_trust.clone());
    for obstacle in obstacles(&*board, &config.devices) {
        warn!("{obstacle}");
    }
    let (found, told) = watch::channel(Vec::new());
    let scanner = Scanner::new(board.clone(), bridge.buses(), config.devices.clone());
    let view = BoardView {
        board,
        simulated,
        places,
        scanner,
        is_header: config.board.chip.is_none(),
        tree: Arc::default(),
        survey: Arc::default(),
        found: told,
        clock: clock.clone(),
    };
    let info = GatewayInfo {
        name: config.gateway.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        board: board_name,
        base: config.gateway.scheme.base().to_owned(),
        devices: bridge.inventory(),
    };
    Ok(OpenBoard { bridge, info, board: view, found, clock_trust })
}

/// What the board remembers over a power cut.
fn open_memory(directory: &Path, clock: &Arc<dyn Clock>) -> anyhow::Result<Memory> {
    let file = directory.join(paths::BOARD_FILE);
    let (memory, notice) = Memory::open(&file, clock.clone())
        .with_context(|| format!("what the board remembers in {} cannot be opened", file.display()))?;
    if notice.may_have_lost() {
        warn!("{notice}");
    }
    Ok(memory)
}

fn start_broker(
    lifecycle: &mut Lifecycle,
    listeners: anyhow::Result<Vec<Listener>>,
    settings: Settings,
    logins: AccountLogins,
    guard: Arc<DoorGuard>,
    store: SqliteStore,
    clock: &Arc<dyn Clock>,
) -> BrokerHandle {
    let (broker, handle) = Broker::new(Parts {
        settings,
        authenticator: Arc::new(logins),
        guard,
        store: Box::new(store),
        clock: clock.clone(),
        randomness: Arc::new(SystemRandomness),
    });
    lifecycle
        .start(BROKER, |stop| async move { broker.run(listeners?, stop).await.context("the broker failed") });
    handle
}

/// Tells the person who started the daemon, the log and the service manager that everything runs. A terminal that is
/// gone or a full disk behind standard output is no reason to end.
fn announce(banner: &Banner) {
    if let Err(problem) = writeln!(std::io::stdout(), "{}", banner.text()) {
        warn!("the addresses could not be printed: {problem}");
    }
    match banner.mqtts {
        Some(mqtts) => {
            info!("ready: dashboard on {}, MQTT on {}, with TLS on {mqtts}", banner.http, banner.mqtt);
        }
        None => info!("ready: dashboard on {}, MQTT on {}", banner.http, banner.mqtt),
    }
    supervision::ready();
}

/// What the gateway says of itself.
pub(crate) struct GatewayVoice {
    client: LocalClient,
    scheme: Scheme,
}

impl GatewayVoice {
    /// `<base>/status`: whether the bridge runs.
    async fn say_status(&self, online: bool) -> anyhow::Result<()> {
        let word = if online { "online" } else { "offline" };
        self.say(self.scheme.status(), word.to_owned()).await
    }

    /// `<base>/info`: the inventory.
    pub(crate) async fn say_info(&self, info: &GatewayInfo) -> anyhow::Result<()> {
        self.say(self.scheme.info(), serde_json::to_string(info)?).await
    }

    async fn say(&self, topic: TopicName, payload: String) -> anyhow::Result<()> {
        let message = Message::new(topic, payload, Qos::AtLeastOnce, true, Origin::part("gatehouse"));
        self.client.publish(message).await.context("the gateway cannot publish its own state")
    }
}

/// The daemon once its first part runs.
pub(crate) struct Running {
    pub(crate) lifecycle: Lifecycle,
    guard: Arc<DoorGuard>,
    voice: GatewayVoice,
    accounts: Accounts,
    history: History,
    /// Who asked at the page that the gateway is started again.
    pub(crate) restarts: mpsc::Receiver<String>,
}

impl Running {
    /// Refuses new commands, notes in the diary `why` the gateway stops, and drives the outputs to their safe level. Gives whether that went well.
    pub(crate) async fn stop_outputs(&mut self, why: &str) -> bool {
        self.guard.refuse_all();
        self.history.stopping(why);
        let (bridge, limit) = STOP_FIRST;
        self.lifecycle.stop(bridge, limit).await
    }

    /// Stops everything else in the order that keeps promises. Gives whether every part stopped well.
    pub(crate) async fn stop_rest(&mut self) -> bool {
        let (outbox, limit) = STOP_BEFORE_OFFLINE;
        let mut well = self.lifecycle.stop(outbox, limit).await;
        match tokio::time::timeout(LAST_WORD_LIMIT, self.voice.say_status(false)).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => warn!("{problem:#}"),
            Err(_) => warn!(
                "the broker did not take the gateway's last word within {} ms",
                LAST_WORD_LIMIT.as_millis()
            ),
        }
        for (part, limit) in STOP_AFTER_OFFLINE {
            well &= self.lifecycle.stop(part, limit).await;
        }
        self.history.clone().close().await;
        self.accounts.close().await;
        well
    }
}

#[cfg(test)]
#[path = "house_tests.rs"]
mod tests;
