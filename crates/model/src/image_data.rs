//! Labelled images and volumes, decoded once and kept as bytes.

use serde::{Deserialize, Serialize};

/// The shape of one sample, without the batch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InputShape {
    /// Number of channels: 1 for grey, 3 for colour.
    pub channels: usize,
    /// `[height, width]` of an image, `[depth, height, width]` of a volume or clip.
    pub dims: Vec<usize>,
}

impl InputShape {
    /// A shape of `channels` planes (or volumes) of `dims`.
    pub fn new(channels: usize, dims: impl Into<Vec<usize>>) -> Self {
        Self { channels, dims: dims.into() }
    }

    /// Values in one sample: channels times every dimension.
    pub fn elements(&self) -> usize {
        self.channels * self.dims.iter().product::<usize>()
    }
}

/// Shown as people write it, channels last: `32×32×3`.
impl std::fmt::Display for InputShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for dim in &self.dims {
            write!(f, "{dim}×")?;
        }
        write!(f, "{}", self.channels)
    }
}

/// Labelled samples, held in memory as the bytes they were stored as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageData {
    /// Sample after sample, each `[channels, (depth,) height, width]`, row-major.
    pub samples: Vec<u8>,
    /// The shape of one sample.
    pub shape: InputShape,
    /// One class index per sample, each below `class_names.len()`.
    pub labels: Vec<u32>,
    /// The name of each class, in the order of the labels.
    pub class_names: Vec<String>,
}

impl ImageData {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample at all.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// The bytes of sample `index`, `[channels, (depth,) height, width]`.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    pub fn sample(&self, index: usize) -> &[u8] {
        let size = self.shape.elements();
        &self.samples[index * size..(index + 1) * size]
    }

    /// The samples at `indices`, in that order.
    ///
    /// # Panics
    ///
    /// If an index is not below [`len`](Self::len).
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut samples = Vec::with_capacity(indices.len() * self.shape.elements());
        for &index in indices {
            samples.extend_from_slice(self.sample(index));
        }
        Self {
            samples,
            shape: self.shape.clone(),
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
            class_names: self.class_names.clone(),
        }
    }
}
