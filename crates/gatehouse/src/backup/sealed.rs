//! The encryption of a backup: version 1 of the age format with a passphrase, as `age --decrypt` opens it.
//!
//! <https://github.com/C2SP/C2SP/blob/main/age.md>: a header with the file key, wrapped by a key that scrypt makes of the
//! passphrase, and the contents in pieces of 64 KiB, each sealed with ChaCha20-Poly1305 under its number, the last one marked.

use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use gatehouse_model::Randomness;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{hkdf, hmac};

/// The first line of a file.
const VERSION_LINE: &str = "age-encryption.org/v1";

/// What stands before the salt when scrypt is asked.
const SCRYPT_LABEL: &str = "age-encryption.org/v1/scrypt";

/// Bytes of a piece before it is sealed.
const PIECE_BYTES: usize = 64 * 1024;

/// Bytes that sealing adds.
const TAG_BYTES: usize = 16;

const SALT_BYTES: usize = 16;
const FILE_KEY_BYTES: usize = 16;

/// log2 of the work of scrypt: 32 MiB and a part of a second on a Raspberry Pi, for each guess.
const WORK: u8 = 15;

/// The most work that is done to open a file within the daemon, whose memory the service manager limits to 256 MiB: 64 MiB.
pub(super) const MAX_WORK_IN_DAEMON: u8 = 16;

/// The most work that is done on the command line: 1 GiB. The `age` tool takes 18, which is 256 MiB.
pub(super) const MAX_WORK: u8 = 20;

/// Longest line of a header that can be one of ours: others are for other keys than a passphrase.
const MAX_HEADER_BYTES: usize = 512;

/// Why a sealed file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// The passphrase does not fit.
    #[error("the passphrase is another one")]
    WrongPassphrase,
    /// It asks for too much memory.
    #[error(
        "it was encrypted with a work factor of {found}, and at most {most} is tried here: restore it with `gatehouse restore` \
         on the command line, or encrypt it anew"
    )]
    TooMuchWork {
        /// log2 of what it asks for.
        found: u8,
        /// log2 of what is given.
        most: u8,
    },
    /// It is damaged, or for other keys.
    #[error(
        "its first lines are not those of a file with a passphrase: it is damaged, or was encrypted for somebody's key"
    )]
    Header,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// Whether a file that begins so is sealed.
pub(super) fn is_sealed(beginning: &[u8]) -> bool {
    beginning.starts_with(VERSION_LINE.as_bytes())
}

fn wrapping_key(passphrase: &str, salt: &[u8], work: u8) -> Option<LessSafeKey> {
    let salt = [SCRYPT_LABEL.as_bytes(), salt].concat();
    let parameters = scrypt::Params::new(work, 8, 1).ok()?;
    let mut key = [0; 32];
    scrypt::scrypt(passphrase.as_bytes(), &salt, &parameters, &mut key).ok()?;
    aead_key(&key)
}

fn aead_key(key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key).ok().map(LessSafeKey::new)
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA-256 of the file key.
fn derived(file_key: &[u8], salt: &[u8], info: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(file_key);
    let info = [info.as_bytes()];
    extracted.expand(&info, Length(key.len())).ok()?.fill(&mut key).ok()?;
    Some(key)
}

fn header_mac(file_key: &[u8], header: &str) -> Option<hmac::Tag> {
    let key = derived(file_key, b"", "header")?;
    Some(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), header.as_bytes()))
}

/// The nonce of a piece: its number, and whether it is the last.
fn nonce_of(piece: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[3..11].copy_from_slice(&piece.to_be_bytes());
    nonce[11] = u8::from(is_last);
    Nonce::assume_unique_for_key(nonce)
}

fn broken(what: &'static str) -> io::Error {
    io::Error::other(what)
}

/// Seals what is written to it.
pub(super) struct Sealer<W> {
    out: W,
    key: LessSafeKey,
    piece: Vec<u8>,
    number: u64,
}

impl<W: Write> Sealer<W> {
    /// Writes the header.
    pub(super) fn new(mut out: W, passphrase: &str, randomness: &dyn Randomness) -> io::Result<Self> {
        let (mut salt, mut file_key, mut nonce) = ([0; SALT_BYTES], [0; FILE_KEY_BYTES], [0; SALT_BYTES]);
        for bytes in [&mut salt[..], &mut file_key[..], &mut nonce[..]] {
            randomness.fill(bytes);
        }
        let failed = || broken("the encryption failed");
        let wrapping = wrapping_key(passphrase, &salt, WORK).ok_or_else(failed)?;
        let mut wrapped = file_key.to_vec();
        // The wrapping key is used once, so its nonce is always zero.
        let zero = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        wrapping.seal_in_place_append_tag(zero, Aad::empty(), &mut wrapped).map_err(|_| failed())?;
        let header = format!(
            "{VERSION_LINE}\n-> scrypt {} {WORK}\n{}\n---",
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(wrapped)
        );
        let mac = header_mac(&file_key, &header).ok_or_else(failed)?;
        writeln!(out, "{header} {}", STANDARD_NO_PAD.encode(mac.as_ref()))?;
        out.write_all(&nonce)?;
        let key = derived(&file_key, &nonce, "payload").and_then(|key| aead_key(&key)).ok_or_else(failed)?;
        Ok(Self { out, key, piece: Vec::with_capacity(PIECE_BYTES + TAG_BYTES), number: 0 })
    }

    fn write_piece(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = nonce_of(self.number, is_last);
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::empty(), &mut self.piece);
        sealed.map_err(|_| broken("the encryption failed"))?;
        self.out.write_all(&self.piece)?;
        self.piece.clear();
        self.number += 1;
        Ok(())
    }

    /// Writes the last piece, and gives what was written to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.write_piece(true)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full piece waits for more: only what follows tells that it is not the last.
        if self.piece.len() == PIECE_BYTES {
            self.write_piece(false)?;
        }
        let length = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Opens what is read from it.
pub(super) struct Opener<R> {
    source: R,
    key: LessSafeKey,
    /// What is open and was not read yet.
    piece: Vec<u8>,
    read: usize,
    /// What was read ahead of the piece that is open.
    ahead: Vec<u8>,
    number: u64,
    is_over: bool,
}

impl<R: Read> Opener<R> {
    /// Reads the header; at most `most_work` is done for the passphrase.
    pub(super) fn new(mut source: R, passphrase: &str, most_work: u8) -> Result<Self, OpenError> {
        let header = read_header(&mut source)?;
        let Header { salt, work, mut wrapped, mac } = parse_header(&header).ok_or(OpenError::Header)?;
        if work > most_work {
            return Err(OpenError::TooMuchWork { found: work, most: most_work });
        }
        let wrapping = wrapping_key(passphrase, &salt, work).ok_or(OpenError::Header)?;
        let zero = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let opened = wrapping.open_in_place(zero, Aad::empty(), &mut wrapped);
        let file_key = opened.map_err(|_| OpenError::WrongPassphrase)?.to_vec();
        let signed =
            header.rfind("---").and_then(|place| header.get(..place + 3)).ok_or(OpenError::Header)?;
        let own = header_mac(&file_key, signed).ok_or(OpenError::Header)?;
        if own.as_ref() != mac.as_slice() {
            return Err(OpenError::Header);
        }
        let mut nonce = [0; SALT_BYTES];
        source.read_exact(&mut nonce)?;
        let key = derived(&file_key, &nonce, "payload").and_then(|key| aead_key(&key));
        let key = key.ok_or(OpenError::Header)?;
        let mut opener =
            Self { source, key, piece: Vec::new(), read: 0, ahead: Vec::new(), number: 0, is_over: false };
        opener.ahead = opener.fetch()?;
        Ok(opener)
    }

    /// The next sealed piece; shorter only at the end.
    fn fetch(&mut self) -> io::Result<Vec<u8>> {
        let mut sealed = Vec::with_capacity(PIECE_BYTES + TAG_BYTES);
        let most = u64::try_from(PIECE_BYTES + TAG_BYTES).unwrap_or(u64::MAX);
        (&mut self.source).take(most).read_to_end(&mut sealed)?;
        Ok(sealed)
    }

    /// Opens the next piece.
    fn advance(&mut self) -> io::Result<()> {
        let next = if self.ahead.len() == PIECE_BYTES + TAG_BYTES { self.fetch()? } else { Vec::new() };
        let is_last = next.is_empty();
        let mut sealed = std::mem::replace(&mut self.ahead, next);
        let opened = self.key.open_in_place(nonce_of(self.number, is_last), Aad::empty(), &mut sealed);
        let length =
            opened.map_err(|_| broken("it is damaged, or its end is missing: take another backup"))?.len();
        sealed.truncate(length);
        (self.piece, self.read, self.is_over) = (sealed, 0, is_last);
        self.number += 1;
        Ok(())
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.piece.len() {
            if self.is_over {
                return Ok(0);
            }
            self.advance()?;
        }
        let length = buffer.len().min(self.piece.len() - self.read);
        buffer[..length].copy_from_slice(&self.piece[self.read..self.read + length]);
        self.read += length;
        Ok(length)
    }
}

/// The lines up to the one that begins with `---`, byte by byte: what follows is no text.
fn read_header(source: &mut impl Read) -> Result<String, OpenError> {
    let mut header = Vec::new();
    let mut line = 0;
    while header.len() < MAX_HEADER_BYTES {
        let mut byte = [0];
        source.read_exact(&mut byte)?;
        header.push(byte[0]);
        if byte[0] == b'\n' {
            if header[line..].starts_with(b"---") {
                return String::from_utf8(header).map_err(|_| OpenError::Header);
            }
            line = header.len();
        }
    }
    Err(OpenError::Header)
}

/// What a header with one passphrase says.
struct Header {
    salt: Vec<u8>,
    /// The exponent of scrypt's work.
    work: u8,
    /// The file's key under that of the passphrase.
    wrapped: Vec<u8>,
    /// The checksum of the header.
    mac: Vec<u8>,
}

/// A header with one passphrase and nothing else.
fn parse_header(header: &str) -> Option<Header> {
    let mut lines = header.lines();
    let first = lines.next()?;
    let (salt, work) = lines.next()?.strip_prefix("-> scrypt ")?.split_once(' ')?;
    let (wrapped, mac) = (lines.next()?, lines.next()?.strip_prefix("--- ")?);
    let decode = |text: &str| STANDARD_NO_PAD.decode(text).ok();
    let (salt, wrapped) = (decode(salt)?, decode(wrapped)?);
    let is_ours = first == VERSION_LINE
        && salt.len() == SALT_BYTES
        && wrapped.len() == FILE_KEY_BYTES + TAG_BYTES
        && !work.starts_with('0')
        && lines.next().is_none();
    is_ours.then_some(())?;
    Some(Header { salt, work: work.parse().ok()?, wrapped, mac: decode(mac)? })
}

#[cfg(test)]
mod tests {
    use gatehouse_model::SeededRandomness;

    use super::*;

    const PASSPHRASE: &str = "lamp in the window";

    fn sealed(contents: &[u8]) -> Vec<u8> {
        let mut sealer = Sealer::new(Vec::new(), PASSPHRASE, &SeededRandomness::new(1)).unwrap();
        sealer.write_all(contents).unwrap();
        sealer.finish().unwrap()
    }

    fn opened(bytes: &[u8], passphrase: &str) -> Result<Vec<u8>, String> {
        let mut opener =
            Opener::new(bytes, passphrase, MAX_WORK_IN_DAEMON).map_err(|error| error.to_string())?;
        let mut contents = Vec::new();
        opener.read_to_end(&mut contents).map_err(|error| error.to_string())?;
        Ok(contents)
    }

    #[test]
    fn what_was_sealed_is_opened_whatever_its_length() {
        for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 200_000] {
            let contents: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let bytes = sealed(&contents);
            assert!(is_sealed(&bytes) && !is_sealed(&contents));
            assert!(opened(&bytes, PASSPHRASE).unwrap() == contents, "{length}");
        }
    }

    /// Written by the `age` tool 1.1.1 (`age --encrypt --passphrase`), whose work factor is 18.
    #[test]
    fn what_the_age_tool_sealed_is_opened() {
        let bytes = include_bytes!("testdata/passphrase.age");
        let mut opener = Opener::new(&bytes[..], PASSPHRASE, MAX_WORK).unwrap();
        let mut contents = String::new();
        opener.read_to_string(&mut contents).unwrap();
        assert_eq!(contents, "a lamp in the window of the gatehouse\n");
        let said = opened(bytes, PASSPHRASE).unwrap_err();
        assert!(said.contains("work factor of 18") && said.contains("gatehouse restore"), "{said}");
    }

    #[test]
    fn another_passphrase_and_every_damage_are_told() {
        let contents = vec![7; PIECE_BYTES + 100];
        let whole = sealed(&contents);
        assert_eq!(opened(&whole, "lamp in a window").unwrap_err(), "the passphrase is another one");
        let header = whole.windows(4).position(|bytes| bytes == b"\n---").unwrap();
        for place in [0, 10, 30, header - 3, header + 10, header + 60, header + 500, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            assert!(opened(&bytes, PASSPHRASE).is_err(), "a flipped bit at {place}");
        }
        for cut in [0, 10, header + 20, header + 70, whole.len() - 100 - TAG_BYTES, whole.len() - 1] {
            assert!(opened(&whole[..cut], PASSPHRASE).is_err(), "cut at {cut}");
        }
        // More behind the end.
        assert!(opened(&[whole.as_slice(), b"x"].concat(), PASSPHRASE).is_err());
        let other = String::from_utf8_lossy(&whole[..header]).replace("scrypt", "X25519");
        assert!(opened(other.as_bytes(), PASSPHRASE).is_err());
    }
}
