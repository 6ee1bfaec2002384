//! What says texts and what shows them.

use super::rig::Rig;
use crate::catalogue::SettingValue;
use crate::drivers::{Measured, Said};
use crate::sim::chips::Fault;
use crate::traits::ReadError;

fn said(rig: &mut Rig) -> Result<Option<String>, ReadError> {
    let text = |measured: Measured| match measured.value {
        Said::Text(text) => Some(text),
        Said::Number(_) => None,
    };
    Ok(rig.measure()?.into_iter().find_map(text))
}

fn is(tag: &str) -> Result<Option<String>, ReadError> {
    Ok(Some(tag.to_owned()))
}

#[test]
fn a_tag_is_told_while_it_lies_on_the_pn532() {
    for word in ["pn532", "pn532-uart"] {
        tells_its_tag(Rig::new(word));
    }
}

fn tells_its_tag(mut rig: Rig) {
    assert_eq!(said(&mut rig), is("none"));
    for (number, told) in [
        (vec![0x12, 0x34, 0x56, 0x78], "12:34:56:78"),
        (vec![0x04, 0xA2, 0x3B, 0x7F, 0x00, 0x11, 0x80], "04:a2:3b:7f:00:11:80"),
        (vec![0xFF; 10], "ff:ff:ff:ff:ff:ff:ff:ff:ff:ff"),
    ] {
        rig.feel(|world| world.tag = number);
        assert_eq!(said(&mut rig), is(told));
        assert_eq!(said(&mut rig), is(told));
        rig.feel(|world| world.tag.clear());
        assert_eq!(said(&mut rig), is(told), "one look may miss it");
        assert_eq!(said(&mut rig), is("none"));
    }
}

/// After a cut of its supply it would look for a tag for ever.
#[test]
fn a_pn532_that_was_cut_off_its_supply_is_set_up_again() {
    let mut rig = Rig::new("pn532");
    assert_eq!(said(&mut rig), is("none"));
    let (bus, address) = rig.bus();
    bus.clone().with_chip(None, address, |chip| chip.lose_power());
    assert!(said(&mut rig).is_err());
    assert_eq!(said(&mut rig), is("none"));
}

#[test]
fn an_answer_with_a_wrong_bit_is_no_tag() {
    let mut rig = Rig::new("pn532");
    rig.feel(|world| world.tag = vec![1, 2, 3, 4]);
    assert_eq!(said(&mut rig), is("01:02:03:04"));
    let (bus, address) = rig.bus();
    bus.clone().set_fault(None, address, Some(Fault::FlipsBit));
    assert!(said(&mut rig).is_err());
}

/// What a display shows: the rows and columns that hold something.
fn picture(rig: &Rig) -> Vec<String> {
    let (bus, address) = rig.bus();
    let rows = bus.with_chip(None, address, |chip| chip.picture()).flatten().unwrap();
    let width = rows.iter().filter_map(|row| row.rfind('#')).max().map_or(0, |last| last + 1);
    let height = rows.iter().rposition(|row| row.contains('#')).map_or(0, |last| last + 1);
    rows[..height].iter().map(|row| row[..width].to_owned()).collect()
}

const HELLO: [&str; 8] = [
    "......................",
    "#...#...#...........#.",
    "#...#..............#.#",
    "#...#..##...........#.",
    "#####...#.............",
    "#...#...#.............",
    "#...#...#.............",
    "#...#..###............",
];

#[test]
fn the_ssd1306_shows_a_text_and_nothing_before() {
    let mut rig = Rig::new("ssd1306");
    assert_eq!(said(&mut rig), is(" "));
    assert!(picture(&rig).is_empty(), "the noise of its memory is not shown");
    rig.show("text", "Hi °").unwrap();
    assert_eq!(picture(&rig), HELLO);
    assert_eq!(said(&mut rig), Ok(None), "it was published when it was told");
    rig.show("text", " ").unwrap();
    assert!(picture(&rig).is_empty());
    assert_eq!(said(&mut rig), is(" "));
}

#[test]
fn a_display_that_hangs_upside_down_is_read_the_right_way() {
    let mut rig = Rig::with_settings("ssd1306", &[("turned", SettingValue::Flag(true))]);
    rig.show("text", "Hi °").unwrap();
    let (bus, address) = rig.bus();
    let rows = bus.with_chip(None, address, |chip| chip.picture()).flatten().unwrap();
    let turned: Vec<String> = rows.iter().rev().map(|row| row.chars().rev().collect()).collect();
    let mut upright = Rig::new("ssd1306");
    upright.show("text", "Hi °").unwrap();
    let (bus, address) = upright.bus();
    assert_eq!(Some(turned), bus.with_chip(None, address, |chip| chip.picture()).flatten());
}

#[test]
fn lines_and_letters_fit_each_display() {
    for (height, letters, lines, columns) in
        [("64", "small", 6, 21), ("64", "large", 3, 12), ("32", "small", 3, 21), ("32", "large", 1, 12)]
    {
        let settings = [("height", SettingValue::Word(height)), ("letters", SettingValue::Word(letters))];
        let mut rig = Rig::with_settings("ssd1306", &settings);
        // The upright strokes of an H: each letter has two, with a gap between letters.
        rig.show("text", &"H".repeat(200)).unwrap();
        let shown = picture(&rig);
        let strokes = |row: &String| row.split('.').filter(|stroke| !stroke.is_empty()).count();
        let top = shown.iter().find(|row| row.contains('#')).unwrap();
        assert_eq!(strokes(top), 2 * columns, "{height} {letters}");
        let is_lit: Vec<bool> = shown.iter().map(|row| row.contains('#')).collect();
        let begins = is_lit.windows(2).filter(|pair| *pair == [false, true]).count() + usize::from(is_lit[0]);
        assert_eq!(begins, lines, "{height} {letters}");
    }
}

#[test]
fn a_display_that_went_dark_is_noticed() {
    let mut rig = Rig::new("ssd1306");
    rig.show("text", "21.5 °C").unwrap();
    said(&mut rig).unwrap();
    let (bus, address) = rig.bus();
    bus.clone().with_chip(None, address, |chip| chip.lose_power());
    assert!(matches!(said(&mut rig), Err(ReadError::Damaged(_))));
    assert_eq!(said(&mut rig), is(" "), "the bridge shows its text again when it opens it");
}
