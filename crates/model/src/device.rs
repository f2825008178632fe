//! Backends by name, chosen at run time.

pub use burn::tensor::Device;

use crate::hyperparameters::nearest;

/// The backend that every build has.
pub const DEFAULT_BACKEND: &str = "flex";

/// A backend the program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackendInfo {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub description: &'static str,
    /// Whether this build has it.
    pub built_in: bool,
    /// The Cargo feature that adds it; `None` for one that is always there.
    pub feature: Option<&'static str>,
}

/// Why a backend could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// No backend has that name.
    #[error("unknown backend `{name}`; expected one of {known}{hint}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The known names.
        known: String,
        /// The nearest of them, as a question.
        hint: String,
    },
    /// The build lacks it.
    #[error("the backend `{name}` is not in this build; add it with `cargo build --release --features {feature}`")]
    NotBuiltIn {
        /// The backend.
        name: &'static str,
        /// The feature that adds it.
        feature: &'static str,
    },
    /// The number of threads is settled once a computation has begun.
    #[error("cannot set the number of threads: {0}")]
    Threads(String),
}

/// Every backend, the default first.
pub fn backends() -> &'static [BackendInfo] {
    const BACKENDS: &[BackendInfo] = &[
        BackendInfo { name: DEFAULT_BACKEND, description: "CPU, pure Rust", built_in: true, feature: None },
        BackendInfo {
            name: "ndarray",
            description: "CPU, pure Rust; older and slower",
            built_in: cfg!(feature = "ndarray"),
            feature: Some("ndarray"),
        },
        BackendInfo {
            name: "wgpu",
            description: "GPU through Vulkan, Metal, DirectX or OpenGL",
            built_in: cfg!(feature = "wgpu"),
            feature: Some("wgpu"),
        },
        BackendInfo {
            name: "cuda",
            description: "NVIDIA GPU",
            built_in: cfg!(feature = "cuda"),
            feature: Some("cuda"),
        },
    ];
    BACKENDS
}

/// The device of a backend, without autodiff.
///
/// Burn restores optimizer states on its default device, which prefers a GPU backend that is built
/// in. A program with several backends sets the environment variable `BURN_DEVICE` to the name of
/// the one it uses before its first call into Burn; [`fit`](crate::train::fit) refuses to continue
/// a checkpoint otherwise.
///
/// # Errors
///
/// When no backend has that name, or this build lacks it.
pub fn device(name: &str) -> Result<Device, DeviceError> {
    match name {
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        #[expect(deprecated, reason = "Burn keeps it until its next release; it is there to compare with")]
        "ndarray" => Ok(Device::ndarray()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(0_usize)),
        other => Err(refusal(other)),
    }
}

fn refusal(name: &str) -> DeviceError {
    for backend in backends() {
        if let (true, Some(feature)) = (backend.name == name, backend.feature) {
            return DeviceError::NotBuiltIn { name: backend.name, feature };
        }
    }
    let names = || backends().iter().map(|backend| backend.name);
    DeviceError::Unknown {
        name: name.to_owned(),
        known: names().collect::<Vec<_>>().join(", "),
        hint: nearest(name, names()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default(),
    }
}

/// Whether reading a value back from the device costs nothing, as on a CPU.
pub(crate) fn reads_are_free(device: &Device) -> bool {
    let device = device.clone().without_autodiff();
    #[cfg(feature = "ndarray")]
    #[expect(deprecated, reason = "as in `device`")]
    if device == Device::ndarray() {
        return true;
    }
    device == Device::flex()
}

/// Sets the number of threads that CPU backends compute with, for the whole process.
///
/// # Errors
///
/// When a computation has already begun, or the threads cannot be started.
pub fn set_threads(threads: usize) -> Result<(), DeviceError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|error| DeviceError::Threads(error.to_string()))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn a_backend_that_is_not_there_says_how_to_get_it() {
        assert!(device("flex").is_ok());
        assert_snapshot!(device("felx").unwrap_err(), @"unknown backend `felx`; expected one of flex, ndarray, wgpu, cuda; did you mean `flex`?");
        if !cfg!(feature = "cuda") {
            assert_snapshot!(device("cuda").unwrap_err(), @"the backend `cuda` is not in this build; add it with `cargo build --release --features cuda`");
        }
    }
}
