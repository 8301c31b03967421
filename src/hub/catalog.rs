//! Checkpoints that are known to work, with what they cost before anything is fetched. The rows are
//! `assets/catalog.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

/// A checkpoint on the hub.
///
/// The architecture is the one in the repository's `config.json`; parameters and memory follow from it. The download
/// size is a figure from memory unless the note says otherwise: `Hub::plan` asks for the exact one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogEntry {
    /// The repository.
    pub id: String,
    /// What a person calls it.
    pub title: String,
    /// The model family, as `model_type` in config.json.
    pub family: String,
    /// Transformer blocks.
    pub layers: u64,
    /// Width of the residual stream.
    pub width: u64,
    /// Attention heads.
    pub heads: u64,
    /// Positions: the longest text, in tokens.
    pub context: u64,
    /// Tokens in the vocabulary.
    pub vocab: u64,
    /// About how many bytes a pull fetches.
    pub download_bytes: u64,
    /// One line for the picker.
    pub note: String,
}

impl CatalogEntry {
    /// Parameters of a GPT-2 with a tied output layer and an inner width of four times `width` (Radford et al. 2019,
    /// section 2.3; `GPT2Model` in transformers): embeddings, `12 w² + 13 w` a block, the last layer norm.
    pub fn parameters(&self) -> u64 {
        let w = self.width;
        (self.vocab + self.context) * w + self.layers * (12 * w * w + 13 * w) + 2 * w
    }

    /// Bytes of keys and values at full context in f32: two vectors of `width` a position and block.
    pub fn cache_bytes_f32(&self) -> u64 {
        2 * self.layers * self.context * self.width * 4
    }

    /// Bytes that the weights and a full KV cache take in f32. Activations come on top.
    pub fn memory_bytes_f32(&self) -> u64 {
        self.parameters() * 4 + self.cache_bytes_f32()
    }
}

/// The catalog, in the order in which it is shown.
pub fn catalog() -> &'static [CatalogEntry] {
    static CATALOG: LazyLock<Vec<CatalogEntry>> = LazyLock::new(|| read(include_str!("../../assets/catalog.toml")));
    &CATALOG
}

#[derive(Deserialize)]
struct Table {
    model: Vec<CatalogEntry>,
}

/// The text is part of the program: a test reads it, so an unreadable one never ships.
fn read(text: &str) -> Vec<CatalogEntry> {
    toml::from_str(text).map(|table: Table| table.model).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::super::ModelRef;
    use super::*;

    #[test]
    fn the_asset_is_a_table_of_models() {
        toml::from_str::<Table>(include_str!("../../assets/catalog.toml")).unwrap();
        let mut ids = std::collections::HashSet::new();
        for entry in catalog() {
            assert!(entry.id.parse::<ModelRef>().is_ok() && ids.insert(&entry.id), "{}", entry.id);
            assert_eq!(entry.width % entry.heads, 0, "{}", entry.id);
            assert!(!entry.title.is_empty() && !entry.note.is_empty() && entry.note.len() < 160, "{}", entry.id);
            // f16 files have two bytes a parameter; f32 files four, with mask buffers up to 4.8.
            let per_parameter = entry.download_bytes as f64 / entry.parameters() as f64;
            assert!((1.9..5.0).contains(&per_parameter), "{}: {per_parameter}", entry.id);
        }
    }

    #[test]
    fn parameters_are_the_published_ones() {
        // GPT-2: 124M, 355M, 774M, 1558M (openai/gpt-2 README after its correction); exact counts by
        // `sum(p.numel() for p in GPT2LMHeadModel(config).parameters())`.
        let counts = [
            ("openai-community/gpt2", 124_439_808),
            ("openai-community/gpt2-medium", 354_823_168),
            ("openai-community/gpt2-large", 774_030_080),
            ("openai-community/gpt2-xl", 1_557_611_200),
            ("distilbert/distilgpt2", 81_912_576),
            ("cerebras/Cerebras-GPT-111M", 111_050_496),
        ];
        for (id, parameters) in counts {
            let entry = catalog().iter().find(|entry| entry.id == id);
            assert_eq!(entry.map(CatalogEntry::parameters), Some(parameters), "{id}");
        }
    }

    #[test]
    fn memory_is_weights_and_cache() {
        let gpt2 = &catalog()[0];
        assert_eq!(gpt2.memory_bytes_f32(), 124_439_808 * 4 + 2 * 12 * 1024 * 768 * 4);
    }
}
