//! Readings that wait for their commit are in the answer, once.

use super::*;
use crate::Before;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A recording that goes on after it took these.
pub(super) struct Going {
    recording: JoinHandle<Result<(), crate::HistoryError>>,
    shutdown: CancellationToken,
}

impl Going {
    /// The start of a recording is committed at once, with whatever waits by then: the readings come after that commit, or
    /// after the disk has refused it.
    pub(super) async fn with(history: &History, readings: &[Reading]) -> Self {
        let messages: Vec<Message> = readings.iter().map(delivered).collect();
        let (told, taken) = oneshot::channel();
        let (mut commits, mut trouble) = (history.counters.commits(), history.trouble());
        let begun = stream::once(async move {
            tokio::select! {
                committed = commits.changed() => committed.unwrap(),
                refused = trouble.wait_for(Option::is_some) => assert!(refused.is_ok()),
            }
            stream::iter(messages)
        });
        // The stream is asked for more once it was taken to its end.
        let never = stream::once(async move {
            told.send(()).unwrap();
            std::future::pending().await
        });
        let messages = begun.flatten().chain(never).boxed();
        let (recorder, shutdown) = (history.clone(), CancellationToken::new());
        let token = shutdown.clone();
        let recording = tokio::spawn(async move { recorder.record(scheme(), messages, token).await });
        taken.await.unwrap();
        Self { recording, shutdown }
    }

    pub(super) async fn end(self) {
        self.shutdown.cancel();
        self.recording.await.unwrap().unwrap();
    }
}

/// The chart of a sensor that reads once a second had a gap of up to the commit's interval before the live values.
#[tokio::test]
async fn what_waits_for_its_commit_is_in_the_answer() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let all: Vec<Reading> = (0..10).map(|n| reading("kitchen", n as f64, NOW + n * 1_000)).collect();
    record_all(&history, &all[..5]).await;
    let range = query("kitchen", NOW + 500, NOW + 8_500, 2);
    let attic = query("attic", NOW, NOW + 1, 1);
    // The fifth again: a replay of what the file has.
    let going = Going::with(&history, &[&all[4..], &[reading("attic", 3.0, NOW - 1)]].concat()).await;
    assert_eq!(history.status().await.unwrap().recorded, 5);
    let (live, new) =
        (history.range(range.clone()).await.unwrap(), history.range(attic.clone()).await.unwrap());
    assert_eq!(live.points.iter().map(|point| point.count).collect::<Vec<_>>(), [4, 4]);
    assert_eq!((live.points[1].min, live.points[1].mean, live.points[1].last), (5.0, 6.5, 8.0));
    assert_eq!(live.before.map(|before| before.value), Some(0.0));
    assert_eq!(new.before.map(|before| before.value), Some(3.0));
    assert_eq!(new.recording_since, Some(Timestamp::from_millis(NOW - 1)));
    going.end().await;
    assert_eq!(history.range(range).await.unwrap(), live);
    assert_eq!(history.range(attic).await.unwrap(), new);
}

/// While one commit after the other moves samples into the file, each is in the buffer, in the file, or in both.
#[tokio::test]
async fn a_commit_during_the_query_neither_doubles_nor_hides_a_reading() {
    let house = House::new();
    let history = house.open(eager()).await;
    for round in 0..20 {
        let device = format!("device-{round}");
        let readings: Vec<Reading> = (0..200).map(|n| reading(&device, 1.0, NOW + n)).collect();
        let going = Going::with(&history, &readings).await;
        for _ in 0..5 {
            assert_eq!(counts(&day_of(&history, &device).await), 200);
        }
        going.end().await;
    }
}

/// The recorder knows the latest value of each series without looking for it.
#[tokio::test]
async fn the_value_before_a_range_is_known_however_far_back_it_lies() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let year = 31_536_000_000;
    let old = reading("boiler", 1.0, NOW - year);
    let others: Vec<Reading> = (0..5_000).map(|n| reading("kitchen", 1.0, NOW - n)).collect();
    record_all(&history, &[std::slice::from_ref(&old), &others].concat()).await;
    let going = Going::with(&history, &[old]).await;
    let before = Before { at: Timestamp::from_millis(NOW - year), value: 1.0, quality: Quality::Ok };
    assert_eq!(history.range(query("boiler", NOW - 10, NOW, 1)).await.unwrap().before, Some(before));
    going.end().await;
}
