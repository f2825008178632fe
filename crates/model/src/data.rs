//! Data sets: where they come from, how they are read, how they are divided.
//!
//! A [`DataSource`] says which data set and where; [`load`] reads it whole, once, as bytes:
//!
//! ```
//! use model::data::{DataSource, Validation, load};
//!
//! let digits = load(&DataSource::new("digits"))?;
//! assert_eq!((digits.train.len(), digits.test.len()), (1437, 360));
//!
//! let split = digits.split(Validation::Fraction(0.1), 42)?;
//! assert_eq!((split.train.len(), split.validation.len()), (1293, 144));
//! # Ok::<(), model::data::DataError>(())
//! ```
//!
//! Samples are `[channels, height, width]` for images and `[channels, depth, height, width]` for volumes and clips, one byte
//! a value. [`catalog()`] lists every data set with its shape, licence and source; [`fetch()`] downloads those that have a
//! public address.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ImageData;

mod catalog;
mod cifar;
mod digits;
mod error;
mod fetch;
mod folder;
mod idx;
mod npy;
mod npz;
mod read;
mod split;
mod synthetic;
#[cfg(test)]
mod test_server;
mod unpack;

pub use catalog::{Content, DATA_FOLDER, DatasetInfo, Download, Origin, RemoteFile, SystemCopy, catalog, info, locate};
pub use error::DataError;
pub use fetch::fetch;
pub use split::{Split, Validation};

use catalog::Format;

/// Which data set, and where it lies: what `[data]` of a study file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSource {
    /// A name of the [`catalog()`].
    pub dataset: String,
    /// The folder of the data set (for `npz` the file). Without it the default places of the data set are tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// `[height, width]` in pixels to which every image is scaled. For `folder` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<[usize; 2]>,
    /// Read images as grey, one channel, instead of colour, three. For `folder` alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub grey: bool,
}

impl DataSource {
    /// The data set `name` in its default place, as it is.
    pub fn new(name: impl Into<String>) -> Self {
        Self { dataset: name.into(), path: None, resize: None, grey: false }
    }

    /// The same data set at `path`.
    #[must_use]
    pub fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    fn refuse_unused_options(&self, info: &DatasetInfo) -> Result<(), DataError> {
        let images = info.format == Format::Folder;
        let unused = [
            ("path", self.path.is_some() && matches!(info.origin, Origin::BuiltIn)),
            ("resize", self.resize.is_some() && !images),
            ("grey", self.grey && !images),
        ];
        match unused.into_iter().find(|(_, unused)| *unused) {
            None => Ok(()),
            Some((option, _)) => Err(DataError::UnusedOption { dataset: info.name, option }),
        }
    }
}

/// A data set as its source divides it. All parts have one shape and the same classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// What networks learn from.
    pub train: ImageData,
    /// The source's own validation part, where it has one (`npz`).
    pub validation: Option<ImageData>,
    /// What a finished network is measured on.
    pub test: ImageData,
}

/// Reads the data set that `source` names, whole.
///
/// # Errors
///
/// If the name is unknown, an option does not apply, the data set is not in any of its places, or a file of it is not what
/// it should be; see [`DataError`].
pub fn load(source: &DataSource) -> Result<Dataset, DataError> {
    let info = info(&source.dataset)?;
    source.refuse_unused_options(info)?;
    match info.format {
        Format::Digits => digits::load(),
        Format::Volumes => Ok(synthetic::volumes()),
        Format::Idx { class_names } => idx::load(&catalog::place(info, source.path.as_deref())?, class_names),
        Format::Cifar(layout) => cifar::load(&catalog::place(info, source.path.as_deref())?, layout),
        Format::Folder => folder::load(&catalog::place(info, source.path.as_deref())?, source.resize, source.grey),
        Format::Npz => npz::load(&catalog::place(info, source.path.as_deref())?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_from_the_data_table() {
        let source: DataSource =
            serde_json::from_str(r#"{"dataset": "folder", "path": "data/birds", "resize": [32, 48]}"#).unwrap();
        assert_eq!(source, DataSource { resize: Some([32, 48]), ..DataSource::new("folder").at("data/birds") });
        let written = serde_json::to_string(&source).unwrap();
        assert_eq!(serde_json::from_str::<DataSource>(&written).unwrap(), source);
    }

    #[test]
    fn an_unknown_data_set_gets_the_nearest_name() {
        insta::assert_snapshot!(
            load(&DataSource::new("cifar-10")).unwrap_err(),
            @"there is no data set `cifar-10`: did you mean `cifar10`?"
        );
        insta::assert_snapshot!(
            load(&DataSource::new("imagenet")).unwrap_err(),
            @"there is no data set `imagenet`: the data sets are digits, mnist, fashion-mnist, cifar10, cifar100, volumes, folder, npz"
        );
    }

    #[test]
    fn an_option_that_would_do_nothing_is_refused() {
        let resized = DataSource { resize: Some([4, 4]), ..DataSource::new("digits") };
        insta::assert_snapshot!(
            load(&resized).unwrap_err(),
            @"`resize` does not apply to the data set `digits`: remove it from [data]"
        );
        assert!(matches!(
            load(&DataSource::new("volumes").at("data")),
            Err(DataError::UnusedOption { option: "path", .. })
        ));
    }

    #[test]
    fn a_missing_data_set_names_the_command_that_gets_it() {
        insta::assert_snapshot!(
            load(&DataSource::new("cifar10").at("no/such/folder")).unwrap_err(),
            @"the data set `cifar10` is not in no/such/folder. Download it with `tune data fetch cifar10`, or set `path` in [data] to the folder it is in"
        );
        insta::assert_snapshot!(
            load(&DataSource::new("fashion-mnist").at("no/such/folder")).unwrap_err(),
            @"the data set `fashion-mnist` is not in no/such/folder. Download it with `tune data fetch fashion-mnist`, or install the Debian package `dataset-fashion-mnist`, or set `path` in [data] to the folder it is in"
        );
        insta::assert_snapshot!(
            load(&DataSource::new("folder")).unwrap_err(),
            @"the data set `folder` needs `path` in [data]: a folder with train/<class>/*.png (or jpg, jpeg) and test/<class>/*.png"
        );
        insta::assert_snapshot!(
            load(&DataSource::new("npz").at("no/such.npz")).unwrap_err(),
            @"the data set `npz` is not in no/such.npz. Set `path` in [data] to a NumPy .npz file with train_images, train_labels, test_images and test_labels (MedMNIST's layout)"
        );
    }
}
