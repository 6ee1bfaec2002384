//! A stream of bytes cut into lines: what a serial device says, as texts that can be published.

use std::time::Duration;

use gatehouse_model::{MAX_TEXT_BYTES, Moment};

/// Lines that may come at once. A smart meter tells its state in some forty of them, and a device that starts in a hundred.
pub const LINE_BURST: u32 = 200;

/// Time after which one more line may come: fifty a second are more than anybody follows, and what the broker, the history
/// and the pages of a small board carry without being late for anything else.
pub const LINE_REFILL: Duration = Duration::from_millis(20);

/// Silence that ends a line of [`EndOfLine::Pause`]: at 300 baud a character takes 33 ms.
pub const PAUSE: Duration = Duration::from_millis(100);

/// What ends a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndOfLine {
    /// A line feed; a carriage return before it is no part of the line.
    #[default]
    Lf,
    /// Carriage return and line feed. What is received is read as with [`EndOfLine::Lf`].
    CrLf,
    /// A carriage return.
    Cr,
    /// Nothing but silence ([`PAUSE`]): for devices that send a number and no more. Nothing is added to what is sent.
    Pause,
}

impl EndOfLine {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lf, Self::CrLf, Self::Cr, Self::Pause];

    /// The word for it in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lf => "lf",
            Self::CrLf => "crlf",
            Self::Cr => "cr",
            Self::Pause => "pause",
        }
    }

    /// What is written behind a text.
    pub const fn written(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
            Self::Pause => "",
        }
    }

    /// The byte that ends what is received.
    const fn byte(self) -> Option<u8> {
        match self {
            Self::Lf | Self::CrLf => Some(b'\n'),
            Self::Cr => Some(b'\r'),
            Self::Pause => None,
        }
    }

    /// The bytes of a text as they go out: with its end, unless the text has it already.
    pub fn bytes_of(self, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        if !text.ends_with(self.written()) {
            bytes.extend_from_slice(self.written().as_bytes());
        }
        bytes
    }
}

/// A line as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The line without its end, never empty and at most [`MAX_TEXT_BYTES`] long. Bytes that are no UTF-8 are shown as
    /// U+FFFD (�).
    pub text: String,
    /// When its end came.
    pub at: Moment,
}

/// What was not passed on, since the reader began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Lines whose end was cut off.
    pub cut: u64,
    /// Lines that were left out, because more came than [`LINE_BURST`] and [`LINE_REFILL`] allow.
    pub left_out: u64,
}

/// Cuts a stream into lines. At most one line is held, and never more than its longest length of it.
#[derive(Clone, Debug)]
pub struct LineReader {
    end: EndOfLine,
    longest: usize,
    line: Vec<u8>,
    is_cut: bool,
    heard: Option<Moment>,
    /// Lines that may still come, and since when that is so.
    left: u32,
    since: Moment,
    losses: Losses,
}

impl LineReader {
    /// A reader of lines of at most `longest` bytes, which is at most [`MAX_TEXT_BYTES`].
    pub fn new(end: EndOfLine, longest: usize, now: Moment) -> Self {
        let longest = longest.clamp(1, MAX_TEXT_BYTES);
        let losses = Losses::default();
        Self {
            end,
            longest,
            line: Vec::new(),
            is_cut: false,
            heard: None,
            left: LINE_BURST,
            since: now,
            losses,
        }
    }

    /// What was not passed on.
    pub const fn losses(&self) -> Losses {
        self.losses
    }

    /// Takes bytes that came until `now`; whole lines are put into `lines`. Empty lines are passed over.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Moment, lines: &mut Vec<Received>) {
        self.handle_timeout(now, lines);
        if !bytes.is_empty() {
            self.heard = Some(now);
        }
        for byte in bytes {
            if Some(*byte) == self.end.byte() {
                self.end_line(now, lines);
            } else if self.line.len() <= self.longest {
                // One byte more than a line may have is held: it may be the carriage return before the end.
                self.line.push(*byte);
            } else {
                // An end of several bytes behind the longest line cuts nothing.
                self.is_cut |= !matches!(byte, b'\r' | b'\n');
            }
        }
    }

    /// When silence ends a line; nothing when none waits for that.
    pub fn next_deadline(&self) -> Option<Moment> {
        let waits = self.end == EndOfLine::Pause && !self.line.is_empty();
        self.heard.filter(|_| waits).map(|heard| heard + PAUSE)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Moment, lines: &mut Vec<Received>) {
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.end_line(now, lines);
        }
    }

    /// The port was lost: the piece of a line that was received is no line.
    pub fn forget(&mut self) {
        self.line.clear();
        self.is_cut = false;
    }

    fn end_line(&mut self, now: Moment, lines: &mut Vec<Received>) {
        let mut line = std::mem::take(&mut self.line);
        let mut is_cut = std::mem::take(&mut self.is_cut);
        match self.end {
            EndOfLine::Lf | EndOfLine::CrLf if !is_cut => {
                line.pop_if(|last| *last == b'\r');
            }
            // A device that ends its lines with both has sent the line feed of the line before.
            EndOfLine::Cr if line.first() == Some(&b'\n') => {
                line.remove(0);
            }
            EndOfLine::Pause => {
                let kept = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
                line.truncate(kept.map_or(0, |last| last + 1));
            }
            EndOfLine::Lf | EndOfLine::CrLf | EndOfLine::Cr => {}
        }
        if line.len() > self.longest {
            line.truncate(self.longest);
            is_cut = true;
        }
        if line.is_empty() {
            return;
        }
        if !self.may_pass(now) {
            self.losses.left_out += 1;
            return;
        }
        let mut text = String::from_utf8_lossy(&line).into_owned();
        if text.len() > MAX_TEXT_BYTES {
            // What stands for a wrong byte is longer than it.
            text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
            is_cut = true;
        }
        self.losses.cut += u64::from(is_cut);
        lines.push(Received { text, at: now });
    }

    fn may_pass(&mut self, now: Moment) -> bool {
        let refills = now.saturating_since(self.since).as_millis() / LINE_REFILL.as_millis();
        let refills = u32::try_from(refills).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(refills).min(LINE_BURST);
        self.since =
            if self.left == LINE_BURST { now } else { self.since + LINE_REFILL.saturating_mul(refills) };
        let passes = self.left > 0;
        self.left = self.left.saturating_sub(1);
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::from_start(Duration::from_millis(millis))
    }

    fn texts(reader: &mut LineReader, bytes: &[u8], millis: u64) -> Vec<String> {
        let mut lines = Vec::new();
        reader.handle_bytes(bytes, at(millis), &mut lines);
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_end_as_they_should() {
        let read = |end, bytes: &[u8]| texts(&mut LineReader::new(end, 80, at(0)), bytes, 0);
        assert_eq!(read(EndOfLine::Lf, b"one\ntwo\r\n\r\n\nthree"), ["one", "two"]);
        assert_eq!(read(EndOfLine::CrLf, b"one\ntwo\r\n"), ["one", "two"]);
        assert_eq!(read(EndOfLine::Cr, b"one\rtwo\r\nthree\r"), ["one", "two", "three"]);
        assert_eq!(read(EndOfLine::Lf, b" a\rb \n"), [" a\rb "]);
        assert_eq!(read(EndOfLine::Pause, b"one\r\ntwo\r\n"), [""; 0]);
        assert_eq!(EndOfLine::CrLf.bytes_of("AT"), b"AT\r\n");
        assert_eq!(EndOfLine::CrLf.bytes_of("AT\r\n"), b"AT\r\n");
        assert_eq!(EndOfLine::Pause.bytes_of("AT"), b"AT");
    }

    /// A reader of cards sends twelve digits and nothing else.
    #[test]
    fn silence_ends_a_line_where_nothing_else_does() {
        let mut reader = LineReader::new(EndOfLine::Pause, 80, at(0));
        assert_eq!(texts(&mut reader, b"0F00", 0), [""; 0]);
        assert_eq!(texts(&mut reader, b"1A2B\r\n", 99), [""; 0]);
        assert_eq!(reader.next_deadline(), Some(at(199)));
        let mut lines = Vec::new();
        reader.handle_timeout(at(198), &mut lines);
        assert_eq!(lines, []);
        reader.handle_timeout(at(199), &mut lines);
        assert_eq!(lines, [Received { text: "0F001A2B".to_owned(), at: at(199) }]);
        assert_eq!(reader.next_deadline(), None);
        assert_eq!(texts(&mut reader, b"a", 300), [""; 0]);
        assert_eq!(texts(&mut reader, b"b", 500), ["a"], "it was silent in between");
    }

    #[test]
    fn long_lines_are_cut_and_counted_and_the_next_one_is_whole() {
        let mut reader = LineReader::new(EndOfLine::Lf, 4, at(0));
        assert_eq!(
            texts(&mut reader, b"1234\r\n12345\n1234567890\r\nabc\n", 0),
            ["1234", "1234", "1234", "abc"]
        );
        assert_eq!(reader.losses(), Losses { cut: 2, left_out: 0 });
    }

    #[test]
    fn wrong_bytes_are_shown_and_do_not_make_a_text_too_long() {
        let mut reader = LineReader::new(EndOfLine::Lf, MAX_TEXT_BYTES, at(0));
        assert_eq!(texts(&mut reader, b"21.5 \xb0C\n", 0), ["21.5 \u{fffd}C"]);
        let mut noise = vec![0xff; MAX_TEXT_BYTES];
        noise.push(b'\n');
        let shown = texts(&mut reader, &noise, 0).remove(0);
        assert_eq!((shown.len(), reader.losses().cut), (1_023, 1));
    }

    #[test]
    fn a_flood_is_counted_and_over_when_it_is_over() {
        let mut reader = LineReader::new(EndOfLine::Lf, 80, at(0));
        let flood = b"x\n".repeat(LINE_BURST as usize + 7);
        assert_eq!(texts(&mut reader, &flood, 0).len(), LINE_BURST as usize);
        assert_eq!(reader.losses().left_out, 7);
        assert_eq!(texts(&mut reader, b"a\nb\nc\n", 40), ["a", "b"]);
        assert_eq!(texts(&mut reader, &flood, 60_000).len(), LINE_BURST as usize);
    }

    #[test]
    fn a_piece_of_a_line_is_none_when_the_port_is_lost() {
        let mut reader = LineReader::new(EndOfLine::Lf, 80, at(0));
        assert_eq!(texts(&mut reader, b"half a li", 0), [""; 0]);
        reader.forget();
        assert_eq!(texts(&mut reader, b"whole\n", 0), ["whole"]);
    }

    proptest! {
        /// Whatever comes in whatever pieces: no panic, no empty line, none too long, and the pieces do not matter.
        #[test]
        fn the_pieces_do_not_matter(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..300),
            piece in 1..40usize,
            longest in 1..30usize,
            end in prop_oneof![Just(EndOfLine::Lf), Just(EndOfLine::CrLf), Just(EndOfLine::Cr), Just(EndOfLine::Pause)],
        ) {
            let mut whole = LineReader::new(end, longest, at(0));
            let mut lines = Vec::new();
            whole.handle_bytes(&bytes, at(0), &mut lines);
            whole.handle_timeout(at(1_000), &mut lines);
            let mut pieces = LineReader::new(end, longest, at(0));
            let mut others = Vec::new();
            for piece in bytes.chunks(piece) {
                pieces.handle_bytes(piece, at(0), &mut others);
            }
            pieces.handle_timeout(at(1_000), &mut others);
            prop_assert_eq!(&lines, &others);
            prop_assert_eq!(whole.losses(), pieces.losses());
            for line in &lines {
                prop_assert!(!line.text.is_empty() && line.text.chars().count() <= longest, "{:?}", line);
            }
        }
    }
}
