//! Windows sliding over one dimension.

use crate::cnn::Padding;

/// How a kernel or pool moves along one dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub extent: usize,
    pub stride: usize,
    pub dilation: usize,
    /// Zeros before and after the input.
    pub padding: (usize, usize),
}

impl Window {
    /// A window over `input` positions, padded as `padding` says.
    pub fn new(extent: usize, stride: usize, dilation: usize, padding: Padding, input: usize) -> Self {
        let mut window = Self { extent, stride, dilation, padding: (0, 0) };
        if padding == Padding::Same {
            let needed = input.div_ceil(stride).saturating_sub(1) * stride + window.span();
            let zeros = needed.saturating_sub(input);
            window.padding = (zeros / 2, zeros - zeros / 2);
        }
        window
    }

    /// Positions between the first and the last input of the window, both included.
    pub fn span(self) -> usize {
        self.dilation * (self.extent - 1) + 1
    }

    /// Number of places the window has over `input` positions; `None` when it does not fit once.
    pub fn places(self, input: usize) -> Option<usize> {
        let padded = input + self.padding.0 + self.padding.1;
        (input > 0).then_some(())?;
        Some(padded.checked_sub(self.span())? / self.stride + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_are_those_that_can_be_counted(
            extent in 1_usize..8, stride in 1_usize..5, dilation in 1_usize..4, input in 0_usize..30,
        ) {
            let window = Window::new(extent, stride, dilation, Padding::Valid, input);
            let counted = (0..input).step_by(stride).filter(|start| start + dilation * (extent - 1) < input).count();
            prop_assert_eq!(window.places(input).unwrap_or(0), counted);
        }

        #[test]
        fn same_padding_divides_by_the_stride_and_rounds_up(
            extent in 1_usize..8, stride in 1_usize..5, dilation in 1_usize..4, input in 1_usize..30,
        ) {
            let window = Window::new(extent, stride, dilation, Padding::Same, input);
            prop_assert_eq!(window.places(input), Some(input.div_ceil(stride)));
            prop_assert!(window.padding.1 - window.padding.0 <= 1);
        }
    }
}
