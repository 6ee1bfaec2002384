//! What the fuzz targets call. The same code runs with fixed cases in the ordinary tests, so that a finding can be
//! repeated without a fuzzer. It is built for tests and with the feature `fuzzing` only, and is no part of the product.

mod wire;

#[cfg(test)]
mod tests;

/// Takes any bytes for what a client sent, and checks everything that must hold for the codec: it does not panic, it
/// does not ask for more memory than the limit on a packet, the places at which the stream is cut into reads do not
/// matter, and what it takes can be written again and read by another make's codec.
///
/// The first byte chooses the version, and whether a CONNECT is expected first; the second seeds the cuts.
///
/// # Panics
/// When something does not hold.
pub fn decode(bytes: &[u8]) {
    wire::check(bytes);
}
