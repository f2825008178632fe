//! Image data sets, convolutional networks of variable depth and their training, in Burn.

mod image_data;

pub use image_data::{ImageData, InputShape};
