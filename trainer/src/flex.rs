//! Between burn's Flex backend and plain memory.

use burn::backend::tensor::FloatTensor;
use burn::backend::{DispatchDevice, Flex};
use burn::tensor::{Device, TensorData};

/// Whether the device's backend is Flex, with or without autodiff.
#[allow(unreachable_patterns)] // Flex may be the only backend besides autodiff.
pub fn runs_on_flex(device: &Device) -> bool {
    fn is_flex(device: &DispatchDevice) -> bool {
        match device {
            DispatchDevice::Flex(_) => true,
            DispatchDevice::Autodiff(wrapper) => is_flex(wrapper),
            _ => false,
        }
    }
    is_flex(device.as_dispatch())
}

/// Row-major values and shape; without a copy where the tensor is not shared.
pub fn to_floats(tensor: FloatTensor<Flex>) -> (Vec<f32>, Vec<usize>) {
    let data = tensor.into_data();
    let shape = data.shape().iter().copied().collect();
    let floats = data
        .try_into_vec::<f32>()
        .expect("the network is made of f32 tensors only");
    (floats, shape)
}

/// A tensor of row-major values.
pub fn from_floats(values: Vec<f32>, shape: &[usize]) -> FloatTensor<Flex> {
    FloatTensor::<Flex>::from_data(TensorData::new(values, shape.to_vec()))
}
