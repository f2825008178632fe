//! Sizes of kernels, strides, dilations and pools.

use serde::{Deserialize, Serialize};

/// One number for every dimension (`3`), or one for each (`2×8`, `3×3×3`). No number is zero.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size(Vec<usize>);

impl Size {
    /// The largest number a size may hold.
    pub const MAX: usize = 4096;

    /// The same extent in every dimension; `None` for 0 and above [`Size::MAX`].
    pub fn uniform(extent: usize) -> Option<Self> {
        (1..=Self::MAX).contains(&extent).then(|| Self(vec![extent]))
    }

    /// The same extent in every dimension, which the caller knows to be in range.
    pub(crate) fn of(extent: usize) -> Self {
        Self(vec![extent])
    }

    /// Reads `3`, `2x8` or `3x3x3` (depth, height, width); `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let extents: Option<Vec<usize>> = text
            .split(['x', '×'])
            .map(|part| part.trim().parse().ok().filter(|extent| (1..=Self::MAX).contains(extent)))
            .collect();
        extents.filter(|extents| extents.len() <= 3).map(Self)
    }

    /// The extent in each of `rank` dimensions; `None` when the size is written for another rank.
    pub fn resolve(&self, rank: usize) -> Option<Vec<usize>> {
        match self.0.as_slice() {
            [extent] => Some(vec![*extent; rank]),
            extents if extents.len() == rank => Some(extents.to_vec()),
            _ => None,
        }
    }

    /// How many dimensions the size is written for; `None` when it fits any number.
    pub fn rank(&self) -> Option<usize> {
        (self.0.len() > 1).then_some(self.0.len())
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&times(&self.0))
    }
}

/// `[4, 5]` as `4×5`.
pub(crate) fn times(extents: &[usize]) -> String {
    extents.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_one_number_or_one_for_each_dimension() {
        assert_eq!(Size::parse("3").unwrap().resolve(2), Some(vec![3, 3]));
        assert_eq!(Size::parse("2x8").unwrap().resolve(2), Some(vec![2, 8]));
        assert_eq!(Size::parse("2x8").unwrap().resolve(3), None);
        assert_eq!(Size::parse("3 x 4 x 5").unwrap().to_string(), "3×4×5");
        for text in ["", "0", "-1", "3x", "3x0", "1x2x3x4", "3.5", "4097", "three"] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
    }
}
