//! How a weight is stored in a safetensors file, and its way to f32: every dtype that torch converts with `.to(float32)`
//! as transformers does while it loads, but not those of less than a byte, which have scales beside them.

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use safetensors::Dtype;
use std::io::{self, Read};

/// Bytes of a value; `None` for a dtype that is not read.
pub(super) fn width(dtype: Dtype) -> Option<usize> {
    match dtype {
        Dtype::BOOL | Dtype::U8 | Dtype::I8 | Dtype::F8_E5M2 | Dtype::F8_E4M3 => Some(1),
        Dtype::F16 | Dtype::BF16 | Dtype::I16 | Dtype::U16 => Some(2),
        Dtype::F32 | Dtype::I32 | Dtype::U32 => Some(4),
        Dtype::F64 | Dtype::I64 | Dtype::U64 => Some(8),
        _ => None,
    }
}

/// Reads as many values of `dtype` as `out` holds.
///
/// # Errors
/// What the stream says; a dtype without a width.
pub(super) fn read(stream: &mut dyn Read, dtype: Dtype, out: &mut [f32]) -> io::Result<()> {
    match dtype {
        Dtype::F32 => {
            stream.read_exact(bytemuck::cast_slice_mut(out))?;
            if cfg!(target_endian = "big") {
                out.iter_mut().for_each(|value| *value = f32::from_bits(value.to_bits().swap_bytes()));
            }
        }
        Dtype::F16 | Dtype::BF16 => {
            let mut halves = vec![0u16; out.len()];
            stream.read_exact(bytemuck::cast_slice_mut(&mut halves))?;
            if cfg!(target_endian = "big") {
                halves.iter_mut().for_each(|bits| *bits = bits.swap_bytes());
            }
            match dtype {
                Dtype::F16 => halves.reinterpret_cast::<f16>().convert_to_f32_slice(out),
                _ => halves.reinterpret_cast::<bf16>().convert_to_f32_slice(out),
            }
        }
        Dtype::F64 => convert(stream, out, |bytes| f64::from_le_bytes(bytes) as f32)?,
        Dtype::I64 => convert(stream, out, |bytes| i64::from_le_bytes(bytes) as f32)?,
        Dtype::U64 => convert(stream, out, |bytes| u64::from_le_bytes(bytes) as f32)?,
        Dtype::I32 => convert(stream, out, |bytes| i32::from_le_bytes(bytes) as f32)?,
        Dtype::U32 => convert(stream, out, |bytes| u32::from_le_bytes(bytes) as f32)?,
        Dtype::I16 => convert(stream, out, |bytes| f32::from(i16::from_le_bytes(bytes)))?,
        Dtype::U16 => convert(stream, out, |bytes| f32::from(u16::from_le_bytes(bytes)))?,
        Dtype::I8 => convert(stream, out, |bytes| f32::from(i8::from_le_bytes(bytes)))?,
        Dtype::U8 => convert(stream, out, |[byte]| f32::from(byte))?,
        Dtype::BOOL => convert(stream, out, |[byte]| f32::from(u8::from(byte != 0)))?,
        Dtype::F8_E5M2 => convert(stream, out, |[byte]| f16::from_bits(u16::from(byte) << 8).to_f32())?,
        Dtype::F8_E4M3 => convert(stream, out, |[byte]| e4m3(byte))?,
        _ => return Err(io::ErrorKind::Unsupported.into()),
    }
    Ok(())
}

fn convert<const N: usize>(stream: &mut dyn Read, out: &mut [f32], to: impl Fn([u8; N]) -> f32) -> io::Result<()> {
    let mut bytes = vec![[0u8; N]; out.len()];
    stream.read_exact(bytes.as_flattened_mut())?;
    out.iter_mut().zip(bytes).for_each(|(out, bytes)| *out = to(bytes));
    Ok(())
}

/// OCP 8-bit floating point, E4M3: bias 7, no infinities, NaN where all bits but the sign are set.
fn e4m3(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let size = match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa * 2f32.powi(-9),
        _ => (8.0 + mantissa) * 2f32.powi(exponent - 10),
    };
    if byte & 0x80 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// Figures of torch 2.15 (`tensor.view(dtype).float()` of these bytes).
    #[test]
    fn every_dtype_becomes_what_torch_makes_of_it() {
        let cases: [(Dtype, &[u8], &[f32]); 15] = [
            (Dtype::F64, &[0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f], &[0.1]),
            (Dtype::F64, &1e300f64.to_le_bytes(), &[f32::INFINITY]),
            (Dtype::F32, &0.1f32.to_le_bytes(), &[0.1]),
            (Dtype::F16, &[0x00, 0xc0, 0x01, 0x00], &[-2.0, 5.960_464_5e-8]),
            (Dtype::BF16, &[0x80, 0x3f, 0x01, 0xc0], &[1.0, -2.015_625]),
            (Dtype::I64, &(-3i64).to_le_bytes(), &[-3.0]),
            (Dtype::U64, &u64::MAX.to_le_bytes(), &[18_446_744_073_709_551_615.0]),
            (Dtype::I32, &16_777_217i32.to_le_bytes(), &[16_777_216.0]),
            (Dtype::U32, &u32::MAX.to_le_bytes(), &[4_294_967_296.0]),
            (Dtype::I16, &(-300i16).to_le_bytes(), &[-300.0]),
            (Dtype::U16, &[0xff, 0xff], &[65535.0]),
            (Dtype::I8, &[0x80, 0x7f], &[-128.0, 127.0]),
            (Dtype::BOOL, &[0, 1, 2], &[0.0, 1.0, 1.0]),
            (Dtype::F8_E5M2, &[0x01, 0x3c, 0x7b, 0xfc], &[1.525_878_9e-5, 1.0, 57344.0, f32::NEG_INFINITY]),
            (Dtype::F8_E4M3, &[0x01, 0x38, 0x7e, 0xb4, 0x80], &[0.001_953_125, 1.0, 448.0, -0.75, 0.0]),
        ];
        for (dtype, bytes, expected) in cases {
            let mut out = vec![0f32; bytes.len() / width(dtype).unwrap()];
            read(&mut &*bytes, dtype, &mut out).unwrap();
            assert_eq!(out, expected, "{dtype:?}");
        }
        let mut out = [0.0];
        read(&mut [0xffu8].as_slice(), Dtype::F8_E4M3, &mut out).unwrap();
        assert!(out[0].is_nan());
        assert!(read(&mut [0u8; 3].as_slice(), Dtype::F32, &mut out).is_err());
        assert_eq!(width(Dtype::F4), None);
    }
}
