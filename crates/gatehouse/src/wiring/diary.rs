//! What history tells of events and of itself, in the words of the API.

use std::time::Duration;

use gatehouse_dashboard::wire::{
    CauseView, EventKindWord, HistoryEvent, HistoryNotRecorded, HistoryNotice, HistoryStatus, HistoryWear,
};
use gatehouse_history::{Event, EventKind, Status, Wear};
use gatehouse_model::Timestamp;

pub(super) const fn to_kind(word: EventKindWord) -> EventKind {
    match word {
        EventKindWord::Switched => EventKind::Switched,
        EventKindWord::Refused => EventKind::Refused,
        EventKindWord::Alert => EventKind::Alert,
        EventKindWord::Availability => EventKind::Availability,
        EventKindWord::Press => EventKind::Press,
        EventKindWord::Gateway => EventKind::Gateway,
    }
}

pub(super) fn to_event(event: Event) -> HistoryEvent {
    let kind = match event.kind {
        EventKind::Switched => EventKindWord::Switched,
        EventKind::Refused => EventKindWord::Refused,
        EventKind::Alert => EventKindWord::Alert,
        EventKind::Availability => EventKindWord::Availability,
        EventKind::Press => EventKindWord::Press,
        // As history itself does with kinds that it does not know.
        _ => EventKindWord::Gateway,
    };
    let owned = |text: Option<std::sync::Arc<str>>| text.map(|text| text.to_string());
    HistoryEvent {
        id: event.id,
        at: event.at,
        kind,
        device: event.device.map(|device| device.to_string()),
        property: event.property.map(|property| property.to_string()),
        value: owned(event.value),
        sentence: owned(event.sentence),
        who: owned(event.who),
        cause: event.cause.as_ref().map(CauseView::from),
    }
}

pub(super) fn to_status(status: Status, notices: Vec<(Timestamp, String)>) -> HistoryStatus {
    let lost = status.not_recorded;
    let wear = status.rates.bytes_per_day.map(Wear::of);
    let to_notice = |(at, sentence)| HistoryNotice { at, sentence };
    HistoryStatus {
        file_bytes: status.file_bytes,
        bytes_written: status.bytes_written,
        bytes_per_day: status.rates.bytes_per_day,
        measured_for_ms: millis(status.rates.measured_for),
        samples_per_second: status.rates.samples_per_second,
        series: status.series,
        samples: status.rows,
        recording_since: status.recording_since,
        recorded: status.recorded,
        loss_window_ms: millis(status.commit_every),
        last_commit: status.last_commit,
        waiting: status.waiting,
        held_for_clock: status.held,
        not_recorded: HistoryNotRecorded {
            buffer_full: lost.buffer_full,
            wrong_time: lost.wrong_time,
            unknown_time: lost.unknown_time,
            too_many_series: lost.too_many_series,
            texts: lost.texts,
            before_the_clock: lost.before_the_clock,
            events: lost.events,
        },
        last_error: status.last_error.map(to_notice),
        refused_since: status.refused_since,
        damaged_chunks: status.damaged_chunks,
        wear: HistoryWear {
            write_amplification: Wear::AMPLIFICATION,
            card_endurance_bytes: Wear::ENDURANCE_BYTES,
            card_bytes_per_day: wear.map(|wear| wear.flash_bytes_per_day),
            years: wear.and_then(|wear| wear.years),
            assumption: Wear::assumption(),
        },
        notices: notices.into_iter().map(to_notice).collect(),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
