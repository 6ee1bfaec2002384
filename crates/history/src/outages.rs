//! When the gateway itself did not record: between two runs, and where its clock was set forward. Nothing is known of any
//! series in such a time, and after it until its next sample.

use std::time::Duration;

use gatehouse_model::Timestamp;
use gatehouse_model::span::format_duration;
use sqlx::sqlite::SqliteConnection;

use crate::diary::{self, GatewayWord, NewEvent};
use crate::intake::{Outage, Start};
use crate::{row, seal};

/// What is shorter than this is none: no series is expected to say something that often.
pub(crate) const SHORTEST: i64 = 1_000;

/// The last sign of life before a run that begins at ?1, where the keys of samples are below ?2: samples, sealed or not, events and outages. Each is the end of an
/// index.
const LAST_SIGN: &str = "
    SELECT max(sign) FROM (
        SELECT max(ts) AS sign FROM sample WHERE ts <= ?1
        UNION ALL SELECT max(ts) FROM event WHERE ts <= ?1
        UNION ALL SELECT max(stop) FROM outage WHERE start <= ?1 AND stop <= ?1
        UNION ALL SELECT max((
            SELECT stop FROM chunk WHERE chunk.series = series.id AND start <= ?1 AND stop <= ?1
            ORDER BY start DESC LIMIT 1)) FROM series)";

/// What the gateway last said of itself before ?1.
const LAST_WORD: &str = "
    SELECT value, sentence FROM event WHERE kind = 'gateway' AND ts <= ?1 AND value IN ('start', 'stop')
    ORDER BY ts DESC, id DESC LIMIT 1";

/// Notes the start of a run, and the time since the end of the one before.
pub(crate) async fn begin(transaction: &mut SqliteConnection, start: Start) -> Result<(), sqlx::Error> {
    let last: Option<i64> = sqlx::query_scalar(LAST_SIGN)
        .bind(start.at)
        .bind(row::keys_from(start.at.saturating_add(1)))
        .fetch_one(&mut *transaction)
        .await?;
    let word: Option<(String, Option<String>)> =
        sqlx::query_as(LAST_WORD).bind(start.at).fetch_optional(&mut *transaction).await?;
    let at = Timestamp::from_millis(start.at);
    if let Some(last) = last.filter(|last| start.at.saturating_sub(*last) >= SHORTEST) {
        let outage = Outage { start: last, stop: start.at };
        store(transaction, outage).await?;
        let why = match word {
            Some((word, sentence)) if word == GatewayWord::Stop.as_str() => {
                sentence.unwrap_or_else(|| "the gateway was stopped".to_owned())
            }
            _ => "the gateway ended without a word: a power cut, a crash, or it was killed".to_owned(),
        };
        let sentence = format!("{}: {why}", outage.in_words());
        let event = NewEvent::gateway(GatewayWord::Outage, &sentence, at);
        diary::store::write(transaction, &event).await?;
    }
    let event = NewEvent::gateway(GatewayWord::Start, "the gateway records", at);
    diary::store::write(transaction, &event).await
}

/// Stores an outage; two that begin together are one.
pub(crate) async fn store(transaction: &mut SqliteConnection, outage: Outage) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO outage (start, stop) VALUES (?1, ?2)
         ON CONFLICT (start) DO UPDATE SET stop = max(stop, excluded.stop)",
    )
    .bind(outage.start)
    .bind(outage.stop.max(outage.start))
    .execute(&mut *transaction)
    .await?;
    seal::again::outage_is_late(transaction, outage.start, outage.stop).await
}

impl Outage {
    /// How long it lasted and since when.
    pub(crate) fn in_words(self) -> String {
        let seconds = u64::try_from(self.stop.saturating_sub(self.start) / 1_000).unwrap_or(0);
        let length = format_duration(Duration::from_secs(seconds));
        format!("nothing was recorded for {length}, from {}", Timestamp::from_millis(self.start))
    }
}
