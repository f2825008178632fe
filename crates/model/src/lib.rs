//! Image data sets, convolutional networks of variable depth and their training, in Burn.

pub mod cnn;
pub mod data;
pub mod device;
pub mod filters;
pub mod hyperparameters;
mod image_data;
pub mod layers;
mod named;
pub mod preprocess;
mod random;
pub mod summary;
pub mod train;

pub use hyperparameters::Config;
pub use image_data::{ImageData, InputShape};
