//! MNIST's IDX files, plain or gzip.
//!
//! A file is `00 00`, a type byte (08: bytes), the number of dimensions, each dimension as a big-endian u32, then the
//! values (Y. LeCun, <http://yann.lecun.com/exdb/mnist/>).

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::read::{self, DAMAGED, MAX_DEFLATE_RATIO};
use super::{DataError, Dataset};
use crate::{ImageData, InputShape};

pub(super) static DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
pub(super) static FASHION: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTES: u8 = 0x08;

pub(super) fn load(folder: &Path, class_names: &[&str]) -> Result<Dataset, DataError> {
    let train = part(folder, "train", class_names)?;
    let test = part(folder, "t10k", class_names)?;
    if train.shape != test.shape {
        return Err(DataError::malformed(
            folder,
            format!("test images of {} like the training images", train.shape),
            test.shape.to_string(),
            "The files are of two data sets: get them anew",
        ));
    }
    Ok(Dataset { train, validation: None, test })
}

/// Whether the folder has training images at all.
pub(super) fn is_in(folder: &Path) -> bool {
    find(folder, "train", "images", 3).is_ok()
}

fn part(folder: &Path, part: &str, class_names: &[&str]) -> Result<ImageData, DataError> {
    let path = find(folder, part, "images", 3)?;
    let images = open::<3>(&path)?;
    let [count, height, width] = images.dims;
    if images.values.is_empty() {
        let found = format!("{count} of {height}×{width}");
        return Err(DataError::malformed(&path, "images", found, DAMAGED));
    }

    let path = find(folder, part, "labels", 1)?;
    let labels = open::<1>(&path)?;
    if labels.values.len() != count {
        return Err(DataError::malformed(
            &path,
            format!("{count} labels, one an image"),
            labels.values.len().to_string(),
            "Images and labels are of two data sets: get both anew",
        ));
    }
    if let Some(index) = labels.values.iter().position(|&label| usize::from(label) >= class_names.len()) {
        return Err(DataError::malformed(
            &path,
            format!("labels from 0 to {}", class_names.len() - 1),
            format!("label {} of image {index}", labels.values[index]),
            DAMAGED,
        ));
    }
    Ok(ImageData {
        samples: images.values,
        shape: InputShape::new(1, [height, width]),
        labels: labels.values.into_iter().map(u32::from).collect(),
        class_names: class_names.iter().map(|&name| name.to_owned()).collect(),
    })
}

/// `train-images-idx3-ubyte`, as published, or with a dot as some unpackers name it; as it is or with `.gz`.
fn find(folder: &Path, part: &str, what: &str, rank: usize) -> Result<PathBuf, DataError> {
    let plain = format!("{part}-{what}-idx{rank}-ubyte");
    let dotted = format!("{part}-{what}.idx{rank}-ubyte");
    [plain.clone(), format!("{plain}.gz"), dotted.clone(), format!("{dotted}.gz")]
        .into_iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            DataError::malformed(
                folder,
                format!("the file {plain} or {plain}.gz"),
                "none",
                "A part of the data set is missing: get it anew",
            )
        })
}

#[derive(Debug, PartialEq, Eq)]
struct Idx<const RANK: usize> {
    dims: [usize; RANK],
    values: Vec<u8>,
}

fn open<const RANK: usize>(path: &Path) -> Result<Idx<RANK>, DataError> {
    let file = File::open(path).map_err(DataError::io("read", path))?;
    let size = file.metadata().map_err(DataError::io("read", path))?.len();
    decode(BufReader::new(file), size, path)
}

/// Decodes `size` bytes. Whether they are compressed is seen from them, not from the name: browsers unpack `.gz` silently.
fn decode<const RANK: usize>(mut bytes: impl BufRead, size: u64, path: &Path) -> Result<Idx<RANK>, DataError> {
    let start = bytes.fill_buf().map_err(|error| read::unreadable(path, error))?;
    if start.starts_with(&GZIP_MAGIC) {
        decode_plain(MultiGzDecoder::new(bytes), size.saturating_mul(MAX_DEFLATE_RATIO), path)
    } else {
        decode_plain(bytes, size, path)
    }
}

fn decode_plain<const RANK: usize>(mut bytes: impl Read, bound: u64, path: &Path) -> Result<Idx<RANK>, DataError> {
    let word = |bytes: &mut dyn Read| {
        let mut word = [0; 4];
        bytes.read_exact(&mut word).map(|()| word).map_err(|error| read::unreadable(path, error))
    };
    let magic = word(&mut bytes)?;
    if magic != [0, 0, BYTES, RANK as u8] {
        return Err(DataError::malformed(
            path,
            format!("an IDX file of bytes in {RANK} dimensions (00 00 08 {RANK:02x})"),
            format!("{:02x} {:02x} {:02x} {:02x}", magic[0], magic[1], magic[2], magic[3]),
            DAMAGED,
        ));
    }
    let mut dims = [0; RANK];
    for dim in &mut dims {
        *dim = u32::from_be_bytes(word(&mut bytes)?) as usize;
    }
    let len = dims.iter().fold(1u64, |len, &dim| len.saturating_mul(dim as u64));
    let values = read::body(bytes, len, bound, path)?;
    Ok(Idx { dims, values })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn encode(dims: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, BYTES, dims.len() as u8];
        bytes.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
        bytes.extend(values);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decode_bytes<const RANK: usize>(bytes: &[u8]) -> Result<Idx<RANK>, DataError> {
        decode(bytes, bytes.len() as u64, Path::new("x-ubyte"))
    }

    /// Four training and two test images of 2×3, with `labels` for training.
    fn write(folder: &Path, labels: &[u8]) {
        let images: Vec<u8> = (0..24).collect();
        fs::write(folder.join("train-images-idx3-ubyte.gz"), gzip(&encode(&[4, 2, 3], &images))).unwrap();
        fs::write(folder.join("train-labels.idx1-ubyte"), encode(&[labels.len() as u32], labels)).unwrap();
        fs::write(folder.join("t10k-images.idx3-ubyte"), encode(&[2, 2, 3], &images[12..])).unwrap();
        fs::write(folder.join("t10k-labels-idx1-ubyte.gz"), gzip(&encode(&[2], &[9, 0]))).unwrap();
    }

    /// The error without the temporary folder's name in it.
    fn message(folder: &Path) -> String {
        let error = load(folder, &DIGITS).unwrap_err().to_string();
        error.replace(&folder.display().to_string(), "FOLDER")
    }

    #[test]
    fn plain_and_compressed_files_of_either_name_are_read() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[3, 1, 4, 1]);
        let data = load(folder.path(), &DIGITS).unwrap();
        assert_eq!(data.train.shape, InputShape::new(1, [2, 3]));
        assert_eq!(data.train.labels, [3, 1, 4, 1]);
        assert_eq!(data.train.sample(1), [6, 7, 8, 9, 10, 11]);
        assert_eq!(data.test.labels, [9, 0]);
        assert_eq!(data.test.sample(0), [12, 13, 14, 15, 16, 17]);
    }

    #[test]
    fn labels_that_do_not_belong_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[3, 1, 10, 1]);
        insta::assert_snapshot!(message(folder.path()), @"FOLDER/train-labels.idx1-ubyte: expected labels from 0 to 9, found label 10 of image 2. The file is damaged or of another kind: get it anew");
        write(folder.path(), &[3, 1, 4]);
        insta::assert_snapshot!(message(folder.path()), @"FOLDER/train-labels.idx1-ubyte: expected 4 labels, one an image, found 3. Images and labels are of two data sets: get both anew");
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[3, 1, 4, 1]);
        fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte.gz")).unwrap();
        insta::assert_snapshot!(message(folder.path()), @"FOLDER: expected the file t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz, found none. A part of the data set is missing: get it anew");
    }

    #[test]
    fn foreign_short_and_long_files_are_told_apart() {
        insta::assert_snapshot!(decode_bytes::<3>(b"<!DOCTYPE html>").unwrap_err(), @"x-ubyte: expected an IDX file of bytes in 3 dimensions (00 00 08 03), found 3c 21 44 4f. The file is damaged or of another kind: get it anew");
        let short = encode(&[2, 2, 2], &[0; 7]);
        insta::assert_snapshot!(decode_bytes::<3>(&gzip(&short)).unwrap_err(), @"x-ubyte: expected 8 bytes of values, found 7 bytes. The file is cut short: get it anew");
        let claim = encode(&[u32::MAX, u32::MAX, u32::MAX], &[]);
        insta::assert_snapshot!(decode_bytes::<3>(&claim).unwrap_err(), @"x-ubyte: expected at most 4294967296 bytes of values, found a claim of 18446744073709551615 bytes. The file is damaged or of another kind: get it anew");
        let cut = gzip(&encode(&[2, 2, 2], &[0; 8]));
        insta::assert_snapshot!(decode_bytes::<3>(&cut[..cut.len() - 12]).unwrap_err(), @"x-ubyte: expected intact compressed data, found incomplete deflate stream. The file is damaged or of another kind: get it anew");
        assert!(decode_bytes::<1>(&encode(&[2], &[0; 3])).is_err());
    }

    #[test]
    fn test_images_of_another_size_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[3, 1, 4, 1]);
        fs::write(folder.path().join("t10k-images.idx3-ubyte"), encode(&[2, 3, 2], &[0; 12])).unwrap();
        insta::assert_snapshot!(message(folder.path()), @"FOLDER: expected test images of 2×3×1 like the training images, found 3×2×1. The files are of two data sets: get them anew");
    }

    /// The real files, where Debian's package has put them.
    #[test]
    fn the_real_fashion_mnist_is_read() {
        let folder = Path::new("/usr/share/datasets/fashion-mnist");
        if !is_in(folder) {
            return;
        }
        let data = load(folder, &FASHION).unwrap();
        assert_eq!((data.train.len(), data.test.len()), (60_000, 10_000));
        assert_eq!(data.train.shape, InputShape::new(1, [28, 28]));
        assert_eq!(&data.train.labels[..5], [9, 0, 0, 3, 0]);
        for class in 0..10 {
            assert_eq!(data.train.labels.iter().filter(|&&label| label == class).count(), 6000);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_bytes::<3>(&bytes);
            let _ = decode_bytes::<1>(&bytes);
            let _ = decode_bytes::<1>(&gzip(&bytes));
        }

        #[test]
        fn what_is_written_is_read(dims in prop::array::uniform3(1u32..6), packed: bool, fill: u8) {
            let values = vec![fill; dims.iter().product::<u32>() as usize];
            let plain = encode(&dims, &values);
            let bytes = if packed { gzip(&plain) } else { plain };
            let idx = decode_bytes::<3>(&bytes).unwrap();
            prop_assert_eq!(idx.dims.map(|dim| dim as u32), dims);
            prop_assert_eq!(idx.values, values);
        }

        #[test]
        fn a_changed_file_is_refused_or_has_the_claimed_size(
            place in 0usize..28, value: u8, cut in 0usize..28, packed: bool,
        ) {
            let mut bytes = encode(&[2, 2, 3], &[7; 12]);
            bytes[place] = value;
            bytes.truncate(bytes.len() - cut);
            if packed {
                bytes = gzip(&bytes);
            }
            if let Ok(idx) = decode_bytes::<3>(&bytes) {
                prop_assert_eq!(idx.values.len(), idx.dims.iter().product::<usize>());
            }
        }
    }

    #[test]
    fn fuzz_idx() {
        fuzz::target("idx", |bytes| {
            let _ = decode_bytes::<3>(bytes);
            let _ = decode_bytes::<1>(bytes);
        });
    }
}
