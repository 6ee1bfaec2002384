//! What the first line of a text says of its form.

use std::io::{self, Read};

use super::words::read_time;

/// Most bytes that are looked at: a header, or a topic with the beginning of its value.
const HEAD_BYTES: usize = 4_096;

/// How a text without JSON is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Columns.
    Columns(Columnar),
    /// Time, topic and value with spaces between them, as `mosquitto_sub -F '%I %t %p'` writes them.
    Topics,
}

/// How columns are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Columnar {
    /// What stands between them.
    pub(super) delimiter: u8,
    /// The lines end in two bytes.
    pub(super) is_crlf: bool,
}

impl Form {
    /// The form of a text that begins like this.
    pub(super) fn of(head: &[u8]) -> Self {
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let line = line.trim_start_matches('\u{feff}');
        let is_time = |text: &str| read_time(text).is_ok();
        if line.split_once(' ').is_some_and(|(time, rest)| is_time(time) && !rest.is_empty()) {
            return Self::Topics;
        }
        let other = [b';', b'\t'].into_iter().find(|delimiter| line.contains(char::from(*delimiter)));
        let delimiter = other.filter(|_| !line.contains(',')).unwrap_or(b',');
        Self::Columns(Columnar { delimiter, is_crlf: line.ends_with('\r') })
    }
}

/// Reads the first line, or as much of it as is looked at.
pub(super) fn head(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD_BYTES];
    let mut length = 0;
    while length < HEAD_BYTES && !head[..length].contains(&b'\n') {
        match source.read(&mut head[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(length);
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_says_what_follows() {
        let columns = |delimiter| Form::Columns(Columnar { delimiter, is_crlf: false });
        for (line, form) in [
            ("time,series,value", columns(b',')),
            (
                "\u{feff}time;series;value\r\n1;2;3",
                Form::Columns(Columnar { delimiter: b';', is_crlf: true }),
            ),
            ("time\ttopic\tvalue", columns(b'\t')),
            ("time,a;b", columns(b',')),
            ("2026-11-21 09:14:00Z,a/b,1", columns(b',')),
            ("1795252440.25 casa/kitchen/temperature 21.5", Form::Topics),
            ("2026-11-21T10:14:00+0100 a/b 1,5", Form::Topics),
            ("", columns(b',')),
        ] {
            assert_eq!(Form::of(line.as_bytes()), form, "{line}");
        }
        let mut slow = (&b"tim"[..]).chain(&b"e,topic\nmore"[..]);
        assert_eq!(head(&mut slow).unwrap(), b"time,topic\nmore");
        assert_eq!(head(&mut std::io::repeat(b'x')).unwrap().len(), HEAD_BYTES);
    }
}
