//! Clips whose classes need the third dimension.
//!
//! `volumes` shows one soft spot on noise, 8 frames of 12×12, that moves one pixel a frame to the left, to the right, up or
//! down: the four classes. It leaves at one side and enters at the other, so the frame is a torus.
//!
//! No single frame tells the class. The spot starts anywhere on the torus with equal probability; in frame `t` it is where
//! it started, shifted by `t` steps of its class; and a uniform distribution on a torus that is shifted is the same
//! uniform distribution. With noise that is drawn alike for all classes, the distribution of frame `t` is therefore one
//! and the same for each class, and any classifier of one frame, whatever its size, is right a quarter of the time. Two
//! frames are enough to see the direction.
//!
//! Everything is drawn from a fixed seed with integer and exactly rounded arithmetic: the same bytes on every machine.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Content, Dataset};
use crate::ImageData;

const FRAMES: usize = 8;
const SIDE: usize = 12;
pub(super) const CONTENT: Content =
    Content { classes: 4, channels: 1, dims: &[FRAMES, SIDE, SIDE], train: 2000, test: 500 };

/// Names of the classes and their steps a frame, `(rows, columns)`.
const DIRECTIONS: [(&str, (i32, i32)); 4] = [("left", (0, -1)), ("right", (0, 1)), ("up", (-1, 0)), ("down", (1, 0))];

const SEED: u64 = 0x766f_6c75_6d65_7321;
/// Where the spot ends, in pixels from its centre.
const RADIUS: f32 = 2.5;
const BRIGHTNESS: f32 = 110.0;
const BACKGROUND: f32 = 70.0;

pub(super) fn volumes() -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    Dataset { train: clips(CONTENT.train, &mut rng), validation: None, test: clips(CONTENT.test, &mut rng) }
}

fn clips(count: usize, rng: &mut ChaCha8Rng) -> ImageData {
    let shape = CONTENT.shape();
    let mut samples = Vec::with_capacity(count * shape.elements());
    let labels: Vec<u32> = (0..count).map(|index| (index % DIRECTIONS.len()) as u32).collect();
    for &label in &labels {
        let start = [coordinate(rng), coordinate(rng)];
        for frame in 0..FRAMES {
            draw(position(start, label as usize, frame), rng, &mut samples);
        }
    }
    let class_names = DIRECTIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    ImageData { samples, shape, labels, class_names }
}

/// Uniform in `0..SIDE`, in steps of 1/64 of a pixel.
fn coordinate(rng: &mut ChaCha8Rng) -> f32 {
    (rng.next_u32() % (64 * SIDE as u32)) as f32 / 64.0
}

/// Where the spot is in a frame.
fn position([row, column]: [f32; 2], class: usize, frame: usize) -> [f32; 2] {
    let (rows, columns) = DIRECTIONS[class].1;
    let moved = |start: f32, step: i32| (start + (step * frame as i32) as f32).rem_euclid(SIDE as f32);
    [moved(row, rows), moved(column, columns)]
}

fn draw([row, column]: [f32; 2], rng: &mut ChaCha8Rng, pixels: &mut Vec<u8>) {
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (dy, dx) = (distance(y as f32, row), distance(x as f32, column));
            let fall = (1.0 - (dy * dy + dx * dx) / (RADIUS * RADIUS)).max(0.0);
            let value = BACKGROUND + BRIGHTNESS * fall * fall + noise(rng);
            pixels.push(value.round().clamp(0.0, 255.0) as u8);
        }
    }
}

/// The way round the torus that is shorter.
fn distance(a: f32, b: f32) -> f32 {
    let across = (a - b).abs();
    across.min(SIDE as f32 - across)
}

/// Nearly normal with mean 0 and standard deviation 37: the sum of four bytes (Irwin–Hall), a quarter of its scale.
fn noise(rng: &mut ChaCha8Rng) -> f32 {
    let sum: u32 = rng.next_u32().to_le_bytes().into_iter().map(u32::from).sum();
    (sum as f32 - 510.0) / 4.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(data: &ImageData, index: usize, frame: usize) -> &[u8] {
        &data.sample(index)[frame * SIDE * SIDE..(frame + 1) * SIDE * SIDE]
    }

    #[test]
    fn it_is_the_same_every_time() {
        let (once, again) = (volumes(), volumes());
        assert_eq!(once, again);
        assert_ne!(once.train.sample(0), once.test.sample(0));
        let checksum: u64 = once.train.samples.iter().zip(1..).map(|(&value, place)| u64::from(value) * place).sum();
        assert_eq!(checksum, 200_192_341_090_736);
    }

    #[test]
    fn in_every_frame_the_starts_of_a_class_reach_the_same_places() {
        let sixteenths = |[row, column]: [f32; 2]| ((row * 64.0) as i32, (column * 64.0) as i32);
        let starts = (0..12 * 64).step_by(7).map(|place| [place as f32 / 64.0, ((place * 5) % 768) as f32 / 64.0]);
        for start in starts {
            for class in 0..4 {
                for frame in 0..FRAMES {
                    // The start from which this class gets there is on the torus too, and there is just the one.
                    let reached = position(start, class, frame);
                    let opposite = class ^ 1;
                    assert_eq!(sixteenths(position(reached, opposite, frame)), sixteenths(start));
                }
            }
        }
    }

    /// Nearest neighbour by squared distance, among the training samples.
    fn nearest_neighbour_accuracy(data: &Dataset, frame_index: usize) -> f64 {
        let right = (0..data.test.len()).filter(|&index| {
            let pixels = frame(&data.test, index, frame_index);
            let distance = |other: &usize| -> u32 {
                let squared = |(a, b): (&u8, &u8)| u32::from(a.abs_diff(*b)).pow(2);
                pixels.iter().zip(frame(&data.train, *other, frame_index)).map(squared).sum()
            };
            let nearest = (0..data.train.len()).min_by_key(distance);
            nearest.is_some_and(|nearest| data.train.labels[nearest] == data.test.labels[index])
        });
        right.count() as f64 / data.test.len() as f64
    }

    #[test]
    fn one_frame_alone_stays_at_chance() {
        let data = volumes();
        // 500 guesses that are right with probability 1/4: a standard deviation of 0.0194.
        for frame in [0, 4, 7] {
            let accuracy = nearest_neighbour_accuracy(&data, frame);
            assert!((accuracy - 0.25).abs() < 4.0 * 0.0194, "frame {frame}: {accuracy}");
        }
    }

    /// How well each frame, moved one step of the class, fits the next one.
    fn fit(data: &ImageData, index: usize, class: usize) -> i64 {
        let (rows, columns) = DIRECTIONS[class].1;
        let wrap = |place: usize, step: i32| (place as i32 + step).rem_euclid(SIDE as i32) as usize;
        let mut sum = 0;
        for t in 0..FRAMES - 1 {
            let (now, next) = (frame(data, index, t), frame(data, index, t + 1));
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let moved = wrap(y, rows) * SIDE + wrap(x, columns);
                    sum += i64::from(now[y * SIDE + x]) * i64::from(next[moved]);
                }
            }
        }
        sum
    }

    #[test]
    fn neighbouring_frames_together_tell_the_class() {
        let test = volumes().test;
        let right = (0..test.len())
            .filter(|&index| (0..4).max_by_key(|&class| fit(&test, index, class)) == Some(test.labels[index] as usize));
        assert!(right.count() as f64 / test.len() as f64 > 0.95);
    }
}
