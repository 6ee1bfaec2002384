//! Whatever goes in comes out; what was damaged is reported.

use super::*;
use proptest::prelude::*;

fn rows(times: &[i64], value: impl Fn(usize) -> f64, quality: impl Fn(usize) -> u8) -> Vec<Row> {
    times.iter().enumerate().map(|(n, at)| Row { at: *at, value: value(n), quality: quality(n) }).collect()
}

/// A thermometer that reads every ten seconds, with the jitter of a busy machine.
fn thermometer(count: usize) -> Vec<Row> {
    let times: Vec<i64> =
        (0..count as i64).map(|n| 1_795_252_440_000 + n * 10_000 + (n * 7_919) % 13).collect();
    rows(
        &times,
        |n| ((20.0 + (n as f64 / 300.0).sin() * 3.0 + (n * 31 % 17) as f64 * 0.005) * 100.0).round() / 100.0,
        |n| u8::from(n % 500 == 7) * 2,
    )
}

/// Bit for bit: -0 is not 0.
fn same(left: &[Row], right: &[Row]) -> bool {
    let bits = |row: &Row| (row.at, row.value.to_bits(), row.quality);
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| bits(left) == bits(right))
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let any_value = prop_oneof![
        any::<f64>().prop_filter("finite", |value| value.is_finite()),
        (-1_000_i32..1_000).prop_map(|n| f64::from(n) / 10.0),
        Just(-0.0),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE / 2.0),
        Just(1.0),
    ];
    let any_time =
        prop_oneof![any::<i64>(), 1_795_252_440_000_i64..1_795_252_540_000, Just(i64::MAX), Just(i64::MIN)];
    prop::collection::btree_map(any_time, (any_value, 0..=WORST), 1..600)
        .prop_map(|rows| rows.into_iter().map(|(at, (value, quality))| Row { at, value, quality }).collect())
}

#[test]
fn a_day_of_a_thermometer_is_small() {
    let rows = thermometer(2_048);
    let chunk = encode(7, &rows).unwrap();
    assert!(same(&chunk.decode().unwrap(), &rows));
    assert!(chunk.data.len() < 2_048 * 2, "{} bytes", chunk.data.len());
    let constant = rows.iter().enumerate().map(|(n, row)| Row { at: n as i64 * 10_000, value: 1.0, ..*row });
    let constant: Vec<Row> = constant.map(|row| Row { quality: 0, ..row }).collect();
    assert!(encode(7, &constant).unwrap().data.len() < 100);
}

/// The lateness of two readings was in each distance between their times.
#[test]
fn times_of_a_timer_that_wakes_late_cost_what_its_lateness_does() {
    let mut random = 1_u64;
    let mut below = |limit: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((random >> 33) % limit) as i64
    };
    for (period, phase) in [(10_000, 4_321), (1_000, 760), (60_000, 0), (2_500, 77)] {
        let late: Vec<i64> = (0..2_048).map(|_| below(25) * below(25) / 25).collect();
        let times: Vec<i64> =
            (0..).zip(late).map(|(n, late)| 1_795_252_440_000 + phase + n * period + late).collect();
        let (mut plain, mut told) = (Vec::new(), Vec::new());
        numbers::write(&times, &mut plain).unwrap();
        numbers::write_times(&times, &mut told).unwrap();
        assert!(told.len() * 10 < plain.len() * 9, "{period}: {} of {}", told.len(), plain.len());
        assert_eq!(numbers::read::<i64>(&told, times.len()).unwrap(), (times, &[][..]));
    }
    // Where there is no period, nothing is longer for it.
    let mut at = 0;
    let times: Vec<i64> = std::iter::repeat_with(|| {
        at += 1 + below(1 << 20);
        at
    })
    .take(2_048)
    .collect();
    let (mut plain, mut told) = (Vec::new(), Vec::new());
    numbers::write(&times, &mut plain).unwrap();
    numbers::write_times(&times, &mut told).unwrap();
    assert!(told.len() <= plain.len());
}

#[test]
fn the_largest_chunk_of_the_worst_rows_is_read_again() {
    let mut random = 1_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random ^ (random >> 29)
    };
    let mut times: Vec<i64> = (0..MAX_ROWS).map(|_| next() as i64).collect();
    times.sort_unstable();
    let rows: Vec<Row> = times
        .iter()
        .map(|at| {
            let value = f64::from_bits(next());
            let value = if value.is_finite() { value } else { 0.5 };
            Row { at: *at, value, quality: (next() % 7) as u8 }
        })
        .collect();
    let chunk = encode(1, &rows).unwrap();
    assert!(chunk.data.len() <= MAX_DATA_BYTES, "{} bytes", chunk.data.len());
    assert!(same(&chunk.decode().unwrap(), &rows));
}

#[test]
fn what_is_no_chunk_is_refused() {
    let row = |at, value, quality| Row { at, value, quality };
    assert_eq!(encode(1, &[]), Err(EncodeError::Count(0)));
    assert_eq!(encode(1, &thermometer(MAX_ROWS + 1)), Err(EncodeError::Count(MAX_ROWS + 1)));
    assert_eq!(encode(1, &[row(2, 0.0, 0), row(1, 0.0, 0)]), Err(EncodeError::Order));
    assert_eq!(encode(1, &[row(1, 0.0, 0), row(1, 0.0, 0)]), Err(EncodeError::Order));
    assert_eq!(encode(1, &[row(1, f64::NAN, 0)]), Err(EncodeError::Value));
    assert_eq!(encode(1, &[row(1, f64::INFINITY, 0)]), Err(EncodeError::Value));
    assert_eq!(encode(1, &[row(1, 0.0, 7)]), Err(EncodeError::Quality));
}

/// The file format: a file that was written once is read for ever.
#[test]
fn a_chunk_of_the_first_version_is_read() {
    let rows = rows(&[1_000, 2_000, 2_500, 9_000], |n| [21.5, -0.0, 21.5, 1e300][n], |n| [0, 0, 6, 5][n]);
    let data =
        FIRST.iter().flat_map(|line| line.split(' ')).map(|byte| u8::from_str_radix(byte, 16).unwrap());
    let chunk = Chunk {
        series: 5,
        start: 1_000,
        stop: 9_000,
        count: 4,
        checksum: FIRST_CHECKSUM,
        data: data.collect(),
    };
    assert!(same(&chunk.decode().unwrap(), &rows));
}

const FIRST_CHECKSUM: i64 = 2269423490;
const FIRST: [&str; 4] = [
    "01 04 02 00 01 06 01 05 70 63 6f 21 03 04 02 01 04 01 04 03 00 00 00 10",
    "00 40 1f 00 00 00 00 00 00 6c 00 00 00 7d 70 17 a0 0f 00 70 63 6f 21 03",
    "06 02 01 04 01 06 03 00 00 00 32 00 e0 ff ff ff ff ff ff ff 0f 10 00 00",
    "00 00 00 60 0d 30 00 ce 3a 00 44 1e f2 1b 7f 00 62 00 00",
];

/// Of the four numbers beside the data as well, and of the checksum itself.
#[test]
fn every_flipped_bit_is_reported() {
    let chunk = encode(7, &thermometer(400)).unwrap();
    for bit in 0..chunk.data.len() * 8 {
        let mut damaged = chunk.clone();
        damaged.data[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(damaged.decode(), Err(Damage::Checksum), "bit {bit}");
    }
    let fields: [fn(&mut Chunk) -> &mut i64; 5] = [
        |chunk| &mut chunk.series,
        |chunk| &mut chunk.start,
        |chunk| &mut chunk.stop,
        |chunk| &mut chunk.count,
        |chunk| &mut chunk.checksum,
    ];
    for field in fields {
        for bit in 0..64 {
            let mut damaged = chunk.clone();
            *field(&mut damaged) ^= 1 << bit;
            assert_eq!(damaged.decode(), Err(Damage::Checksum));
        }
    }
    for length in 0..chunk.data.len() {
        let mut cut = chunk.clone();
        cut.data.truncate(length);
        assert!(cut.decode().is_err());
    }
}

/// As somebody would write it who wants to do harm: with a checksum that fits.
fn forged(mut chunk: Chunk) -> Chunk {
    chunk.checksum = chunk.computed_checksum();
    chunk
}

#[test]
fn a_forged_chunk_that_asks_for_much_memory_is_refused() {
    let chunk = encode(7, &thermometer(400)).unwrap();
    for count in [0, -1, 399, 401, 4_097, 1 << 24, i64::MAX, i64::MIN] {
        assert!(matches!(forged(Chunk { count, ..chunk.clone() }).decode(), Err(Damage::Content(_))));
    }
    let long = forged(Chunk { data: vec![VERSION; MAX_DATA_BYTES + 1], ..chunk.clone() });
    assert!(matches!(long.decode(), Err(Damage::Content(_))));
    // The head of the times: magic, version, type, hint, format, and then type, count and mode.
    let head = chunk.data.windows(4).position(|window| window == b"pco!").unwrap();
    let mut seen = 0;
    for place in head..head + 40 {
        for mode in 0..=255 {
            let mut data = chunk.data.clone();
            data[place] = mode;
            // Nothing to hold it against but that it ends, and that it is quick.
            if let Ok(rows) = forged(Chunk { data, ..chunk.clone() }).decode() {
                assert_eq!(rows.len(), 400);
                seen += 1;
            }
        }
    }
    assert!(seen > 0);
    let newer = forged(Chunk { data: [&[9], &chunk.data[1..]].concat(), ..chunk });
    assert_eq!(newer.decode(), Err(Damage::Version(9)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_in_comes_out(series in any::<i64>(), rows in any_rows()) {
        let chunk = encode(series, &rows).unwrap();
        prop_assert!(same(&chunk.decode().unwrap(), &rows));
    }

    /// Forged so that what is behind the checksum is tried as well.
    #[test]
    fn spoiled_chunks_never_panic(
        rows in any_rows(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut chunk = encode(1, &rows).unwrap();
        for (place, byte) in changes {
            let place = place.index(chunk.data.len());
            chunk.data[place] = byte;
        }
        let count = rows.len();
        if let Ok(rows) = forged(chunk).decode() {
            prop_assert_eq!(rows.len(), count);
            prop_assert!(rows.windows(2).all(|pair| pair[0].at < pair[1].at));
            prop_assert!(rows.iter().all(|row| row.value.is_finite() && row.quality <= WORST));
        }
    }

    #[test]
    fn any_bytes_never_panic(data in prop::collection::vec(any::<u8>(), 0..300), count in 0_i64..5_000) {
        let chunk = forged(Chunk { series: 1, start: 0, stop: 1, count, checksum: 0, data });
        prop_assert!(chunk.decode().is_err());
    }
}
