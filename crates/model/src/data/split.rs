//! Dividing samples, by class and seed.

use std::cmp::Reverse;
use std::fmt;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{DataError, Dataset};
use crate::ImageData;

/// What the validation metrics are measured on. In a study file `"test"`, `"own"` or a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Validation {
    /// The test set; all training samples are trained on.
    Test,
    /// The source's own validation part (`npz`).
    Own,
    /// This fraction of the training set, between 0 and 1, drawn by class and seed; the rest is trained on.
    Fraction(f64),
}

/// What to train on and what to measure on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What the network learns from.
    pub train: ImageData,
    /// What the validation metrics are measured on.
    pub validation: ImageData,
}

impl Dataset {
    /// Divides the data set for training. With [`Validation::Fraction`] each class gives its share, to a sample, and both
    /// parts keep the order of the training set; the same seed draws the same samples on every machine.
    ///
    /// # Errors
    ///
    /// If one part would be empty, or the source has no validation part of its own.
    pub fn split(self, validation: Validation, seed: u64) -> Result<Split, DataError> {
        match validation {
            Validation::Test => Ok(Split { train: self.train, validation: self.test }),
            Validation::Own => {
                Ok(Split { train: self.train, validation: self.validation.ok_or(DataError::NoValidation)? })
            }
            Validation::Fraction(fraction) => {
                let samples = self.train.len();
                let held_out = (fraction * samples as f64).round() as usize;
                if !(fraction > 0.0 && fraction < 1.0) || held_out == 0 || held_out >= samples {
                    return Err(DataError::Fraction { fraction, samples });
                }
                let (train, validation) = hold_out(self.train, held_out, seed);
                Ok(Split { train, validation })
            }
        }
    }
}

/// Takes `held_out` samples out of `data`, from every class its share, and returns what is left and what was taken.
///
/// The last sample of a class is never taken, so that what is left has every class that was there.
pub(super) fn hold_out(mut data: ImageData, held_out: usize, seed: u64) -> (ImageData, ImageData) {
    let mut members = vec![Vec::new(); data.classes()];
    for (index, &label) in data.labels.iter().enumerate() {
        members[label as usize].push(index);
    }
    let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut taken = vec![false; data.len()];
    for (class, share) in members.iter_mut().zip(shares(&sizes, held_out)) {
        for &index in draw(class, share, &mut rng) {
            taken[index] = true;
        }
    }
    let chosen: Vec<usize> = (0..data.len()).filter(|&index| taken[index]).collect();
    let held_out = data.select(&chosen);
    discard(&mut data, &taken);
    (data, held_out)
}

/// How many each class gives when `total` of all are taken: its exact share rounded down, and one more for the largest
/// remainders (Hamilton's method), but never its last.
fn shares(sizes: &[usize], total: usize) -> Vec<usize> {
    let all: u128 = sizes.iter().map(|&size| size as u128).sum();
    let exact = |size: usize| (size as u128 * total as u128) / all.max(1);
    let remainder = |size: usize| (size as u128 * total as u128) % all.max(1);
    let mut shares: Vec<usize> = sizes.iter().map(|&size| (exact(size) as usize).min(size.saturating_sub(1))).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&class| (Reverse(remainder(sizes[class])), class));
    let missing = total - shares.iter().sum::<usize>();
    let willing = by_remainder.into_iter().filter(|&class| shares[class] + 1 < sizes[class]);
    for class in willing.take(missing).collect::<Vec<_>>() {
        shares[class] += 1;
    }
    shares
}

/// The first `count` places of a Fisher–Yates shuffle. Spelt out, so that a split does not change with a version of `rand`.
fn draw<'a>(items: &'a mut [usize], count: usize, rng: &mut ChaCha8Rng) -> &'a [usize] {
    for place in 0..count {
        let rest = (items.len() - place) as u128;
        let offset = (u128::from(rng.next_u64()) * rest) >> 64;
        items.swap(place, place + offset as usize);
    }
    &items[..count]
}

/// Drops the marked samples in place: a second copy of a large data set would be felt.
fn discard(data: &mut ImageData, marked: &[bool]) {
    let size = data.shape.elements();
    let mut kept = 0;
    for index in (0..marked.len()).filter(|&index| !marked[index]) {
        data.samples.copy_within(index * size..(index + 1) * size, kept * size);
        data.labels[kept] = data.labels[index];
        kept += 1;
    }
    data.samples.truncate(kept * size);
    data.samples.shrink_to_fit();
    data.labels.truncate(kept);
}

impl Serialize for Validation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Test => serializer.serialize_str("test"),
            Self::Own => serializer.serialize_str("own"),
            Self::Fraction(fraction) => serializer.serialize_f64(*fraction),
        }
    }
}

impl<'de> Deserialize<'de> for Validation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;

        impl Visitor<'_> for TextOrNumber {
            type Value = Validation;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"test\", \"own\" or a fraction of the training set between 0 and 1")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Validation, E> {
                match text {
                    "test" => Ok(Validation::Test),
                    "own" => Ok(Validation::Own),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Validation, E> {
                if number > 0.0 && number < 1.0 {
                    Ok(Validation::Fraction(number))
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(number), &self))
                }
            }
        }

        deserializer.deserialize_any(TextOrNumber)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::InputShape;

    /// Samples that know their place: the two bytes of each are its index.
    fn numbered(labels: Vec<u32>, classes: usize) -> ImageData {
        ImageData {
            samples: (0..labels.len()).flat_map(|index| (index as u16).to_le_bytes()).collect(),
            shape: InputShape::new(1, [1, 2]),
            labels,
            class_names: (0..classes).map(|class| class.to_string()).collect(),
        }
    }

    fn indices(data: &ImageData) -> Vec<usize> {
        data.samples.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]).into()).collect()
    }

    fn count(data: &ImageData, class: u32) -> usize {
        data.labels.iter().filter(|&&label| label == class).count()
    }

    proptest! {
        #[test]
        fn both_parts_together_are_the_whole(
            labels in prop::collection::vec(0u32..5, 2..200),
            fraction in 0.01..0.99,
            seed: u64,
        ) {
            let whole = numbered(labels.clone(), 5);
            let dataset = Dataset { train: whole.clone(), validation: None, test: whole.clone() };
            let Ok(Split { train, validation }) = dataset.split(Validation::Fraction(fraction), seed) else {
                return Ok(());
            };
            let (left, taken) = (indices(&train), indices(&validation));
            prop_assert!(left.is_sorted() && taken.is_sorted());
            let mut all = [left.clone(), taken.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
            for (part, places) in [(&train, left), (&validation, taken)] {
                let expected: Vec<u32> = places.iter().map(|&index| labels[index]).collect();
                prop_assert_eq!(&part.labels, &expected);
            }
            for class in 0..5 {
                let size = count(&whole, class);
                let share = fraction * size as f64;
                // One for its own rounding, one for that of the total.
                prop_assert!((count(&validation, class) as f64 - share).abs() < 2.0);
                prop_assert!(size == 0 || count(&train, class) > 0);
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        let drawn = |seed| indices(&hold_out(numbered((0..100).map(|i| i % 4).collect(), 4), 20, seed).1);
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn remainders_decide_the_last_samples() {
        assert_eq!(shares(&[5, 5, 6], 4), [1, 1, 2]);
        assert_eq!(shares(&[1, 1, 10], 6), [0, 0, 6]);
    }

    #[test]
    fn a_fraction_that_leaves_nothing_is_refused() {
        let data = numbered(vec![0, 1, 0, 1], 2);
        let dataset = Dataset { train: data.clone(), validation: None, test: data };
        for fraction in [0.0, 1.0, -0.5, 0.01, 0.99, f64::NAN] {
            assert!(dataset.clone().split(Validation::Fraction(fraction), 0).is_err(), "{fraction}");
        }
        assert!(matches!(dataset.clone().split(Validation::Own, 0), Err(DataError::NoValidation)));
        assert_eq!(dataset.clone().split(Validation::Test, 0).unwrap().validation, dataset.test);
    }

    #[test]
    fn validation_is_text_or_a_number() {
        for (validation, json) in
            [(Validation::Test, "\"test\""), (Validation::Own, "\"own\""), (Validation::Fraction(0.25), "0.25")]
        {
            assert_eq!(serde_json::to_string(&validation).unwrap(), json);
            assert_eq!(serde_json::from_str::<Validation>(json).unwrap(), validation);
        }
        insta::assert_snapshot!(
            serde_json::from_str::<Validation>("1.5").unwrap_err(),
            @r#"invalid value: floating point `1.5`, expected "test", "own" or a fraction of the training set between 0 and 1 at line 1 column 3"#
        );
    }
}
