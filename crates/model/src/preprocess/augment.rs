use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::PreprocessConfig;
use super::samples::plane_of;
use crate::image_data::InputShape;

/// Random changes to training samples: mirror, crop, rotate, cut out, in this order, all planes of
/// a sample alike.
pub(crate) struct Augmentation {
    flip: bool,
    crop: usize,
    /// Degrees.
    rotation: f64,
    cutout: usize,
}

impl Augmentation {
    /// The augmentation a configuration asks for, if it asks for any.
    pub fn new(config: &PreprocessConfig) -> Option<Self> {
        let augmentation = Self {
            flip: config.horizontal_flip,
            crop: config.random_crop,
            rotation: config.rotation,
            cutout: config.cutout,
        };
        let any = augmentation.flip || augmentation.crop > 0 || augmentation.rotation > 0.0 || augmentation.cutout > 0;
        any.then_some(augmentation)
    }

    /// One random version of a sample. What comes from outside of it is zero.
    pub fn apply(&self, sample: &[u8], shape: &InputShape, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let [height, width] = plane_of(shape);
        let view = View::draw(self, rng);
        let hole = (self.cutout > 0).then(|| Hole::draw(self.cutout, [height, width], rng));
        let mut augmented = Vec::with_capacity(sample.len());
        for plane in sample.chunks_exact(height * width) {
            for y in 0..height {
                for x in 0..width {
                    let hidden = hole.as_ref().is_some_and(|hole| hole.hides(y, x));
                    augmented.push(if hidden { 0.0 } else { view.look(plane, [height, width], y, x) });
                }
            }
        }
        augmented
    }
}

/// Where each pixel of the augmented plane comes from.
struct View {
    mirrored: bool,
    /// Pixels down and right.
    offset: [isize; 2],
    /// Sine and cosine of the angle, when there is one.
    turn: Option<(f64, f64)>,
}

impl View {
    fn draw(augmentation: &Augmentation, rng: &mut ChaCha8Rng) -> Self {
        let mirrored = augmentation.flip && rng.random::<bool>();
        let reach = augmentation.crop as i32;
        let offset = if reach > 0 { [(); 2].map(|()| rng.random_range(-reach..=reach) as isize) } else { [0, 0] };
        let turn = (augmentation.rotation > 0.0).then(|| {
            let degrees = rng.random_range(-augmentation.rotation..=augmentation.rotation);
            degrees.to_radians().sin_cos()
        });
        Self { mirrored, offset, turn }
    }

    fn look(&self, plane: &[u8], [height, width]: [usize; 2], y: usize, x: usize) -> f32 {
        let pixel = |row: isize, column: isize| -> f32 {
            let (row, column) = (row + self.offset[0], column + self.offset[1]);
            if row < 0 || column < 0 || row >= height as isize || column >= width as isize {
                return 0.0;
            }
            let column = if self.mirrored { width - 1 - column as usize } else { column as usize };
            f32::from(plane[row as usize * width + column])
        };
        let Some((sin, cos)) = self.turn else {
            return pixel(y as isize, x as isize);
        };
        let (middle_y, middle_x) = ((height - 1) as f64 / 2.0, (width - 1) as f64 / 2.0);
        let (dy, dx) = (y as f64 - middle_y, x as f64 - middle_x);
        let (from_y, from_x) = (middle_y + cos * dy - sin * dx, middle_x + sin * dy + cos * dx);
        let (top, left) = (from_y.floor(), from_x.floor());
        let (down, right) = ((from_y - top) as f32, (from_x - left) as f32);
        let (top, left) = (top as isize, left as isize);
        let upper = pixel(top, left) * (1.0 - right) + pixel(top, left + 1) * right;
        let lower = pixel(top + 1, left) * (1.0 - right) + pixel(top + 1, left + 1) * right;
        upper * (1.0 - down) + lower * down
    }
}

/// A square around a random pixel; where it reaches past the edge it is cut off.
struct Hole {
    rows: std::ops::Range<isize>,
    columns: std::ops::Range<isize>,
}

impl Hole {
    fn draw(side: usize, [height, width]: [usize; 2], rng: &mut ChaCha8Rng) -> Self {
        let mut range = |length: usize| {
            let start = rng.random_range(0..length) as isize - (side / 2) as isize;
            start..start + side as isize
        };
        Self { rows: range(height), columns: range(width) }
    }

    fn hides(&self, y: usize, x: usize) -> bool {
        self.rows.contains(&(y as isize)) && self.columns.contains(&(x as isize))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const NOTHING: Augmentation = Augmentation { flip: false, crop: 0, rotation: 0.0, cutout: 0 };

    fn versions(augmentation: &Augmentation, sample: &[u8], shape: &InputShape) -> Vec<Vec<f32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        (0..200).map(|_| augmentation.apply(sample, shape, &mut rng)).collect()
    }

    #[test]
    fn a_flip_mirrors_half_of_the_samples_in_every_plane() {
        let shape = InputShape::new(2, [1, 3]);
        let versions = versions(&Augmentation { flip: true, ..NOTHING }, &[1, 2, 3, 4, 5, 6], &shape);
        let plain = versions.iter().filter(|version| **version == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).count();
        let mirrored = versions.iter().filter(|version| **version == [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]).count();
        assert_eq!(plain + mirrored, 200);
        assert!((70..130).contains(&plain), "{plain}");
    }

    #[test]
    fn a_crop_shifts_and_fills_with_zeros() {
        let shape = InputShape::new(1, [2, 2]);
        let seen = versions(&Augmentation { crop: 1, ..NOTHING }, &[1, 2, 3, 4], &shape);
        for expected in [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 1.0, 2.0], [0.0, 1.0, 0.0, 3.0], [4.0, 0.0, 0.0, 0.0]] {
            assert!(seen.iter().any(|version| *version == expected), "{expected:?}");
        }
    }

    #[test]
    fn a_rotation_keeps_the_centre_and_turns_the_rest() {
        let shape = InputShape::new(1, [3, 3]);
        let sample = [0, 100, 0, 0, 50, 0, 0, 0, 0];
        let seen = versions(&Augmentation { rotation: 90.0, ..NOTHING }, &sample, &shape);
        assert!(seen.iter().all(|version| (version[4] - 50.0).abs() < 1e-3));
        assert!(seen.iter().any(|version| version[1] < 30.0), "the top is turned away");
        let small = versions(&Augmentation { rotation: 1e-9, ..NOTHING }, &sample, &shape);
        assert!(small.iter().flatten().zip(sample.iter().cycle()).all(|(a, b)| (a - f32::from(*b)).abs() < 1e-3));
    }

    #[test]
    fn a_cutout_hides_a_square_of_at_most_its_side() {
        let shape = InputShape::new(1, [6, 6]);
        for version in versions(&Augmentation { cutout: 3, ..NOTHING }, &[9; 36], &shape) {
            let hidden = version.iter().filter(|value| **value == 0.0).count();
            assert!((4..=9).contains(&hidden), "{hidden}");
        }
    }
}
