//! The gateway as a whole, in the words of the API.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_board::bridge::ClockTrust;
use gatehouse_board::host::{Card, HostPlaces, Machine};
use gatehouse_broker::BrokerHandle;
use gatehouse_dashboard::wire::{
    CardReserveWord, LogPage, RestartBegun, SystemAddress, SystemBroker, SystemCard, SystemCertificate,
    SystemClockState, SystemDiscovery, SystemDisk, SystemMachine, SystemNetwork, SystemReport, SystemVersion,
};
use gatehouse_dashboard::{LogQuery, RestartRefused, SystemKeeper, Whereabouts as _};
use gatehouse_model::{Clock, Moment};
use tokio::sync::watch;

use super::clock::ClockService;
use super::whereabouts::Surroundings;
use crate::logs;
use crate::restart::{self, RestartBell};
use crate::tls::{self, ServerCertificates};

/// Over how long messages in a second are counted: at least half of it, so that one message is no storm.
const RATE_OVER: Duration = Duration::from_secs(10);

/// Shortest time between two counts that a rate is made of.
const RATE_AFTER: Duration = Duration::from_secs(1);

/// Most interfaces with their addresses that are shown: a machine that runs containers has many.
const MAX_ADDRESSES: usize = 16;

/// What the report is made from.
pub(crate) struct GatewaySystem {
    pub(crate) bell: Arc<RestartBell>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) started: Moment,
    pub(crate) places: HostPlaces,
    pub(crate) board: String,
    /// Where the gateway works.
    pub(crate) home: PathBuf,
    /// The data directory, which is another one when it cannot be written.
    pub(crate) directory: PathBuf,
    pub(crate) broker: BrokerHandle,
    pub(crate) clock_trust: ClockTrust,
    pub(crate) certificates: Option<Arc<ServerCertificates>>,
    pub(crate) whereabouts: Arc<Surroundings>,
    pub(crate) discovery: watch::Receiver<SystemDiscovery>,
    pub(crate) rates: Rates,
}

/// Messages in a second, from counts at two times.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    /// The count before the last, and the last.
    counts: Mutex<[Option<Count>; 2]>,
}

/// Messages so far, received and sent.
type Count = (Moment, [u64; 2]);

impl Rates {
    /// The rates with what is counted now; nothing right after the start.
    fn with(&self, now: Moment, count: [u64; 2]) -> Option<[f64; 2]> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let age = |one: &Option<Count>| one.map(|(then, _)| now.saturating_since(then));
        // However many look, and however often: a count is kept every half of the time.
        if age(&counts[1]).is_none_or(|age| age >= RATE_OVER / 2) {
            *counts = [counts[1], Some((now, count))];
        }
        let (then, before) = counts[0].filter(|(then, _)| now.saturating_since(*then) >= RATE_AFTER)?;
        let seconds = now.saturating_since(then).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "messages of some seconds stay below 2^53")]
        let rate = |which: usize| count[which].saturating_sub(before[which]) as f64 / seconds;
        Some([rate(0), rate(1)])
    }
}

#[async_trait]
impl SystemKeeper for GatewaySystem {
    async fn report(&self) -> SystemReport {
        let places = self.places.clone();
        // A disk that hangs holds one thread for such work, and never the runtime's own.
        let machine = tokio::task::spawn_blocking(move || Machine::read(&places)).await.unwrap_or_default();
        let running_for = self.clock.moment().saturating_since(self.started);
        SystemReport {
            run: self.bell.run().to_owned(),
            at: self.clock.now(),
            running_for_ms: u64::try_from(running_for.as_millis()).unwrap_or(u64::MAX),
            version: SystemVersion {
                gatehouse: env!("CARGO_PKG_VERSION").to_owned(),
                commit: option_env!("GATEHOUSE_COMMIT")
                    .filter(|commit| !commit.is_empty())
                    .map(str::to_owned),
                compiler: env!("GATEHOUSE_COMPILER").to_owned(),
            },
            disk: disk_of(&machine, &self.directory),
            clock: self.clock_state(&machine),
            broker: self.broker_figures().await,
            network: self.network(),
            certificate: self.certificates.as_deref().and_then(certificate_of),
            restart: restart::way(),
            machine: machine_of(&machine, &self.board),
        }
    }

    fn logs(&self, query: LogQuery) -> LogPage {
        logs::last_lines().page(self.bell.run().to_owned(), query)
    }

    fn restart(&self, who: &str, run: &str) -> Result<RestartBegun, RestartRefused> {
        self.bell.ring(who, run)
    }
}

impl GatewaySystem {
    fn clock_state(&self, machine: &Machine) -> SystemClockState {
        let service = ClockService::of_this_machine();
        SystemClockState {
            trusted: self.clock_trust.is_trusted(),
            synchronized: service.as_ref().and_then(|service| service.has_set_the_clock),
            service: service.map(|service| service.name.to_owned()),
            chip: machine.clock_chip,
        }
    }

    async fn broker_figures(&self) -> SystemBroker {
        let figures = self.broker.statistics();
        let clients = self.broker.clients().await.unwrap_or_default();
        let queued: usize = clients.iter().map(|client| client.queued).sum();
        let rates = self.rates.with(self.clock.moment(), [figures.messages_received, figures.messages_sent]);
        SystemBroker {
            clients: figures.clients_connected,
            sessions: figures.sessions,
            subscriptions: figures.subscriptions,
            retained: figures.retained_messages,
            queued: u64::try_from(queued).unwrap_or(u64::MAX),
            received: figures.messages_received,
            sent: figures.messages_sent,
            received_per_second: rates.map(|[received, _]| received),
            sent_per_second: rates.map(|[_, sent]| sent),
            dropped: figures.messages_dropped,
            refused: figures.messages_refused,
            logins_refused: figures.logins_refused,
            connections_refused: figures.connections_refused,
            store_failing: figures.store_failing,
        }
    }

    fn network(&self) -> SystemNetwork {
        let reach = self.whereabouts.reach();
        SystemNetwork {
            names: reach.names,
            addresses: shown(interfaces(), |address| self.whereabouts.listens_on(address)),
            http: reach.http,
            https: reach.https,
            mqtt: reach.mqtt,
            mqtts: reach.mqtts,
            discovery: self.discovery.borrow().clone(),
        }
    }
}

/// The addresses of this machine with the interfaces that have them.
fn interfaces() -> Vec<(IpAddr, String)> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    found.into_iter().map(|interface| (interface.ip(), interface.name)).collect()
}

/// Those that others can use; the ones of IPv4 first, which are those that people type.
fn shown(mut all: Vec<(IpAddr, String)>, is_open: impl Fn(IpAddr) -> bool) -> Vec<SystemAddress> {
    all.retain(|(address, _)| is_open(*address));
    all.sort_by_key(|(address, name)| (address.is_ipv6(), name.clone()));
    all.truncate(MAX_ADDRESSES);
    let address =
        |(address, interface): (IpAddr, String)| SystemAddress { address: address.to_string(), interface };
    all.into_iter().map(address).collect()
}

fn machine_of(machine: &Machine, board: &str) -> SystemMachine {
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let kernel = format!("{} {} {}", text(system.sysname()), text(system.release()), text(system.machine()));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    SystemMachine {
        board: board.to_owned(),
        kernel,
        cores: u32::try_from(cores).unwrap_or(u32::MAX),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the kernel counts seconds up from zero"
        )]
        up_for_ms: machine.uptime.map(|seconds| (seconds * 1_000.0) as u64),
        load: machine.load,
        temperature: machine.temperature,
        memory_bytes: machine.memory.map(|(all, _)| all),
        memory_free_bytes: machine.memory.map(|(_, free)| free),
        gateway_memory_bytes: machine.process_memory,
        under_voltage: machine.under_voltage.now,
        under_voltage_since_boot: machine.under_voltage.boot,
        throttled: machine.throttled.now,
        throttled_since_boot: machine.throttled.boot,
    }
}

fn disk_of(machine: &Machine, directory: &Path) -> SystemDisk {
    SystemDisk {
        directory: directory.display().to_string(),
        bytes: machine.disk.map(|(size, _)| size),
        free_bytes: machine.disk.map(|(_, free)| free),
        written_bytes: machine.process_written,
        card: machine.card.clone().map(card_of),
    }
}

fn card_of(card: Card) -> SystemCard {
    let reserve = match card.reserve {
        Some(1) => Some(CardReserveWord::Normal),
        Some(2) => Some(CardReserveWord::Warning),
        Some(3) => Some(CardReserveWord::Urgent),
        _ => None,
    };
    SystemCard { kind: card.kind, name: card.name, life_used_percent: card.life_used, reserve }
}

fn certificate_of(certificates: &ServerCertificates) -> Option<SystemCertificate> {
    let shown = certificates.about_shown()?;
    Some(SystemCertificate {
        names: shown.names.iter().map(ToString::to_string).collect(),
        valid_from: shown.from,
        valid_until: shown.until,
        sha256: tls::pairs(&shown.sha256),
        authority_sha256: shown.authority_sha256.map(|digest| tls::pairs(&digest)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_some_seconds_however_often_somebody_looks() {
        let rates = Rates::default();
        let at = |millis| Moment::from_start(Duration::from_millis(millis));
        assert_eq!(rates.with(at(0), [100, 100]), None);
        assert_eq!(rates.with(at(400), [1_000, 1_000]), None, "too short to say");
        // Ten messages a second, looked at four times in each.
        for quarter in 20..200_u64 {
            let now = at(quarter * 250);
            let found = rates.with(now, [100 + quarter * 5 / 2, 100]);
            if quarter > 24 {
                let [received, sent] = found.unwrap();
                assert!((received - 10.0).abs() < 1.0, "{quarter}: {received}");
                assert_eq!(sent, 0.0);
            }
        }
    }

    #[test]
    fn addresses_that_nobody_else_can_use_are_not_shown() {
        let one = |address: &str, name: &str| (address.parse::<IpAddr>().unwrap(), name.to_owned());
        let all = vec![
            one("127.0.0.1", "lo"),
            one("fd00::20", "eth0"),
            one("192.168.1.20", "wlan0"),
            one("::1", "lo"),
        ];
        let addresses: Vec<String> =
            shown(all, |address| !address.is_loopback()).into_iter().map(|address| address.address).collect();
        assert_eq!(addresses, ["192.168.1.20", "fd00::20"]);
        let many: Vec<_> = (0..=255_u8).map(|last| one(&format!("10.0.0.{last}"), "docker0")).collect();
        assert_eq!(shown(many, |_| true).len(), MAX_ADDRESSES);
    }

    #[test]
    fn fingerprints_are_pairs() {
        assert_eq!(tls::pairs(&[0x0A, 0xFF, 0x00]), "0A:FF:00");
    }
}
