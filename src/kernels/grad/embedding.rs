//! Token plus position embeddings of a batch, and their gradients: rows added up where a token stands more than once.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::{rows, storage, tensor_like, values, with_values};
use crate::kernels::pool;

/// `wte[id] + wpe[position]` for `[B · T]` ids, every T of them at positions 0 to T − 1: to `[B · T, C]`.
///
/// # Errors
/// An id or a length that a table has no row for.
pub fn embedding(ids: &[u32], length: usize, wte: &Tensor, wpe: &Tensor) -> Result<Tensor> {
    let (vocab, positions) = (wte.dim(0)?, wpe.dim(0)?);
    if let Some(id) = ids.iter().find(|id| **id as usize >= vocab) {
        candle_core::bail!("token id {id} has no row in an embedding of {vocab}");
    }
    if length == 0 || length > positions || !ids.len().is_multiple_of(length) {
        candle_core::bail!("{} ids in rows of {length} do not fit {positions} positions", ids.len());
    }
    wte.apply_op2(wpe, Embedding { ids: ids.to_vec(), length })
}

struct Embedding {
    ids: Vec<u32>,
    length: usize,
}

impl CustomOp2 for Embedding {
    fn name(&self) -> &'static str {
        "kshot-train-embedding"
    }

    fn cpu_fwd(
        &self,
        wte: &CpuStorage,
        wte_layout: &Layout,
        wpe: &CpuStorage,
        wpe_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, width) = rows(wte_layout.shape())?;
        let (wte, wpe) = (values(wte, wte_layout)?, values(wpe, wpe_layout)?);
        let mut out = pool::zeros(self.ids.len() * width);
        pool::chunks(&mut out, 64 * width, |index, stretch| {
            for (row, out) in stretch.chunks_exact_mut(width).enumerate() {
                let at = index * 64 + row;
                let token = &wte[self.ids[at] as usize * width..][..width];
                let place = &wpe[at % self.length * width..][..width];
                for ((out, token), place) in out.iter_mut().zip(token).zip(place) {
                    *out = token + place;
                }
            }
        });
        Ok(storage(out, &Shape::from((self.ids.len(), width))))
    }

    fn bwd(
        &self,
        wte: &Tensor,
        wpe: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, width) = rows(wte.shape())?;
        let (tokens, places) = with_values(grad, |grad| {
            let mut tokens = vec![0f32; wte.elem_count()];
            let mut places = vec![0f32; wpe.elem_count()];
            for (at, row) in grad.chunks_exact(width).enumerate() {
                let token = &mut tokens[self.ids[at] as usize * width..][..width];
                token.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                let place = &mut places[at % self.length * width..][..width];
                place.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            Ok((tokens, places))
        })?;
        Ok((Some(tensor_like(tokens, wte)?), Some(tensor_like(places, wpe)?)))
    }
}
