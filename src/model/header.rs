//! The header of a safetensors file, read within a limit and checked as the format demands
//! (safetensors/src/tensor.rs, `Metadata::validate`), and for names that come twice, which the format forbids.

use std::fmt;
use std::io::{self, Read};

use safetensors::Dtype;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// Longest header that is read; the format's own limit is five times as much. 580 tensors of GPT-2 XL take 60 kB.
const MAX_HEADER: u64 = 20_000_000;

/// Why a header was refused.
pub(super) enum HeaderError {
    /// The file cannot be read.
    Io(io::Error),
    /// What is wrong with it.
    Invalid(String),
}

/// What a safetensors file holds.
pub(super) struct Header {
    /// Names, and where the values lie.
    pub(super) tensors: Vec<(String, Info)>,
}

/// A tensor in a file.
pub(super) struct Info {
    /// How its values are stored.
    pub(super) dtype: Dtype,
    /// Its shape.
    pub(super) shape: Vec<usize>,
    /// Where its values begin in the file.
    pub(super) offset: u64,
}

impl Header {
    /// Reads the header of a file of `length` bytes.
    pub(super) fn read(stream: &mut dyn Read, length: u64) -> Result<Self, HeaderError> {
        let invalid = |reason: String| Err(HeaderError::Invalid(reason));
        if length < 8 {
            return invalid(format!("it is only {length} bytes long"));
        }
        let mut prefix = [0u8; 8];
        stream.read_exact(&mut prefix).map_err(HeaderError::Io)?;
        let size = u64::from_le_bytes(prefix);
        if size > length - 8 || size > MAX_HEADER {
            return invalid(match prefix {
                [b'<', ..] => format!("its header would be {size} bytes long (it looks like a web page)"),
                [b'v', b'e', b'r', b's', ..] => format!(
                    "its header would be {size} bytes long (it looks like a Git LFS pointer: the weights themselves were not fetched)"
                ),
                _ if size <= length - 8 => format!("its header is {size} bytes long; kshot reads up to {MAX_HEADER}"),
                _ => format!("its header would be {size} bytes long"),
            });
        }
        let mut header = vec![0u8; size as usize];
        stream.read_exact(&mut header).map_err(HeaderError::Io)?;
        let Entries(mut entries) =
            serde_json::from_slice(&header).map_err(|error| HeaderError::Invalid(format!("its header: {error}")))?;
        drop(header);
        let data = check(&mut entries).map_err(HeaderError::Invalid)?;
        let expected = (8 + size).saturating_add(data);
        if expected != length {
            return invalid(format!("its header describes {expected} bytes and it is {length} bytes long"));
        }
        let tensors = entries.into_iter().map(|(name, entry)| {
            let offset = 8 + size + entry.data_offsets.0;
            (name, Info { dtype: entry.dtype, shape: entry.shape, offset })
        });
        Ok(Self { tensors: tensors.collect() })
    }
}

/// Values lie one tensor after the other without gaps, each as long as its shape says. Gives their bytes in all.
fn check(entries: &mut [(String, Entry)]) -> Result<u64, String> {
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some([(name, _), _]) = entries.array_windows().find(|[a, b]| a.0 == b.0) {
        return Err(format!("tensor {name} stands in its header twice"));
    }
    entries.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut end = 0u64;
    for (name, entry) in entries {
        let (from, to) = entry.data_offsets;
        let values = entry.shape.iter().try_fold(1u64, |product, size| product.checked_mul(*size as u64));
        let bits = values.and_then(|values| values.checked_mul(entry.dtype.bitsize() as u64));
        let bytes = bits.filter(|bits| bits % 8 == 0).map(|bits| bits / 8);
        if from != end || Some(to.wrapping_sub(from)) != bytes || to < from {
            return Err(format!(
                "tensor {name} of {:?} {:?} cannot lie at {from} to {to}, behind {end}",
                entry.dtype, entry.shape
            ));
        }
        end = to;
    }
    Ok(end)
}

#[derive(Deserialize)]
struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// The entries of a header, `__metadata__` left out. Read one by one: the safetensors crate first makes a tree of all,
/// ten times as large as the text.
struct Entries(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        entries.push((name, map.next_value()?));
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Each)
    }
}
