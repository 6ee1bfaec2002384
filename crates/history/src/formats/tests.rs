//! What is written reads back, and what is broken is told with its line.

use proptest::prelude::*;

use super::*;
use gatehouse_model::{DeviceId, PropertyId, Scheme, TopicName};

fn head(name: &str, kind: Kind, unit: Option<&str>) -> Arc<Head> {
    Arc::new(Head { name: name.parse().unwrap(), kind, unit: unit.map(Arc::from) })
}

fn reading(head: &Arc<Head>, at: i64, value: Value) -> Row {
    let entry = Entry::Reading { value, quality: Quality::Ok };
    Row { head: Arc::clone(head), at: Timestamp::from_millis(at), entry }
}

fn some_rows() -> Vec<Row> {
    let temperature = head("kitchen/temperature", Kind::Number, Some("°C"));
    let heater = head("heater/power", Kind::Switch, None);
    let lamp = head("topic:zigbee2mqtt/the lamp, upstairs/state", Kind::Text, None);
    let at = 1_795_252_440_250;
    vec![
        reading(&temperature, at, Value::Number(21.5)),
        reading(&heater, at, Value::Switch(true)),
        reading(&lamp, at + 1, Value::Text("a \"b\" \\ c,\nd".into())),
        Row {
            head: Arc::clone(&temperature),
            at: Timestamp::from_millis(at + 2),
            entry: Entry::Reading { value: Value::Number(-0.1), quality: Quality::Suspect },
        },
        Row { head: temperature, at: Timestamp::from_millis(at + 3), entry: Entry::Silence },
    ]
}

fn written(format: Format, rows: &[Row]) -> Vec<u8> {
    let mut writer = RowWriter::new(format, Vec::new()).unwrap();
    for row in rows {
        writer.write(row).unwrap();
    }
    writer.finish().unwrap()
}

/// The rows, and the first mistake.
fn read(format: Format, bytes: impl Into<Vec<u8>>) -> (Vec<Row>, Option<ReadProblem>) {
    let scheme = Scheme::new("casa").unwrap();
    let reader = match RowReader::of_bytes(bytes.into().into(), format, Some(scheme)) {
        Ok(reader) => reader,
        Err(problem) => return (Vec::new(), Some(problem)),
    };
    let mut rows = Vec::new();
    let mut first = None;
    for row in reader {
        match row {
            Ok(row) => rows.push(row),
            Err(problem) => {
                assert_eq!(problem.rows, rows.len() as u64);
                first.get_or_insert(problem);
            }
        }
    }
    (rows, first)
}

const READABLE: [Format; 3] = [Format::Csv, Format::JsonLines, Format::Parquet];

#[test]
fn the_formats_look_as_documented() {
    let text = |format| String::from_utf8(written(format, &some_rows())).unwrap();
    assert_eq!(
        text(Format::Csv),
        "time,series,kind,unit,value,quality\n\
         2026-11-21T09:14:00.250Z,kitchen/temperature,number,°C,21.5,ok\n\
         2026-11-21T09:14:00.250Z,heater/power,switch,,ON,ok\n\
         2026-11-21T09:14:00.251Z,\"topic:zigbee2mqtt/the lamp, upstairs/state\",text,,\"a \"\"b\"\" \\ c,\nd\",ok\n\
         2026-11-21T09:14:00.252Z,kitchen/temperature,number,°C,-0.1,suspect\n\
         2026-11-21T09:14:00.253Z,kitchen/temperature,number,°C,,silence\n"
    );
    assert_eq!(
        text(Format::JsonLines).lines().nth(2).unwrap(),
        r#"{"time":"2026-11-21T09:14:00.251Z","series":"topic:zigbee2mqtt/the lamp, upstairs/state","kind":"text","unit":null,"value":"a \"b\" \\ c,\nd","quality":"ok"}"#
    );
    assert_eq!(
        text(Format::Influx),
        "temperature,device=kitchen,unit=°C value=21.5,quality=\"ok\" 1795252440250000000\n\
         power,device=heater on=true,quality=\"ok\" 1795252440250000000\n\
         topic,topic=zigbee2mqtt/the\\ lamp\\,\\ upstairs/state text=\"a \\\"b\\\" \\\\ c,\nd\",quality=\"ok\" 1795252440251000000\n\
         temperature,device=kitchen,unit=°C value=-0.1,quality=\"suspect\" 1795252440252000000\n\
         temperature,device=kitchen,unit=°C silent=true 1795252440253000000\n"
    );
    assert!(written(Format::Parquet, &some_rows()).starts_with(b"PAR1"));
}

/// A file of more than one row group.
#[test]
fn a_long_parquet_file_reads_back() {
    let temperature = head("kitchen/temperature", Kind::Number, Some("°C"));
    let rows: Vec<Row> = (0..150_000_i32)
        .map(|n| reading(&temperature, i64::from(n) * 10_000, Value::Number(f64::from(n % 97) / 10.0)))
        .collect();
    let bytes = written(Format::Parquet, &rows);
    assert!(bytes.len() < rows.len() * 3, "{} bytes for {} rows", bytes.len(), rows.len());
    let (back, problem) = read(Format::Parquet, bytes);
    assert_eq!(problem, None);
    assert!(back == rows);
}

#[test]
fn a_file_without_rows_reads_back_as_such() {
    for format in READABLE {
        assert_eq!(read(format, written(format, &[])), (Vec::new(), None));
    }
    assert_eq!(read(Format::Csv, ""), (Vec::new(), None));
}

#[test]
fn a_mistake_is_told_with_its_line_and_loses_no_other_row() {
    let csv = "time,series,kind,unit,value,quality\n2026-11-21T09:14:00Z,a/b,number,,1,ok\n\n";
    for (line, word) in [
        ("yesterday,a/b,number,,1,ok", "`yesterday` is no time"),
        ("2026-11-21T09:14:00Z,a,number,,1,ok", "no series"),
        ("2026-11-21T09:14:00Z,a/b,numbers,,1,ok", "no kind"),
        ("2026-11-21T09:14:00Z,a/b,number,,NaN,ok", "`NaN` is no number"),
        ("2026-11-21T09:14:00Z,a/b,number,,,ok", "there is no value"),
        ("2026-11-21T09:14:00Z,a/b,switch,,2,ok", "neither ON nor OFF"),
        ("2026-11-21T09:14:00Z,a/b,number,,1,good", "no quality"),
        ("2026-11-21T09:14:00Z,a/b,number,,1", "5 fields where 6 are expected"),
        ("2026-11-21T09:14:00Z,topic:a/#,number,,1,ok", "no series"),
    ] {
        let (rows, problem) =
            read(Format::Csv, format!("{csv}{line}\n2026-11-21T09:14:01Z,a/b,number,,1,ok\n"));
        let problem = problem.unwrap();
        assert_eq!((rows.len(), problem.line, problem.rows), (2, Some(4), 1), "{line}: {problem}");
        assert!(!problem.is_of_file, "{line}: {problem}");
        assert!(problem.reason.contains(word), "{line}: {problem}");
    }
    let good = r#"{"time":"2026-11-21T09:14:00Z","series":"a/b","value":1}"#;
    for line in [
        "{",
        "[]",
        "null",
        r#"{"time":true,"series":"a/b","value":1}"#,
        r#"{"time":"2026-11-21T09:14:00Z","value":1}"#,
    ] {
        let (rows, problem) = read(Format::JsonLines, format!("{good}\n{line}\n{good}\n"));
        assert_eq!((rows.len(), problem.unwrap().line), (2, Some(2)), "{line}");
    }
    let problem = read(Format::Csv, "time,value\n2026-11-21T09:14:00Z,1\n").1.unwrap();
    assert!(problem.to_string().contains("no column `series`"), "{problem}");
    let problem = read(Format::Influx, "").1.unwrap();
    assert!(problem.to_string().contains("can be written, but not read"), "{problem}");
}

#[test]
fn a_line_that_never_ends_is_given_up() {
    for format in [Format::Csv, Format::JsonLines] {
        let start = "time,series,value\n2026-11-21T09:14:00Z,a/b,1\n\"";
        let start = if format == Format::Csv { start } else { "" };
        let reader: Box<dyn std::io::Read + Send> =
            Box::new(std::io::Read::chain(std::io::Cursor::new(start), std::io::repeat(b'x')));
        let last = RowReader::new(reader, format, None).unwrap().last().unwrap();
        let problem = last.unwrap_err();
        assert!(problem.is_of_file);
        assert!(problem.reason.contains("longer than 524288 bytes"), "{problem}");
    }
}

#[test]
fn a_file_has_series_up_to_a_limit() {
    let lines: String = (0..=MAX_HEADS).map(|n| format!("2026-11-21T09:14:00Z,t/{n},1\n")).collect();
    let (rows, problem) = read(Format::Csv, lines);
    assert_eq!(rows.len(), MAX_HEADS);
    assert!(problem.unwrap().reason.contains("more than 10000 series"));
}

/// `mosquitto_sub -F '%I,%t,%p'`, and the same with a header.
#[test]
fn logs_of_topics_are_read() {
    let lines = "2026-11-21T10:14:00+0100,casa/kitchen/temperature,21.5\n\
                 1795252441.5,casa/heater/power,ON\r\n\
                 2026-11-21T10:14:02+0100,zigbee2mqtt/lamp,\"a word, and another\"\n\
                 2026-11-21T10:14:03+0100,casa/heater/power/set,OFF\n";
    let (rows, problem) = read(Format::Csv, lines);
    assert_eq!(problem, None);
    assert_eq!(read(Format::Csv, format!("\u{feff}time,topic,value\n{lines}")).0, rows);
    assert_eq!(read(Format::Csv, format!("Value,Topic,Time,More\n{}", "1,casa/a/b,1,x\n")).0.len(), 1);
    let names: Vec<String> = rows.iter().map(|row| format!("{} {}", row.head.name, row.head.kind)).collect();
    assert_eq!(
        names,
        [
            "kitchen/temperature number",
            "heater/power switch",
            "topic:zigbee2mqtt/lamp text",
            "topic:casa/heater/power/set switch"
        ]
    );
    assert_eq!(rows[1].at.as_millis(), 1_795_252_441_500);
    let json = r#"{"time":1795252441.5,"topic":"casa/heater/power","value":true}"#;
    assert_eq!(read(Format::JsonLines, json).0, rows[1..2]);
}

/// `mosquitto_sub -F '%I %t %p'` and `-F '%U %t %p'`.
#[test]
fn lines_of_time_topic_and_value_are_read() {
    let lines = "\u{feff}2026-11-21T10:14:00+0100 casa/kitchen/temperature 21.5\r\n\
                 1795252441.500123456 zigbee2mqtt/lamp {\"state\": \"ON\", \"a\": 1}\n\
                 1795252442.5 casa/heater/power\n\
                 \n\
                 1795252443.5 casa/heater/power ON\n";
    let (rows, problem) = read(Format::Csv, lines);
    let text: Vec<String> = rows
        .iter()
        .map(|row| match &row.entry {
            Entry::Reading { value, .. } => format!("{} {} {value}", row.at, row.head.name),
            Entry::Silence => String::new(),
        })
        .collect();
    assert_eq!(
        text,
        [
            "2026-11-21T09:14:00.000Z kitchen/temperature 21.5",
            "2026-11-21T09:14:01.500Z topic:zigbee2mqtt/lamp {\"state\": \"ON\", \"a\": 1}",
            "2026-11-21T09:14:03.500Z heater/power ON",
        ]
    );
    assert_eq!(problem.unwrap().line, Some(3));
}

/// Spreadsheets write semicolons where numbers have commas.
#[test]
fn semicolons_and_tabs_are_columns_too() {
    for delimiter in [";", "\t"] {
        let lines =
            ["time;topic;value", "1795252440;casa/a/b;1", "1795252441;casa/a/b;1,5", "1795252442;casa/a/b;2"];
        let (rows, problem) = read(Format::Csv, lines.join("\r\n").replace(';', delimiter));
        assert_eq!(
            (rows.len(), problem.as_ref().and_then(|problem| problem.line)),
            (2, Some(3)),
            "{problem:?}"
        );
        assert!(problem.unwrap().reason.contains("comma"));
    }
}

#[test]
fn formats_are_known_by_word_and_by_name_of_file() {
    for format in Format::ALL {
        assert_eq!(format.word().parse(), Ok(format));
        assert_eq!(Format::of_path(Path::new(&format!("x.{format}"))), Some(format));
    }
    assert_eq!(Format::of_path(Path::new("X.CSV")), Some(Format::Csv));
    assert_eq!(Format::of_path(Path::new("csv")), None);
    assert!("xml".parse::<Format>().is_err());
}

fn any_head() -> impl Strategy<Value = Arc<Head>> {
    let name = prop_oneof![
        ("[a-z0-9]{1,8}", "[a-z0-9]{1,8}").prop_map(|(device, property)| {
            SeriesName::Property(DeviceId::new(&device).unwrap(), PropertyId::new(&property).unwrap())
        }),
        "[^+#\u{0}]{1,20}"
            .prop_filter_map("a topic", |text| TopicName::new(text).ok().map(SeriesName::Topic)),
    ];
    let kind = prop_oneof![Just(Kind::Number), Just(Kind::Switch), Just(Kind::Text)];
    (name, kind, prop::option::of("[a-zA-Z°µ%/ ,\"\\\\]{1,8}"))
        .prop_map(|(name, kind, unit)| Arc::new(Head { name, kind, unit: unit.map(Arc::from) }))
}

fn any_row() -> impl Strategy<Value = Row> {
    // Years 0001 to 9999 are what RFC 3339 can say.
    let time = -62_135_596_800_000..253_402_300_799_999_i64;
    let number = prop_oneof![
        prop::num::f64::NORMAL,
        prop::num::f64::ZERO,
        prop::num::f64::SUBNORMAL,
        (-1000..1000_i32).prop_map(|n| f64::from(n) / 10.0)
    ];
    let quality = prop::sample::select(vec![
        Quality::Ok,
        Quality::Simulated,
        Quality::Retried,
        Quality::Clamped,
        Quality::Suspect,
        Quality::Stale,
    ]);
    (any_head(), time, number, any::<bool>(), any::<String>(), prop::option::weighted(0.9, quality)).prop_map(
        |(head, at, number, on, text, quality)| {
            let value = match head.kind {
                Kind::Number => Value::Number(number),
                Kind::Switch => Value::Switch(on),
                Kind::Text => Value::Text(text.into()),
            };
            let entry = quality.map_or(Entry::Silence, |quality| Entry::Reading { value, quality });
            Row { head, at: Timestamp::from_millis(at), entry }
        },
    )
}

/// Equal to the last bit: -0 and 0 are not the same.
fn same(left: &[Row], right: &[Row]) -> bool {
    let bits = |row: &Row| match &row.entry {
        Entry::Reading { value: Value::Number(number), .. } => number.to_bits(),
        _ => 0,
    };
    left == right && left.iter().map(bits).eq(right.iter().map(bits))
}

proptest! {
    #[test]
    fn what_is_written_reads_back(rows in prop::collection::vec(any_row(), 0..40)) {
        for format in READABLE {
            let (back, problem) = read(format, written(format, &rows));
            prop_assert_eq!(&problem, &None, "{}", format);
            prop_assert!(same(&back, &rows), "{}: {:?}", format, back);
        }
    }

    /// Each line of the protocol has a measurement with tags, fields and a time, whatever the names contain.
    #[test]
    fn line_protocol_keeps_its_shape(mut row in any_row(), at in 0..9_000_000_000_000_i64) {
        row.at = Timestamp::from_millis(at);
        let line = String::from_utf8(written(Format::Influx, std::slice::from_ref(&row))).unwrap();
        let line = line.strip_suffix('\n').unwrap();
        let (mut quoted, mut escaped, mut parts) = (false, false, vec![String::new()]);
        for c in line.chars() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' if parts.len() > 1 => quoted = !quoted,
                ' ' if !quoted => parts.push(String::new()),
                _ => {}
            }
            parts.last_mut().unwrap().push(c);
        }
        prop_assert_eq!(parts.len(), 3, "{}", line);
        prop_assert_eq!(parts[2].trim().parse::<i64>().unwrap(), at * 1_000_000);
    }

    #[test]
    fn any_bytes_are_rows_or_an_error(
        rows in prop::collection::vec(any_row(), 1..20),
        format in prop::sample::select(READABLE.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = written(format, &rows);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read(format, bytes);
    }

    #[test]
    fn random_bytes_are_no_rows(bytes in prop::collection::vec(any::<u8>(), 0..500), format in prop::sample::select(READABLE.to_vec())) {
        read(format, bytes);
    }
}
