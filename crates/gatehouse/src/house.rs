//! The rooms of the daemon: opened, started in order, joined, and stopped in order.

mod board;
mod joints;
mod parts;
mod running;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use gatehouse_board::Bridge;
use gatehouse_board::bridge::ClockTrust;
use gatehouse_board::scan::Thing;
use gatehouse_broker::{Broker, BrokerHandle, Listener, Parts, Settings, SqliteStore, StoreOptions};
use gatehouse_dashboard::wire::{DiscoverySilenceWord, SystemDiscovery};
use gatehouse_dashboard::{Accounts, Warning, WarningWord};
use gatehouse_history::History;
use gatehouse_model::{Clock, GatewayInfo, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use board::{OpenBoard, open_board};
use joints::Joints;
use parts::{ALIASES, BROKER, CERTIFICATES, DISCOVERY, RELOADING};
pub(crate) use running::Running;

use crate::aliases::AliasTable;
use crate::backup::Backups;
use crate::banner::Banner;
use crate::config::{Config, Source};
use crate::discovery::{self, Announcement};
use crate::host_label::host_label;
use crate::lifecycle::Lifecycle;
use crate::mqtt_sockets::{MqttSockets, open_certificates};
use crate::page_sockets::PageSockets;
use crate::releases::FallenBack;
use crate::restart::RestartBell;
use crate::stand_in::{Home, MAX_BROKER_BYTES, Stranded};
use crate::starting::while_starting;
use crate::system::SystemRandomness;
use crate::tls::ServerCertificates;
use crate::voice::GatewayVoice;
use crate::wiring::{
    AccountLogins, BoardView, DoorGuard, OwnNames, PageConfiguration, PageDoctor, Surroundings,
    history_clock, names_of_files_clock, notes, serve_aliases,
};
use crate::{mqtt_ports, open_files, paths, restart, supervision, watchdog};

/// Changes of the configuration that the page asks for and that wait for their turn; who comes later waits at the door.
const ORDERS_LIMIT: usize = 4;

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
    /// What people should know of this start, as long as it runs.
    lasting: Vec<Warning>,
}

impl House {
    /// Opens everything; nothing runs yet.
    pub(crate) async fn open(config: Config, home: &Home, demo: bool) -> anyhow::Result<Self> {
        let directory = home.directory();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let OpenBoard { bridge, info, board, found, clock_trust } = open_board(&config, home, demo, &clock)?;
        let accounts_file = directory.join(paths::ACCOUNTS_FILE);
        let accounts = Accounts::open(&accounts_file, clock.clone(), Arc::new(SystemRandomness));
        let accounts = while_starting(accounts)
            .await
            .with_context(|| format!("the accounts in {} cannot be opened", accounts_file.display()))?;
        // Without it the house is not without its outputs and its broker. It stays where it is, since it is large.
        let history_file = home.data().join(paths::HISTORY_FILE);
        let history = match home.stranded() {
            // It is not opened to be written, where a disk that is full again would leave half of it.
            Some(stranded) => {
                History::open_still(&history_file, config.history.clone(), clock.clone(), stranded.why.what())
            }
            None => {
                let opening = History::open_in_any_case(&history_file, config.history.clone(), clock.clone());
                while_starting(opening).await
            }
        };
        let history = history.trusting_clock(history_clock(demo));
        let broker_file = directory.join(paths::BROKER_FILE);
        let store = SqliteStore::open(&broker_file, store_options(home), clock.clone());
        let store = while_starting(store).await.context("what the broker has kept cannot be opened")?;
        let http = PageSockets::open(&config).await?;
        let mqtt = MqttSockets::open(&config, directory, mqtt_ports::up_for()).await?;
        let lasting = lasting_warnings(&mqtt, home)?;
        let certificates = match mqtt.speaks_tls() || http.speaks_tls() {
            true => Some(open_certificates(&config, directory, clock.clone())?),
            false => None,
        };
        mqtt.remember(directory, clock.now())?;
        Ok(Self {
            lasting,
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
        home: &Home,
    ) -> Result<Running, (Box<Running>, anyhow::Error)> {
        let directory = home.directory();
        let (own_names, clock_trust) = (self.config.all_names(), self.clock_trust.clone());
        let Self { config, demo, clock, accounts, history, store, http, mqtt, certificates, .. } = self;
        let (bridge, info, board, found) = (self.bridge, self.info, self.board, self.found);
        let lasting = self.lasting;
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
        let databases = watchdog::databases(&store, &history, &accounts);
        let broker =
            start_broker(&mut lifecycle, listeners, settings, logins.clone(), guard.clone(), store, &clock);
        let voice = GatewayVoice { client: broker.client("gatehouse"), scheme: scheme.clone() };
        let (bell, restarts) = RestartBell::new(clock.clone(), restart::spacing());
        let bell = Arc::new(bell);
        let is_clock_set = names_of_files_clock(clock_trust.clone(), demo);
        let backups =
            Backups::of(&as_started, &source, home, (&clock, Box::new(is_clock_set)), Arc::clone(&bell));
        let mut running = Running { lifecycle, guard, voice, accounts, history, restarts };
        let setup_hint = paths::setup_code_command(home.data());
        let joints = Joints {
            doctor: Arc::new(PageDoctor::new(source.clone(), home.data())),
            nothing_is_kept: source.nothing_is_kept().map(str::to_owned),
            broker,
            scheme,
            info,
            clock,
            demo,
            setup_hint,
            anonymous,
            announced: mdns.then(|| format!("{}.local", host_label())),
            logins,
            certificates,
            board,
            found,
            backups,
            lasting,
            databases,
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
                true => Announcement::of(&joints.info.name, page, mqtt, host_label()),
                false => Err(DiscoverySilenceWord::Off),
            };
            let whereabouts = Surroundings::new(own_names, page, mqtt, announced.clone());
            let system = joints.system(bell, clock_trust, whereabouts, announced, home);
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

/// Memory is less than a disk.
fn store_options(home: &Home) -> StoreOptions {
    let usual = StoreOptions::default();
    match home.stranded() {
        Some(_) => StoreOptions { max_file_bytes: MAX_BROKER_BYTES, ..usual },
        None => usual,
    }
}

/// A disk that cannot be written, a port that is another one than usual, and a newer release that did not start.
fn lasting_warnings(mqtt: &MqttSockets, home: &Home) -> anyhow::Result<Vec<Warning>> {
    let mut lasting = Vec::new();
    if let Some(Stranded { directory, why }) = home.stranded() {
        let detail = format!("{} {}", why.as_str(), directory.display());
        lasting.push(Warning { kind: WarningWord::RunsFromMemory, detail });
    }
    if let Some(FallenBack { failed, runs, reason, .. }) = FallenBack::of_this_release(home.directory()) {
        warn!("release {failed} did not start, so release {runs} runs in its place: {reason}");
        let detail = format!("{failed} {runs} {reason}");
        lasting.push(Warning { kind: WarningWord::ReleaseFailed, detail });
    }
    lasting.extend(mqtt.tell()?);
    Ok(lasting)
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
