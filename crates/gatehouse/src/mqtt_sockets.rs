//! The sockets of the broker, and what TLS on one of them needs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use gatehouse_broker::Listener;
use gatehouse_model::Clock;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::listening::{listen, listen_if_free, listen_near};
use crate::paths;
use crate::tls::{ServerCertificates, TlsSettings};

/// What the sentences about them call the broker.
const WHO: &str = "MQTT broker";

/// Sockets that clients of MQTT come in by.
pub(crate) struct MqttSockets {
    plain: TcpListener,
    secure: Option<TcpListener>,
    /// The address that another program has, where nobody asked for just that.
    taken: Option<SocketAddr>,
}

/// Where they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MqttAddresses {
    pub(crate) plain: SocketAddr,
    pub(crate) secure: Option<SocketAddr>,
}

impl MqttSockets {
    /// Takes the ports; nobody is let in yet.
    ///
    /// # Errors
    /// When an address that was asked for cannot be had.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let plain = match config.mqtt_asked {
            true => listen(config.mqtt, WHO, "--mqtt").await?,
            false => listen_near(config.mqtt, WHO, "--mqtt").await?,
        };
        let taken = (config.mqtt.port() != 0 && plain.local_addr()?.port() != config.mqtt.port())
            .then_some(config.mqtt);
        let secure = match config.mqtts_address() {
            Some((address, true)) => Some(listen(address, WHO, "--mqtts").await?),
            Some((address, false)) => listen_if_free(address, WHO, "--mqtts").await?,
            None => None,
        };
        Ok(Self { plain, secure, taken })
    }

    /// Where they listen, with the ports that were picked.
    pub(crate) fn addresses(&self) -> std::io::Result<MqttAddresses> {
        let secure = self.secure.as_ref().map(TcpListener::local_addr).transpose()?;
        Ok(MqttAddresses { plain: self.plain.local_addr()?, secure })
    }

    /// The address that another program has, so that the broker listens on another port.
    pub(crate) const fn taken(&self) -> Option<SocketAddr> {
        self.taken
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
        let mut listeners = vec![Listener::from(self.plain)];
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
