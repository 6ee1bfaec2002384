//! The house whose days are recorded: three sensors each minute, and now and then somebody switches the lamp.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use gatehouse_history::{History, Options, Retention};
use gatehouse_model::{
    Cause, DeviceId, ManualClock, Message, Origin, PropertyId, Quality, Reading, Scheme, Timestamp, Value,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// 2026-11-21T00:00:00Z.
const START: i64 = 1_795_219_200_000;

/// A minute of the house.
pub(crate) const MINUTE: i64 = 60_000;

/// Minutes of an hour of the house.
const HOUR: i64 = 60;

/// Most samples that may be under way: far fewer than the buffer takes.
const UNDER_WAY: u64 = 1_000;

/// When a minute of the house begins.
pub(crate) fn time_of(minute: i64) -> i64 {
    START + minute * MINUTE
}

/// The minute that a time is in.
pub(crate) fn minute_of(at: i64) -> i64 {
    (at - START).div_euclid(MINUTE)
}

/// Whether somebody switches the lamp at the end of this minute: now and then, and at the end of each hour.
fn is_switched_in(minute: i64) -> bool {
    minute % 7 == 0 || minute % HOUR == HOUR - 1
}

/// What is said in a minute, in this order: the name of the series, the value, and the time.
pub(crate) fn said_in(minute: i64) -> Vec<(&'static str, f64, i64)> {
    let at = time_of(minute);
    let number = |value: i64| f64::from(i32::try_from(value).unwrap());
    let mut all = vec![
        ("kitchen/temperature", number(minute % 101), at),
        ("attic/temperature", number(minute * minute % 37), at + 1),
        // Of two in a minute the second one is the minute's own.
        ("cellar/humidity", number(minute / 5 % 50), at + 59_999),
    ];
    if is_switched_in(minute) {
        all.push(("lamp/power", number(minute % 2), at + 59_999));
    }
    all
}

/// Whether this is the series of what people switch.
pub(crate) fn is_lamp(series: &str) -> bool {
    series == "lamp/power"
}

fn message(scheme: &Scheme, (series, value, at): (&str, f64, i64)) -> Message {
    let (device, property) = series.split_once('/').unwrap();
    let lamp = is_lamp(series);
    let reading = Reading {
        device: DeviceId::new(device).unwrap(),
        property: PropertyId::new(property).unwrap(),
        value: if lamp { Value::Switch(value != 0.0) } else { Value::Number(value) },
        quality: Quality::Ok,
        at: Timestamp::from_millis(at),
        cause: lamp.then(|| Cause::direct(Origin::Page { user: "ana".into() })),
    };
    let mut message = Message::of_reading(scheme, &reading, Origin::part("bridge"));
    message.retain = false;
    message
}

/// Records the house from a minute on, for ever, and says after each look how many samples are committed. Where it is not
/// `eager`, telemetry alone would never be committed: what is, was for the sake of an event.
pub(crate) async fn record(file: &Path, from: i64, eager: bool) {
    let scheme = Scheme::new("casa").unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(time_of(from) - 1)));
    let options = Options {
        commit_every: if eager { Duration::from_millis(2) } else { Duration::from_secs(3_600) },
        commit_states_within: Duration::from_millis(2),
        // The disk of this machine is not what is tested.
        retention: Retention { disk_floor: 0, ..Retention::default() },
        ..Options::default()
    };
    let history = History::open(file, options, clock.clone()).await.unwrap();
    let (sender, receiver) = mpsc::channel::<(Message, bool)>(64);
    // The clock moves on where the recorder takes the first message of a minute: were it moved elsewhere, the recorder could
    // find it moved between its two hands, which looks like a clock that was set.
    let hands = clock.clone();
    let messages = stream::unfold(receiver, move |mut receiver| {
        let hands = hands.clone();
        async move {
            let (message, is_first) = receiver.recv().await?;
            if is_first {
                hands.advance(Duration::from_millis(MINUTE.unsigned_abs()));
            }
            Some((message, receiver))
        }
    });
    let (recorder, of_recorder) = (history.clone(), scheme.clone());
    tokio::spawn(async move {
        recorder.record(of_recorder, messages.boxed(), CancellationToken::new()).await.unwrap();
    });
    let (mut sent, mut told) = (0, 0);
    for minute in from.. {
        for (number, said) in said_in(minute).into_iter().enumerate() {
            sender.send((message(&scheme, said), number == 0)).await.unwrap();
            sent += 1;
        }
        if !is_switched_in(minute) {
            continue;
        }
        // The next hour begins when all of this one is committed, as in a house whose clock does not race: what comes after
        // its hour was sealed would wait for the next sealing. The lamp was said last, so its event brings all others.
        let under_way = if minute % HOUR == HOUR - 1 { 0 } else { UNDER_WAY };
        loop {
            let status = history.status().await.unwrap();
            let committed = status.recorded + status.replayed;
            if committed > told {
                told = committed;
                println!("committed {committed}.");
                std::io::stdout().flush().unwrap();
            }
            if sent - committed <= under_way {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
