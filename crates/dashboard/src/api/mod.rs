//! The HTTP API: its routes, and what they share.

mod audit;
mod backup;
mod board;
mod certificate;
mod configuration;
mod connections;
mod demo;
mod description;
mod diary;
mod doctor;
mod error;
mod events;
mod export;
mod extract;
mod first_run;
mod health;
mod history;
mod home;
mod house;
mod keeping;
mod message_stream;
mod messages;
mod metrics;
mod pairing;
mod people;
mod session;
mod set;
mod sparklines;
mod system;
mod tokens;
mod work;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use axum::{Json, Router};
use gatehouse_model::{Clock, Randomness};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa::OpenApi;

pub(crate) use backup::UPLOAD_PATH;
use description::Everywhere;
pub(crate) use error::ApiError;
pub(crate) use extract::Peer;
pub(crate) use keeping::refuse_changes;
use work::Work;
pub(crate) use work::to_its_end;

use crate::wire::{
    AvailabilityEvent, ClockEvent, House, OnlineEvent, PassedMessages, ReadingEvent, ResultEvent,
};
use crate::{
    Accounts, BackupRoom, BoardReader, Commander, ConfigurationKeeper, DemoHouse, Doctor, FigureSource,
    HistoryReader, LiveHouse, MessageRoom, MqttClients, MqttDoor, Ports, SystemKeeper, Whereabouts,
};

/// Longest time to answer a request. Charts over years on a slow card take seconds; twice that is a failure.
pub(crate) const MAX_REQUEST_TIME: Duration = Duration::from_secs(20);

/// WebSockets that are ended in order at the same time. Each may take a second after its place was given to somebody
/// else, so that more of them are closed without a word.
const MAX_GOODBYES: usize = 32;

/// What the handlers share.
pub(crate) struct App {
    pub(crate) accounts: Accounts,
    live: LiveHouse,
    commander: Arc<dyn Commander>,
    board: Arc<dyn BoardReader>,
    configuration: Arc<dyn ConfigurationKeeper>,
    doctor: Arc<dyn Doctor>,
    backups: Arc<dyn BackupRoom>,
    /// The turn to look at the buses: one at a time.
    scans: Semaphore,
    history: Arc<dyn HistoryReader>,
    figures: Arc<dyn FigureSource>,
    mqtt_clients: Arc<dyn MqttClients>,
    messages: Arc<dyn MessageRoom>,
    whereabouts: Arc<dyn Whereabouts>,
    system: Arc<dyn SystemKeeper>,
    pub(crate) mqtt_door: Arc<dyn MqttDoor>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    demo: Option<Arc<dyn DemoHouse>>,
    mqtt_port: u16,
    setup_hint: String,
    /// Why nothing that is changed can be kept.
    nothing_is_kept: Option<String>,
    ca_certificate: Option<String>,
    /// Its fingerprint.
    authority_sha256: Option<String>,
    /// Where others reach the page with TLS.
    https_port: Option<u16>,
    event_streams: Arc<Semaphore>,
    /// Turns to watch messages.
    message_streams: Arc<Semaphore>,
    /// Turns to export history.
    exports: Arc<Semaphore>,
    /// Turns for ending WebSockets in order.
    pub(crate) goodbyes: Arc<Semaphore>,
    /// Requests that change something.
    work: Work,
    /// Ends the event streams.
    shutdown: CancellationToken,
}

impl App {
    pub(crate) fn new(ports: Ports, shutdown: CancellationToken) -> Self {
        let Ports {
            accounts,
            live,
            commander,
            board,
            configuration,
            doctor,
            backups,
            history,
            figures,
            mqtt_clients,
            messages,
            whereabouts,
            system,
            mqtt_door,
            clock,
            randomness,
            demo,
            mqtt_port,
            setup_hint,
            nothing_is_kept,
            ca_certificate,
        } = ports;
        let event_streams = Arc::new(Semaphore::new(events::MAX_EVENT_STREAMS));
        Self {
            accounts,
            live,
            commander,
            board,
            configuration,
            doctor,
            backups,
            scans: Semaphore::new(1),
            history,
            figures,
            mqtt_clients,
            messages,
            whereabouts,
            system,
            mqtt_door,
            clock,
            randomness,
            demo,
            mqtt_port,
            setup_hint,
            nothing_is_kept,
            authority_sha256: ca_certificate.as_deref().and_then(certificate::fingerprint),
            ca_certificate,
            https_port: None,
            event_streams,
            message_streams: Arc::new(Semaphore::new(message_stream::MAX_MESSAGE_STREAMS)),
            exports: Arc::new(Semaphore::new(export::MAX_EXPORTS)),
            goodbyes: Arc::new(Semaphore::new(MAX_GOODBYES)),
            work: Work::new(),
            shutdown,
        }
    }

    /// Notes where the page listens. A port for TLS that only this machine reaches is no way for others whom the other port
    /// lets in.
    pub(crate) fn listening(self, http: SocketAddr, https: Option<SocketAddr>) -> Self {
        let open = https.filter(|https| http.ip().is_loopback() || !https.ip().is_loopback());
        Self { https_port: open.map(|https| https.port()), ..self }
    }

    /// Whether a host name is one of the gateway's own.
    pub(crate) fn is_own_name(&self, name: &str) -> bool {
        self.whereabouts.is_own_name(name)
    }

    /// Whether the owner lets pages of this origin speak MQTT.
    pub(crate) fn is_welcome_origin(&self, origin: &str) -> bool {
        self.whereabouts.is_welcome_origin(origin)
    }

    /// Whether the page is served at this port by this scheme.
    pub(crate) fn is_own_port(&self, scheme: &str, port: &str) -> bool {
        let reach = self.whereabouts.reach();
        let own = if scheme == "https" { reach.https } else { Some(reach.http) };
        own.is_some_and(|own| own.to_string() == port)
    }

    /// The requests that are being answered whoever hangs up.
    pub(crate) fn running(&self) -> TaskTracker {
        self.work.running()
    }
}

/// The routes of the API, and the files for those who are to trust the gateway's certificate.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/health", get(health::health))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v1/session", get(session::session))
        .route("/api/v1/session/password", post(session::change_password))
        .route("/api/v1/setup", post(session::set_up))
        .route("/api/v1/setup/check", post(session::check_set_up))
        .route("/api/v1/first-run", get(first_run::first_run))
        .route("/api/v1/first-run/{step}", put(first_run::note_step))
        .route("/api/v1/login", post(session::log_in))
        .route("/api/v1/logout", post(session::log_out))
        .route("/api/v1/logout/everywhere", post(session::log_out_everywhere))
        .route("/api/v1/house", get(house::house))
        .route("/api/v1/me/home", get(home::read).merge(home_list(put(home::write))))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/devices/{device}/properties/{property}/set", post(set::set))
        .route("/api/v1/history/as-of", get(history::as_of))
        .route("/api/v1/history/series", get(history::series))
        .route("/api/v1/history/sparklines", get(sparklines::sparklines))
        .route("/api/v1/history/events", get(diary::events))
        .route("/api/v1/history/status", get(diary::status))
        .route("/api/v1/history/{device}/{property}", get(history::history))
        .route("/api/v1/history/export", get(export::export))
        .route("/api/v1/history/{device}/{property}/texts", get(history::texts))
        .route("/api/v1/board", get(board::board))
        .route("/api/v1/board/scan", post(board::scan))
        .route("/api/v1/board/probes", get(board::probes))
        .route("/api/v1/catalogue", get(board::catalogue))
        .route("/api/v1/backup", get(backup::backups).post(backup::begin))
        .route("/api/v1/backup/file", get(backup::file))
        .route("/api/v1/restore", get(backup::restoring).post(backup::restore))
        .route(backup::UPLOAD_PATH, put(backup::upload))
        .route(
            "/api/v1/configuration",
            get(configuration::read).merge(whole_text(put(configuration::change))),
        )
        .route("/api/v1/configuration/check", whole_text(post(configuration::check)))
        .route("/api/v1/configuration/confirm", post(configuration::confirm))
        .route("/api/v1/configuration/take-back", post(configuration::take_back))
        .route("/api/v1/configuration/devices", post(configuration::add_device))
        .route(
            "/api/v1/configuration/devices/{id}",
            get(configuration::device).delete(configuration::remove_device),
        )
        .route("/api/v1/configuration/devices/{id}/draft", post(configuration::draft))
        .route(
            "/api/v1/configuration/gateway",
            get(configuration::gateway).patch(configuration::change_gateway),
        )
        .route("/api/v1/configuration/versions", get(configuration::versions))
        .route("/api/v1/configuration/versions/{id}", get(configuration::version))
        .route("/api/v1/doctor", get(doctor::look))
        .route("/api/v1/doctor/mend", post(doctor::mend))
        .route("/api/v1/demo/faults", post(demo::fault))
        .route("/api/v1/demo/inputs", post(demo::input))
        .route("/api/v1/users", get(people::users).post(people::add_user))
        .route("/api/v1/users/{name}", patch(people::change_user).delete(people::remove_user))
        .route("/api/v1/users/{name}/clients", get(people::clients).post(people::add_client))
        .route(
            "/api/v1/users/{name}/clients/{client}",
            patch(people::change_client).delete(people::remove_client),
        )
        .route("/api/v1/messages", post(messages::publish))
        .route("/api/v1/messages/retained", get(messages::retained).delete(messages::clear))
        .route("/api/v1/messages/stream", get(message_stream::stream))
        .route("/api/v1/pairing", post(pairing::pair))
        .route("/api/v1/connections", get(connections::connections))
        .route("/api/v1/connections/{client_id}/disconnect", post(connections::disconnect))
        .route("/api/v1/tokens", get(tokens::tokens).post(tokens::add))
        .route("/api/v1/tokens/{id}", delete(tokens::remove))
        .route("/api/v1/audit", get(audit::audit))
        .route("/api/v1/system", get(system::system))
        .route("/api/v1/logs", get(system::logs))
        .route("/api/v1/restart", post(system::restart))
        .route("/api/v1/openapi.json", get(openapi))
        .route("/ca.crt", get(certificate::pem))
        .route("/ca.mobileconfig", get(certificate::profile))
}

/// A route whose requests carry a whole configuration.
fn whole_text(route: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    route.layer(DefaultBodyLimit::max(configuration::MAX_TEXT_BODY_BYTES))
}

/// A route whose requests name every device of the house.
fn home_list(route: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    route.layer(DefaultBodyLimit::max(home::MAX_BODY_BYTES))
}

/// This description.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "gateway",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value))
)]
async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}

/// The description as it is checked in for the web app.
pub(crate) fn openapi_json() -> Result<String, serde_json::Error> {
    Ok(Description::openapi().to_pretty_json()? + "\n")
}

#[derive(OpenApi)]
#[openapi(
    modifiers(&Everywhere),
    info(
        title = "Gatehouse",
        description = "The gateway's own API. Log in with POST /api/v1/login and send the cookie with each request; a script \
            sends a token of POST /api/v1/tokens as `Authorization: Bearer …`. \
            Every error is an ApiErrorBody. Times are RFC 3339 in UTC."
    ),
    paths(
        health::health,
        openapi,
        session::session,
        session::set_up,
        session::check_set_up,
        first_run::first_run,
        first_run::note_step,
        session::log_in,
        session::log_out,
        session::log_out_everywhere,
        session::change_password,
        house::house,
        home::read,
        home::write,
        events::events,
        set::set,
        history::history,
        export::export,
        metrics::metrics,
        history::texts,
        history::as_of,
        history::series,
        sparklines::sparklines,
        diary::events,
        diary::status,
        doctor::look,
        doctor::mend,
        demo::fault,
        demo::input,
        board::board,
        board::scan,
        board::probes,
        board::catalogue,
        backup::backups,
        backup::begin,
        backup::file,
        backup::restoring,
        backup::upload,
        backup::restore,
        configuration::read,
        configuration::check,
        configuration::change,
        configuration::confirm,
        configuration::take_back,
        configuration::add_device,
        configuration::device,
        configuration::draft,
        configuration::remove_device,
        configuration::gateway,
        configuration::change_gateway,
        configuration::versions,
        configuration::version,
        people::users,
        people::add_user,
        people::change_user,
        people::remove_user,
        people::clients,
        people::add_client,
        people::change_client,
        people::remove_client,
        pairing::pair,
        connections::connections,
        connections::disconnect,
        tokens::tokens,
        tokens::add,
        tokens::remove,
        audit::audit,
        messages::retained,
        messages::publish,
        messages::clear,
        message_stream::stream,
        system::system,
        system::logs,
        system::restart,
    ),
    components(schemas(
        House,
        ReadingEvent,
        AvailabilityEvent,
        ResultEvent,
        OnlineEvent,
        ClockEvent,
        PassedMessages
    ))
)]
struct Description;
