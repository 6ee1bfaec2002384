//! The sockets of the broker, and what TLS on one of them needs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use gatehouse_broker::Listener;
use gatehouse_dashboard::{Warning, WarningWord};
use gatehouse_model::{Clock, Timestamp};
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::config::Config;
use crate::listening::{listen, listen_if_free, listen_near, take};
use crate::tls::{ServerCertificates, TlsSettings};
use crate::{doctor, mqtt_ports, paths};

/// What the sentences about them call the broker.
const WHO: &str = "MQTT broker";

/// Sockets that clients of MQTT come in by.
pub(crate) struct MqttSockets {
    /// The one that everybody is told.
    plain: TcpListener,
    /// Those that clients were given before, while another program had the usual port. The broker makes no difference.
    further: Vec<TcpListener>,
    secure: Option<TcpListener>,
    /// The address that the main one would have, where nobody asked for just that.
    wanted: Option<SocketAddr>,
    /// Whether that one was left to the program that had it, free or not.
    is_left_alone: bool,
    /// The ports of the last run, where it was not on the wanted one alone.
    remembered: Vec<u16>,
}

/// Where they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MqttAddresses {
    /// The one that everybody is told.
    pub(crate) plain: SocketAddr,
    pub(crate) secure: Option<SocketAddr>,
}

impl MqttSockets {
    /// Takes the ports; nobody is let in yet. The data directory tells which there were, `up_for` how long the machine is up.
    ///
    /// # Errors
    /// When an address that was asked for cannot be had.
    pub(crate) async fn open(config: &Config, directory: &Path, up_for: Duration) -> anyhow::Result<Self> {
        let wanted = (!config.mqtt_asked && config.mqtt.port() != 0).then_some(config.mqtt);
        let remembered = wanted.map(|_| mqtt_ports::remembered(directory)).unwrap_or_default();
        let mut had = wanted.map_or_else(Vec::new, |wanted| {
            let bind = |port| take(SocketAddr::new(wanted.ip(), port));
            mqtt_ports::take(&remembered, wanted.port(), up_for, bind)
        });
        let is_left_alone = !had.is_empty()
            && wanted.is_some_and(|wanted| mqtt_ports::is_left_alone(&remembered, wanted.port(), up_for));
        let further = had.split_off(had.len().min(1));
        let plain = match (had.pop(), wanted) {
            (Some(plain), _) => plain,
            (None, Some(wanted)) => listen_near(wanted, WHO, "--mqtt").await?,
            (None, None) => listen(config.mqtt, WHO, "--mqtt").await?,
        };
        let secure = match config.mqtts_address() {
            Some((address, true)) => Some(listen(address, WHO, "--mqtts").await?),
            Some((address, false)) => listen_if_free(address, WHO, "--mqtts").await?,
            None => None,
        };
        Ok(Self { plain, further, secure, wanted, is_left_alone, remembered })
    }

    /// Notes the ports for the next start, where they are others than in the last run.
    ///
    /// # Errors
    /// When the operating system does not tell them.
    pub(crate) fn remember(&self, directory: &Path, now: Timestamp) -> std::io::Result<()> {
        match self.wanted {
            Some(wanted) => mqtt_ports::remember(directory, wanted.port(), &self.ports()?, now),
            None => mqtt_ports::forget(directory),
        }
        Ok(())
    }

    /// The ports without TLS, the main one first.
    fn ports(&self) -> std::io::Result<Vec<u16>> {
        let sockets = std::iter::once(&self.plain).chain(&self.further);
        sockets.map(|socket| socket.local_addr().map(|address| address.port())).collect()
    }

    /// Where they listen, with the ports that were picked.
    pub(crate) fn addresses(&self) -> std::io::Result<MqttAddresses> {
        let secure = self.secure.as_ref().map(TcpListener::local_addr).transpose()?;
        Ok(MqttAddresses { plain: self.plain.local_addr()?, secure })
    }

    /// Tells the log of ports that are others than usual, and why. What people should know as long as the gateway runs is given
    /// back: that the main one is not the usual one.
    ///
    /// # Errors
    /// When the operating system does not tell them.
    pub(crate) fn tell(&self) -> std::io::Result<Option<Warning>> {
        let (Some(wanted), ports) = (self.wanted, self.ports()?) else { return Ok(None) };
        let (usual, port) = (wanted.port(), self.plain.local_addr()?.port());
        let holder = |port| doctor::holder_of(SocketAddr::new(wanted.ip(), port));
        let lost = self.remembered.iter().filter(|known| **known != usual && !ports.contains(known));
        for lost in lost {
            let holder = holder(*lost);
            warn!(
                "clients that were given port {lost} of MQTT find nobody there: {} has it. Give them port {port}",
                holder.as_deref().unwrap_or("another program")
            );
        }
        if port == usual {
            for further in ports.iter().skip(1) {
                info!(
                    "MQTT is on port {usual}, and on port {further} as well, which clients were given while another program had \
                     port {usual}. `listen = \"{wanted}\"` in [mqtt] gives the second one up"
                );
            }
            return Ok(None);
        }
        let holder = holder(usual);
        if self.is_left_alone && holder.is_none() {
            warn!(
                "MQTT is on port {port}: port {usual} is left to the program that had it. Where none needs it, restart the gateway \
                 when the machine is up for {} minutes: it then has both",
                mqtt_ports::BOOT_TIME.as_secs() / 60
            );
        } else {
            warn!(
                "MQTT is on port {port}: {} has port {usual}. Stop that one and restart the gateway, which then has both, or give \
                 clients port {port}; `listen` in [mqtt] chooses another",
                holder.as_deref().unwrap_or("another program")
            );
        }
        let detail = format!("{usual} {port} {}", holder.unwrap_or_default());
        Ok(Some(Warning { kind: WarningWord::MqttMoved, detail: detail.trim_end().to_owned() }))
    }

    /// Whether certificates are needed.
    pub(crate) const fn speaks_tls(&self) -> bool {
        self.secure.is_some()
    }

    /// For the broker.
    ///
    /// # Errors
    /// Never with the versions of TLS that are built in.
    pub(crate) fn into_listeners(
        self,
        certificates: Option<&ServerCertificates>,
    ) -> anyhow::Result<Vec<Listener>> {
        let mut listeners: Vec<Listener> =
            std::iter::once(self.plain).chain(self.further).map(Listener::from).collect();
        if let (Some(socket), Some(certificates)) = (self.secure, certificates) {
            listeners.push(Listener::secure(socket, certificates.mqtt_config()?));
        }
        Ok(listeners)
    }
}

/// The certificates of this gateway, made at the first start.
///
/// # Errors
/// When their files cannot be used, with what to do.
pub(crate) fn open_certificates(
    config: &Config,
    directory: &Path,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<ServerCertificates>> {
    let directory = directory.join(paths::TLS_DIRECTORY);
    let settings = TlsSettings { names: config.all_names(), ..config.tls.clone() };
    ServerCertificates::open(&settings, &config.gateway.name, &directory, clock)
        .map(Arc::new)
        .context("TLS cannot be offered")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config;

    const SOON: Duration = Duration::from_secs(20);

    /// A listener at an address of the loopback network that no other test uses: nobody else comes by a port that is free there.
    fn another_broker(number: u8) -> (std::net::TcpListener, SocketAddr) {
        let process = u16::try_from(std::process::id() % 65_536).unwrap().to_be_bytes();
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::new(127, number, process[0], process[1]), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Where the broker of a gateway listens that would like to have this address, this long after the machine's start.
    async fn opened(wanted: SocketAddr, asked: bool, directory: &Path, up_for: Duration) -> MqttSockets {
        let config = config::load(config::default_text(), "the default configuration").unwrap();
        let config = Config { mqtt: wanted, mqtt_asked: asked, mqtts: config::SecureListen::Off, ..config };
        let sockets = MqttSockets::open(&config, directory, up_for).await.unwrap();
        sockets.remember(directory, Timestamp::default()).unwrap();
        sockets
    }

    /// Phones that were paired while another broker was there found nobody once it was gone; and a broker that starts later than
    /// the gateway found its port taken.
    #[tokio::test]
    async fn the_port_that_clients_were_given_stays_and_the_usual_one_is_left_alone_at_a_boot() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        let (other, wanted) = another_broker(91);
        let usual = wanted.port();
        let given = {
            let moved = opened(wanted, false, place, SOON).await;
            assert_eq!(moved.tell().unwrap().unwrap().kind, WarningWord::MqttMoved);
            moved.addresses().unwrap().plain.port()
        };
        assert_ne!(given, usual);
        drop(other);
        let ports = async |asked, up_for| opened(wanted, asked, place, up_for).await.ports().unwrap();
        assert_eq!(ports(false, SOON).await, [given], "the usual port is free, and not for us");
        {
            let left = opened(wanted, false, place, SOON).await;
            assert_eq!(left.tell().unwrap().unwrap().detail, format!("{usual} {given}"));
        }
        assert_eq!(ports(false, mqtt_ports::BOOT_TIME).await, [usual, given]);
        assert_eq!(ports(false, SOON).await, [usual, given], "it had both");
        {
            let both = opened(wanted, false, place, SOON).await;
            assert_eq!(both.addresses().unwrap().plain, wanted, "everybody is told the usual one");
            assert_eq!(both.tell().unwrap(), None);
            assert_eq!(both.into_listeners(None).unwrap().len(), 2);
        }
        // Who asks for a port has that one, and nothing is remembered any more.
        assert_eq!(ports(true, SOON).await, [usual]);
        assert_eq!(ports(false, mqtt_ports::BOOT_TIME).await, [usual]);
        assert!(!place.join(mqtt_ports::FILE).exists());
    }

    #[tokio::test]
    async fn with_none_of_its_ports_free_the_broker_is_on_the_next_one() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        let (_other, wanted) = another_broker(92);
        let first = opened(wanted, false, place, SOON).await;
        let given = first.addresses().unwrap().plain.port();
        let second = opened(wanted, false, place, SOON).await.ports().unwrap();
        assert!(![given, wanted.port()].contains(&second[0]), "{second:?}");
        assert_eq!(mqtt_ports::remembered(place), second);
    }
}
