//! The latest changes, numbered, for pages that follow them each at their own pace.
//!
//! They are kept once for all pages; a page has a position in them and nothing else. So what a page costs does not depend
//! on how slowly it reads. One that comes back after its connection was lost goes on where it was, as long as that is
//! still here; one that fell too far behind gets a picture of the house instead.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use gatehouse_model::TopicName;
use tokio::sync::watch;

use super::{Event, LiveHouse};

/// Most changes that are kept. At 500 values a second it is about two seconds, in a usual house some minutes.
pub(super) const MAX_EVENTS: usize = 1_024;

/// Most bytes of changes that are kept: a change is a few hundred bytes, and at most some thousand.
pub(super) const MAX_BYTES: usize = 1_024 * 1_024;

/// A page that is further behind than this many changes is given only the newest value of each property among them.
const MAX_BEHIND: u64 = 64;

/// The latest changes.
pub(super) struct Ring {
    /// Told apart from that of another run of the gateway, whose numbers mean other changes.
    run: u64,
    /// The number of the newest change; the first one has 1.
    newest: u64,
    /// The oldest first.
    events: VecDeque<Entry>,
    bytes: usize,
    /// The number of the newest value on each topic that is among them.
    values: HashMap<TopicName, u64>,
    news: watch::Sender<u64>,
}

struct Entry {
    event: Event,
    /// Where it is a value, its topic: the next one takes its place.
    value_of: Option<TopicName>,
}

impl Entry {
    fn len(&self) -> usize {
        match &self.event {
            Event::House => 0,
            Event::Frame(frame) => frame.len(),
        }
    }
}

impl Ring {
    pub(super) fn new(run: u64) -> Self {
        Self {
            run,
            newest: 0,
            events: VecDeque::new(),
            bytes: 0,
            values: HashMap::new(),
            news: watch::Sender::new(0),
        }
    }

    /// Takes in a change; `value_of` is the topic of a value.
    pub(super) fn push(&mut self, event: Event, value_of: Option<TopicName>) {
        self.newest += 1;
        let event = match event {
            Event::House => Event::House,
            Event::Frame(frame) => Event::Frame(numbered(self.run, self.newest, &frame)),
        };
        if let Some(topic) = &value_of {
            self.values.insert(topic.clone(), self.newest);
        }
        let entry = Entry { event, value_of };
        self.bytes += entry.len();
        self.events.push_back(entry);
        while self.events.len() > MAX_EVENTS || self.bytes > MAX_BYTES {
            self.forget_oldest();
        }
        self.news.send_replace(self.newest);
    }

    fn forget_oldest(&mut self) {
        let oldest = self.oldest();
        let Some(entry) = self.events.pop_front() else { return };
        self.bytes -= entry.len();
        if let Some(topic) = entry.value_of
            && self.values.get(&topic) == Some(&oldest)
        {
            self.values.remove(&topic);
        }
    }

    /// The number of the oldest change that is kept, or of the next one when none is.
    fn oldest(&self) -> u64 {
        self.newest + 1 - self.events.len() as u64
    }

    /// The change with this number; nothing when it is not kept.
    fn entry(&self, number: u64) -> Option<&Entry> {
        let index = number.checked_sub(self.oldest())?;
        self.events.get(usize::try_from(index).ok()?)
    }

    /// Whether a later value took the place of this one.
    fn is_outdated(&self, entry: &Entry, number: u64) -> bool {
        let newest = entry.value_of.as_ref().and_then(|topic| self.values.get(topic));
        newest.is_some_and(|newest| *newest > number)
    }

    /// The place behind the newest change.
    pub(super) fn now(&self) -> Place {
        Place { run: self.run, heard: self.newest, news: self.news.subscribe() }
    }

    /// The place behind the change with this id, when all changes after it are kept.
    pub(super) fn after(&self, id: &str) -> Option<Place> {
        let (run, number) = id.split_once('-')?;
        let (run, heard) = (u64::from_str_radix(run, 16).ok()?, number.parse::<u64>().ok()?);
        let is_kept = run == self.run && heard <= self.newest && heard + 1 >= self.oldest();
        is_kept.then(|| Place { run, heard, news: self.news.subscribe() })
    }

    /// What comes next at this place, which moves on. Nothing when there is nothing yet.
    fn next(&self, place: &mut Place) -> Option<Heard> {
        while place.heard < self.newest {
            let number = place.heard + 1;
            // What was there is forgotten: the page needs the whole house.
            let Some(entry) = self.entry(number) else { return Some(Heard::Anew) };
            let is_far_behind = self.newest - place.heard > MAX_BEHIND;
            if is_far_behind && self.is_outdated(entry, number) {
                place.heard = number;
                continue;
            }
            return Some(match &entry.event {
                Event::House => Heard::Anew,
                Event::Frame(frame) => {
                    place.heard = number;
                    Heard::Change(frame.clone())
                }
            });
        }
        None
    }
}

/// Up to where a page has heard.
pub(crate) struct Place {
    run: u64,
    heard: u64,
    news: watch::Receiver<u64>,
}

impl Place {
    /// An event as it is sent here, under the id of the newest change that is part of it.
    pub(crate) fn numbered(&self, frame: &[u8]) -> Bytes {
        numbered(self.run, self.heard, frame)
    }

    /// What comes next. Whoever stops to wait misses nothing.
    pub(crate) async fn next(&mut self, house: &LiveHouse) -> Option<Heard> {
        loop {
            if let Some(heard) = house.heard(self) {
                return Some(heard);
            }
            self.news.changed().await.ok()?;
        }
    }
}

/// What a page hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A change, written as a server-sent event.
    Change(Bytes),
    /// It needs the house anew, and a new place.
    Anew,
}

impl LiveHouse {
    pub(super) fn heard(&self, place: &mut Place) -> Option<Heard> {
        self.state().ring.next(place)
    }
}

/// With the field that a browser sends back when it comes again (HTML standard, 9.2.4).
fn numbered(run: u64, number: u64, frame: &[u8]) -> Bytes {
    [format!("id: {run:016x}-{number}\n").as_bytes(), frame].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> TopicName {
        TopicName::new(name).unwrap()
    }

    fn text(heard: Option<Heard>) -> Option<String> {
        match heard? {
            Heard::Anew => Some("anew".to_owned()),
            Heard::Change(frame) => Some(String::from_utf8(frame.to_vec()).unwrap()),
        }
    }

    fn say(ring: &mut Ring, words: &str) {
        ring.push(Event::Frame(Bytes::copy_from_slice(words.as_bytes())), None);
    }

    #[test]
    fn whoever_comes_back_gets_what_was_missed_and_nothing_else() {
        let mut ring = Ring::new(7);
        for word in ["a", "b", "c"] {
            say(&mut ring, word);
        }
        let mut place = ring.after("0000000000000007-1").unwrap();
        assert_eq!(text(ring.next(&mut place)).unwrap(), "id: 0000000000000007-2\nb");
        assert_eq!(text(ring.next(&mut place)).unwrap(), "id: 0000000000000007-3\nc");
        assert_eq!(text(ring.next(&mut place)), None);
        assert!(ring.after("0000000000000007-3").is_some(), "it has heard everything");
        for id in ["", "7", "0000000000000008-1", "0000000000000007-4", "7-", "-1", "7-18446744073709551615"]
        {
            assert!(ring.after(id).is_none(), "{id}");
        }
        for _ in 0..MAX_EVENTS {
            say(&mut ring, "d");
        }
        assert!(ring.after("7-2").is_none(), "what came after it is forgotten");
        assert!(ring.after("7-3").is_some());
        say(&mut ring, "e");
        assert_eq!(text(ring.next(&mut place)).unwrap(), "anew", "it fell behind");
    }

    /// Whoever reads slowly has not to read everything that is over by then.
    #[test]
    fn far_behind_the_newest_value_of_each_property_wins() {
        let mut ring = Ring::new(0);
        let mut slow = ring.now();
        for number in 0..500 {
            for name in ["a", "b"] {
                let frame = Bytes::from(format!("{name}{number}"));
                ring.push(Event::Frame(frame), Some(topic(name)));
            }
            if number == 100 {
                say(&mut ring, "result");
            }
        }
        let mut heard = Vec::new();
        while let Some(text) = text(ring.next(&mut slow)) {
            heard.push(text.split_once('\n').unwrap().1.to_owned());
        }
        assert_eq!(heard[0], "result", "what is no value is never left out");
        assert_eq!(heard[heard.len() - 2..], ["a499", "b499"]);
        assert!(heard.len() as u64 <= MAX_BEHIND + 1, "{}", heard.len());
    }

    #[test]
    fn it_has_its_bounds_and_forgets_what_it_knew_of_what_left() {
        let mut ring = Ring::new(0);
        for number in 0..3 * MAX_EVENTS {
            ring.push(Event::Frame(vec![b'x'; 100].into()), Some(topic(&format!("t/{number}"))));
        }
        assert_eq!((ring.events.len(), ring.values.len()), (MAX_EVENTS, MAX_EVENTS));
        for _ in 0..100 {
            ring.push(Event::Frame(vec![b'x'; 100_000].into()), None);
        }
        assert!(ring.bytes <= MAX_BYTES && ring.values.is_empty());
        assert_eq!(ring.bytes, ring.events.iter().map(Entry::len).sum::<usize>());
        ring.push(Event::Frame(vec![b'x'; 2 * MAX_BYTES].into()), None);
        assert_eq!(
            (ring.bytes, ring.events.len()),
            (0, 0),
            "what is too long to be kept is got with the house"
        );
        let mut place = ring.now();
        place.heard -= 1;
        assert_eq!(ring.next(&mut place), Some(Heard::Anew));
    }
}
