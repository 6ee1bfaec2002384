//! SSD1306: a small display that shows a text.

use std::convert::Infallible;
use std::time::Duration;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::text::{Baseline, Text};
use embedded_graphics::{Drawable, Pixel};

use super::i2c_chip::I2cChip;
use super::terms::I2C_WIRES;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{
    Bus, Content, Entry, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Setting, SettingKind, Supply,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "ssd1306",
    name: "Solomon Systech SSD1306",
    what: "A display of 128 by 64 or 32 dots that shows a text.",
    bus: Bus::I2c { addresses: &[0x3C, 0x3D] },
    kind: Kind::Sensor,
    properties: &[MeasuredProperty::of("text", "Text", Content::Shown { max_bytes: MAX_BYTES })],
    settings: &[
        Setting {
            key: "height",
            what: "How many rows of dots it has.",
            kind: SettingKind::Choice { words: &["64", "32"], default: "64" },
        },
        Setting {
            key: "letters",
            what: "How large its letters are: small are 21 in each of 6 lines (3 on a low one), large are 12 in each of 3 lines (1).",
            kind: SettingKind::Choice { words: &["small", "large"], default: "small" },
        },
        Setting {
            key: "turned",
            what: "Whether it hangs upside down.",
            kind: SettingKind::Flag { default: false },
        },
        Setting {
            key: "contrast",
            what: "How bright its dots are; dim ones live longer.",
            kind: SettingKind::Number { lowest: 0.0, highest: 255.0, default: 127.0, unit: "" },
        },
    ],
    recognition: &[],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 3.3, highest: 5.0 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_secs(1) },
    source: "Solomon Systech, SSD1306, rev. 1.1, April 2008, with its application note",
    notes: &[
        "Send the text to its property's set topic. Long lines are broken between words; what does not fit is left out.",
        "It is empty after a start, until a text is sent; when its own supply was cut it shows its text again by itself.",
        "Letters of Western Europe can be shown; others become a question mark.",
        "A display with an SH1106 (most of 1.3 inch) has other commands, and shows noise.",
        "A scan does not ask it: its address may be that of an expander (PCF8574A), which would switch its outputs.",
        "With a supply of 5 V its pull-up resistors must still go to 3.3 V.",
    ],
    open: Open::I2c(open),
};

/// Most bytes of a text: more than fit with the smallest letters, two bytes each.
const MAX_BYTES: usize = 256;

const WIDTH: usize = 128;

/// Eight rows of dots make a page; the upper one is the lowest bit of each byte.
const ROWS_OF_PAGE: usize = 8;

/// The byte in front of commands, and of dots.
const COMMANDS: u8 = 0x00;
const DOTS: u8 = 0x40;

/// Its dots.
struct Picture {
    pages: Vec<[u8; WIDTH]>,
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        let rows = u32::try_from(self.pages.len() * ROWS_OF_PAGE).unwrap_or(u32::MAX);
        Size::new(WIDTH as u32, rows)
    }
}

impl DrawTarget for Picture {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, color) in pixels {
            // What is outside is not shown.
            let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { continue };
            let page = self.pages.get_mut(y / ROWS_OF_PAGE);
            if let Some(dots) = page.and_then(|page| page.get_mut(x)) {
                let bit = 1 << (y % ROWS_OF_PAGE);
                *dots = if color.is_on() { *dots | bit } else { *dots & !bit };
            }
        }
        Ok(())
    }
}

struct Ssd1306 {
    chip: I2cChip,
    pages: usize,
    font: &'static MonoFont<'static>,
    shows_text: bool,
    /// The bit of its status that tells whether it is on, as it was once it was.
    status_when_on: u8,
}

/// The bit of the status that tells whether it is on.
const POWER_BIT: u8 = 1 << 6;

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let chip = I2cChip::new(port, address, opening);
    let settings = opening.settings;
    let is_low = settings.word("height") == "32";
    let (last_row, wiring, pages) = if is_low { (31, 0x02, 4) } else { (63, 0x12, 8) };
    let (columns, rows) = if settings.flag("turned") { (0xA0, 0xC0) } else { (0xA1, 0xC8) };
    let font = if settings.word("letters") == "large" { &FONT_10X20 } else { &FONT_6X10 };
    let contrast = settings.number("contrast") as u8;
    let mut display = Ssd1306 { chip, pages, font, shows_text: false, status_when_on: 0 };
    // The flow chart of the application note: rows, offset, first line, both directions, wiring of the rows, contrast, what the
    // memory says, not inverted, clock, pump; then byte after byte and page after page.
    display.command(&[0xAE, 0xA8, last_row, 0xD3, 0, 0x40, columns, rows, 0xDA, wiring])?;
    display.command(&[0x81, contrast, 0xA4, 0xA6, 0xD5, 0x80, 0x8D, 0x14, 0x20, 0x00, 0x2E])?;
    // What is in the memory after power-on is noise, and must not be seen.
    display.draw("")?;
    display.command(&[0xAF])?;
    display.status_when_on = display.status()?;
    Ok(Box::new(display))
}

impl Ssd1306 {
    fn command(&mut self, commands: &[u8]) -> Result<(), ReadError> {
        self.chip.write(&[&[COMMANDS], commands].concat())
    }

    fn status(&mut self) -> Result<u8, ReadError> {
        let [status] = self.chip.read()?;
        Ok(status & POWER_BIT)
    }

    fn draw(&mut self, text: &str) -> Result<(), ReadError> {
        let mut picture = Picture { pages: vec![[0; WIDTH]; self.pages] };
        let style = MonoTextStyle::new(self.font, BinaryColor::On);
        let size = self.font.character_size;
        let columns = WIDTH / size.width as usize;
        // A line of which only a part fits would look broken.
        let fitting = self.pages * ROWS_OF_PAGE / size.height as usize;
        let lines = lines(text, columns);
        for (line, y) in lines.iter().take(fitting).zip((0..).step_by(size.height as usize)) {
            let Ok(_) = Text::with_baseline(line, Point::new(0, y), style, Baseline::Top).draw(&mut picture);
        }
        let last_page = u8::try_from(self.pages.saturating_sub(1)).unwrap_or_default();
        self.command(&[0x21, 0, 127, 0x22, 0, last_page])?;
        for page in picture.pages {
            self.chip.write(&[&[DOTS][..], &page].concat())?;
        }
        Ok(())
    }
}

/// The lines of a text: broken where it says so, between words where a line is full, and within a word that is longer than a
/// line.
fn lines(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let (mut line, mut length) = (String::new(), 0);
        for word in paragraph.split(' ') {
            let mut rest: Vec<char> = word.chars().collect();
            let gap = usize::from(length > 0);
            if length > 0 && length + gap + rest.len() > columns {
                lines.push(std::mem::take(&mut line));
                length = 0;
            }
            if length > 0 {
                line.push(' ');
                length += 1;
            }
            while rest.len() > columns {
                let tail = rest.split_off(columns);
                lines.push(rest.into_iter().collect());
                rest = tail;
            }
            length += rest.len();
            line.extend(rest);
        }
        lines.push(line);
    }
    lines
}

impl Driver for Ssd1306 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        if self.status()? != self.status_when_on {
            return Err(ReadError::Damaged("it has gone dark: its supply was cut".to_owned()));
        }
        // What it was told to show was published when it was told.
        let empty = (!self.shows_text).then(|| Measured::text("text", " ".to_owned()));
        Ok(empty.into_iter().collect())
    }

    fn show(&mut self, _property: &'static str, text: &str) -> Result<(), ReadError> {
        self.draw(text)?;
        self.shows_text = !text.trim().is_empty();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_nothing_is_lost() {
        let broken = |text| lines(text, 8);
        assert_eq!(broken("Hello World"), ["Hello", "World"]);
        assert_eq!(broken("a b c d e"), ["a b c d", "e"]);
        assert_eq!(broken("12345678"), ["12345678"]);
        assert_eq!(broken("123456789"), ["12345678", "9"]);
        assert_eq!(broken("an incomprehensible"), ["an", "incompre", "hensible"]);
        assert_eq!(broken("In 21.5\nOut 3"), ["In 21.5", "Out 3"]);
        assert_eq!(broken("a\n\nb"), ["a", "", "b"]);
        assert_eq!(broken("Küche 21 °C"), ["Küche 21", "°C"]);
        assert!(broken("").is_empty());
    }
}
