use burn::tensor::ops::ConvOptions;

/// The sizes of a convolution without groups. Fewer than three dimensions are led by ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Images in the batch.
    pub images: usize,
    /// Channels of the input.
    pub channels: usize,
    /// Channels of the output.
    pub filters: usize,
    /// Depth, height and width of the input.
    pub input: [usize; 3],
    /// Depth, height and width of the kernel.
    pub kernel: [usize; 3],
    /// Steps between the places of the kernel.
    pub stride: [usize; 3],
    /// Steps between the taps of the kernel.
    pub dilation: [usize; 3],
    /// Zeros before and after the input.
    pub padding: [(usize, usize); 3],
}

impl Geometry {
    /// The sizes for an input `[images, channels, …]` and a weight `[filters, channels, …]`, both of
    /// rank `N + 2`; or nothing where the convolution has groups, no output or sizes that do not match.
    pub fn new<const N: usize>(input: &[usize], weight: &[usize], options: &ConvOptions<N>) -> Option<Self> {
        let geometry = Self {
            images: input[0],
            channels: input[1],
            filters: weight[0],
            input: lead(&input[2..], 1),
            kernel: lead(&weight[2..], 1),
            stride: lead(&options.stride, 1),
            dilation: lead(&options.dilation, 1),
            padding: lead(&options.padding, (0, 0)),
        };
        let fits = (0..3).all(|d| geometry.padded()[d] >= geometry.span(d));
        let sizes = [geometry.images, geometry.channels, geometry.filters];
        let plain = options.groups == 1 && weight[1] == input[1];
        (plain && fits && !sizes.contains(&0)).then_some(geometry)
    }

    /// What the kernel covers along dimension `d`.
    fn span(&self, d: usize) -> usize {
        self.dilation[d] * (self.kernel[d].max(1) - 1) + 1
    }

    /// Depth, height and width of the input with its padding.
    pub fn padded(&self) -> [usize; 3] {
        std::array::from_fn(|d| self.input[d] + self.padding[d].0 + self.padding[d].1)
    }

    /// Depth, height and width of the output.
    pub fn output(&self) -> [usize; 3] {
        std::array::from_fn(|d| (self.padded()[d] - self.span(d)) / self.stride[d] + 1)
    }

    /// The shape of the input as a tensor of rank `rank`.
    pub fn input_shape(&self, rank: usize) -> Vec<usize> {
        shape(self.images, self.channels, self.input, rank)
    }

    /// The shape of the weight as a tensor of rank `rank`.
    pub fn weight_shape(&self, rank: usize) -> Vec<usize> {
        shape(self.filters, self.channels, self.kernel, rank)
    }

    /// The shape of the output as a tensor of rank `rank`.
    pub fn output_shape(&self, rank: usize) -> Vec<usize> {
        shape(self.images, self.filters, self.output(), rank)
    }

    /// Values of one output map.
    pub fn positions(&self) -> usize {
        self.output().iter().product()
    }

    /// Weights of one filter.
    pub fn weights(&self) -> usize {
        self.channels * self.taps()
    }

    /// Weights of one filter for one channel.
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }
}

fn lead<T: Copy>(values: &[T], one: T) -> [T; 3] {
    let missing = 3 - values.len();
    std::array::from_fn(|d| if d < missing { one } else { values[d - missing] })
}

fn shape(first: usize, second: usize, dims: [usize; 3], rank: usize) -> Vec<usize> {
    [&[first, second], &dims[5 - rank..]].concat()
}
