//! The 1,797 handwritten 8×8 digits that the program carries.
//!
//! E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998
//! (CC BY 4.0). The set has no division of its own here: 360 samples, a fifth of each class, are drawn for testing with a
//! fixed seed, always the same.

use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;

use super::{DataError, Dataset, split};
use crate::{ImageData, InputShape};

static CSV: &[u8] = include_bytes!("../../assets/digits.csv.gz");
const SIDE: usize = 8;
const CLASSES: u32 = 10;
/// The darkest pixel: each counts the black ones of a 4×4 block.
const DARKEST: u32 = 16;
const TEST: usize = 360;
const TEST_SEED: u64 = 1797;

pub(super) fn load() -> Result<Dataset, DataError> {
    let all = parse(BufReader::new(GzDecoder::new(CSV)))?;
    let (train, test) = split::hold_out(all, TEST, TEST_SEED);
    Ok(Dataset { train, validation: None, test })
}

fn parse(csv: impl BufRead) -> Result<ImageData, DataError> {
    let path = Path::new("the built-in digits.csv.gz");
    let (mut samples, mut labels) = (Vec::new(), Vec::new());
    for (row, line) in csv.lines().enumerate() {
        let line = line.map_err(DataError::io("read", path))?;
        let numbers: Option<Vec<u32>> = line.split(',').map(|number| number.parse().ok()).collect();
        match numbers.as_deref().and_then(<[u32]>::split_last) {
            Some((&label, pixels))
                if label < CLASSES && pixels.len() == SIDE * SIDE && pixels.iter().all(|&p| p <= DARKEST) =>
            {
                samples.extend(pixels.iter().map(|pixel| ((pixel * 255 + DARKEST / 2) / DARKEST) as u8));
                labels.push(label);
            }
            _ => {
                return Err(DataError::malformed(
                    path,
                    "64 pixels of 0 to 16 and a digit a line",
                    format!("line {}: {line:?}", row + 1),
                    "The program was built from a damaged file: restore crates/model/assets",
                ));
            }
        }
    }
    Ok(ImageData {
        samples,
        shape: InputShape::new(1, [SIDE, SIDE]),
        labels,
        class_names: (0..CLASSES).map(|digit| digit.to_string()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_digit_is_the_known_zero() {
        let all = parse(BufReader::new(GzDecoder::new(CSV))).unwrap();
        assert_eq!(all.len(), 1797);
        assert_eq!(&all.labels[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        // 0,0,5,13,9,1,0,0 sixteenths.
        assert_eq!(&all.sample(0)[..8], [0, 0, 80, 207, 143, 16, 0, 0]);
        assert_eq!(all.samples.iter().max(), Some(&255));
    }

    #[test]
    fn every_class_gives_a_fifth_for_testing() {
        let data = load().unwrap();
        let counts = |data: &ImageData| {
            let mut counts = [0; 10];
            data.labels.iter().for_each(|&label| counts[label as usize] += 1);
            counts
        };
        assert_eq!(counts(&data.train), [142, 145, 142, 146, 145, 146, 145, 143, 139, 144]);
        assert_eq!(counts(&data.test), [36, 37, 35, 37, 36, 36, 36, 36, 35, 36]);
    }

    #[test]
    fn the_split_never_changes() {
        let test = load().unwrap().test.samples;
        let checksum: u64 = test.iter().zip(1..).map(|(&value, place)| u64::from(value) * place).sum();
        assert_eq!(checksum, 20_667_072_735);
    }

    #[test]
    fn a_damaged_line_is_named() {
        insta::assert_snapshot!(
            parse(&b"1,2,3\n"[..]).unwrap_err(),
            @r#"the built-in digits.csv.gz: expected 64 pixels of 0 to 16 and a digit a line, found line 1: "1,2,3". The program was built from a damaged file: restore crates/model/assets"#
        );
    }
}
