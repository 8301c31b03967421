//! Weights of a checkpoint: one or several safetensors files, read tensor by tensor.
//!
//! The files are read, not mapped: what is in memory is what was converted, pages of the file never count as the
//! process's own, and a file that another program cuts short is an error instead of a signal. Matrices are read by all
//! threads at once, each piece going from a buffer that stays in the cache to its place in the packed form.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use safetensors::Dtype;
use serde_json::{Map, Value};

use super::header::{Header, HeaderError};
use super::{ModelError, Result, stored};
use crate::files::{Files, Stream};
use crate::kernels::packed::{DEPTH, Dtype as PackedDtype, LANES, Packed};
use crate::kernels::{pages, tasks};

/// Bytes read between two looks at the cancel flag.
const CHUNK: usize = 4 << 20;

/// Bytes of a matrix that one thread reads at a time.
const PIECE: usize = 1 << 20;

/// Longest config.json; the longest in use name a few thousand classes.
const MAX_CONFIG: u64 = 1 << 20;

/// Longest index of shards; that of DeepSeek-V3 with its 92,000 tensors has 9 MB.
const MAX_INDEX: u64 = 1 << 24;

/// The weights in one file, and the file that says which ones they are in.
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Suffixes and names of weights that other programs write; they are named when there is nothing that kshot reads.
const OTHER_WEIGHTS: &[&str] =
    &[".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".gguf", ".onnx", ".ot", ".index", ".tflite"];

/// The weight files of a checkpoint, opened and checked, their tensors findable by name.
pub struct Checkpoint {
    files: Files,
    config: Map<String, Value>,
    weights: Vec<WeightFile>,
    /// The file of each tensor, as the index of several files says; empty for a single one.
    index: BTreeMap<String, String>,
    tensors: BTreeMap<String, Located>,
}

/// One safetensors file.
struct WeightFile {
    name: String,
    path: PathBuf,
    /// Opened before and free to read from; every thread that reads takes one.
    streams: Mutex<Vec<Box<dyn Stream>>>,
}

impl WeightFile {
    fn error(&self, source: io::Error) -> ModelError {
        ModelError::Io { path: self.path.clone(), source }
    }

    /// Reads `count` values of `dtype` that lie at `offset`, as f32.
    fn read(&self, files: &Files, offset: u64, dtype: Dtype, out: &mut [f32]) -> Result<()> {
        let free = self.streams.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut stream = match free {
            Some(stream) => stream,
            None => files.open(&self.name)?.0,
        };
        let read = stream.seek(SeekFrom::Start(offset)).and_then(|_| stored::read(&mut *stream, dtype, out));
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        read.map_err(|source| self.error(source))
    }
}

/// Where a tensor lies.
struct Located {
    file: usize,
    offset: u64,
    dtype: Dtype,
    /// Bytes of a value; 0 where the dtype is none that is read.
    width: usize,
    shape: Vec<usize>,
}

/// Called with the bytes just read; `false` ends the load.
pub(super) type OnBytes<'a> = &'a mut dyn FnMut(usize) -> bool;

/// The names of the safetensors files that hold a checkpoint's weights, in order.
///
/// # Errors
/// There are none, or the index that names them is malformed.
pub fn weight_files(files: &Files) -> Result<Vec<String>> {
    if files.has(SINGLE) {
        Ok(vec![SINGLE.to_owned()])
    } else if files.has(INDEX) {
        Ok(shards(&read_index(files)?))
    } else {
        Err(ModelError::NoSafetensors { folder: files.root().into(), found: other_weights(files) })
    }
}

impl Checkpoint {
    /// Opens `config.json` and `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// A missing or malformed file, by name; a folder without safetensors is told with what it has instead.
    pub fn open(files: impl Into<Files>) -> Result<Self> {
        let files = files.into();
        let config = read_json(&files, "config.json", MAX_CONFIG)?;
        let sharded = !files.has(SINGLE) && files.has(INDEX);
        let index = if sharded { read_index(&files)? } else { BTreeMap::new() };
        let names = if sharded { shards(&index) } else { weight_files(&files)? };

        let mut checkpoint = Self { files, config, weights: Vec::new(), index, tensors: BTreeMap::new() };
        for name in names {
            checkpoint.add(&name)?;
        }
        Ok(checkpoint)
    }

    /// `config.json` as it is.
    pub fn config(&self) -> &Map<String, Value> {
        &self.config
    }

    /// Where it was opened from.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Shape of a tensor, where there is one of that name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|located| located.shape.as_slice())
    }

    /// Reads a tensor as f32, whatever it is stored as.
    ///
    /// # Errors
    /// A missing tensor, another shape than `expected`, a dtype that is no float of 16 or 32 bits, a failing read,
    /// or [`ModelError::Cancelled`] when `on_bytes` says so.
    pub(super) fn read_f32(&self, name: &str, expected: &[usize], on_bytes: OnBytes<'_>) -> Result<Vec<f32>> {
        let located = self.find(name, expected)?;
        let mut values = pages::zeroed(expected.iter().product());
        let (mut offset, width) = (located.offset, located.width);
        for (chunk, part) in values.chunks_mut(CHUNK / width).enumerate() {
            self.weights[located.file].read(&self.files, offset, located.dtype, part)?;
            refuse_outside(PackedDtype::F32, part, chunk * (CHUNK / width), name, expected)?;
            offset += (part.len() * width) as u64;
            proceed(on_bytes, part.len() * width)?;
        }
        Ok(values)
    }

    /// Reads a matrix `[n, k]` into its packed form, on all threads. `conv1d`: the file has it as `[k, n]`.
    ///
    /// # Errors
    /// As for [`Checkpoint::read_f32`].
    pub(super) fn read_packed(
        &self,
        name: &str,
        [n, k]: [usize; 2],
        conv1d: bool,
        dtype: PackedDtype,
        on_bytes: OnBytes<'_>,
    ) -> Result<Packed> {
        let located = self.find(name, &if conv1d { [k, n] } else { [n, k] })?;
        let width = located.width;
        let mut packed = Packed::zeros(dtype, n, k);
        let writer = packed.writer();
        // Stored rows are whole panels of outputs, or, of a Conv1D, whole blocks of inputs.
        let (rows, row, whole) = if conv1d { (k, n, DEPTH) } else { (n, k, LANES) };
        let piece = (PIECE / (row * width).max(1)).max(1).next_multiple_of(whole);
        let failed = Mutex::new(None);
        let pieces = rows.div_ceil(piece);
        let at_once = (CHUNK / PIECE) * 8;
        for first in (0..pieces).step_by(at_once) {
            let count = at_once.min(pieces - first);
            tasks(count, |task| {
                let start = (first + task) * piece;
                let mut values = vec![0f32; piece.min(rows - start) * row];
                let offset = located.offset + (start * row * width) as u64;
                let read = self.weights[located.file]
                    .read(&self.files, offset, located.dtype, &mut values)
                    .and_then(|()| refuse_outside(dtype, &values, start * row, name, &located.shape));
                match read {
                    // SAFETY: each task has rows, or inputs, of its own: whole panels, or blocks, from `start` on.
                    Ok(()) if conv1d => unsafe { writer.inputs(start, &values) },
                    // SAFETY: as above.
                    Ok(()) => unsafe { writer.rows(start, &values) },
                    Err(error) => *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
                }
            });
            if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(error);
            }
            proceed(on_bytes, ((first + count) * piece).min(rows) * row * width - first * piece * row * width)?;
        }
        Ok(packed)
    }

    /// Where a tensor lies, if it has the expected shape and a dtype that can be read.
    fn find(&self, name: &str, expected: &[usize]) -> Result<&Located> {
        let Some(located) = self.tensors.get(name) else {
            return Err(match self.index.get(name) {
                Some(file) => ModelError::Config {
                    path: self.files.path(INDEX),
                    reason: format!("it says that tensor {name} is in {file}, which does not have it"),
                },
                None => ModelError::MissingTensor { folder: self.files.root().into(), name: name.into() },
            });
        };
        if located.shape != expected {
            let (found, expected) = (located.shape.clone(), expected.into());
            return Err(ModelError::Shape { name: name.into(), found, expected });
        }
        match located.width {
            0 => Err(ModelError::Dtype { name: name.into(), dtype: format!("{:?}", located.dtype) }),
            _ => Ok(located),
        }
    }

    /// Whether a tensor could be read: it is there, in that shape, in a dtype that can be read.
    ///
    /// # Errors
    /// What of it is wrong.
    pub(super) fn check(&self, name: &str, expected: &[usize]) -> Result<()> {
        self.find(name, expected).map(|_| ())
    }

    /// Bytes that a tensor takes in its file.
    pub(super) fn stored_bytes(&self, name: &str) -> u64 {
        self.tensors
            .get(name)
            .map_or(0, |located| located.shape.iter().product::<usize>() as u64 * located.dtype.bitsize() as u64 / 8)
    }

    fn add(&mut self, name: &str) -> Result<()> {
        let path = self.files.path(name);
        let (mut stream, length) = self.files.open(name)?;
        let header = Header::read(&mut *stream, length).map_err(|problem| match problem {
            HeaderError::Io(source) => ModelError::Io { path: path.clone(), source },
            HeaderError::Invalid(reason) => ModelError::Safetensors { path: path.clone(), reason },
        })?;
        let index = self.weights.len();
        for (tensor, info) in header.tensors {
            // Where several files have it, the index says which counts.
            let counts = self.index.get(&tensor).is_none_or(|file| file == name);
            if !counts {
                continue;
            }
            let located = Located {
                file: index,
                offset: info.offset,
                dtype: info.dtype,
                width: stored::width(info.dtype).unwrap_or(0),
                shape: info.shape,
            };
            if self.tensors.contains_key(&tensor) {
                let path = self.files.path(INDEX);
                let reason =
                    format!("tensor {tensor} is in {name} and in another file, and it does not say which counts");
                return Err(ModelError::Config { path, reason });
            }
            self.tensors.insert(tensor, located);
        }
        self.weights.push(WeightFile { name: name.to_owned(), path, streams: Mutex::new(vec![stream]) });
        Ok(())
    }
}

/// Refuses a weight that is not finite, or that would not be in `dtype`. `first` is the place of the first value in the
/// tensor, whose stored shape is `shape`.
fn refuse_outside(dtype: PackedDtype, values: &[f32], first: usize, name: &str, shape: &[usize]) -> Result<()> {
    let Some(at) = dtype.first_outside(values) else { return Ok(()) };
    let (value, mut rest) = (values[at], first + at);
    let mut place: Vec<usize> = shape.iter().rev().map(|size| (rest % size, rest /= size).0).collect();
    place.reverse();
    let name = name.to_owned();
    Err(if value.is_finite() {
        ModelError::WeightTooLarge { name, place, value, dtype: dtype.name() }
    } else {
        ModelError::WeightNotFinite { name, place, value }
    })
}

fn proceed(on_bytes: OnBytes<'_>, bytes: usize) -> Result<()> {
    if on_bytes(bytes) { Ok(()) } else { Err(ModelError::Cancelled) }
}

fn read_json(files: &Files, name: &str, limit: u64) -> Result<Map<String, Value>> {
    let text = files.read(name, limit)?;
    serde_json::from_slice(&text)
        .map_err(|error| ModelError::Config { path: files.path(name), reason: error.to_string() })
}

/// The file of each tensor, as the index says; a name that leaves the folder is refused.
fn read_index(files: &Files) -> Result<BTreeMap<String, String>> {
    let bad = |reason: String| ModelError::Config { path: files.path(INDEX), reason };
    let json = read_json(files, INDEX, MAX_INDEX)?;
    let map =
        json.get("weight_map").and_then(Value::as_object).ok_or_else(|| bad("it has no \"weight_map\"".into()))?;
    if map.is_empty() {
        return Err(bad("its \"weight_map\" is empty".into()));
    }
    map.iter()
        .map(|(tensor, file)| {
            let file = file.as_str().ok_or_else(|| bad(format!("{file} is not a file name")))?;
            if file.contains(['/', '\\']) || file == ".." {
                return Err(bad(format!("{file:?} is not a file beside it")));
            }
            Ok((tensor.clone(), file.to_owned()))
        })
        .collect()
}

/// The files an index names, each once.
fn shards(index: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<&String> = index.values().collect();
    names.into_iter().cloned().collect()
}

fn other_weights(files: &Files) -> Vec<String> {
    let mut names = files.names();
    names.retain(|name| OTHER_WEIGHTS.iter().any(|suffix| name.ends_with(suffix)) || name.ends_with(".safetensors"));
    names
}
