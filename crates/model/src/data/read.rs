//! Reading foreign bytes with a bound on what they may cost.

use std::io::{self, Read};
use std::path::Path;

use super::DataError;

/// No part of a data set is larger than this: 4 GiB. MNIST is 47 MB, CIFAR-10 154 MB.
pub(super) const MAX_BYTES: u64 = 4 << 30;

/// Deflate cannot shrink anything more than 1,032-fold, so a larger claim is a lie whatever follows.
pub(super) const MAX_DEFLATE_RATIO: u64 = 1032;

/// What to do with a file that is not what it should be.
pub(super) const DAMAGED: &str = "The file is damaged or of another kind: get it anew";

/// Reads a body of exactly `len` bytes, of which there can be no more than `bound`.
///
/// Nothing is allocated for a claim that the bound refutes, and reading stops one byte past the claim.
pub(super) fn body(mut reader: impl Read, len: u64, bound: u64, path: &Path) -> Result<Vec<u8>, DataError> {
    if len > MAX_BYTES {
        let limit = format!("at most {MAX_BYTES} bytes of values");
        return Err(DataError::malformed(path, limit, format!("a claim of {len} bytes"), DAMAGED));
    }
    let cut_short = |found: String| {
        DataError::malformed(path, format!("{len} bytes of values"), found, "The file is cut short: get it anew")
    };
    if len > bound {
        return Err(cut_short(format!("at most {bound} bytes")));
    }
    let mut bytes = Vec::with_capacity(len as usize);
    match reader.by_ref().take(len + 1).read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => return Err(unreadable(path, error)),
    }
    match bytes.len() as u64 {
        found if found < len => Err(cut_short(format!("{found} bytes"))),
        found if found > len => Err(DataError::malformed(path, format!("{len} bytes of values"), "more", DAMAGED)),
        _ => Ok(bytes),
    }
}

/// An error while reading: of the disk, or of a compressed stream that is not one.
pub(super) fn unreadable(path: &Path, error: io::Error) -> DataError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            DataError::malformed(path, "intact compressed data", error.to_string(), DAMAGED)
        }
        _ => DataError::io("read", path)(error),
    }
}

/// Moves one sample from `[…, channels]` to `[channels, …]`.
pub(super) fn planes(interleaved: &[u8], channels: usize, planar: &mut [u8]) {
    let size = interleaved.len() / channels;
    for (channel, plane) in planar.chunks_exact_mut(size).enumerate() {
        for (value, pixel) in plane.iter_mut().zip(interleaved.chunks_exact(channels)) {
            *value = pixel[channel];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_exactly_as_long_as_claimed() {
        let path = Path::new("x");
        assert_eq!(body(&[1, 2, 3][..], 3, 3, path).unwrap(), [1, 2, 3]);
        assert!(body(&[1, 2][..], 3, 100, path).is_err());
        assert!(body(&[1, 2, 3, 4][..], 3, 100, path).is_err());
        assert!(body(&[1, 2, 3][..], 3, 2, path).is_err());
    }

    #[test]
    fn an_absurd_claim_costs_nothing() {
        let claim = body(io::repeat(0), u64::MAX, u64::MAX, Path::new("bomb")).unwrap_err();
        insta::assert_snapshot!(claim, @"bomb: expected at most 4294967296 bytes of values, found a claim of 18446744073709551615 bytes. The file is damaged or of another kind: get it anew");
    }

    #[test]
    fn planes_are_separated() {
        let mut planar = [0; 6];
        planes(&[1, 2, 3, 11, 12, 13], 3, &mut planar);
        assert_eq!(planar, [1, 11, 2, 12, 3, 13]);
    }
}
