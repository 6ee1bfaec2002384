//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::brokers::Broker;

/// Most rounds: a benchmark that takes hours is a mistake.
const MAX_ROUNDS: usize = 50;

/// Longest time of one case, in milliseconds.
const MAX_MILLIS: u64 = 60_000;

/// What to measure.
pub(crate) struct Arguments {
    pub(crate) brokers: Vec<Broker>,
    pub(crate) rounds: usize,
    /// How long the publishers of one case send.
    pub(crate) time: Duration,
}

impl Arguments {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self { brokers: Vec::new(), rounds: 5, time: Duration::from_secs(1) };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or(format!("{option} needs a value"))?;
            match option.as_str() {
                "--gatehouse" => parsed.brokers.push(Broker::Gatehouse(PathBuf::from(value))),
                "--mosquitto" => {
                    parsed
                        .brokers
                        .push(Broker::Mosquitto { binary: value.clone().into(), persistence: false });
                    parsed.brokers.push(Broker::Mosquitto { binary: value.into(), persistence: true });
                }
                "--rumqttd" => parsed.brokers.push(Broker::Rumqttd(PathBuf::from(value))),
                "--rounds" => parsed.rounds = number(&option, &value, MAX_ROUNDS)?,
                "--milliseconds" => parsed.time = Duration::from_millis(number(&option, &value, MAX_MILLIS)?),
                _ => return Err(format!("there is no option {option}")),
            }
        }
        if parsed.brokers.is_empty() {
            return Err(
                "name at least one broker: --gatehouse FILE, --mosquitto FILE or --rumqttd FILE".to_owned()
            );
        }
        Ok(parsed)
    }
}

fn number<N: Copy + std::str::FromStr + PartialOrd + From<u8> + std::fmt::Display>(
    option: &str,
    value: &str,
    most: N,
) -> Result<N, String> {
    value
        .parse::<N>()
        .ok()
        .filter(|number| *number >= N::from(1) && *number <= most)
        .ok_or(format!("{option}: `{value}` is not a number from 1 to {most}"))
}
