//! The tables.

use std::fmt::Write;

use crate::Round;
use crate::arguments::Arguments;
use crate::brokers::Broker;
use crate::load::{BATCH, CASES, MAX_AHEAD, Outcome, PAYLOAD_BYTES, WINDOW};

/// The broker that the ratios are against.
const YARDSTICK: &str = "mosquitto";

/// The middle value.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// `1234567` as `1,234,567`.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / 1_048_576.0)
}

/// Everything that is printed.
pub(crate) fn text(arguments: &Arguments, brokers: &[Broker], rounds: &[Vec<Round>]) -> String {
    let mut text = String::from("# Gatehouse beside other brokers\n\n");
    let _ =
        writeln!(text, "Medians of {} interleaved rounds on this machine: {}.", arguments.rounds, machine());
    for broker in brokers {
        let _ = writeln!(text, "- {}: {}{}", broker.name(), broker.version(), remark(broker));
    }
    text.push_str("\n## Idle, after one login\n\n");
    text.push_str("| broker | start to first login | RSS | PSS | peak RSS under the load below |\n|---|---|---|---|---|\n");
    for (broker, rounds) in brokers.iter().zip(rounds) {
        let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
        let _ = writeln!(
            text,
            "| {} | {:.0} ms | {} | {} | {} |",
            broker.name(),
            of(|round| round.ready_after.as_secs_f64() * 1e3),
            mebibytes(of(|round| round.idle.rss_bytes as f64)),
            mebibytes(of(|round| round.idle.pss_bytes as f64)),
            mebibytes(of(|round| round.peak_bytes as f64)),
        );
    }
    let _ = writeln!(
        text,
        "\n## Load\n\nMessages of {PAYLOAD_BYTES} bytes delivered per second (times {YARDSTICK}), and microseconds of the broker's processor time\n\
         for each. The clients run on the same cores. At most {MAX_AHEAD} messages are under way, at most {WINDOW} wait for their PUBACK.\n\
         Publishers write up to {BATCH} messages at a time, which suits brokers that batch; `singly` is one at a time, where the clients' own\n\
         system calls set the pace. Each delivery is checked for its order and content.\n"
    );
    load_table(&mut text, brokers, rounds);
    text
}

fn load_table(text: &mut String, brokers: &[Broker], all: &[Vec<Round>]) {
    text.push_str("| publishers to subscribers |");
    for broker in brokers {
        let _ = write!(text, " {} |", broker.name());
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(brokers.len()));
    text.push('\n');
    let yardstick = brokers.iter().position(|broker| broker.name() == YARDSTICK);
    for (number, case) in CASES.iter().enumerate() {
        let of = |rounds: &[Round], figure: fn(&Outcome) -> f64| {
            median(rounds.iter().map(|round| figure(&round.outcomes[number])))
        };
        let _ = write!(text, "| {case} |");
        for rounds in all {
            let rate = of(rounds, Outcome::rate);
            let ratio = yardstick
                .map_or(String::new(), |other| format!(" ({:.2}×)", rate / of(&all[other], Outcome::rate)));
            let cpu = of(rounds, Outcome::cpu_micros);
            let loss = complaint(rounds, "lost", |round| round.outcomes[number].lost)
                + &complaint(rounds, "wrong", |round| round.outcomes[number].wrong);
            let _ = write!(text, " {}{ratio}, {cpu:.1} µs{loss} |", grouped(rate));
        }
        text.push('\n');
    }
}

/// How many messages went astray in all rounds; nothing when none did.
fn complaint(rounds: &[Round], word: &str, count: impl Fn(&Round) -> u64) -> String {
    match rounds.iter().map(count).sum::<u64>() {
        0 => String::new(),
        number => format!(", **{} {word}**", grouped(number as f64)),
    }
}

/// What a reader must know to compare.
fn remark(broker: &Broker) -> &'static str {
    match broker {
        Broker::Gatehouse(_) => {
            " with `--demo`: the simulated house, history and dashboard run in the same process; sessions and retained messages in memory"
        }
        Broker::Mosquitto { persistence: false, .. } => ", persistence off; password file",
        Broker::Mosquitto { persistence: true, .. } => {
            ", persistence on as Debian ships it: saved every 30 minutes and at the end, not before an acknowledgement"
        }
        Broker::Rumqttd(_) => ", which keeps everything in memory",
    }
}

/// The processor and the number of its cores.
fn machine() -> String {
    let model = std::fs::read_to_string("/proc/device-tree/model")
        .ok()
        .map(|name| name.trim_end_matches('\0').to_owned());
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{}, {cores} cores", model.or(processor).unwrap_or_else(|| std::env::consts::ARCH.to_owned()))
}
