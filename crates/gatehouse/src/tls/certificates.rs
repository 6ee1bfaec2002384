//! The certificates of this gateway as its listeners use them, and the part of the daemon that keeps them good.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use gatehouse_model::{Clock, Timestamp};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
#[cfg(test)]
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::authority::Authority;
use super::clients::{self, ClientCheck};
use super::files::Mark;
use super::leaf::Facts;
use super::names::{self, Name};
use super::own::{self, FileProblem};
use super::own_leaf::OwnLeaf;
use super::resolver::Shown;
use super::{ClientCertificates, OwnCertificate, TlsSettings};

/// How often it is looked whether anything has changed: the time, the machine's addresses, files. An address that a
/// machine is given shortly after its start is in the certificate before anybody wonders.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// What this gateway shows to clients that use TLS. Shared by all listeners; what it shows changes by itself.
pub(crate) struct ServerCertificates {
    provider: Arc<CryptoProvider>,
    clock: Arc<dyn Clock>,
    shown: Arc<Shown>,
    directory: PathBuf,
    authority_pem: Option<String>,
    client_check: Option<Arc<ClientCheck>>,
    machine: Machine,
    state: Mutex<State>,
}

/// A certificate as people compare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownCertificate {
    pub(crate) names: Vec<Name>,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) sha256: [u8; 32],
    /// Of the gateway's own authority, when it has one.
    pub(crate) authority_sha256: Option<[u8; 32]>,
}

/// Tells what this machine is called now, with the names that are configured.
pub(super) type Machine = Box<dyn Fn(&[Name]) -> names::Names + Send + Sync>;

/// Where the certificate comes from and what is known of it.
struct State {
    source: Source,
    clients: Option<WatchedClients>,
}

enum Source {
    /// The gateway's own authority.
    Authority(Box<OwnLeaf>),
    /// Files of the gateway's owner.
    Files(Box<WatchedFiles>),
}

struct WatchedFiles {
    files: OwnCertificate,
    marks: [Mark; 2],
    facts: Facts,
    /// Its owner has been told that it is not valid now.
    said_expired: bool,
}

struct WatchedClients {
    settings: ClientCertificates,
    mark: Mark,
}

impl std::fmt::Debug for ServerCertificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCertificates").finish_non_exhaustive()
    }
}

impl ServerCertificates {
    /// Reads what there is, and makes what is missing: authority and leaf at the first start. Takes some milliseconds of
    /// processor and disk. `directory` is where the gateway's own are kept, `gateway` is what the gateway is called.
    ///
    /// # Errors
    /// When files cannot be used, with what to do.
    pub(crate) fn open(
        settings: &TlsSettings,
        gateway: &str,
        directory: &Path,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        Self::open_as(settings, gateway, directory, clock, Box::new(names::of_this_machine))
    }

    /// As [`Self::open`], on a machine that is called as `machine` says.
    pub(super) fn open_as(
        settings: &TlsSettings,
        gateway: &str,
        directory: &Path,
        clock: Arc<dyn Clock>,
        machine: Machine,
    ) -> anyhow::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let now = clock.now();
        let (source, first) = match &settings.own {
            Some(files) => {
                let marks = marks_of(files);
                let (key, facts) = own::load(files, &provider).map_err(|problem| plain(&problem))?;
                let files = files.clone();
                let watched = WatchedFiles { files, marks, facts, said_expired: false };
                (Source::Files(Box::new(watched)), key)
            }
            None => {
                let authority = Authority::open_or_make(directory, gateway)?;
                let mut own = OwnLeaf::new(authority, settings.names.clone(), directory);
                let on_disk = own.read(&provider);
                let renewed = own.renew_if_due(now, &machine(&settings.names), &provider)?;
                let first = renewed.or(on_disk).context("there is no certificate")?;
                (Source::Authority(Box::new(own)), first)
            }
        };
        let authority_pem = match &source {
            Source::Authority(own) => Some(own.authority_pem().to_owned()),
            Source::Files(_) => None,
        };
        let (client_check, clients) = match &settings.clients {
            Some(settings) => {
                let mark = Mark::of(&settings.authorities);
                let check = clients::load(settings, &provider).map_err(|problem| plain(&problem))?;
                let check = Arc::new(ClientCheck::new(check, settings.required));
                (Some(check), Some(WatchedClients { settings: settings.clone(), mark }))
            }
            None => (None, None),
        };
        let state = Mutex::new(State { source, clients });
        let certificates = Self {
            provider,
            clock,
            shown: Arc::new(Shown::new(first)),
            directory: directory.to_owned(),
            authority_pem,
            client_check,
            machine,
            state,
        };
        certificates.warn_if_expired(now);
        Ok(certificates)
    }

    /// The certificate of the gateway's own authority, for clients: PEM text; nothing when its owner brought a certificate
    /// from elsewhere.
    pub(crate) fn authority_pem(&self) -> Option<&str> {
        self.authority_pem.as_deref()
    }

    /// The file of that certificate.
    pub(crate) fn authority_file(&self) -> Option<PathBuf> {
        self.authority_pem.as_ref().map(|_| Authority::file(&self.directory))
    }

    /// The SHA-256 of that certificate, as people compare it.
    pub(crate) fn authority_fingerprint(&self) -> Option<String> {
        let der = CertificateDer::from_pem_slice(self.authority_pem.as_deref()?.as_bytes()).ok()?;
        Some(super::pairs(&Sha256::digest(&der)))
    }

    /// What is shown now, for people to compare; nothing when it cannot be read.
    pub(crate) fn about_shown(&self) -> Option<ShownCertificate> {
        let shown = self.shown.current();
        let leaf = shown.cert.first()?;
        let facts = Facts::read(leaf).ok()?;
        let authority =
            self.authority_pem.as_deref().and_then(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok());
        let digest = |der: &[u8]| Sha256::digest(der).into();
        let at = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1_000));
        Some(ShownCertificate {
            names: facts.names.into_iter().collect(),
            from: at(facts.validity.from),
            until: at(facts.validity.until),
            sha256: digest(leaf),
            authority_sha256: authority.map(|der| digest(&der)),
        })
    }

    /// TLS 1.2 and 1.3 with what this gateway shows, and without a look at the clients' certificates. `alpn` are the
    /// protocols that are spoken on top, best first, such as `http/1.1`; a client that offers only others is turned away,
    /// and with none of them given nobody is. It stays good for as long as the process lives.
    ///
    /// # Errors
    /// Never with the versions of TLS that are built in.
    pub(crate) fn server_config(&self, alpn: &[&[u8]]) -> anyhow::Result<Arc<ServerConfig>> {
        let builder = self.versions()?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(self.shown.clone());
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// TLS for MQTT, with the check of the clients' certificates that is configured. Clients offer protocol names of many
    /// kinds, so none is asked for.
    ///
    /// # Errors
    /// As [`Self::server_config`].
    pub(crate) fn mqtt_config(&self) -> anyhow::Result<Arc<ServerConfig>> {
        let Some(check) = &self.client_check else { return self.server_config(&[]) };
        let builder = self.versions()?.with_client_cert_verifier(check.clone());
        let mut config = builder.with_cert_resolver(self.shown.clone());
        // A session that is resumed is not checked again, and would outlive the authority that vouched for it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// What is shown now.
    #[cfg(test)]
    pub(super) fn shown(&self) -> Arc<CertifiedKey> {
        self.shown.current()
    }

    fn versions(&self) -> anyhow::Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>> {
        let time = Arc::new(HouseTime(self.clock.clone()));
        let builder = ServerConfig::builder_with_details(self.provider.clone(), time);
        Ok(builder.with_safe_default_protocol_versions()?)
    }

    /// Keeps what is shown good until `stop`.
    ///
    /// # Errors
    /// When a look panics.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => return Ok(()),
            }
            // It reads files and waits for the disk when it writes one, which nobody has to wait for who stops.
            let this = Arc::clone(&self);
            tokio::select! {
                looked = tokio::task::spawn_blocking(move || this.look()) => {
                    looked.context("the look at the certificates died")?;
                }
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Looks once whether something has to change. Trouble is logged, and what was shown before goes on being shown.
    pub(super) fn look(&self) {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { source, clients } = &mut *state;
        match source {
            Source::Authority(own) => {
                let wanted = (self.machine)(own.configured());
                match own.renew_if_due(now, &wanted, &self.provider) {
                    Ok(Some(next)) => self.shown.show(next),
                    Ok(None) => {}
                    Err(problem) => warn!("the certificate for TLS cannot be renewed: {problem:#}"),
                }
                own.save();
            }
            Source::Files(watched) => {
                let WatchedFiles { files, marks, facts, said_expired } = &mut **watched;
                let seen = marks_of(files);
                if *marks != seen {
                    *marks = seen;
                    match own::load(files, &self.provider) {
                        Ok((next, next_facts)) => {
                            (*facts, *said_expired) = (next_facts, false);
                            self.shown.show(next);
                            info!(
                                "the certificate for TLS was read again from {}",
                                files.certificate.display()
                            );
                        }
                        Err(problem) => warn!(
                            "the changed certificate for TLS is not used, the one before still is: {} ({})",
                            problem.what, problem.hint
                        ),
                    }
                }
            }
        }
        if let (Some(clients), Some(check)) = (clients, &self.client_check) {
            let seen = Mark::of(&clients.settings.authorities);
            if clients.mark != seen {
                clients.mark = seen;
                match clients::load(&clients.settings, &self.provider) {
                    Ok(next) => {
                        check.replace(next);
                        info!("the authorities of MQTT clients were read again");
                    }
                    Err(problem) => warn!(
                        "the changed authorities of MQTT clients are not used, those before still are: {} ({})",
                        problem.what, problem.hint
                    ),
                }
            }
        }
        drop(state);
        self.warn_if_expired(now);
    }

    /// Says once that a certificate of the owner's own is not valid now: clients refuse it, and only its owner can help.
    fn warn_if_expired(&self, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Source::Files(watched) = &mut state.source else { return };
        let WatchedFiles { files, facts, said_expired, .. } = &mut **watched;
        let second = now.as_millis().div_euclid(1_000);
        let is_valid = (facts.validity.from..=facts.validity.until).contains(&second);
        if !is_valid && !*said_expired {
            let until = Timestamp::from_millis(facts.validity.until.saturating_mul(1_000));
            let from = Timestamp::from_millis(facts.validity.from.saturating_mul(1_000));
            warn!(
                "the certificate in {} is valid from {from} to {until}, and the clock of this machine shows {now}: \
                 clients will refuse it",
                files.certificate.display()
            );
        }
        *said_expired = !is_valid;
    }
}

fn marks_of(files: &OwnCertificate) -> [Mark; 2] {
    [Mark::of(&files.certificate), Mark::of(&files.key)]
}

fn plain(problem: &FileProblem) -> anyhow::Error {
    anyhow::anyhow!("{}: {}", problem.what, problem.hint)
}

/// The time of the house, for rustls.
#[derive(Debug)]
struct HouseTime(Arc<dyn Clock>);

impl TimeProvider for HouseTime {
    fn current_time(&self) -> Option<UnixTime> {
        let since_1970 = u64::try_from(self.0.now().as_millis()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(since_1970)))
    }
}
