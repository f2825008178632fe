use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Slice, Tensor};

/// How a [`LocallyConnected2d`] is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocallyConnected2dConfig {
    /// Input channels.
    pub channels: usize,
    /// Output channels.
    pub filters: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Steps between positions.
    pub stride: [usize; 2],
    /// Steps between the inputs of a kernel.
    pub dilation: [usize; 2],
    /// Zeros before and after the input, in height and in width.
    pub padding: [(usize, usize); 2],
}

/// A convolution that shares no weights: every output position has a kernel and biases of its own,
/// as `LocallyConnected2D` of Keras 2.
#[derive(Module, Debug)]
pub struct LocallyConnected2d {
    /// `[positions, channels · taps, filters]`.
    pub weight: Param<Tensor<3>>,
    /// `[positions, filters]`.
    pub bias: Param<Tensor<2>>,
    #[module(skip)]
    config: LocallyConnected2dConfig,
}

impl LocallyConnected2dConfig {
    /// A layer with Glorot uniform weights, the fans those of one position, and zero biases.
    ///
    /// The kernel must fit the padded input.
    pub fn init(&self, device: &Device) -> LocallyConnected2d {
        let taps: usize = self.kernel.iter().product();
        let positions = self.output().iter().product();
        let glorot = Initializer::XavierUniform { gain: 1.0 };
        LocallyConnected2d {
            weight: glorot.init_with(
                [positions, self.channels * taps, self.filters],
                Some(self.channels * taps),
                Some(self.filters * taps),
                device,
            ),
            bias: Initializer::Zeros.init([positions, self.filters], device),
            config: self.clone(),
        }
    }

    /// Height and width of the output.
    pub fn output(&self) -> [usize; 2] {
        std::array::from_fn(|d| {
            let span = self.dilation[d] * (self.kernel[d] - 1) + 1;
            (self.input[d] + self.padding[d].0 + self.padding[d].1 - span) / self.stride[d] + 1
        })
    }
}

impl LocallyConnected2d {
    /// `[batch, channels, height, width]` to `[batch, filters, output height, output width]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let config = &self.config;
        let [batch, channels, ..] = x.dims();
        let [height, width] = config.output();
        let positions = height * width;
        let x = if config.padding == [(0, 0); 2] { x } else { x.pad(config.padding, 0.0) };

        let [rows, columns] = config.kernel;
        let taps = (0..rows * columns).map(|tap| {
            let rows = self.inputs_of(0, tap / columns, height);
            let columns = self.inputs_of(1, tap % columns, width);
            x.clone().slice([Slice::full(), Slice::full(), rows, columns]).reshape([batch, channels, 1, positions])
        });
        let patches =
            Tensor::cat(taps.collect(), 2).reshape([batch, channels * rows * columns, positions]).permute([2, 0, 1]);
        let output = patches.matmul(self.weight.val()) + self.bias.val().unsqueeze_dim(1);
        output.permute([1, 2, 0]).reshape([batch, config.filters, height, width])
    }

    /// The inputs along dimension `d` that tap number `tap` sees at each of `places` positions.
    fn inputs_of(&self, d: usize, tap: usize, places: usize) -> Slice {
        let stride = self.config.stride[d];
        let start = tap * self.config.dilation[d];
        Slice::new(start as isize, Some((start + (places - 1) * stride + 1) as isize), stride as isize)
    }
}
