use std::sync::Arc;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};

use super::{Kernels, pooled_shape};
use crate::activation::Activation;
use crate::convolution::{Geometry, bias_gradient, input_gradient, weight_gradient};
use crate::flex::{in_order, tensor, values};
use crate::pool::Window;

impl<C: CheckpointStrategy> Kernels for Autodiff<Flex, C> {
    fn convolve(input: FloatTensor<Self>, weight: FloatTensor<Self>, geometry: Geometry) -> FloatTensor<Self> {
        convolve::<C, 2>([input.node(), weight.node()], input, weight, geometry, Flex::convolve)
    }

    fn convolve_biased(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        let nodes = [input.node(), weight.node(), bias.node()];
        convolve::<C, 3>(nodes, input, weight, geometry, |input, weight, geometry| {
            Flex::convolve_biased(input, weight, bias.into_primitive(), geometry)
        })
    }

    fn activate(input: FloatTensor<Self>, function: Activation) -> FloatTensor<Self> {
        match Activate.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let input = input.into_primitive();
                let kept = function.needs_input().then(|| input.clone());
                let output = Flex::activate(input, function);
                let kept = kept.unwrap_or_else(|| output.clone());
                prep.finish((kept, function), output)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::activate(input.into_primitive(), function)),
        }
    }

    fn pool_max(input: FloatTensor<Self>, window: Window) -> FloatTensor<Self> {
        match PoolMax.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let input = in_order(input.into_primitive());
                let maxima = window.maxima(values(&input));
                let output = tensor(maxima.values, pooled_shape(&input, window));
                let shape = input.layout().shape().to_vec();
                prep.finish((Arc::new(maxima.taps), window, shape), output)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::pool_max(input.into_primitive(), window)),
        }
    }

    fn pool_mean(input: FloatTensor<Self>, window: Window) -> FloatTensor<Self> {
        match PoolMean.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let input = input.into_primitive();
                let shape = input.layout().shape().to_vec();
                prep.finish((window, shape), Flex::pool_mean(input, window))
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::pool_mean(input.into_primitive(), window)),
        }
    }
}

fn convolve<C: CheckpointStrategy, const N: usize>(
    nodes: [NodeGuard; N],
    input: FloatTensor<Autodiff<Flex, C>>,
    weight: FloatTensor<Autodiff<Flex, C>>,
    geometry: Geometry,
    forward: impl FnOnce(FlexTensor, FlexTensor, Geometry) -> FlexTensor,
) -> FloatTensor<Autodiff<Flex, C>> {
    match Convolve.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            // Each of the two is needed only for the gradient of the other.
            let kept = Kept {
                input: weight.is_tracked().then(|| prep.checkpoint(&input)),
                weight: input.is_tracked().then(|| prep.checkpoint(&weight)),
                geometry: geometry.clone(),
            };
            let output = forward(input.into_primitive(), weight.into_primitive(), geometry);
            prep.finish(kept, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(forward(input.into_primitive(), weight.into_primitive(), geometry)),
    }
}

#[derive(Debug)]
struct Convolve;

#[derive(Debug, Clone)]
struct Kept {
    input: Option<NodeId>,
    weight: Option<NodeId>,
    geometry: Geometry,
}

impl<const N: usize> Backward<Flex, N> for Convolve {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, N>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = in_order(grads.consume::<Flex>(&ops.node));
        let gradient = values(&gradient);
        let Kept { input, weight, geometry } = ops.state;
        let mut kept = |id| in_order(checkpointer.retrieve_node_output::<FlexTensor>(id));
        let (input, weight) = (input.map(&mut kept), weight.map(&mut kept));
        let rank = |tensor: &FlexTensor| tensor.layout().shape().num_dims();
        let parent = |index: usize| ops.parents.get(index).and_then(Option::as_ref);
        if let (Some(node), Some(weight)) = (parent(0), &weight) {
            let gradient = input_gradient(values(weight), gradient, &geometry);
            let shape = geometry.input_shape(rank(weight));
            grads.register::<Flex>(node.id, tensor(gradient, shape));
        }
        if let (Some(node), Some(input)) = (parent(1), &input) {
            let gradient = weight_gradient(values(input), gradient, &geometry);
            let shape = geometry.weight_shape(rank(input));
            grads.register::<Flex>(node.id, tensor(gradient, shape));
        }
        if let Some(node) = parent(2) {
            let gradient = bias_gradient(gradient, &geometry);
            grads.register::<Flex>(node.id, tensor(gradient, [geometry.filters]));
        }
    }
}

#[derive(Debug)]
struct Activate;

impl Backward<Flex, 1> for Activate {
    type State = (FlexTensor, Activation);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (kept, function) = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |gradient| function.backward(kept, gradient));
    }
}

#[derive(Debug)]
struct PoolMax;

impl Backward<Flex, 1> for PoolMax {
    /// Where each maximum was, and the shape of the input.
    type State = (Arc<Vec<u8>>, Window, Vec<usize>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (taps, window, shape) = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |gradient| {
            let gradient = in_order(gradient);
            tensor(window.maxima_gradient(values(&gradient), &taps), shape)
        });
    }
}

#[derive(Debug)]
struct PoolMean;

impl Backward<Flex, 1> for PoolMean {
    type State = (Window, Vec<usize>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (window, shape) = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |gradient| {
            let gradient = in_order(gradient);
            tensor(window.means_gradient(values(&gradient)), shape)
        });
    }
}
