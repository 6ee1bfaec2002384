//! The joints: what the parts are joined with, and how each of them starts.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use gatehouse_board::Bridge;
use gatehouse_board::bridge::ClockTrust;
use gatehouse_board::scan::{Thing, Watch};
use gatehouse_broker::{BrokerHandle, Subscription};
use gatehouse_dashboard::wire::SystemDiscovery;
use gatehouse_dashboard::{Accounts, DemoHouse, Listeners, LiveHouse, Ports, Warning, WarningWord};
use gatehouse_model::{Clock, GatewayInfo, Qos, Scheme};
use tokio::sync::{mpsc, watch};
use tracing::error;

use super::parts::{
    BACKUPS, BRIDGE, DASHBOARD, FOUND, HISTORY, LIVE_PAGE, LOOKING, OUTBOX, RECORDING_FIGURES, REVOCATION,
    WARNINGS, WATCHDOG,
};
use super::running::Running;
use crate::backup::Backups;
use crate::banner::{self, Banner};
use crate::conditions::Conditions;
use crate::config::{Config, Source};
use crate::mqtt_sockets::MqttAddresses;
use crate::page_sockets::PageAddresses;
use crate::reload::Reloader;
use crate::restart::RestartBell;
use crate::running_copy::RunningCopies;
use crate::stand_in::Home;
use crate::system::SystemRandomness;
use crate::tls::ServerCertificates;
use crate::voice::GatewayVoice;
use crate::wiring::{
    AccountLogins, BoardView, BrokerClients, BrokerMessages, DoorGuard, GatewaySystem, Order, PageCommands,
    PageConfiguration, PageDoctor, Playground, Rates, RecordedCharts, RoomFigures, Surroundings, WebDoor,
    carry, enforce_changes, hear, names_of_files_clock, show_warnings, tell_found, tell_recording,
};
use crate::{demo_user, holding, watchdog};

/// Messages of the bridge that wait for the broker. The bridge keeps the newest value of each property itself when
/// this is full, so a short queue is enough.
const OUTBOX_LIMIT: usize = 256;

/// What the parts are joined with.
pub(super) struct Joints {
    /// Who looks at the machine for the page.
    pub(super) doctor: Arc<PageDoctor>,
    pub(super) broker: BrokerHandle,
    pub(super) scheme: Scheme,
    pub(super) info: GatewayInfo,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) demo: bool,
    /// The command that makes another set-up code, for the page to say.
    pub(super) setup_hint: String,
    /// The rights set of clients without a name, if they are let in.
    pub(super) anonymous: Option<String>,
    /// The name of multicast DNS, if it is used.
    pub(super) announced: Option<String>,
    pub(super) logins: AccountLogins,
    /// What is shown to clients that use TLS.
    pub(super) certificates: Option<Arc<ServerCertificates>>,
    /// What it takes to look at the board.
    pub(super) board: BoardView,
    /// Where it is told what is connected and not used.
    pub(super) found: watch::Sender<Vec<Thing>>,
    /// Who makes and restores backups.
    pub(super) backups: Backups,
    /// What people should know of this start.
    pub(super) lasting: Vec<Warning>,
    /// Why nothing that is changed can be kept.
    pub(super) nothing_is_kept: Option<String>,
    /// Those whose hanging ends the gateway.
    pub(super) databases: Vec<watchdog::Part>,
}

impl Joints {
    pub(super) async fn banner(
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
            authority_sha256: self.certificates.as_ref().and_then(|own| own.authority_fingerprint()),
            network_ip: banner::network_ip(),
            demo: if self.demo { Some(demo_user::prepare(accounts, directory).await?) } else { None },
            announced: self.announced.clone(),
            setup_code: accounts.setup_code().await?,
            anonymous: self.anonymous.clone(),
        })
    }

    pub(super) fn system(
        &self,
        bell: Arc<RestartBell>,
        clock_trust: ClockTrust,
        whereabouts: Surroundings,
        discovery: watch::Receiver<SystemDiscovery>,
        home: &Home,
    ) -> GatewaySystem {
        GatewaySystem {
            bell,
            clock: self.clock.clone(),
            started: self.clock.moment(),
            places: self.board.places.clone(),
            board: self.info.board.clone(),
            home: home.directory().to_owned(),
            directory: home.data().to_owned(),
            broker: self.broker.clone(),
            clock_trust,
            certificates: self.certificates.clone(),
            whereabouts: Arc::new(whereabouts),
            discovery,
            rates: Rates::default(),
        }
    }

    pub(super) fn reloader(
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
    pub(super) async fn start_parts(
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
        let prompt = watchdog::prompt_parts(self.broker.client("watchdog"), &bridge.handle(), live.clone())?;
        let (broker, page, lasting) = (self.broker.clone(), live.clone(), self.warnings());
        let silence = watchdog::Silence::default();
        let troubles = (running.history.trouble(), self.backups.trouble(), silence.told());
        let is_clock_set = names_of_files_clock(system.clock_trust.clone(), self.demo);
        let conditions = Conditions::new(&system.home, self.clock.clone(), is_clock_set, !self.demo);
        // Of a disk that is not used it is told what keeps it from being used.
        let conditions = conditions.looking_at_disk(self.nothing_is_kept.is_none());
        running
            .lifecycle
            .start(WARNINGS, |stop| show_warnings(broker, troubles, conditions, page, lasting, stop));
        self.start_bridge(running, bridge, commands);
        self.start_looking(running);
        running.lifecycle.start(BACKUPS, |stop| self.backups.clone().keep_schedule(stop));
        self.start_dashboard(running, listeners, live, configuration, system);
        running.voice.say_status(true).await?;
        let databases = self.databases.clone();
        running.lifecycle.start(WATCHDOG, |stop| watchdog::watch(prompt, databases, silence, stop));
        Ok(())
    }

    /// What people should know of as long as the gateway runs.
    fn warnings(&self) -> Vec<Warning> {
        let anonymous = self.anonymous.iter();
        let warning = |set: &String| Warning { kind: WarningWord::AnonymousClients, detail: set.clone() };
        anonymous.map(warning).chain(self.lasting.iter().cloned()).collect()
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
    pub(super) async fn hear_commands(&self, guard: &DoorGuard) -> anyhow::Result<Subscription> {
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
        let holder = if self.demo { None } else { holding::holder() };
        running.lifecycle.start(BRIDGE, |stop| async move {
            // Just before they are driven: from here on nobody else ends them in time.
            let bridge = match holder.map(Arc::new) {
                None => bridge,
                Some(holder) => {
                    let asked = holder.clone();
                    let returned = tokio::task::spawn_blocking(move || asked.take()).await?;
                    bridge.replacing(returned, holder)
                }
            };
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
        let (history, broker) = (running.history.clone(), self.broker.clone());
        let figures = RoomFigures::new(history, broker, self.backups.clone(), self.board.places.clone());
        let ports = Ports {
            accounts: running.accounts.clone(),
            live,
            commander: Arc::new(PageCommands::new(self.broker.client("page"), self.scheme.clone())),
            board: Arc::new(self.board.clone()),
            configuration,
            doctor: self.doctor.clone(),
            backups: Arc::new(self.backups.clone()),
            history: Arc::new(RecordedCharts::new(running.history.clone())),
            figures: Arc::new(figures),
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
            nothing_is_kept: self.nothing_is_kept.clone(),
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
