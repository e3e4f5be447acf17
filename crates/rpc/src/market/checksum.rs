//! The book's checksum: what lets a client know that the book that it keeps is the market's.
//!
//! It is the CRC-32 of ISO-HDLC (that of zlib, PNG and Ethernet: polynomial 0xedb88320 reflected, begun and ended with all ones) over a
//! text of the best [`CHECKSUM_LEVELS`] levels of each side. Place by place, from the best on, the bid of the place and then the ask of the
//! place is written as `ticks:lots`, in decimal; a side that has no level at a place is left out; all are joined by `:`. The empty book's
//! text is empty and its checksum zero.

use rialto_market::types::{Lots, Ticks};
use std::fmt::Write;

/// Levels of each side that count.
pub(super) const CHECKSUM_LEVELS: usize = 10;

/// The reflected polynomial.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// What each byte does to the remainder.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut remainder, mut bit) = (byte as u32, 0);
        while bit < 8 {
            remainder = if remainder & 1 == 1 { remainder >> 1 ^ POLYNOMIAL } else { remainder >> 1 };
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
};

/// The checksum of a book whose levels are given from the best on.
pub(super) fn checksum(bids: &[(Ticks, Lots)], asks: &[(Ticks, Lots)]) -> u32 {
    let mut text = String::with_capacity(CHECKSUM_LEVELS * 2 * 16);
    for place in 0..CHECKSUM_LEVELS {
        for (ticks, lots) in [bids.get(place), asks.get(place)].into_iter().flatten() {
            let separator = if text.is_empty() { "" } else { ":" };
            // A string takes whatever is written.
            let _ = write!(text, "{separator}{ticks}:{lots}");
        }
    }
    crc32(text.as_bytes())
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |remainder, byte| TABLE[usize::from(remainder as u8 ^ byte)] ^ remainder >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_is_that_of_iso_hdlc() {
        // The second is the check value of the catalogue of CRC algorithms, the third was computed with zlib.
        let rows: [(&[u8], u32); 3] = [(b"", 0), (b"123456789", 0xcbf4_3926), (b"100:5:101:7:99:1", 0x63a7_03a9)];
        for (bytes, expected) in rows {
            assert_eq!(crc32(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn levels_are_written_in_turns() {
        type Levels = &'static [(Ticks, Lots)];
        let rows: [(&str, Levels, Levels, &str); 5] = [
            ("empty", &[], &[], ""),
            ("bids alone", &[(100, 5), (99, 1)], &[], "100:5:99:1"),
            ("asks alone", &[], &[(101, 7)], "101:7"),
            ("more bids", &[(100, 5), (99, 1)], &[(101, 7)], "100:5:101:7:99:1"),
            ("more asks", &[(100, 5)], &[(101, 7), (105, 2)], "100:5:101:7:105:2"),
        ];
        for (name, bids, asks, text) in rows {
            assert_eq!(checksum(bids, asks), crc32(text.as_bytes()), "{name}");
        }
    }

    #[test]
    fn only_the_best_levels_count() {
        let bids: Vec<(Ticks, Lots)> = (1..=20).rev().map(|ticks| (ticks, 1)).collect();
        assert_eq!(checksum(&bids, &[]), checksum(&bids[..CHECKSUM_LEVELS], &[]));
        assert_ne!(checksum(&bids, &[]), checksum(&bids[1..], &[]));
    }
}
