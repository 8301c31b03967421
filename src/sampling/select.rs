//! Finding cuts without sorting a vocabulary: partial selections over exact, total orders.

use llm_samplers::types::Logits;

use crate::kernels::softmax::{self, Moments};

/// A token's place in the order by logit, largest first, and by id where logits are equal. The smaller key is the better token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RankKey(u64);

impl RankKey {
    pub(super) fn new(logit: f32, id: u32) -> Self {
        // Adding 0 makes −0 and 0 the same key. Flipping the sign bit of positive and all bits of negative floats makes
        // integers that ascend with the float; their complement descends.
        let bits = (logit + 0.0).to_bits();
        let ascending = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
        Self(u64::from(!ascending) << 32 | u64::from(id))
    }

    pub(super) fn id(self) -> u32 {
        self.0 as u32
    }

    pub(super) fn logit(self) -> f32 {
        let ascending = !((self.0 >> 32) as u32);
        f32::from_bits(if ascending >> 31 == 1 { ascending & !(1 << 31) } else { !ascending })
    }
}

/// Values looked at together before one of them is looked at alone.
const CHUNK: usize = 64;

/// Writes the best `n` tokens of a row into `best`, best first; fewer where fewer are above −inf. The row holds no NaN.
pub(super) fn top(row: &[f32], n: usize, best: &mut Vec<RankKey>) {
    best.clear();
    if n == 0 {
        return;
    }
    // Ids ascend, so a later token with the same logit as the n-th best never replaces it.
    let mut floor = f32::NEG_INFINITY;
    for (chunk, first) in row.chunks(CHUNK).zip((0u32..).step_by(CHUNK)) {
        if !softmax::any_at_least(chunk, floor) {
            continue;
        }
        let better = chunk.iter().zip(first..).filter(|&(&logit, _)| logit > floor);
        best.extend(better.map(|(&logit, id)| RankKey::new(logit, id)));
        if best.len() >= 2 * n + CHUNK {
            best.select_nth_unstable(n - 1);
            best.truncate(n);
            floor = best[n - 1].logit();
        }
    }
    if best.len() > n {
        best.select_nth_unstable(n - 1);
        best.truncate(n);
    }
    best.sort_unstable();
}

/// Calls `visit` with every token of a row whose logit is at least `floor`, in ascending order of ids.
pub(super) fn for_each_at_least(row: &[f32], floor: f32, mut visit: impl FnMut(u32, f32)) {
    for (chunk, first) in row.chunks(CHUNK).zip((0u32..).step_by(CHUNK)) {
        if softmax::any_at_least(chunk, floor) {
            for (&logit, id) in chunk.iter().zip(first..).filter(|&(&logit, _)| logit >= floor) {
                visit(id, logit);
            }
        }
    }
}

/// An item of a working set with its share of the probability.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weighed<K> {
    pub(super) key: K,
    pub(super) weight: f32,
}

/// The last key of the shortest prefix, in ascending order of keys, whose weights reach `target`; all items where they never
/// do. Linear in the number of items; none for no items.
pub(super) fn shortest_prefix<K: Ord + Copy>(items: &mut [Weighed<K>], target: f64) -> Option<K> {
    const SMALL: usize = 32;
    let mut rest = items;
    let mut mass = 0.0;
    while rest.len() > SMALL {
        let middle = rest.len() / 2;
        rest.select_nth_unstable_by_key(middle, |item| item.key);
        let (head, tail) = rest.split_at_mut(middle);
        let head_mass: f64 = head.iter().map(|item| f64::from(item.weight)).sum();
        if mass + head_mass >= target {
            rest = head;
        } else {
            mass += head_mass;
            rest = tail;
        }
    }
    rest.sort_unstable_by_key(|item| item.key);
    let crossing = rest.iter().find(|item| {
        mass += f64::from(item.weight);
        mass >= target
    });
    crossing.or(rest.last()).map(|item| item.key)
}

/// Tokens whose weights are computed together.
pub(super) const BLOCK: usize = 256;

/// The largest logit of a working set; −inf for an empty one. A NaN is passed over.
pub(super) fn max_logit(set: &Logits) -> f32 {
    set.iter().map(|token| token.logit).fold(f32::NEG_INFINITY, f32::max)
}

/// Sets every token's `prob` to its softmax weight exp(logit − max), and gives `note` the sum of each [`BLOCK`] of tokens.
pub(super) fn weigh(set: &mut Logits, max: f32, mut note: impl FnMut(f64)) -> Moments {
    let mut sums = Moments { total: 0.0, weighted_shift: 0.0 };
    let mut buffer = [0f32; BLOCK];
    for block in set.chunks_mut(BLOCK) {
        let weights = &mut buffer[..block.len()];
        for (weight, token) in weights.iter_mut().zip(block.iter()) {
            *weight = token.logit;
        }
        let found = softmax::exp_shifted(weights, max);
        for (weight, token) in weights.iter().zip(block.iter_mut()) {
            token.prob = *weight;
        }
        sums.total += found.total;
        sums.weighted_shift += found.weighted_shift;
        note(found.total);
    }
    sums
}

/// A floor for weights such that the tokens below it hold less than `mass` together: the best of a few tries.
pub(super) fn weight_floor(set: &Logits, mass: f64) -> f32 {
    // Less than asked for, so that no rounding counts.
    let mass = 0.99 * mass;
    // Holds even if all tokens stand right below it.
    let certain = (mass / set.len().max(1) as f64) as f32;
    let holds = |floor: &f32| {
        let mut below = [0f64; 8];
        for tokens in set.chunks(below.len()) {
            for (sum, token) in below.iter_mut().zip(tokens) {
                *sum += if token.prob < *floor { f64::from(token.prob) } else { 0.0 };
            }
        }
        below.iter().sum::<f64>() < mass
    };
    [256.0 * certain, 16.0 * certain].into_iter().find(holds).unwrap_or(certain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_like_logits_and_ids_and_give_them_back() {
        let values = [f32::NEG_INFINITY, -1e30, -2.0, -1e-40, 0.0, 1e-40, 0.5, 3e38];
        for (at, &low) in values.iter().enumerate() {
            assert_eq!(RankKey::new(low, 9).logit(), low);
            assert_eq!(RankKey::new(low, 9).id(), 9);
            assert!(RankKey::new(low, 1) < RankKey::new(low, 2));
            for &high in &values[at + 1..] {
                assert!(RankKey::new(high, 9) < RankKey::new(low, 1), "{high} before {low}");
            }
        }
        assert_eq!(RankKey::new(-0.0, 3), RankKey::new(0.0, 3));
    }

    #[test]
    fn top_is_the_head_of_a_full_sort() {
        for len in [0usize, 1, 2, 63, 64, 65, 5000] {
            for shape in 0..4u32 {
                let row: Vec<f32> = (0..len as u32)
                    .map(|i| match shape {
                        0 => (i.wrapping_mul(2_654_435_761) >> 8) as f32,
                        1 => i as f32,
                        2 => 1.0,
                        _ if i % 3 == 0 => f32::NEG_INFINITY,
                        _ => (i % 7) as f32,
                    })
                    .collect();
                let mut all: Vec<RankKey> = row.iter().zip(0..).map(|(&x, id)| RankKey::new(x, id)).collect();
                all.retain(|key| key.logit() > f32::NEG_INFINITY);
                all.sort();
                for n in [0, 1, 2, 40, 512, 6000] {
                    let mut best = vec![];
                    top(&row, n, &mut best);
                    assert_eq!(best, all[..n.min(all.len())], "len {len} shape {shape} n {n}");
                }
            }
        }
    }

    #[test]
    fn the_prefix_is_that_of_a_full_sort() {
        for len in [1usize, 2, 31, 33, 500] {
            let items: Vec<Weighed<usize>> = (0..len)
                .map(|i| Weighed { key: (i * 7919) % len.next_power_of_two() * 1000 + i, weight: (1 + i % 5) as f32 })
                .collect();
            let total: f64 = items.iter().map(|item| f64::from(item.weight)).sum();
            for share in [0.0, 0.01, 0.3, 0.5, 0.99, 1.0, 2.0] {
                let mut sorted = items.clone();
                sorted.sort_by_key(|item| item.key);
                let mut mass = 0.0;
                let reaches = |item: &&Weighed<usize>| {
                    mass += f64::from(item.weight);
                    mass >= share * total
                };
                let expected = sorted.iter().find(reaches).or(sorted.last()).map(|item| item.key);
                assert_eq!(shortest_prefix(&mut items.clone(), share * total), expected, "len {len} share {share}");
            }
        }
        assert_eq!(shortest_prefix::<u32>(&mut [], 1.0), None);
    }
}
