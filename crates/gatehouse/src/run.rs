//! `gatehouse run`: the daemon, from its configuration to its exit code.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::Stream;
use gatehouse_board::host::{BareMachine, HostPlaces};
use gatehouse_board::sim::{SimulatedBoard, demo_house};
use gatehouse_board::traits::Board;
use gatehouse_board::{Bridge, BridgeParts};
use gatehouse_broker::{Broker, BrokerHandle, LocalClient, MemoryStore, Parts, Settings};
use gatehouse_dashboard::{Accounts, LiveHouse, Ports};
use gatehouse_history::History;
use gatehouse_model::{
    Clock, DeviceId, GatewayInfo, Message, Origin, Qos, Randomness, Scheme, SystemClock, TopicName,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::banner::{self, Banner};
use crate::cli::RunArguments;
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::lifecycle::{Lifecycle, STOP_LIMIT, Signals, StopReason};
use crate::system::SystemRandomness;
use crate::wiring::{AccountLogins, DoorGuard, PageCommands, RecordedCharts, carry, honest_readings};
use crate::{check, demo_user, logs, paths, supervision};

/// Messages of the bridge that wait for the broker. The bridge keeps the newest value of each property itself when
/// this is full, so a short queue is enough.
const OUTBOX_LIMIT: usize = 256;

/// Runs the daemon until it is asked to stop, or until a part dies.
pub(crate) fn run(arguments: RunArguments) -> anyhow::Result<Exit> {
    logs::begin();
    paths::keep_files_private();
    let mut config = match config::for_run(arguments.config.as_deref(), arguments.demo) {
        Ok(config) => config.with_arguments(arguments.http, arguments.mqtt),
        Err(problems) => return Ok(check::report_problems(&problems)),
    };
    check::print(&config.warnings);
    if arguments.demo && (arguments.config.is_none() || config.devices.is_empty()) {
        config.devices = demo_house();
    }
    let directory = paths::data_directory(arguments.data.data_dir, arguments.demo);
    paths::make_private_directory(&directory)?;
    let _claim = paths::claim(&directory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let house = House::open(config, &directory, arguments.demo).await?;
        let mut running = house.start(&directory).await?;
        let reason = running.lifecycle.wait(&mut signals).await;
        supervision::stopping();
        let well = tokio::select! {
            well = running.stop() => well,
            () = tokio::time::sleep(STOP_LIMIT) => {
                warn!("the stop took longer than {} s; ending as it is", STOP_LIMIT.as_secs());
                return Ok(Exit::Failure);
            }
            signal = signals.next() => {
                warn!("received {signal} again; ending as it is");
                return Ok(Exit::Failure);
            }
        };
        Ok(if well && reason == StopReason::Asked { Exit::Success } else { Exit::Failure })
    })
}

/// Everything that can fail before the first part runs: the devices, the databases, the listeners.
struct House {
    config: Config,
    demo: bool,
    clock: Arc<dyn Clock>,
    accounts: Accounts,
    history: History,
    http: TcpListener,
    mqtt: TcpListener,
    bridge: Bridge,
    info: GatewayInfo,
}

impl House {
    /// Opens everything; nothing runs yet.
    async fn open(config: Config, directory: &Path, demo: bool) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let (bridge, info) = open_board(&config, directory, demo, &clock)?;
        let accounts_file = directory.join(paths::ACCOUNTS_FILE);
        let accounts = Accounts::open(&accounts_file, clock.clone(), Arc::new(SystemRandomness))
            .await
            .with_context(|| format!("the accounts in {} cannot be opened", accounts_file.display()))?;
        let history_file = directory.join(paths::HISTORY_FILE);
        let history = History::open(&history_file, config.history.clone(), clock.clone())
            .await
            .with_context(|| format!("the history in {} cannot be opened", history_file.display()))?;
        let http = listen(config.http, "dashboard", "--http").await?;
        let mqtt = listen(config.mqtt, "MQTT broker", "--mqtt").await?;
        Ok(Self { config, demo, clock, accounts, history, http, mqtt, bridge, info })
    }

    /// Starts the rooms in order and joins them.
    async fn start(self, directory: &Path) -> anyhow::Result<Running> {
        let Self { config, demo, clock, accounts, history, http, mqtt, bridge, info } = self;
        let scheme = config.gateway.scheme.clone();
        let demo_user = if demo { Some(demo_user::prepare(&accounts, directory).await?) } else { None };
        let banner = Banner {
            name: info.name.clone(),
            http: http.local_addr()?,
            mqtt: mqtt.local_addr()?,
            network_ip: banner::network_ip(),
            setup_code: accounts.setup_code().await?,
            demo: demo_user,
        };
        let mut lifecycle = Lifecycle::default();

        let guard = Arc::new(DoorGuard::new(scheme.clone(), &info.devices, clock.clone()));
        let broker = start_broker(&mut lifecycle, mqtt, &accounts, guard.clone(), &clock);
        let voice = GatewayVoice { client: broker.client("gatehouse"), scheme: scheme.clone() };
        voice.say_status(false).await?;
        voice.say_info(&info).await?;

        start_history(&mut lifecycle, &broker, &history, &scheme, &info).await?;
        let live = start_live_page(&mut lifecycle, &broker, &scheme, &info, &clock).await?;
        start_bridge(&mut lifecycle, &broker, bridge, &scheme).await?;

        let ports = Ports {
            accounts: accounts.clone(),
            live,
            commander: Arc::new(PageCommands::new(broker.client("page"), scheme.clone())),
            history: Arc::new(RecordedCharts::new(history.clone())),
            clock,
            randomness: Arc::new(SystemRandomness),
            demo,
            mqtt_port: banner.mqtt.port(),
        };
        lifecycle.start(DASHBOARD, |stop| async move {
            gatehouse_dashboard::serve(http, ports, stop).await.context("the dashboard failed")
        });
        voice.say_status(true).await?;
        let heartbeat = broker.client("watchdog");
        lifecycle.start(WATCHDOG, |stop| supervision::feed_watchdog(heartbeat, stop));
        announce(&banner);
        Ok(Running { lifecycle, guard, voice, accounts, history })
    }
}

/// Names of the parts, for the log and for stopping them.
const BROKER: &str = "broker";
const HISTORY: &str = "history";
const LIVE_PAGE: &str = "live page";
const BRIDGE: &str = "bridge";
const OUTBOX: &str = "outbox";
const DASHBOARD: &str = "dashboard";
const WATCHDOG: &str = "watchdog";

fn open_board(
    config: &Config,
    directory: &Path,
    demo: bool,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(Bridge, GatewayInfo)> {
    let host = HostPlaces::of_this_machine(directory);
    let board_name = host.board_name();
    let devices = config.devices.clone();
    let board: Arc<dyn Board> = if demo {
        let mut seed = [0; 8];
        SystemRandomness.fill(&mut seed);
        Arc::new(SimulatedBoard::new(&devices, u64::from_le_bytes(seed), clock.clone()))
    } else {
        Arc::new(BareMachine::new(&host))
    };
    let scheme = config.gateway.scheme.clone();
    let bridge = Bridge::new(BridgeParts { scheme, devices, board, host, clock: clock.clone() })?;
    let info = GatewayInfo {
        name: config.gateway.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        board: board_name,
        base: config.gateway.scheme.base().to_owned(),
        devices: bridge.inventory(),
    };
    Ok((bridge, info))
}

async fn listen(address: SocketAddr, who: &str, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "the {who} cannot listen on {address}: stop the program that has this port, or choose another with {option}"
        )
    })
}

fn start_broker(
    lifecycle: &mut Lifecycle,
    listener: TcpListener,
    accounts: &Accounts,
    guard: Arc<DoorGuard>,
    clock: &Arc<dyn Clock>,
) -> BrokerHandle {
    let (broker, handle) = Broker::new(Parts {
        settings: Settings::default(),
        authenticator: Arc::new(AccountLogins::new(accounts.clone())),
        guard,
        store: Box::new(MemoryStore),
        clock: clock.clone(),
        randomness: Arc::new(SystemRandomness),
    });
    lifecycle.start(BROKER, |stop| async move {
        broker.run(vec![listener], stop).await.context("the broker failed")
    });
    handle
}

/// Everything below the base topic, as far as it may be believed.
async fn subscribe_to_house(
    client: &LocalClient,
    scheme: &Scheme,
    info: &GatewayInfo,
) -> anyhow::Result<impl Stream<Item = Message> + Send + Unpin + use<>> {
    let everything = client.subscribe(&[(scheme.everything(), Qos::AtLeastOnce)]).await?;
    let devices: HashSet<DeviceId> = info.devices.iter().map(|device| device.id.clone()).collect();
    Ok(honest_readings(everything, scheme.clone(), devices))
}

async fn start_history(
    lifecycle: &mut Lifecycle,
    broker: &BrokerHandle,
    history: &History,
    scheme: &Scheme,
    info: &GatewayInfo,
) -> anyhow::Result<()> {
    let messages = subscribe_to_house(&broker.client("history"), scheme, info).await?;
    let (history, scheme) = (history.clone(), scheme.clone());
    lifecycle.start(HISTORY, |stop| async move {
        history.record(scheme, messages, stop).await.context("the history failed")
    });
    Ok(())
}

async fn start_live_page(
    lifecycle: &mut Lifecycle,
    broker: &BrokerHandle,
    scheme: &Scheme,
    info: &GatewayInfo,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<LiveHouse> {
    let live = LiveHouse::new(scheme.clone(), info.clone(), clock.clone());
    let messages = subscribe_to_house(&broker.client("live page"), scheme, info).await?;
    let follower = live.clone();
    lifecycle.start(LIVE_PAGE, |stop| async move {
        tokio::select! {
            () = follower.follow(messages) => anyhow::bail!("the live page lost the broker"),
            () = stop.cancelled() => Ok(()),
        }
    });
    Ok(live)
}

async fn start_bridge(
    lifecycle: &mut Lifecycle,
    broker: &BrokerHandle,
    bridge: Bridge,
    scheme: &Scheme,
) -> anyhow::Result<()> {
    let client = broker.client("bridge");
    let commands = client.subscribe(&[(scheme.all_commands(), Qos::ExactlyOnce)]).await?;
    let (outbox, messages) = mpsc::channel(OUTBOX_LIMIT);
    lifecycle.start(OUTBOX, |_| carry(messages, client));
    lifecycle.start(BRIDGE, |stop| async move {
        bridge.run(outbox, commands, stop).await.context("the bridge failed")
    });
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the person who starts the daemon reads where everything is")]
fn announce(banner: &Banner) {
    println!("{}", banner.text());
    info!("ready: dashboard on {}, MQTT on {}", banner.http, banner.mqtt);
    supervision::ready();
}

/// What the gateway says of itself.
struct GatewayVoice {
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
    async fn say_info(&self, info: &GatewayInfo) -> anyhow::Result<()> {
        self.say(self.scheme.info(), serde_json::to_string(info)?).await
    }

    async fn say(&self, topic: TopicName, payload: String) -> anyhow::Result<()> {
        let message = Message::new(topic, payload, Qos::AtLeastOnce, true, Origin::part("gatehouse"));
        self.client.publish(message).await.context("the gateway cannot publish its own state")
    }
}

/// The running daemon.
struct Running {
    lifecycle: Lifecycle,
    guard: Arc<DoorGuard>,
    voice: GatewayVoice,
    accounts: Accounts,
    history: History,
}

impl Running {
    /// Stops everything in the order that keeps promises: outputs first, the broker last. Gives whether every part
    /// stopped well.
    async fn stop(&mut self) -> bool {
        self.guard.refuse_all();
        let mut well = self.lifecycle.stop(BRIDGE).await;
        // The bridge has closed its outbox: this ends when its last words are published.
        well &= self.lifecycle.stop(OUTBOX).await;
        if let Err(problem) = self.voice.say_status(false).await {
            warn!("{problem:#}");
        }
        well &= self.lifecycle.stop(WATCHDOG).await;
        well &= self.lifecycle.stop(DASHBOARD).await;
        well &= self.lifecycle.stop(LIVE_PAGE).await;
        well &= self.lifecycle.stop(HISTORY).await;
        self.history.clone().close().await;
        well &= self.lifecycle.stop(BROKER).await;
        self.accounts.close().await;
        well
    }
}
