//! Flex tensors as slices, and slices as flex tensors.

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};

/// The tensor with its values in their order, copied only where they are not.
pub fn in_order(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

/// The values of a tensor that is [`in_order`].
pub fn values(tensor: &FlexTensor) -> &[f32] {
    let start = tensor.layout().start_offset();
    &tensor.storage()[start..start + tensor.layout().num_elements()]
}

/// The values of a tensor that is [`in_order`], to be written over, where nothing else holds them.
pub fn own_values(tensor: &mut FlexTensor) -> Option<&mut [f32]> {
    let start = tensor.layout().start_offset();
    let end = start + tensor.layout().num_elements();
    tensor.try_storage_mut().map(|values| &mut values[start..end])
}

/// The values of a tensor that is [`in_order`], to be written over: its own, or a copy of them from now on.
pub fn make_own(tensor: &mut FlexTensor) -> &mut [f32] {
    let start = tensor.layout().start_offset();
    let end = start + tensor.layout().num_elements();
    &mut tensor.storage_mut()[start..end]
}

/// A tensor of `shape` that holds `values`.
pub fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    let layout = Layout::contiguous(shape.into());
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}
