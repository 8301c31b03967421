//! Where a model computes.

use std::fmt;
use std::str::FromStr;

use super::{ModelError, Result};

/// A device, by the name that candle and PyTorch give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor: packed weights and kshot's own kernels.
    #[default]
    Cpu,
    /// An NVIDIA GPU, counted from 0: candle's operations. Only in a build with the feature `cuda`.
    Cuda(usize),
}

impl Device {
    /// The device of candle.
    ///
    /// # Errors
    /// [`ModelError::Device`] where this build or this machine does not have it.
    pub fn open(self) -> Result<candle_core::Device> {
        let refused = |reason: String| ModelError::Device { device: self.to_string(), reason };
        match self {
            Self::Cpu => Ok(candle_core::Device::Cpu),
            Self::Cuda(_) if !cfg!(feature = "cuda") => {
                let reason = "this build computes on the CPU only; take --device cpu, or build with --features cuda";
                Err(refused(reason.to_owned()))
            }
            Self::Cuda(index) => candle_core::Device::new_cuda(index).map_err(|error| refused(error.to_string())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let cuda = |index: &str| index.parse().ok().map(Self::Cuda);
        match name {
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            _ => name.strip_prefix("cuda:").and_then(cuda),
        }
        .ok_or_else(|| "the devices are cpu and cuda:N, an NVIDIA GPU counted from 0".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_shown() {
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(3)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for name in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "metal"] {
            assert!(name.parse::<Device>().is_err(), "{name}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_is_not_built_is_refused_by_name() {
        let said = Device::Cuda(1).open().map_err(|error| error.to_string()).err().unwrap_or_default();
        assert!(said.starts_with("cannot compute on cuda:1: this build computes on the CPU only"), "{said}");
    }
}
