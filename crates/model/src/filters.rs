//! Fixed filters over images, as `OpenCV`'s `filter2D` computes them with depth −1: correlation,
//! borders reflected without repeating the edge, results rounded half to even and held to 0–255.

use std::path::Path;

use image::{DynamicImage, GrayImage, ImageFormat, ImageReader, RgbImage};

/// The weights of a filter, anchored at their centre (`rows / 2`, `columns / 2`).
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    columns: usize,
    weights: Vec<f32>,
}

/// Why a kernel could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The kernel file cannot be read.
    #[error("cannot read the kernel file `{path}`: {source}; the kernels without a file are {known}", known = Kernel::NAMES.join(", "))]
    Read {
        /// The file.
        path: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The text is no kernel.
    #[error(
        "not a kernel: {0}; expected rows of numbers of equal length, such as `0 -1 0`, fractions like `1/9` allowed"
    )]
    Parse(String),
}

impl Kernel {
    /// The kernels that have a name.
    pub const NAMES: &'static [&'static str] = &["blur", "edge", "sobel_h", "sobel_v"];

    /// A kernel by name, or read from the file of that path.
    ///
    /// - `blur`: the mean of 3×3.
    /// - `edge`: 8 in the centre, −1 around it.
    /// - `sobel_h`: horizontal edges (−1 −2 −1 above, 1 2 1 below); `sobel_v`: vertical edges, its
    ///   transpose.
    ///
    /// `-` may be written for `_`.
    ///
    /// # Errors
    ///
    /// When it is no name and no readable kernel file.
    pub fn named(name: &str) -> Result<Self, KernelError> {
        let weights = match name.replace('-', "_").as_str() {
            "blur" => [1.0 / 9.0; 9],
            "edge" => [-1.0, -1.0, -1.0, -1.0, 8.0, -1.0, -1.0, -1.0, -1.0],
            "sobel_h" => [-1.0, -2.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0, 1.0],
            "sobel_v" => [-1.0, 0.0, 1.0, -2.0, 0.0, 2.0, -1.0, 0.0, 1.0],
            _ => return Self::read(Path::new(name)),
        };
        Ok(Self { columns: 3, weights: weights.to_vec() })
    }

    fn read(path: &Path) -> Result<Self, KernelError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| KernelError::Read { path: path.display().to_string(), source })?;
        Self::parse(&text)
    }

    /// Reads rows of numbers, separated by spaces or commas; `#` begins a comment.
    ///
    /// # Errors
    ///
    /// When there is no number, a word is none, or rows differ in length.
    pub fn parse(text: &str) -> Result<Self, KernelError> {
        let mut columns = 0;
        let mut weights = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let words = line.split([' ', '\t', ',']).filter(|word| !word.is_empty());
            let row: Vec<f32> = words
                .map(|word| {
                    number(word)
                        .ok_or_else(|| KernelError::Parse(format!("line {}: `{word}` is not a number", index + 1)))
                })
                .collect::<Result<_, _>>()?;
            if row.is_empty() {
                continue;
            }
            if columns != 0 && row.len() != columns {
                let found = format!("line {} has {} numbers, the first row {columns}", index + 1, row.len());
                return Err(KernelError::Parse(found));
            }
            columns = row.len();
            weights.extend(row);
        }
        if weights.is_empty() {
            return Err(KernelError::Parse("no number in it".to_owned()));
        }
        Ok(Self { columns, weights })
    }
}

fn number(word: &str) -> Option<f32> {
    let value = match word.split_once('/') {
        Some((above, below)) => above.parse::<f32>().ok()? / below.parse::<f32>().ok()?,
        None => word.parse().ok()?,
    };
    value.is_finite().then_some(value)
}

/// Filters one plane of `height` × `width` bytes, row after row.
pub fn apply(plane: &[u8], [height, width]: [usize; 2], kernel: &Kernel) -> Vec<u8> {
    let rows = kernel.weights.len() / kernel.columns;
    let taps: Vec<(isize, isize, f32)> = kernel
        .weights
        .iter()
        .enumerate()
        .filter(|(_, weight)| **weight != 0.0)
        .map(|(index, weight)| {
            let dy = (index / kernel.columns) as isize - (rows / 2) as isize;
            let dx = (index % kernel.columns) as isize - (kernel.columns / 2) as isize;
            (dy, dx, *weight)
        })
        .collect();
    let mut filtered = Vec::with_capacity(plane.len());
    for y in 0..height {
        for x in 0..width {
            let mut sum = 0.0_f32;
            for &(dy, dx, weight) in &taps {
                let row = reflect(y as isize + dy, height);
                let column = reflect(x as isize + dx, width);
                sum += weight * f32::from(plane[row * width + column]);
            }
            filtered.push(sum.round_ties_even().clamp(0.0, 255.0) as u8);
        }
    }
    filtered
}

/// Why an image file could not be filtered.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// The image cannot be read.
    #[error("cannot read the image `{path}`: {source}")]
    Read {
        /// The file.
        path: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The file is no image that is known.
    #[error("cannot decode `{path}`: {source}; expected a PNG or JPEG image")]
    Decode {
        /// The file.
        path: String,
        /// What went wrong.
        source: image::ImageError,
    },
    /// The result cannot be put into this form.
    #[error("cannot encode the filtered image as PNG: {0}")]
    Encode(image::ImageError),
}

/// Filters the PNG or JPEG image at `path`, as [`apply_to_image`] does, and gives the result as a PNG file's bytes.
///
/// # Errors
///
/// When the file cannot be read or is no such image.
pub fn apply_to_file(path: &Path, kernel: &Kernel) -> Result<Vec<u8>, FilterError> {
    let name = || path.display().to_string();
    let reading = |source| FilterError::Read { path: name(), source };
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(reading)?;
    let image = reader.decode().map_err(|source| FilterError::Decode { path: name(), source })?;
    let mut png = std::io::Cursor::new(Vec::new());
    apply_to_image(&image, kernel).write_to(&mut png, ImageFormat::Png).map_err(FilterError::Encode)?;
    Ok(png.into_inner())
}

/// The position inside `0..length` that stands for one outside: `d c b | a b c d | c b a`.
fn reflect(position: isize, length: usize) -> usize {
    if length == 1 {
        return 0;
    }
    let last = length as isize - 1;
    let folded = position.rem_euclid(2 * last);
    folded.min(2 * last - folded) as usize
}

/// Filters an image: a grey one stays grey, any other becomes 8-bit colour, filtered channel by
/// channel without its transparency.
pub fn apply_to_image(image: &DynamicImage, kernel: &Kernel) -> DynamicImage {
    let (width, height) = (image.width(), image.height());
    let dims = [height as usize, width as usize];
    if image.color().has_color() {
        let mut filtered = RgbImage::new(width, height);
        let pixels = image.to_rgb8();
        for channel in 0..3 {
            let plane: Vec<u8> = pixels.pixels().map(|pixel| pixel[channel]).collect();
            for (pixel, value) in filtered.pixels_mut().zip(apply(&plane, dims, kernel)) {
                pixel[channel] = value;
            }
        }
        filtered.into()
    } else {
        let filtered = apply(image.to_luma8().as_raw(), dims, kernel);
        let mut image = GrayImage::new(width, height);
        for (pixel, value) in image.pixels_mut().zip(filtered) {
            pixel[0] = value;
        }
        image.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_reflected_without_repeating_the_edge() {
        let positions: Vec<usize> = (-5..8).map(|position| reflect(position, 4)).collect();
        assert_eq!(positions, [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]);
        assert_eq!(reflect(-3, 1), 0);
    }

    #[test]
    fn a_kernel_file_is_rows_of_numbers() {
        let kernel = Kernel::parse("# a mean\n1/9, 1/9, 1/9\n1/9 1/9 1/9\n\n1/9 1/9 1/9\n").unwrap();
        assert_eq!(kernel, Kernel::named("blur").unwrap());
        for text in ["", "# nothing", "1 2\n3", "1 x", "1/0", "inf"] {
            assert!(Kernel::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn results_round_half_to_even_and_saturate() {
        let half = Kernel::parse("0.5").unwrap();
        assert_eq!(apply(&[1, 3, 5, 255], [1, 4], &half), [0, 2, 2, 128]);
        let edge = Kernel::named("edge").unwrap();
        assert_eq!(apply(&[0, 0, 0, 0, 255, 0, 0, 0, 0], [3, 3], &edge)[4], 255);
        assert_eq!(apply(&[255, 255, 255, 255, 0, 255, 255, 255, 255], [3, 3], &edge)[4], 0);
    }
}
