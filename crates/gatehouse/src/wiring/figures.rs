//! What the rooms beside the dashboard know of themselves, as figures for monitoring.

use async_trait::async_trait;
use gatehouse_board::host::HostPlaces;
use gatehouse_broker::BrokerHandle;
use gatehouse_dashboard::{Figure, FigureKind, FigureSource};
use gatehouse_history::History;
use gatehouse_model::Timestamp;

use super::figure::{counter, gauge, number};
use super::machine_figures::MachineLook;
use crate::backup::Backups;

/// The figures of the rooms beside the dashboard.
pub(crate) struct RoomFigures {
    history: History,
    broker: BrokerHandle,
    backups: Backups,
    machine: MachineLook,
}

impl RoomFigures {
    pub(crate) fn new(history: History, broker: BrokerHandle, backups: Backups, places: HostPlaces) -> Self {
        Self { history, broker, backups, machine: MachineLook::new(places) }
    }
}

#[async_trait]
impl FigureSource for RoomFigures {
    async fn figures(&self) -> Vec<Figure> {
        let mut figures = self.of_broker();
        match self.history.status().await {
            Ok(status) => figures.extend(of_history(&status)),
            Err(error) => tracing::debug!(%error, "history's figures cannot be read"),
        }
        figures.extend(self.backups.last_good().map(|at| {
            gauge(
                "gatehouse_backup_time_seconds",
                "The last good backup, in seconds since 1970.",
                seconds(at),
            )
        }));
        figures.extend(self.machine.figures().await);
        figures
    }
}

impl RoomFigures {
    fn of_broker(&self) -> Vec<Figure> {
        let broker = self.broker.statistics();
        vec![
            gauge("gatehouse_uptime_seconds", "Time since the broker started.", broker.uptime.as_secs_f64()),
            gauge("gatehouse_mqtt_clients", "Connected MQTT clients.", number(broker.clients_connected)),
            gauge("gatehouse_mqtt_sessions", "Sessions, connected or not.", number(broker.sessions)),
            gauge("gatehouse_mqtt_subscriptions", "Subscriptions.", number(broker.subscriptions)),
            gauge("gatehouse_mqtt_retained_messages", "Retained messages.", number(broker.retained_messages)),
            counter("gatehouse_mqtt_received_messages_total", "Messages received.", broker.messages_received),
            counter("gatehouse_mqtt_sent_messages_total", "Messages sent.", broker.messages_sent),
            counter(
                "gatehouse_mqtt_dropped_messages_total",
                "Messages dropped at a limit.",
                broker.messages_dropped,
            ),
            counter("gatehouse_mqtt_refused_messages_total", "Messages refused.", broker.messages_refused),
            counter("gatehouse_mqtt_received_bytes_total", "Bytes received.", broker.bytes_received),
            counter("gatehouse_mqtt_sent_bytes_total", "Bytes sent.", broker.bytes_sent),
            counter("gatehouse_mqtt_refused_logins_total", "Log-ins refused.", broker.logins_refused),
            gauge(
                "gatehouse_mqtt_store_failing",
                "Whether the broker cannot write to its disk.",
                f64::from(u8::from(broker.store_failing)),
            ),
        ]
    }
}

fn of_history(status: &gatehouse_history::Status) -> Vec<Figure> {
    let lost = status.not_recorded;
    let reasons = [
        ("buffer_full", lost.buffer_full),
        ("wrong_time", lost.wrong_time),
        ("unknown_time", lost.unknown_time),
        ("too_many_series", lost.too_many_series),
        ("texts", lost.texts),
        ("before_the_clock", lost.before_the_clock),
        ("events", lost.events),
    ];
    let mut figures = vec![
        gauge("gatehouse_history_series", "Series that were ever recorded.", number(status.series)),
        gauge(
            "gatehouse_history_file_bytes",
            "Bytes of the database with its log.",
            number(status.file_bytes),
        ),
        gauge(
            "gatehouse_history_waiting_samples",
            "Samples that wait for their commit.",
            number(status.waiting),
        ),
        gauge(
            "gatehouse_history_commit_seconds",
            "The longest time that a sample waits for its commit, which a power cut may cost.",
            status.commit_every.as_secs_f64(),
        ),
        counter(
            "gatehouse_history_written_bytes_total",
            "Bytes written to the disk, about.",
            status.bytes_written,
        ),
        gauge(
            "gatehouse_history_failing",
            "Whether history cannot be written.",
            f64::from(u8::from(status.refused_since.is_some())),
        ),
        gauge(
            "gatehouse_history_damaged_chunks",
            "Chunks that were found to be damaged since the start.",
            number(status.damaged_chunks),
        ),
        counter("gatehouse_history_recorded_samples_total", "Samples that were stored.", status.recorded),
        Figure {
            name: "gatehouse_history_lost_samples_total",
            kind: FigureKind::Counter,
            help: "What was not recorded, by reason.",
            samples: reasons.map(|(reason, count)| (Some(("reason", reason)), number(count))).to_vec(),
        },
    ];
    figures.extend(status.last_commit.map(|commit| {
        gauge(
            "gatehouse_history_commit_time_seconds",
            "The last commit, in seconds since 1970.",
            seconds(commit),
        )
    }));
    figures
}

/// A time as Prometheus has them.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay below 2^53")]
const fn seconds(at: Timestamp) -> f64 {
    at.as_millis() as f64 / 1_000.0
}
