//! The sockets of the page, without and with TLS.

use std::net::SocketAddr;

use gatehouse_dashboard::Listeners;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::listening::{listen, listen_if_free};
use crate::tls::ServerCertificates;

/// What the sentences about them call the page.
const WHO: &str = "dashboard";

/// The protocol that is spoken below TLS (RFC 7301): WebSockets need it, and a page of this size no other.
const PROTOCOL: &[u8] = b"http/1.1";

/// Sockets that browsers come in by.
pub(crate) struct PageSockets {
    plain: TcpListener,
    secure: Option<TcpListener>,
}

/// Where they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageAddresses {
    pub(crate) plain: SocketAddr,
    pub(crate) secure: Option<SocketAddr>,
}

impl PageSockets {
    /// Takes the ports; nobody is let in yet.
    ///
    /// # Errors
    /// When an address that was asked for cannot be had.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let plain = listen(config.http, WHO, "--http").await?;
        let secure = match config.https_address() {
            Some((address, true)) => Some(listen(address, WHO, "--https").await?),
            Some((address, false)) => listen_if_free(address, WHO, "--https").await?,
            None => None,
        };
        Ok(Self { plain, secure })
    }

    /// Where they listen, with the ports that were picked.
    pub(crate) fn addresses(&self) -> std::io::Result<PageAddresses> {
        let secure = self.secure.as_ref().map(TcpListener::local_addr).transpose()?;
        Ok(PageAddresses { plain: self.plain.local_addr()?, secure })
    }

    /// Whether certificates are needed.
    pub(crate) const fn speaks_tls(&self) -> bool {
        self.secure.is_some()
    }

    /// For the dashboard.
    ///
    /// # Errors
    /// Never with the versions of TLS that are built in.
    pub(crate) fn into_listeners(
        self,
        certificates: Option<&ServerCertificates>,
    ) -> anyhow::Result<Listeners> {
        let https = match (self.secure, certificates) {
            (Some(socket), Some(certificates)) => Some((socket, certificates.server_config(&[PROTOCOL])?)),
            _ => None,
        };
        Ok(Listeners { http: self.plain, https })
    }
}
