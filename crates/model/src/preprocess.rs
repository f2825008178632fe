//! What happens to samples before the network sees them.

mod augment;
mod samples;

pub(crate) use augment::Augmentation;
pub(crate) use samples::{Normalization, Samples};

use serde::{Deserialize, Serialize};

use crate::named::named_enum;

named_enum! {
    /// How bytes become the numbers a network is fed.
    pub enum Normalize {
        /// As they are, 0 to 255.
        None = "none",
        /// Divided by 255: 0 to 1.
        Unit = "unit",
        /// Mean 0 and standard deviation 1 in each channel of the training data.
        PerChannel = "per_channel",
    }
}

/// A fixed filter and normalisation, for every sample; augmentation, for training samples alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreprocessConfig {
    /// A fixed filter by name, or the path of a kernel file; see [`crate::filters::Kernel::named`].
    pub filter: Option<String>,
    /// How bytes become numbers.
    pub normalize: Normalize,
    /// Whether half of the samples, at random, are mirrored left to right.
    pub horizontal_flip: bool,
    /// Zero pixels added at each edge before a window of the original size is cut at random.
    pub random_crop: usize,
    /// Largest angle of a random rotation, in degrees, either way.
    pub rotation: f64,
    /// Side in pixels of a square set to zero at a random place (arXiv 1708.04552); 0 for none.
    pub cutout: usize,
    /// α of the Beta(α, α) by which pairs of samples are mixed (arXiv 1710.09412); 0 for none.
    pub mixup: f64,
}
