//! CIFAR-10 and CIFAR-100 in their original binary form.
//!
//! A record is one label byte (CIFAR-100: two, coarse and fine; the fine one counts) and 3,072 pixels: 32×32 of red, of
//! green, of blue, row by row (A. Krizhevsky, <https://www.cs.toronto.edu/~kriz/cifar.html>).

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use super::read::DAMAGED;
use super::{DataError, Dataset};
use crate::{ImageData, InputShape};

/// Which files, with how many label bytes a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    train: &'static [&'static str],
    test: &'static str,
    class_names: &'static str,
    classes: usize,
    label_bytes: usize,
}

pub(super) static CIFAR10: Layout = Layout {
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test: "test_batch.bin",
    class_names: "batches.meta.txt",
    classes: 10,
    label_bytes: 1,
};

pub(super) static CIFAR100: Layout = Layout {
    train: &["train.bin"],
    test: "test.bin",
    class_names: "fine_label_names.txt",
    classes: 100,
    label_bytes: 2,
};

const PIXELS: usize = 3 * 32 * 32;

impl Layout {
    /// Whether the folder has a training batch at all.
    pub(super) fn is_in(&self, folder: &Path) -> bool {
        self.train.iter().any(|name| folder.join(name).is_file())
    }

    fn record(&self) -> usize {
        self.label_bytes + PIXELS
    }
}

pub(super) fn load(folder: &Path, layout: &Layout) -> Result<Dataset, DataError> {
    let class_names = class_names(&folder.join(layout.class_names), layout)?;
    Ok(Dataset {
        train: batches(folder, layout.train, layout, class_names.clone())?,
        validation: None,
        test: batches(folder, &[layout.test], layout, class_names)?,
    })
}

fn class_names(path: &Path, layout: &Layout) -> Result<Vec<String>, DataError> {
    // A list of names is a few hundred bytes: of a larger file no more than that is looked at.
    let mut text = Vec::new();
    let file = File::open(path).map_err(DataError::io("read", path))?;
    file.take(1 << 16).read_to_end(&mut text).map_err(DataError::io("read", path))?;
    let text = String::from_utf8_lossy(&text);
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if names.len() == layout.classes {
        return Ok(names);
    }
    Err(DataError::malformed(
        path,
        format!("{} class names, one a line", layout.classes),
        names.len().to_string(),
        DAMAGED,
    ))
}

fn batches(folder: &Path, names: &[&str], layout: &Layout, class_names: Vec<String>) -> Result<ImageData, DataError> {
    let mut sizes = Vec::new();
    for path in names.iter().map(|name| folder.join(name)) {
        let size = fs::metadata(&path).map_err(DataError::io("read", &path))?.len();
        sizes.push(records(size, layout, &path)?);
    }
    let total: usize = sizes.iter().sum();
    let mut data = ImageData {
        samples: Vec::with_capacity(total * PIXELS),
        shape: InputShape::new(3, [32, 32]),
        labels: Vec::with_capacity(total),
        class_names,
    };
    for (path, records) in names.iter().map(|name| folder.join(name)).zip(sizes) {
        let file = File::open(&path).map_err(DataError::io("read", &path))?;
        append(BufReader::with_capacity(1 << 18, file), records, layout, &mut data, &path)?;
    }
    Ok(data)
}

/// How many records a file of `size` bytes holds.
fn records(size: u64, layout: &Layout, path: &Path) -> Result<usize, DataError> {
    let record = layout.record() as u64;
    if size == 0 || !size.is_multiple_of(record) {
        return Err(DataError::malformed(
            path,
            format!("records of {record} bytes"),
            format!("{} of them and {} bytes", size / record, size % record),
            "The file is cut short or of another kind: get it anew",
        ));
    }
    Ok((size / record) as usize)
}

fn append(
    mut batch: impl Read,
    records: usize,
    layout: &Layout,
    data: &mut ImageData,
    path: &Path,
) -> Result<(), DataError> {
    let mut record = vec![0; layout.record()];
    for index in 0..records {
        batch.read_exact(&mut record).map_err(DataError::io("read", path))?;
        let (labels, pixels) = record.split_at(layout.label_bytes);
        let label = labels[layout.label_bytes - 1];
        if usize::from(label) >= layout.classes {
            return Err(DataError::malformed(
                path,
                format!("labels from 0 to {}", layout.classes - 1),
                format!("label {label} of image {index}"),
                DAMAGED,
            ));
        }
        data.labels.push(label.into());
        data.samples.extend_from_slice(pixels);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(labels: &[u8], fill: u8) -> Vec<u8> {
        [labels, &[fill; 1024], &[fill + 1; 1024], &[fill + 2; 1024]].concat()
    }

    /// Two records a batch; batch `i` is filled with values from `10 i`.
    fn write(folder: &Path) {
        for (index, name) in CIFAR10.train.iter().chain([&CIFAR10.test]).enumerate() {
            let index = index as u8;
            fs::write(folder.join(name), [record(&[index], 10 * index), record(&[9], 10 * index + 5)].concat())
                .unwrap();
        }
        let names: Vec<_> = (0..10).map(|class| format!("class {class}\n")).collect();
        fs::write(folder.join("batches.meta.txt"), names.concat() + "\n").unwrap();
    }

    fn message(folder: &Path) -> String {
        let error = load(folder, &CIFAR10).unwrap_err().to_string();
        error.replace(&folder.display().to_string(), "FOLDER")
    }

    #[test]
    fn batches_are_read_in_order_as_planes() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let data = load(folder.path(), &CIFAR10).unwrap();
        assert_eq!(data.train.labels, [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]);
        assert_eq!(data.test.labels, [5, 9]);
        assert_eq!(data.train.shape, InputShape::new(3, [32, 32]));
        let sample = data.train.sample(3);
        assert_eq!((sample[0], sample[1024], sample[3071]), (15, 16, 17));
        assert_eq!(data.train.class_names[9], "class 9");
    }

    #[test]
    fn the_fine_label_of_cifar100_counts() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train.bin"), record(&[3, 77], 0)).unwrap();
        fs::write(folder.path().join("test.bin"), record(&[3, 99], 0)).unwrap();
        fs::write(folder.path().join("fine_label_names.txt"), "thing\n".repeat(100)).unwrap();
        let data = load(folder.path(), &CIFAR100).unwrap();
        assert_eq!((data.train.labels, data.test.labels), (vec![77], vec![99]));
    }

    #[test]
    fn damaged_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        fs::write(folder.path().join("test_batch.bin"), record(&[10], 0)).unwrap();
        insta::assert_snapshot!(message(folder.path()), @"FOLDER/test_batch.bin: expected labels from 0 to 9, found label 10 of image 0. The file is damaged or of another kind: get it anew");
        fs::write(folder.path().join("data_batch_3.bin"), &record(&[0], 0)[..3000]).unwrap();
        insta::assert_snapshot!(message(folder.path()), @"FOLDER/data_batch_3.bin: expected records of 3073 bytes, found 0 of them and 3000 bytes. The file is cut short or of another kind: get it anew");
        fs::write(folder.path().join("batches.meta.txt"), "cat\ndog\n").unwrap();
        insta::assert_snapshot!(message(folder.path()), @"FOLDER/batches.meta.txt: expected 10 class names, one a line, found 2. The file is damaged or of another kind: get it anew");
        fs::remove_file(folder.path().join("batches.meta.txt")).unwrap();
        insta::assert_snapshot!(message(folder.path()), @"cannot read FOLDER/batches.meta.txt: No such file or directory (os error 2). Check that it is there and that you may read it");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..7000)) {
            let path = Path::new("x.bin");
            let mut data = ImageData {
                samples: Vec::new(),
                shape: InputShape::new(3, [32, 32]),
                labels: Vec::new(),
                class_names: Vec::new(),
            };
            if let Ok(count) = records(bytes.len() as u64, &CIFAR10, path)
                && append(&bytes[..], count, &CIFAR10, &mut data, path).is_ok()
            {
                prop_assert_eq!(data.samples.len(), data.len() * PIXELS);
                prop_assert!(data.labels.iter().all(|&label| label < 10));
            }
        }

        #[test]
        fn a_whole_record_is_read_or_its_label_refused(label: u8, count in 1usize..3) {
            let path = Path::new("x.bin");
            let bytes = record(&[label], 1).repeat(count);
            let mut data = ImageData {
                samples: Vec::new(),
                shape: InputShape::new(3, [32, 32]),
                labels: Vec::new(),
                class_names: Vec::new(),
            };
            let count = records(bytes.len() as u64, &CIFAR10, path).unwrap();
            let read = append(&bytes[..], count, &CIFAR10, &mut data, path);
            prop_assert_eq!(read.is_ok(), label < 10);
        }
    }

    #[test]
    fn fuzz_class_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        fuzz::target("cifar_names", |bytes| {
            fs::write(&path, bytes).unwrap();
            assert!(
                class_names(&path, &CIFAR10).is_ok_and(|names| names.len() == 10)
                    || class_names(&path, &CIFAR10).is_err()
            );
        });
    }
}
