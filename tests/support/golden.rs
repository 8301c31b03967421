//! Reads the golden checkpoints that tests/goldens/make.py writes.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use candle_core::{DType, Device, Tensor};
use kshot::model::{Checkpoint, Decoder, Dtype};
use serde_json::Value;

/// Every golden checkpoint.
pub(crate) fn all() -> Vec<Golden> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut folders: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("golden.json").is_file())
        .collect();
    folders.sort();
    folders.into_iter().map(|folder| Golden { json: read(&folder.join("golden.json")), folder }).collect()
}

/// One checkpoint and what transformers computes from it.
pub(crate) struct Golden {
    /// The checkpoint.
    pub(crate) folder: PathBuf,
    /// What make.py's docstring describes.
    pub(crate) json: Value,
}

impl Golden {
    /// The name of the folder.
    pub(crate) fn name(&self) -> &str {
        self.folder.file_name().unwrap().to_str().unwrap()
    }

    /// The decoder as it stands in the folder.
    pub(crate) fn decoder(&self) -> Decoder {
        Decoder::load(&Checkpoint::open(&*self.folder).unwrap(), Dtype::F32, &mut |_, _| true).unwrap()
    }

    /// The decoder with one key of config.json set to another value, or taken out.
    pub(crate) fn decoder_with(&self, key: &str, value: Option<&Value>, dtype: DType) -> Decoder {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(&self.folder).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        let path = copy.path().join("config.json");
        let mut config = read(&path);
        let config_map = config.as_object_mut().unwrap();
        match value {
            Some(value) => config_map.insert(key.into(), value.clone()),
            None => config_map.remove(key),
        };
        std::fs::write(path, config.to_string()).unwrap();
        load(copy.path(), dtype)
    }

    /// A list of the golden file.
    pub(crate) fn list(&self, key: &str) -> &[Value] {
        self.json[key].as_array().unwrap()
    }
}

pub(crate) fn load(folder: &Path, dtype: DType) -> Decoder {
    Decoder::load_dense(&Checkpoint::open(folder).unwrap(), dtype, &Device::Cpu).unwrap()
}

pub(crate) fn ids(json: &Value) -> Vec<u32> {
    json.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// A tensor: `{"shape", "f32": base64 of little-endian values}`.
pub(crate) fn tensor(json: &Value) -> Tensor {
    let bytes = base64::engine::general_purpose::STANDARD.decode(json["f32"].as_str().unwrap()).unwrap();
    let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let shape: Vec<usize> = ids(&json["shape"]).into_iter().map(|n| n as usize).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Largest absolute difference; infinite where one side is not finite.
pub(crate) fn gap(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let values = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.into_iter().fold(0.0, |most, value| if value.is_finite() { most.max(value) } else { f32::INFINITY })
}
