//! What is printed.

use std::fmt::Write;

use crate::arguments::Arguments;
use crate::brokers::Broker;
use crate::ledger::Faults;
use crate::tables::{grouped, mebibytes, median, percentile, table};
use crate::throughput::{CASES, IN_FLIGHT, Outcome, UNACKNOWLEDGED, WRITE_BYTES};
use crate::{IDLE_CLIENTS, Load, Round};

/// The brokers that ratios are against.
const YARDSTICKS: [&str; 2] = ["mosquitto", "rumqttd"];

/// A share of its core from which on the load may have been what limits a rate.
const BUSY: f64 = 0.95;

/// What is said instead of a figure.
const NONE: &str = "–";

/// One broker with all its rounds.
struct Column<'a> {
    broker: &'a Broker,
    rounds: &'a [Round],
}

impl Column<'_> {
    fn of(&self, figure: impl Fn(&Round) -> f64) -> String {
        median(self.rounds.iter().map(figure)).map_or(NONE.to_owned(), mebibytes)
    }

    fn loads(&self) -> impl Iterator<Item = &Load> {
        self.rounds.iter().filter_map(|round| round.load.as_ref())
    }

    fn median(&self, figure: impl Fn(&Load) -> Option<f64>) -> Option<f64> {
        median(self.loads().filter_map(figure))
    }

    fn faults(&self, figure: impl Fn(&Load) -> Option<Faults>) -> Faults {
        let mut sum = Faults::default();
        self.loads().filter_map(figure).for_each(|faults| sum.add(faults));
        sum
    }
}

/// Everything that is printed.
pub(crate) fn text(arguments: &Arguments, rounds: &[Vec<Round>]) -> String {
    let all: Vec<Column<'_>> =
        arguments.brokers.iter().zip(rounds).map(|(broker, rounds)| Column { broker, rounds }).collect();
    let mut text = String::from("# Brokers beside each other\n\n");
    let _ = writeln!(
        text,
        "Medians of {} interleaved rounds on this machine: {}. Each broker has one core, the clients another.\n",
        arguments.rounds,
        machine()
    );
    for column in &all {
        let _ = writeln!(
            text,
            "- {}: {}{}",
            column.broker.name(),
            column.broker.version(),
            column.broker.remark()
        );
    }
    text.push('\n');
    let loaded: Vec<Column<'_>> = all
        .iter()
        .filter(|column| column.broker.takes_load())
        .map(|column| Column { broker: column.broker, rounds: column.rounds })
        .collect();
    if arguments.case.is_none() {
        at_rest(&mut text, &all);
        memory(&mut text, &loaded);
    }
    throughput(&mut text, arguments, &loaded);
    if arguments.case.is_none() {
        latency(&mut text, &loaded);
        connections(&mut text, &loaded);
        durable(&mut text, &loaded);
    }
    text
}

fn heading(first: &str, columns: &[Column<'_>]) -> Vec<String> {
    std::iter::once(first.to_owned())
        .chain(columns.iter().map(|column| column.broker.name().to_owned()))
        .collect()
}

fn at_rest(text: &mut String, all: &[Column<'_>]) {
    text.push_str("## Started, one login\n\n");
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|column| {
            let ready = median(column.rounds.iter().map(|round| round.ready_after.as_secs_f64() * 1e3));
            vec![
                column.broker.name().to_owned(),
                ready.map_or(NONE.to_owned(), |ready| format!("{ready:.0} ms")),
                column.of(|round| round.at_rest.rss_bytes as f64),
                column.of(|round| round.at_rest.pss_bytes as f64),
            ]
        })
        .collect();
    let heading = ["broker", "start to first login", "RSS", "PSS"].map(str::to_owned);
    text.push_str(&table(&heading, &rows));
}

fn memory(text: &mut String, columns: &[Column<'_>]) {
    text.push_str("## Memory\n\nPer idle client: the growth from one login, divided by the clients; RSS, and PSS in brackets.\nKernel memory of the sockets is in neither.\n\n");
    let mut rows = Vec::new();
    for (index, clients) in IDLE_CLIENTS.iter().enumerate() {
        let row = columns.iter().map(|column| {
            let growth = |figure: fn(&crate::process::Memory) -> u64| {
                median(column.rounds.iter().filter_map(|round| {
                    let idle = round.load.as_ref()?.idle.get(index)?;
                    let grown = figure(&idle.memory).saturating_sub(figure(&round.at_rest));
                    Some(grown as f64 / idle.clients as f64 / 1_024.0)
                }))
            };
            match (growth(|memory| memory.rss_bytes), growth(|memory| memory.pss_bytes)) {
                (Some(rss), Some(pss)) => format!("{rss:.2} KiB ({pss:.2})"),
                _ => NONE.to_owned(),
            }
        });
        rows.push(
            std::iter::once(format!("for each of {} idle clients", grouped(*clients as f64)))
                .chain(row)
                .collect(),
        );
    }
    let after = |figure: fn(&crate::process::Memory) -> u64| {
        columns.iter().map(move |column| {
            column.median(|load| Some(figure(&load.after) as f64)).map_or(NONE.to_owned(), mebibytes)
        })
    };
    rows.push(
        std::iter::once("after the load, RSS".to_owned()).chain(after(|memory| memory.rss_bytes)).collect(),
    );
    rows.push(
        std::iter::once("after the load, PSS".to_owned()).chain(after(|memory| memory.pss_bytes)).collect(),
    );
    text.push_str(&table(&heading("memory", columns), &rows));
}

fn throughput(text: &mut String, arguments: &Arguments, columns: &[Column<'_>]) {
    let _ = writeln!(
        text,
        "## Throughput\n\n\
         Publishers→subscribers. The load follows what is delivered: publishers stop while a window of messages (2 MiB of \
         deliveries, 200 to 10,000 messages) is written but not read by all its subscribers, so that a broker that drops \
         messages gains nothing. A publisher writes up to {} KiB at once. With QoS 1 at most {UNACKNOWLEDGED} messages of a publisher wait for their PUBACK, and at \
         most {IN_FLIGHT} are on their way to a subscriber. Every message is checked for its sequence, topic and content; \
         what went astray is printed in bold.\n\n\
         Deliveries for one second of the broker's processor time, with the ratios to {} and {}:\n",
        WRITE_BYTES / 1_024,
        YARDSTICKS[0],
        YARDSTICKS[1]
    );
    let cases: Vec<String> =
        CASES.iter().map(ToString::to_string).filter(|name| arguments.wants(name)).collect();
    let per_cpu_second = |outcome: &Outcome| 1e6 / outcome.cpu_per_million().max(1e-9);
    text.push_str(&outcomes(columns, &cases, per_cpu_second, |_| String::new()));
    let _ = writeln!(
        text,
        "Deliveries per second, with the same ratios; * where the clients used more than {:.0} % of their core, so that a \
         broker may be faster than they are:\n",
        BUSY * 100.0
    );
    let mark = |share: f64| if share > BUSY { "\\*".to_owned() } else { String::new() };
    text.push_str(&outcomes(columns, &cases, Outcome::rate, mark));
    text.push_str("Seconds of the broker's processor time for a million deliveries:\n\n");
    let rows: Vec<Vec<String>> = cases
        .iter()
        .enumerate()
        .map(|(number, case)| {
            let cells = columns.iter().map(|column| {
                let cpu = column.median(|load| load.outcomes.get(number).map(Outcome::cpu_per_million));
                cpu.map_or(NONE.to_owned(), |cpu| format!("{cpu:.2}"))
            });
            std::iter::once(case.clone()).chain(cells).collect()
        })
        .collect();
    text.push_str(&table(&heading("CPU s per million", columns), &rows));
}

/// One figure of every case: the median, the ratios to the yardsticks, and what went astray.
fn outcomes(
    columns: &[Column<'_>],
    cases: &[String],
    figure: fn(&Outcome) -> f64,
    mark: impl Fn(f64) -> String,
) -> String {
    let rows: Vec<Vec<String>> = cases
        .iter()
        .enumerate()
        .map(|(number, case)| {
            let value = |column: &Column<'_>| column.median(|load| load.outcomes.get(number).map(figure));
            let cells = columns.iter().map(|column| {
                let Some(own) = value(column) else { return NONE.to_owned() };
                let share = column.median(|load| load.outcomes.get(number).map(Outcome::load_share));
                let faults = column.faults(|load| load.outcomes.get(number).map(|outcome| outcome.faults));
                let ratios = ratios(columns, column, own, &value);
                format!("{}{}{ratios}{}", grouped(own), mark(share.unwrap_or_default()), complaint(faults))
            });
            std::iter::once(case.clone()).chain(cells).collect()
        })
        .collect();
    table(&heading("case", columns), &rows)
}

/// ` (4.10×, 0.85×)`: against each yardstick that was measured and is not the broker itself.
fn ratios(
    columns: &[Column<'_>],
    column: &Column<'_>,
    own: f64,
    value: &dyn Fn(&Column<'_>) -> Option<f64>,
) -> String {
    let against = |name: &'static str| {
        let yardstick = columns.iter().find(|other| other.broker.name() == name)?;
        let is_itself = std::ptr::eq(yardstick, column);
        value(yardstick).filter(|_| !is_itself).map(|other| format!("{:.2}×", own / other))
    };
    let found: Vec<String> = YARDSTICKS.into_iter().filter_map(against).collect();
    if found.is_empty() || YARDSTICKS.contains(&column.broker.name()) {
        return String::new();
    }
    format!(" ({})", found.join(", "))
}

fn complaint(faults: Faults) -> String {
    let kinds = [
        (faults.lost, "lost"),
        (faults.doubled, "doubled"),
        (faults.reordered, "reordered"),
        (faults.changed, "changed"),
    ];
    let said: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!(" **{} {word}**", grouped(*count as f64)))
        .collect();
    said.concat()
}

fn latency(text: &mut String, columns: &[Column<'_>]) {
    text.push_str("## Latency\n\nMicroseconds from one client to another at 1,000 messages of 64 bytes a second, all rounds together.\n\n");
    let mut rows = Vec::new();
    for (qos, name) in [(0, "QoS 0"), (1, "QoS 1")] {
        let sorted: Vec<Vec<u64>> = columns
            .iter()
            .map(|column| {
                let mut nanos: Vec<u64> =
                    column.loads().flat_map(|load| load.latency[qos].nanos.iter().copied()).collect();
                nanos.sort_unstable();
                nanos
            })
            .collect();
        for (part, word) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")] {
            let cells = columns.iter().zip(&sorted).map(|(column, nanos)| {
                let faults = column.faults(|load| Some(load.latency[qos].faults));
                let figure = percentile(nanos, part);
                figure
                    .map_or(NONE.to_owned(), |nanos| format!("{}{}", grouped(nanos / 1e3), complaint(faults)))
            });
            rows.push(std::iter::once(format!("{name}, {word}")).chain(cells).collect());
        }
    }
    text.push_str(&table(&heading("µs", columns), &rows));
}

fn connections(text: &mut String, columns: &[Column<'_>]) {
    text.push_str("## Connections\n\nEight clients that connect, log in, say goodbye and wait until the broker closes, again and again.\n\n");
    let per_second = columns.iter().map(|column| {
        let rate =
            column.median(|load| Some(load.rate.connections as f64 / load.rate.time.as_secs_f64().max(1e-9)));
        rate.map_or(NONE.to_owned(), grouped)
    });
    let cpu = columns.iter().map(|column| {
        let micros = column
            .median(|load| Some(load.rate.cpu.as_secs_f64() * 1e6 / load.rate.connections.max(1) as f64));
        micros.map_or(NONE.to_owned(), |micros| format!("{micros:.0} µs"))
    });
    let rows = [
        std::iter::once("connections per second".to_owned()).chain(per_second).collect(),
        std::iter::once("processor time of the broker for each".to_owned()).chain(cpu).collect(),
    ];
    text.push_str(&table(&heading("", columns), &rows));
}

fn durable(text: &mut String, columns: &[Column<'_>]) {
    text.push_str(
        "## Durable\n\nQoS 1 of 64 bytes from 100 publishers, 10 messages of each at once, into 10 sessions that the broker keeps, \
         each broker in its most durable setting. This broker commits to its disk before the PUBACK; Mosquitto writes its whole database after each change, without waiting for \
         it before the PUBACK; rumqttd keeps nothing beyond its process.\n\n",
    );
    let cells = columns.iter().map(|column| {
        let rate = column.median(|load| load.durable.as_ref().map(Outcome::acknowledged_rate));
        let faults = column.faults(|load| load.durable.as_ref().map(|outcome| outcome.faults));
        rate.map_or_else(
            || column.broker.without_durability().to_owned(),
            |rate| grouped(rate) + &complaint(faults),
        )
    });
    let rows = [std::iter::once("acknowledged messages per second".to_owned()).chain(cells).collect()];
    text.push_str(&table(&heading("", columns), &rows));
}

/// The processor and the number of its cores.
fn machine() -> String {
    let model = std::fs::read_to_string("/proc/device-tree/model")
        .ok()
        .map(|name| name.trim_end_matches('\0').to_owned());
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = processor.lines().filter(|line| line.starts_with("processor")).count();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    format!("{}, {cores} cores", model.or(processor).unwrap_or_else(|| std::env::consts::ARCH.to_owned()))
}
