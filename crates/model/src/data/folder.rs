//! A folder of images: `train/<class>/*.png` and `test/<class>/*.png`, or jpg, jpeg.
//!
//! Classes are numbered in alphabetical order of their folders, files are read in that of their names. Transparency is
//! dropped; grey images become colour unless grey is asked for.

use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, Limits};
use rayon::prelude::*;

use super::read::{self, MAX_BYTES};
use super::{DataError, Dataset};
use crate::{ImageData, InputShape};

const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];
/// Larger pictures are not something to train a network on from memory.
const MAX_SIDE: u32 = 1 << 14;
const MAX_DECODED: u64 = 1 << 30;

pub(super) fn load(root: &Path, resize: Option<[usize; 2]>, grey: bool) -> Result<Dataset, DataError> {
    if let Some(size) = resize.filter(|size| size.iter().any(|side| !(1..=MAX_SIDE as usize).contains(side))) {
        return Err(DataError::BadOption {
            option: "resize",
            found: format!("{size:?}"),
            expected: format!("[height, width], each from 1 to {MAX_SIDE} pixels"),
        });
    }
    let train = list(root, "train")?;
    let test = list(root, "test")?;
    if let Some(class) = test.classes.iter().find(|class| !train.classes.contains(class)) {
        return Err(DataError::malformed(
            &root.join("test").join(class),
            "a class that train/ has too",
            "a class of its own",
            "Nothing could learn it: move its images, or rename the folder",
        ));
    }
    let reader = Reader { size: size(&train.files, resize)?, resize: resize.is_some(), grey };
    Ok(Dataset {
        train: reader.read(&train, &train.classes)?,
        validation: None,
        test: reader.read(&test, &train.classes)?,
    })
}

struct Listing {
    classes: Vec<String>,
    /// Each image and the place of its class in `classes`.
    files: Vec<(PathBuf, usize)>,
}

fn list(root: &Path, part: &str) -> Result<Listing, DataError> {
    let folder = root.join(part);
    if !folder.is_dir() {
        return Err(DataError::malformed(
            root,
            format!("a folder {part}/ with a folder of images for each class"),
            "none",
            match part {
                "test" => "Move some images of each class, a fifth say, from train/<class> to test/<class>",
                _ => "Put the images into train/<class>/ and test/<class>/",
            },
        ));
    }
    let classes: Vec<_> = entries(&folder)?.into_iter().filter(|path| path.is_dir()).collect();
    if classes.is_empty() {
        return Err(DataError::malformed(&folder, "a folder for each class", "none", "Put the images into one each"));
    }
    let mut files = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let before = files.len();
        files.extend(entries(class)?.into_iter().filter(|path| is_image(path)).map(|path| (path, label)));
        if files.len() == before {
            return Err(DataError::malformed(
                class,
                "images named *.png, *.jpg or *.jpeg",
                "none",
                "Add some, or remove the folder",
            ));
        }
    }
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Listing { classes: classes.iter().map(name).collect(), files })
}

/// What is in a folder, by name, without what is hidden.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let mut paths = read().map_err(DataError::io("read", folder))?;
    paths.retain(|path| !path.file_name().unwrap_or_default().as_encoded_bytes().starts_with(b"."));
    paths.sort();
    Ok(paths)
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// `[height, width]` of all images: as asked for, else that of the first.
fn size(files: &[(PathBuf, usize)], resize: Option<[usize; 2]>) -> Result<[usize; 2], DataError> {
    match (resize, files.first()) {
        (Some(size), _) => Ok(size),
        (None, Some((first, _))) => decode(first).map(|image| dims(&image)),
        (None, None) => Ok([0, 0]),
    }
}

fn dims(image: &DynamicImage) -> [usize; 2] {
    [image.height() as usize, image.width() as usize]
}

fn decode(path: &Path) -> Result<DynamicImage, DataError> {
    let mut reader =
        ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(DataError::io("read", path))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    reader.decode().map_err(|error| {
        let advice = "Replace or remove the file";
        DataError::malformed(path, "an intact PNG or JPEG image", error.to_string(), advice)
    })
}

struct Reader {
    size: [usize; 2],
    resize: bool,
    grey: bool,
}

impl Reader {
    fn read(&self, listing: &Listing, classes: &[String]) -> Result<ImageData, DataError> {
        let shape = InputShape::new(if self.grey { 1 } else { 3 }, self.size);
        let sample = shape.elements();
        let bytes = listing.files.len() as u64 * sample as u64;
        if bytes > MAX_BYTES {
            let root = listing.files.first().map_or(Path::new(""), |(path, _)| path);
            return Err(DataError::malformed(
                root,
                format!("images of at most {MAX_BYTES} bytes together"),
                format!("{} of {shape}, {bytes} bytes", listing.files.len()),
                "Set `resize = [height, width]` in [data] to something smaller",
            ));
        }
        let mut samples = vec![0; bytes as usize];
        let failure = listing
            .files
            .par_iter()
            .zip(samples.par_chunks_exact_mut(sample))
            .find_map_first(|((path, _), place)| self.read_one(path, place).err());
        if let Some(error) = failure {
            return Err(error);
        }
        let place = |label: &usize| classes.iter().position(|class| *class == listing.classes[*label]);
        let labels = listing.files.iter().filter_map(|(_, label)| place(label)).map(|label| label as u32);
        Ok(ImageData { samples, shape, labels: labels.collect(), class_names: classes.to_vec() })
    }

    fn read_one(&self, path: &Path, place: &mut [u8]) -> Result<(), DataError> {
        let mut image = decode(path)?;
        let [height, width] = self.size;
        if dims(&image) != self.size {
            if !self.resize {
                let [found_height, found_width] = dims(&image);
                return Err(DataError::malformed(
                    path,
                    format!("an image of {height}×{width} like the first"),
                    format!("{found_height}×{found_width}"),
                    "Set `resize = [height, width]` in [data] to scale all images to one size",
                ));
            }
            image = image.resize_exact(width as u32, height as u32, FilterType::Triangle);
        }
        if self.grey {
            place.copy_from_slice(&image.into_luma8());
        } else {
            read::planes(&image.into_rgb8(), 3, place);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma, Rgb, RgbImage};
    use proptest::prelude::*;

    use super::*;

    fn colour(root: &Path, name: &str, [height, width]: [u32; 2], pixel: [u8; 3]) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(width, height, Rgb(pixel)).save(path).unwrap();
    }

    fn birds_and_cats() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        colour(root.path(), "train/cat/b.png", [2, 3], [9, 9, 9]);
        colour(root.path(), "train/cat/a.PNG", [2, 3], [1, 2, 3]);
        colour(root.path(), "train/bird/z.png", [2, 3], [7, 8, 9]);
        colour(root.path(), "test/cat/a.png", [2, 3], [5, 5, 5]);
        fs::write(root.path().join("train/cat/.DS_Store"), "x").unwrap();
        fs::write(root.path().join("train/cat/notes.txt"), "x").unwrap();
        root
    }

    fn message(root: &Path) -> String {
        let error = load(root, None, false).unwrap_err().to_string();
        error.replace(&root.display().to_string(), "ROOT")
    }

    #[test]
    fn classes_and_files_are_in_alphabetical_order() {
        let root = birds_and_cats();
        let data = load(root.path(), None, false).unwrap();
        assert_eq!(data.train.class_names, ["bird", "cat"]);
        assert_eq!(data.train.labels, [0, 1, 1]);
        assert_eq!(data.train.shape, InputShape::new(3, [2, 3]));
        assert_eq!(data.train.sample(1), [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3]);
        // The test part has no bird; its cat is a cat all the same.
        assert_eq!(data.test.labels, [1]);
    }

    #[test]
    fn grey_is_one_channel() {
        let root = birds_and_cats();
        let path = root.path().join("train/bird/z.png");
        GrayImage::from_fn(3, 2, |x, y| Luma([(10 * y + x) as u8])).save(path).unwrap();
        let data = load(root.path(), None, true).unwrap();
        assert_eq!(data.train.shape, InputShape::new(1, [2, 3]));
        assert_eq!(data.train.sample(0), [0, 1, 2, 10, 11, 12]);
    }

    #[test]
    fn images_of_two_sizes_are_refused_or_scaled() {
        let root = birds_and_cats();
        colour(root.path(), "train/cat/b.png", [4, 4], [50, 60, 70]);
        insta::assert_snapshot!(message(root.path()), @"ROOT/train/cat/b.png: expected an image of 2×3 like the first, found 4×4. Set `resize = [height, width]` in [data] to scale all images to one size");
        let data = load(root.path(), Some([5, 4]), false).unwrap();
        assert_eq!(data.train.shape, InputShape::new(3, [5, 4]));
        assert_eq!(data.train.sample(2), [[50; 20], [60; 20], [70; 20]].concat());
    }

    #[test]
    fn a_size_without_pixels_is_refused() {
        let root = birds_and_cats();
        insta::assert_snapshot!(load(root.path(), Some([0, 8]), false).unwrap_err(), @"`resize` in [data] is [0, 8]: give [height, width], each from 1 to 16384 pixels");
        assert!(load(root.path(), Some([8, usize::MAX]), false).is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let root = birds_and_cats();
        colour(root.path(), "test/dog/a.png", [2, 3], [0, 0, 0]);
        insta::assert_snapshot!(message(root.path()), @"ROOT/test/dog: expected a class that train/ has too, found a class of its own. Nothing could learn it: move its images, or rename the folder");
        fs::remove_file(root.path().join("train/bird/z.png")).unwrap();
        insta::assert_snapshot!(message(root.path()), @"ROOT/train/bird: expected images named *.png, *.jpg or *.jpeg, found none. Add some, or remove the folder");
        fs::remove_dir_all(root.path().join("test")).unwrap();
        fs::remove_dir_all(root.path().join("train/bird")).unwrap();
        insta::assert_snapshot!(message(root.path()), @"ROOT: expected a folder test/ with a folder of images for each class, found none. Move some images of each class, a fifth say, from train/<class> to test/<class>");
    }

    #[test]
    fn a_damaged_image_is_named() {
        let root = birds_and_cats();
        let path = root.path().join("train/cat/b.png");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
        assert!(message(root.path()).starts_with("ROOT/train/cat/b.png: expected an intact PNG or JPEG image, found "));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&file("x.png", &bytes).1);
        }

        #[test]
        fn a_changed_image_is_read_or_refused(place: usize, value: u8, tail in prop::option::of(0usize..400), jpeg: bool) {
            let name = if jpeg { "x.jpg" } else { "x.png" };
            let root = tempfile::tempdir().unwrap();
            colour(root.path(), name, [9, 9], [10, 200, 30]);
            let mut bytes = fs::read(root.path().join(name)).unwrap();
            let place = place % bytes.len();
            bytes[place] = value;
            bytes.truncate(tail.unwrap_or(bytes.len()));
            let _ = decode(&file(name, &bytes).1);
        }
    }

    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }
}
