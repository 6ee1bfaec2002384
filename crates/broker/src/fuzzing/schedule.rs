//! A schedule: what the clients of a small house do, one step after the other, and what happens to their broker.
//!
//! Any bytes are a schedule: two for the settings, then six for each step. So a fuzzer can make one and a property test
//! can shrink one, by leaving out steps and making bytes smaller.

/// Bytes of one step.
pub(super) const STEP_BYTES: usize = 6;

/// Steps that are played. Moments of different steps stay apart by a millisecond each, so that never two things are due
/// at the same moment; that asks for fewer than 500.
const MOST_STEPS: usize = 400;

/// Clients of the house.
pub(super) const CLIENTS: u8 = 4;

/// Topics that are published to. The last four are the wills' own, one for each client.
pub(super) const TOPICS: [&str; 11] =
    ["a", "a/b", "a/b/c", "b", "b/b", "/", "$x/a", "w/0", "w/1", "w/2", "w/3"];

/// The first topic that is a will's.
pub(super) const FIRST_WILL_TOPIC: usize = 7;

/// Filters that are asked for.
pub(super) const FILTERS: [&str; 12] =
    ["a", "a/b", "#", "a/#", "+", "+/b", "a/+/c", "b/#", "$x/#", "w/+", "/", "+/+"];

/// How the broker is set, and its store.
#[derive(Clone, Copy, Debug)]
pub(super) struct House {
    /// The store keeps what it is given.
    pub(super) keeps: bool,
    /// It commits at the end of each round, and not only when a step says so.
    pub(super) commits_at_once: bool,
    /// Messages on their way to one client.
    pub(super) window: u16,
    /// Messages that wait for one session.
    pub(super) queue: usize,
}

/// The CONNECT of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hello {
    pub(super) five: bool,
    pub(super) clean: bool,
    pub(super) expiry: u32,
    pub(super) receive_maximum: u16,
    pub(super) small_packets: bool,
    pub(super) aliases: u16,
    pub(super) keep_alive: u16,
    pub(super) will: Option<WillSaid>,
}

/// The will of a CONNECT.
#[derive(Clone, Copy, Debug)]
pub(super) struct WillSaid {
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) delay: u32,
}

/// What is published.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) topic: usize,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) expiry: Option<u32>,
    pub(super) body: Body,
}

/// The payload of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// A number that no other message has.
    Small,
    /// The same, and more than a client with small packets takes.
    Big,
    /// Nothing, which clears what is retained.
    Empty,
}

/// One filter of a SUBSCRIBE.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) filter: usize,
    pub(super) qos: u8,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
    /// 0 always, 1 when new, 2 never.
    pub(super) retain_handling: u8,
}

/// How a bad client ends its connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bad {
    Malformed,
    SecondConnect,
    Auth,
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Connect {
        client: u8,
        hello: Hello,
    },
    Publish {
        client: u8,
        said: Said,
    },
    /// An unacknowledged message of QoS 2 is sent again although the connection has not changed.
    PublishAgain {
        client: u8,
        which: u8,
    },
    /// A message of QoS 2 that was received is released.
    Release {
        client: u8,
        which: u8,
    },
    /// The client acknowledges what it was sent: this many, in order.
    Acknowledge {
        client: u8,
        count: u8,
    },
    /// It acknowledges what it was never sent, or in the wrong way.
    AcknowledgeWrongly {
        client: u8,
        kind: u8,
        id: u16,
    },
    Subscribe {
        client: u8,
        first: Wish,
        second: Option<Wish>,
        identifier: Option<u32>,
    },
    Unsubscribe {
        client: u8,
        filter: usize,
    },
    Disconnect {
        client: u8,
        with_will: bool,
        expiry: Option<u32>,
    },
    Cut {
        client: u8,
    },
    Misbehave {
        client: u8,
        how: Bad,
    },
    Ping {
        client: u8,
    },
    /// The client stops to read, or reads again.
    Deaf {
        client: u8,
        deaf: bool,
    },
    /// Time passes, by halves of a second; the broker is woken in time, or only at the end.
    Pass {
        halves: u32,
        in_time: bool,
    },
    /// Time passes until something is due.
    PassToDeadline,
    /// The store commits this many rounds.
    Commit {
        count: u8,
    },
    /// The broker ends without a word, and starts again. So many rounds that it does not know of were committed.
    Crash {
        committed: u8,
        lazy_too: bool,
        halves: u32,
    },
}

/// A step, and whether its round goes on with the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) step: Step,
    pub(super) round_goes_on: bool,
}

/// Reads a schedule.
pub(super) fn read(bytes: &[u8]) -> (House, Vec<Planned>) {
    let [flags, _, rest @ ..] = bytes else { return (house(0), Vec::new()) };
    let steps = rest.as_chunks::<STEP_BYTES>().0.iter().take(MOST_STEPS).map(planned).collect();
    (house(*flags), steps)
}

fn house(flags: u8) -> House {
    House {
        keeps: flags & 1 != 0,
        commits_at_once: flags & 2 != 0,
        window: if flags & 4 != 0 { 2 } else { 256 },
        queue: if flags & 8 != 0 { 3 } else { 16_384 },
    }
}

fn planned(bytes: &[u8; STEP_BYTES]) -> Planned {
    Planned { step: step(bytes), round_goes_on: bytes[0] & 0x80 != 0 }
}

fn step(&[op, who, a, b, c, d]: &[u8; STEP_BYTES]) -> Step {
    let client = who % CLIENTS;
    let flag = |byte: u8, bit: u8| byte >> bit & 1 == 1;
    match op & 0x1F {
        0..=3 => Step::Connect { client, hello: hello(a, b, c, d) },
        4..=10 => Step::Publish { client, said: said(a, b, c, d) },
        11 => Step::PublishAgain { client, which: a },
        12 | 13 => Step::Release { client, which: a },
        14..=16 => Step::Acknowledge { client, count: 1 + a % 4 },
        17 => Step::AcknowledgeWrongly { client, kind: a % 5, id: 1 + u16::from(b % 4) },
        18..=20 => Step::Subscribe {
            client,
            first: wish(a, b),
            second: flag(c, 7).then(|| wish(c, d)),
            identifier: (flag(b, 7)).then(|| 1 + u32::from(a) * 2),
        },
        21 => Step::Unsubscribe { client, filter: usize::from(a) % FILTERS.len() },
        22 => Step::Disconnect {
            client,
            with_will: flag(a, 0),
            expiry: [None, None, Some(0), Some(2)][usize::from(b % 4)],
        },
        23 => Step::Cut { client },
        24 => Step::Misbehave {
            client,
            how: [Bad::Malformed, Bad::SecondConnect, Bad::Auth][usize::from(a % 3)],
        },
        25 => Step::Ping { client },
        26 => Step::Deaf { client, deaf: flag(a, 0) },
        27 => Step::Pass { halves: 1 + u32::from(a % 16), in_time: flag(b, 0) },
        28 => Step::PassToDeadline,
        29 | 30 => Step::Commit { count: 1 + a % 8 },
        _ => Step::Crash { committed: a % 4, lazy_too: flag(b, 0), halves: u32::from(c % 6) },
    }
}

/// A known gap is left out: a QoS 2 delivery that the broker gives up because it is too large for the client now, although
/// the client may hold its packet identifier. After one more sudden end the numbers of the session begin anew, and another
/// message comes under that identifier. QoS 2 with an expiry is left out with it: what expires over a restart is only
/// released, which the model does not know.
fn said(a: u8, b: u8, c: u8, d: u8) -> Said {
    let qos = b % 3;
    let is_given_up_at_times = qos < 2;
    let body = [Body::Small, Body::Small, Body::Big, Body::Empty][usize::from(d % 4)];
    Said {
        topic: usize::from(a) % TOPICS.len(),
        qos,
        retain: b >> 4 & 1 == 1,
        expiry: [None, None, Some(1), Some(3)][usize::from(c % 4)].filter(|_| is_given_up_at_times),
        body: if body == Body::Big && !is_given_up_at_times { Body::Small } else { body },
    }
}

fn hello(a: u8, b: u8, c: u8, d: u8) -> Hello {
    let five = a & 1 == 1;
    let clean = a & 2 != 0;
    let expiry = match (five, clean) {
        (true, _) => [0, 2, 5, 3_600][usize::from(b % 4)],
        (false, true) => 0,
        (false, false) => u32::MAX,
    };
    let will = (c & 1 == 1).then(|| WillSaid {
        qos: (c >> 1) % 3,
        retain: c & 0x10 != 0,
        delay: if five { [0, 1, 3, 60][usize::from(c >> 6)] } else { 0 },
    });
    Hello {
        five,
        clean,
        expiry,
        receive_maximum: if five { [65_535, 1, 2, 3][usize::from(d % 4)] } else { 65_535 },
        small_packets: five && d & 0x10 != 0,
        aliases: if five { [0, 0, 1, 2][usize::from(d >> 6)] } else { 0 },
        keep_alive: [0, 0, 2, 4][usize::from(b >> 6)],
        will,
    }
}

fn wish(a: u8, b: u8) -> Wish {
    Wish {
        filter: usize::from(a & 0x7F) % FILTERS.len(),
        qos: b % 3,
        no_local: b & 4 != 0,
        retain_as_published: b & 8 != 0,
        retain_handling: (b >> 4 & 3) % 3,
    }
}
