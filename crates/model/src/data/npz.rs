//! Images or volumes in one NumPy `.npz` file, laid out as MedMNIST's (J. Yang et al., <https://medmnist.com>).
//!
//! `train_images`, `train_labels`, `test_images`, `test_labels` and, if there, `val_images`, `val_labels`. Images are
//! bytes: `(n, h, w)` or `(n, h, w, 1)` grey, `(n, h, w, 3)` colour, `(n, d, h, w)` volumes, `(n, d, h, w, 1 or 3)`
//! volumes with channels. Labels are integers of any width, `(n,)` or `(n, 1)`. Four dimensions that end in 1 or 3 are
//! channels, not the width of a volume.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::result::ZipError;

use super::npy::Header;
use super::read::{self, DAMAGED, MAX_DEFLATE_RATIO};
use super::{DataError, Dataset};
use crate::{ImageData, InputShape};

/// More classes than this are a mistake, and each costs a name and an output of the network.
const MAX_CLASSES: u32 = 10_000;

pub(super) fn load(path: &Path) -> Result<Dataset, DataError> {
    let file = File::open(path).map_err(DataError::io("read", path))?;
    decode(BufReader::with_capacity(1 << 18, file), path)
}

fn decode(file: impl Read + Seek, path: &Path) -> Result<Dataset, DataError> {
    let archive = ZipArchive::new(file)
        .map_err(|error| DataError::malformed(path, "a NumPy .npz file", error.to_string(), DAMAGED))?;
    let mut file = Npz { archive, path };
    let mut train = file.part("train")?;
    let has_validation = file.archive.index_for_name("val_images.npy").is_some();
    let mut validation = if has_validation { Some(file.part("val")?) } else { None };
    let mut test = file.part("test")?;

    let parts = || [Some(&train), validation.as_ref(), Some(&test)].into_iter().flatten();
    if let Some(other) = parts().find(|part| part.shape != train.shape) {
        let expected = format!("samples of one shape, {} as in train_images", train.shape);
        let advice = "Write all parts with images of one size";
        return Err(DataError::malformed(path, expected, other.shape.to_string(), advice));
    }
    let highest = parts().flat_map(|part| part.labels.iter()).max();
    let class_names: Vec<_> = (0..=highest.copied().unwrap_or(0)).map(|class| class.to_string()).collect();
    for part in [Some(&mut train), validation.as_mut(), Some(&mut test)].into_iter().flatten() {
        part.class_names.clone_from(&class_names);
    }
    Ok(Dataset { train, validation, test })
}

struct Npz<'a, R> {
    archive: ZipArchive<R>,
    path: &'a Path,
}

impl<R: Read + Seek> Npz<'_, R> {
    /// The images and labels of one part, as yet without class names.
    fn part(&mut self, part: &str) -> Result<ImageData, DataError> {
        let images = self.array(&format!("{part}_images"))?;
        let count = images.header.shape.first().copied().unwrap_or(0);
        let (shape, samples) = images.into_samples()?;
        let labels = self.array(&format!("{part}_labels"))?.into_labels(count)?;
        Ok(ImageData { samples, shape, labels, class_names: Vec::new() })
    }

    fn array(&mut self, name: &str) -> Result<Array, DataError> {
        let path = self.path.join(name);
        let mut entry = self.archive.by_name(&format!("{name}.npy")).map_err(|error| match error {
            ZipError::FileNotFound => DataError::malformed(
                self.path,
                format!("an array {name}"),
                "none of that name",
                "Write it with numpy.savez(path, train_images=…, train_labels=…, test_images=…, test_labels=…)",
            ),
            error => DataError::malformed(&path, "an array", error.to_string(), DAMAGED),
        })?;
        let bound = entry.compressed_size().saturating_mul(MAX_DEFLATE_RATIO);
        let header = Header::read(&mut entry, &path)?;
        if header.fortran_order {
            return Err(DataError::malformed(
                &path,
                "an array in C order",
                "Fortran order",
                "Save numpy.ascontiguousarray(array)",
            ));
        }
        let Some(width) = width(&header.dtype) else {
            return Err(unsupported(&path, &header, "an array of integers"));
        };
        let bytes = read::body(entry, header.len().saturating_mul(width as u64), bound, &path)?;
        Ok(Array { header, bytes, path })
    }
}

/// Bytes of one value of an integer type.
fn width(dtype: &str) -> Option<usize> {
    let width = dtype.strip_prefix(['|', '<', '>', '='])?.strip_prefix(['i', 'u'])?.parse().ok()?;
    matches!(width, 1 | 2 | 4 | 8).then_some(width)
}

fn unsupported(path: &Path, header: &Header, expected: &str) -> DataError {
    let dims: Vec<_> = header.shape.iter().map(ToString::to_string).collect();
    DataError::malformed(
        path,
        expected,
        format!("{} of shape ({})", header.dtype, dims.join(", ")),
        "Convert it in NumPy: images to uint8 from 0 to 255, labels to integers from 0, one a sample",
    )
}

struct Array {
    header: Header,
    bytes: Vec<u8>,
    path: PathBuf,
}

impl Array {
    /// Samples with their channels in front.
    fn into_samples(mut self) -> Result<(InputShape, Vec<u8>), DataError> {
        let shape = match self.header.shape[..] {
            _ if self.header.dtype != "|u1" || self.bytes.is_empty() => None,
            [_, height, width] => Some(InputShape::new(1, [height, width])),
            [_, height, width, channels @ (1 | 3)] => Some(InputShape::new(channels, [height, width])),
            [_, depth, height, width] => Some(InputShape::new(1, [depth, height, width])),
            [_, depth, height, width, channels @ (1 | 3)] => Some(InputShape::new(channels, [depth, height, width])),
            _ => None,
        };
        let Some(shape) = shape else {
            let layouts = "uint8 images (n, h, w), (n, h, w, 3), (n, d, h, w) or (n, d, h, w, 3)";
            return Err(unsupported(&self.path, &self.header, layouts));
        };
        if shape.channels > 1 {
            let mut planar = vec![0; shape.elements()];
            for sample in self.bytes.chunks_exact_mut(planar.len()) {
                read::planes(sample, shape.channels, &mut planar);
                sample.copy_from_slice(&planar);
            }
        }
        Ok((shape, self.bytes))
    }

    fn into_labels(self, count: usize) -> Result<Vec<u32>, DataError> {
        let (first, rest) = self.header.shape.split_first().unwrap_or((&0, &[]));
        if *first != count || rest.iter().any(|&dim| dim != 1) {
            return Err(unsupported(&self.path, &self.header, &format!("{count} labels, one a sample")));
        }
        let width = self.bytes.len() / count.max(1);
        let big_endian = self.header.dtype.starts_with('>');
        let signed = self.header.dtype.contains('i');
        let label = |(index, bytes): (usize, &[u8])| {
            let value = integer(bytes, big_endian, signed);
            u32::try_from(value).ok().filter(|&label| label < MAX_CLASSES).ok_or_else(|| {
                DataError::malformed(
                    &self.path,
                    format!("labels from 0 to {}", MAX_CLASSES - 1),
                    format!("{value} for sample {index}"),
                    "Number the classes from 0",
                )
            })
        };
        self.bytes.chunks_exact(width.max(1)).enumerate().map(label).collect()
    }
}

fn integer(bytes: &[u8], big_endian: bool, signed: bool) -> i128 {
    let push = |value: u64, &byte: &u8| (value << 8) | u64::from(byte);
    let raw = if big_endian { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) };
    if signed {
        let unused = 64 - 8 * bytes.len() as u32;
        i128::from((raw << unused).cast_signed() >> unused)
    } else {
        i128::from(raw)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use proptest::prelude::*;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/npz").join(name)
    }

    fn read(name: &str) -> Dataset {
        load(&fixture(name)).unwrap()
    }

    fn message(name: &str) -> String {
        let error = load(&fixture(name)).unwrap_err().to_string();
        error.replace(&format!("{}/", fixture("").display()), "").replace(&fixture("").display().to_string(), "")
    }

    /// The fixtures' images count up from 0, part after part; their labels are 0, 1, 2, 0, 1 …
    #[test]
    fn grey_images_and_a_validation_part_are_read() {
        let data = read("grey.npz");
        assert_eq!(data.train.shape, InputShape::new(1, [2, 3]));
        assert_eq!(data.train.samples, (0..30).collect::<Vec<_>>());
        assert_eq!(data.train.labels, [0, 1, 2, 0, 1]);
        assert_eq!(data.train.class_names, ["0", "1", "2"]);
        let validation = data.validation.unwrap();
        assert_eq!((validation.labels.as_slice(), validation.classes()), (&[0, 1][..], 3));
        assert_eq!(data.test.sample(0), [42, 43, 44, 45, 46, 47]);
    }

    #[test]
    fn stored_and_deflated_files_are_the_same() {
        assert_eq!(read("grey.npz"), read("grey-compressed.npz"));
    }

    #[test]
    fn colour_becomes_planes() {
        let data = read("colour.npz");
        assert_eq!(data.train.shape, InputShape::new(3, [2, 2]));
        assert_eq!(data.train.sample(1), [12, 15, 18, 21, 13, 16, 19, 22, 14, 17, 20, 23]);
        assert_eq!(data.validation, None);
    }

    #[test]
    fn volumes_have_a_depth() {
        let data = read("volumes.npz");
        assert_eq!(data.train.shape, InputShape::new(1, [2, 2, 4]));
        assert_eq!(data.test.samples, (80..112).collect::<Vec<_>>());
    }

    #[test]
    fn labels_of_every_integer_type_and_shape_are_read() {
        for dtype in ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "big-i2", "big-u4"] {
            assert_eq!(read(&format!("labels-{dtype}.npz")).train.labels, [0, 1, 2, 0, 1], "{dtype}");
        }
    }

    #[test]
    fn what_is_not_to_be_trained_on_is_refused() {
        insta::assert_snapshot!(message("float.npz"), @"float.npz/train_images: expected an array of integers, found <f4 of shape (5, 2, 3). Convert it in NumPy: images to uint8 from 0 to 255, labels to integers from 0, one a sample");
        insta::assert_snapshot!(message("fortran.npz"), @"fortran.npz/train_images: expected an array in C order, found Fortran order. Save numpy.ascontiguousarray(array)");
        insta::assert_snapshot!(message("negative.npz"), @"negative.npz/train_labels: expected labels from 0 to 9999, found -1 for sample 0. Number the classes from 0");
        insta::assert_snapshot!(message("multilabel.npz"), @"multilabel.npz/train_labels: expected 5 labels, one a sample, found |u1 of shape (5, 14). Convert it in NumPy: images to uint8 from 0 to 255, labels to integers from 0, one a sample");
        insta::assert_snapshot!(message("no-test.npz"), @"no-test.npz: expected an array test_images, found none of that name. Write it with numpy.savez(path, train_images=…, train_labels=…, test_images=…, test_labels=…)");
        insta::assert_snapshot!(message("two-sizes.npz"), @"two-sizes.npz: expected samples of one shape, 2×3×1 as in train_images, found 3×3×1. Write all parts with images of one size");
    }

    fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            writer.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn npy(header: &str, values: &[u8]) -> Vec<u8> {
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat()
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let images = |shape: &str, zeros: usize| {
            npy(&format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}"), &vec![0; zeros])
        };
        let bytes = zip(&[("train_images", &images("(1, 2, 2)", 50 << 20))]);
        insta::assert_snapshot!(decode(Cursor::new(bytes), Path::new("x.npz")).unwrap_err(), @"x.npz/train_images: expected 4 bytes of values, found more. The file is damaged or of another kind: get it anew");
        let bytes = zip(&[("train_images", &images("(1048576, 1048576, 1048576)", 100))]);
        insta::assert_snapshot!(decode(Cursor::new(bytes), Path::new("x.npz")).unwrap_err(), @"x.npz/train_images: expected at most 4294967296 bytes of values, found a claim of 1152921504606846976 bytes. The file is damaged or of another kind: get it anew");
        let bytes = zip(&[("train_images", &images("(1, 1000, 1000)", 100))]);
        insta::assert_snapshot!(decode(Cursor::new(bytes), Path::new("x.npz")).unwrap_err(), @"x.npz/train_images: expected 1000000 bytes of values, found at most 87720 bytes. The file is cut short: get it anew");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(Cursor::new(&bytes), Path::new("x.npz"));
            let _ = decode(Cursor::new(zip(&[("train_images", &bytes)])), Path::new("x.npz"));
        }

        #[test]
        fn a_changed_file_is_read_or_refused(changes in prop::collection::vec((any::<u16>(), any::<u8>()), 1..4), cut: u16) {
            let mut bytes = std::fs::read(fixture("grey.npz")).unwrap();
            for (place, value) in changes {
                let place = usize::from(place) % bytes.len();
                bytes[place] = value;
            }
            if cut.is_multiple_of(4) {
                bytes.truncate(usize::from(cut) % bytes.len());
            }
            if let Ok(data) = decode(Cursor::new(bytes), Path::new("x.npz")) {
                prop_assert_eq!(data.train.samples.len(), data.train.len() * data.train.shape.elements());
                prop_assert!(data.train.labels.iter().all(|&label| (label as usize) < data.train.classes()));
            }
        }

        #[test]
        fn integers_of_any_width_are_what_they_are(value: i64, width in prop::sample::select(vec![1usize, 2, 4, 8])) {
            let cut = value << (64 - 8 * width) >> (64 - 8 * width);
            prop_assert_eq!(integer(&cut.to_le_bytes()[..width], false, true), i128::from(cut));
            prop_assert_eq!(integer(&cut.to_be_bytes()[8 - width..], true, true), i128::from(cut));
            let unsigned = cut.cast_unsigned() & (u64::MAX >> (64 - 8 * width));
            prop_assert_eq!(integer(&unsigned.to_le_bytes()[..width], false, false), i128::from(unsigned));
        }
    }

    #[test]
    fn fuzz_npz() {
        fuzz::target("npz", |bytes| {
            if let Ok(data) = decode(Cursor::new(bytes), Path::new("x.npz")) {
                assert_eq!(data.train.samples.len(), data.train.len() * data.train.shape.elements());
            }
        });
    }
}
