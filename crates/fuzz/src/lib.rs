//! Throws mutated files at a parser of foreign bytes, on stable Rust and inside of `cargo test`.
//!
//! A target is a test beside its parser, `fuzz_…`, that calls [`target`]; its corpus is `fuzz/corpus/<name>/`. Each runs a
//! moment in an ordinary test run, and `FUZZ_SECONDS=60 cargo test --release fuzz_` runs each for a minute. An input
//! that makes the parser panic is kept in the corpus, so that every later run tries it first.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An ordinary test run is not held up.
const DEFAULT_SECONDS: f64 = 0.5;

/// Longer inputs find nothing that shorter ones do not, and take longer.
const LONGEST: usize = 1 << 16;

/// Gives `parse` every file of the corpus of `name`, then mutations of them until the time is over.
///
/// # Panics
///
/// When the corpus is empty, or `parse` panics; the input is then a file of the corpus.
pub fn target(name: &str, parse: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let corpus = read(&folder);
    assert!(!corpus.is_empty(), "{} has no files to start from", folder.display());
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_SECONDS);
    let deadline = Instant::now() + Duration::from_secs_f64(seconds);
    for input in &corpus {
        attempt(&folder, input, &parse);
    }
    // Every run of the same length sees the same inputs first; a longer one goes further.
    let mut random = Random(0x5EED);
    let mut count = corpus.len();
    while Instant::now() < deadline {
        let input = mutated(&corpus, &mut random);
        attempt(&folder, &input, &parse);
        count += 1;
    }
    eprintln!("{name}: {count} inputs in {seconds} s");
}

fn read(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}

fn attempt(folder: &Path, input: &[u8], parse: &impl Fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| parse(input))) {
        let sum = input
            .iter()
            .fold(0xCBF2_9CE4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
        let path = folder.join(format!("panic-{sum:016x}"));
        let _ = fs::write(&path, input);
        eprintln!("the input is in {}", path.display());
        resume_unwind(panic);
    }
}

/// A file of the corpus with a few changes, from one byte to a piece of another file.
fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    const INTERESTING: &[&[u8]] = &[
        b"\0",
        b"\xff",
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\x80\0\0\0",
        b"\0\0\0\0\0\0\0\0",
        b"-1",
        b"1e999",
        b"18446744073709551616",
        b"NaN",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b"\\",
        b"'",
        b"\n",
        b"{i}",
        b"\xc3\x28",
        b"../",
    ];
    let mut bytes = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(16)).min(bytes.len());
        match random.below(7) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            5 => {
                let value = INTERESTING[random.below(INTERESTING.len())];
                let end = if random.below(2) == 0 { at } else { (at + value.len()).min(bytes.len()) };
                bytes.splice(at..end, value.iter().copied());
            }
            _ => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(256)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

/// `SplitMix64` (G. Steele, D. Lea and C. Flood, 2014): enough to choose mutations.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutations_vary_and_repeat() {
        let corpus = [b"hello world".to_vec(), Vec::new()];
        let run = || {
            let mut random = Random(1);
            (0..1000).map(|_| mutated(&corpus, &mut random)).collect::<Vec<_>>()
        };
        let inputs = run();
        assert_eq!(inputs, run());
        assert!(inputs.iter().collect::<std::collections::BTreeSet<_>>().len() > 500);
    }
}
