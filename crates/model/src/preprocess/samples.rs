use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Normalize, PreprocessConfig};
use crate::filters::{self, Kernel, KernelError};
use crate::image_data::{ImageData, InputShape};

/// What turns the bytes of each channel into the numbers a network is fed: times a scale, plus a
/// shift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Normalization {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// Samples after the fixed filter, ready to be made into batches.
pub(crate) struct Samples<'a> {
    bytes: Cow<'a, [u8]>,
    shape: &'a InputShape,
    labels: &'a [u32],
}

impl<'a> Samples<'a> {
    /// Filters `data` if the configuration says so.
    pub fn new(config: &PreprocessConfig, data: &'a ImageData) -> Result<Self, KernelError> {
        let bytes = match &config.filter {
            Some(name) => Cow::Owned(filtered(data, &Kernel::named(name)?)),
            None => Cow::Borrowed(data.samples.as_slice()),
        };
        Ok(Self { bytes, shape: &data.shape, labels: &data.labels })
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn shape(&self) -> &InputShape {
        self.shape
    }

    pub fn label(&self, index: usize) -> u32 {
        self.labels[index]
    }

    pub fn labels(&self) -> &[u32] {
        self.labels
    }

    /// Bytes of sample `index`, `[channels, (depth,) height, width]`.
    pub fn bytes(&self, index: usize) -> &[u8] {
        let size = self.shape.elements();
        &self.bytes[index * size..(index + 1) * size]
    }
}

fn filtered(data: &ImageData, kernel: &Kernel) -> Vec<u8> {
    let plane = plane_of(&data.shape);
    let planes = data.samples.chunks_exact(plane[0] * plane[1]);
    planes.flat_map(|bytes| filters::apply(bytes, plane, kernel)).collect()
}

/// Height and width of one slice of one channel.
pub(crate) fn plane_of(shape: &InputShape) -> [usize; 2] {
    match shape.dims.as_slice() {
        [.., height, width] => [*height, *width],
        [width] => [1, *width],
        [] => [1, 1],
    }
}

impl Normalization {
    /// The normalisation that suits these (training) samples.
    pub fn fit(kind: Normalize, samples: &Samples<'_>) -> Self {
        let channels = samples.shape.channels;
        match kind {
            Normalize::None => Self { scale: vec![1.0; channels], shift: vec![0.0; channels] },
            Normalize::Unit => Self { scale: vec![1.0 / 255.0; channels], shift: vec![0.0; channels] },
            Normalize::PerChannel => {
                let (scale, shift) = (0..channels).map(|channel| standard(samples, channel)).unzip();
                Self { scale, shift }
            }
        }
    }

    /// Appends a sample of raw values 0 to 255 as a network is fed it.
    pub fn append<T: Copy + Into<f32>>(&self, sample: &[T], batch: &mut Vec<f32>) {
        let channels = self.scale.len();
        let size = sample.len() / channels;
        for (values, (scale, shift)) in sample.chunks_exact(size).zip(self.scale.iter().zip(&self.shift)) {
            batch.extend(values.iter().map(|&value| value.into() * scale + shift));
        }
    }
}

/// Scale and shift that give a channel mean 0 and standard deviation 1. A constant channel is only
/// shifted.
fn standard(samples: &Samples<'_>, channel: usize) -> (f32, f32) {
    let size = samples.shape.elements() / samples.shape.channels;
    let mut counts = [0_u64; 256];
    for sample in samples.bytes.chunks_exact(samples.shape.elements()) {
        for &byte in &sample[channel * size..(channel + 1) * size] {
            counts[usize::from(byte)] += 1;
        }
    }
    let total = counts.iter().sum::<u64>().max(1) as f64;
    let weighted = |of: &dyn Fn(f64) -> f64| -> f64 {
        counts.iter().enumerate().map(|(value, &count)| of(value as f64) * count as f64).sum::<f64>() / total
    };
    let mean = weighted(&|value| value);
    let deviation = weighted(&|value| (value - mean).powi(2)).sqrt();
    let scale = if deviation > 0.0 { 1.0 / deviation } else { 1.0 };
    (scale as f32, (-mean * scale) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> ImageData {
        ImageData {
            samples: vec![0, 10, 20, 30, 5, 5, 5, 5, 40, 50, 60, 70, 5, 5, 5, 5],
            shape: InputShape::new(2, [2, 2]),
            labels: vec![0, 1],
            class_names: vec!["a".to_owned(), "b".to_owned()],
        }
    }

    fn config(filter: Option<&str>, normalize: Normalize) -> PreprocessConfig {
        PreprocessConfig {
            filter: filter.map(str::to_owned),
            normalize,
            horizontal_flip: false,
            random_crop: 0,
            rotation: 0.0,
            cutout: 0,
            mixup: 0.0,
        }
    }

    #[test]
    fn each_channel_gets_mean_zero_and_deviation_one() {
        let data = data();
        let config = config(None, Normalize::PerChannel);
        let samples = Samples::new(&config, &data).unwrap();
        let normalization = Normalization::fit(config.normalize, &samples);
        let mut batch = Vec::new();
        for index in 0..2 {
            normalization.append(samples.bytes(index), &mut batch);
        }
        let first: Vec<f32> = [&batch[..4], &batch[8..12]].concat();
        let mean = first.iter().sum::<f32>() / 8.0;
        let variance = first.iter().map(|value| value * value).sum::<f32>() / 8.0;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
        assert_eq!(batch[4..8], [0.0; 4], "a constant channel is only shifted");
    }

    #[test]
    fn a_fixed_filter_works_on_each_plane_alone() {
        let data = data();
        let samples = Samples::new(&config(Some("edge"), Normalize::None), &data).unwrap();
        assert_eq!(&samples.bytes(0)[4..], [0; 4], "no edge in a constant plane");
        let expected = filters::apply(&[0, 10, 20, 30], [2, 2], &Kernel::named("edge").unwrap());
        assert_eq!(samples.bytes(0)[..4], expected);
    }
}
