//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::brokers::Broker;
use crate::throughput::Times;

/// Most rounds: a benchmark that takes hours is a mistake.
const MAX_ROUNDS: usize = 50;

/// Longest soak: a day.
const MAX_MINUTES: usize = 24 * 60;

/// What to measure.
pub(crate) struct Arguments {
    pub(crate) brokers: Vec<Broker>,
    pub(crate) rounds: usize,
    /// Only the throughput of the cases whose name has this in it.
    pub(crate) case: Option<String>,
    pub(crate) times: Times,
    /// How long messages are sent for their latency, once for each QoS.
    pub(crate) latency_time: Duration,
    /// Connections that come and go.
    pub(crate) connections: u64,
    /// Instead of all that: the soak of the first broker, for so long.
    pub(crate) soak: Option<Duration>,
}

impl Arguments {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self {
            brokers: Vec::new(),
            rounds: 5,
            case: None,
            times: Times { warm_up: Duration::from_millis(250), measured: Duration::from_millis(750) },
            latency_time: Duration::from_secs(3),
            connections: 2_000,
            soak: None,
        };
        while let Some(option) = arguments.next() {
            if option == "--quick" {
                parsed.rounds = 2;
                parsed.times.measured = Duration::from_millis(400);
                parsed.latency_time = Duration::from_secs(2);
                continue;
            }
            let value = arguments.next().ok_or(format!("{option} needs a value"))?;
            match option.as_str() {
                "--bare" => parsed.brokers.push(Broker::Bare(value.into())),
                "--gatehouse" => parsed.brokers.push(Broker::Gatehouse(value.into())),
                "--mosquitto" => parsed.brokers.push(Broker::Mosquitto(value.into())),
                "--rumqttd" => parsed.brokers.push(Broker::Rumqttd(PathBuf::from(value))),
                "--rounds" => parsed.rounds = number(&option, &value, MAX_ROUNDS)?,
                "--soak" => {
                    let minutes = number(&option, &value, MAX_MINUTES)?;
                    parsed.soak = Some(Duration::from_secs(60 * minutes as u64));
                }
                "--case" => parsed.case = Some(value),
                _ => return Err(format!("there is no option {option}")),
            }
        }
        if parsed.brokers.is_empty() {
            return Err(
                "name at least one broker: --bare, --gatehouse, --mosquitto or --rumqttd FILE".to_owned()
            );
        }
        Ok(parsed)
    }

    /// Whether the case of this name is to be measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.case.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }
}

fn number(option: &str, value: &str, most: usize) -> Result<usize, String> {
    let number = value.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or(format!("{option}: `{value}` is not a number from 1 to {most}"))
}
