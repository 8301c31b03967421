//! The `gpt2` family: every switch that such a `config.json` can carry
//! (transformers: `configuration_gpt2.py`, `modeling_gpt2.py`).

use serde_json::{Map, Value};

use super::config::{Activation, DecoderConfig};
use super::family::{Affine, Family, Part};

/// GPT-2 and all that is shaped like it.
pub(super) const FAMILY: Family = Family { name: "gpt2", config, prefixes: &["transformer.", ""], tensor, conv1d };

fn tensor(part: Part, layer: usize) -> String {
    let in_block = |name: &str, half: Affine| format!("h.{layer}.{name}.{}", half.name());
    match part {
        Part::Wte => "wte.weight".to_owned(),
        Part::Wpe => "wpe.weight".to_owned(),
        Part::Ln1(half) => in_block("ln_1", half),
        Part::CAttn(half) => in_block("attn.c_attn", half),
        Part::AttnCProj(half) => in_block("attn.c_proj", half),
        Part::Ln2(half) => in_block("ln_2", half),
        Part::CFc(half) => in_block("mlp.c_fc", half),
        Part::MlpCProj(half) => in_block("mlp.c_proj", half),
        Part::LnF(half) => format!("ln_f.{}", half.name()),
        Part::LmHead => "lm_head.weight".to_owned(),
    }
}

fn conv1d(part: Part) -> bool {
    use Affine::Weight;
    matches!(part, Part::CAttn(Weight) | Part::AttnCProj(Weight) | Part::CFc(Weight) | Part::MlpCProj(Weight))
}

/// Keys that do not change what the forward pass computes: names, training settings, heads of other tasks, defaults of
/// transformers' generation, and what its `PreTrainedConfig` writes into every file.
const INERT: &[&str] = &[
    "architectures",
    "attn_pdrop",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "chunk_size_feed_forward",
    "cross_attention_hidden_size",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "embd_pdrop",
    "encoder_no_repeat_ngram_size",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_encoder_decoder",
    "keys_to_ignore_at_inference",
    "label2id",
    "length_penalty",
    "license",
    "line_by_line",
    "max_length",
    "min_length",
    "n_ctx",
    "n_special",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "output_scores",
    "pad_token_id",
    "predict_special_tokens",
    "prefix",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "resid_pdrop",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "transformers.js_config",
    "typical_p",
    "use_bfloat16",
    "use_cache",
];

/// Keys that are read below.
const READ: &[&str] = &[
    "activation_function",
    "add_cross_attention",
    "layer_norm_epsilon",
    "model_type",
    "n_embd",
    "n_head",
    "n_inner",
    "n_layer",
    "n_positions",
    "pruned_heads",
    "quantization_config",
    "reorder_and_upcast_attn",
    "scale_attn_by_inverse_layer_idx",
    "scale_attn_weights",
    "tie_word_embeddings",
    "vocab_size",
];

/// Names that transformers has for every family, and what `GPT2Config.attribute_map` makes of them.
const COMMON: &[(&str, &str)] = &[
    ("hidden_size", "n_embd"),
    ("num_hidden_layers", "n_layer"),
    ("num_attention_heads", "n_head"),
    ("max_position_embeddings", "n_positions"),
];

/// What other families and programs call what GPT-2 reads under another name.
const ELSEWHERE: &[(&str, &str)] = &[
    ("activation", "activation_function"),
    ("d_model", "n_embd"),
    ("ffn_dim", "n_inner"),
    ("hidden_act", "activation_function"),
    ("intermediate_size", "n_inner"),
    ("layer_norm_eps", "layer_norm_epsilon"),
    ("max_seq_len", "n_positions"),
    ("num_heads", "n_head"),
    ("num_layers", "n_layer"),
];

/// Refuses what is not known: left out of account, it could make another model.
fn refuse_unknown(json: &Map<String, Value>) -> Result<(), String> {
    for (key, value) in json {
        let named = COMMON.iter().any(|(common, _)| common == key);
        let known = named || INERT.contains(&key.as_str()) || READ.contains(&key.as_str()) || key.starts_with('_');
        if known || !is_on(value) {
            continue;
        }
        return Err(match ELSEWHERE.iter().find(|(other, _)| other == key) {
            Some((_, own)) => format!(
                "{key:?} = {value} is not a key of GPT-2, which calls it {own:?}; rename it in a local copy of the file"
            ),
            None => format!(
                "the switch {key:?} = {value} is not known; if it does not change what the model computes, take it out of a local copy of the file"
            ),
        });
    }
    Ok(())
}

/// The same with the common names replaced by GPT-2's own.
fn with_own_names(json: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut own = json.clone();
    for (common, name) in COMMON {
        let Some(value) = own.remove(*common).filter(|value| !value.is_null()) else { continue };
        if let Some(other) = own.insert((*name).to_owned(), value.clone()).filter(|other| *other != value) {
            return Err(format!("{common} = {value} and {name} = {other} contradict each other; take one of them out"));
        }
    }
    Ok(own)
}

fn config(json: &Map<String, Value>) -> Result<DecoderConfig, String> {
    refuse_unknown(json)?;
    let json = &with_own_names(json)?;
    for key in ["add_cross_attention", "pruned_heads", "quantization_config"] {
        if let Some(value) = json.get(key).filter(|value| is_on(value)) {
            return Err(format!("{key:?} = {value} is not supported"));
        }
    }

    let n_embd = size(json, "n_embd", 768)?;
    let n_head = size(json, "n_head", 12)?;
    let n_layer = size(json, "n_layer", 12)?;
    if n_layer > MOST_LAYERS {
        return Err(format!("n_layer = {n_layer} is more than {MOST_LAYERS}"));
    }
    if n_embd % n_head != 0 {
        return Err(format!("n_embd {n_embd} is not divisible by n_head {n_head}"));
    }
    let by_head_dim = match flag(json, "scale_attn_weights", true)? {
        true => 1.0 / ((n_embd / n_head) as f64).sqrt(),
        false => 1.0,
    };
    let by_layer = flag(json, "scale_attn_by_inverse_layer_idx", false)?;
    let score_scale =
        (0..n_layer).map(|layer| if by_layer { by_head_dim / (layer + 1) as f64 } else { by_head_dim }).collect();

    let name = match json.get("activation_function") {
        None => "gelu_new",
        Some(value) => value.as_str().ok_or_else(|| format!("activation_function = {value} is not a name"))?,
    };
    let activation = Activation::from_name(name).ok_or_else(|| {
        let known: Vec<_> = Activation::NAMES.iter().map(|(name, _)| *name).collect();
        // transformers' `prelu` and `xielu` have weights of their own.
        format!("activation_function {name:?} is not supported; kshot has {}", known.join(", "))
    })?;
    let layer_norm_epsilon = match json.get("layer_norm_epsilon") {
        None => 1e-5,
        Some(value) => value
            .as_f64()
            .filter(|epsilon| *epsilon >= 0.0)
            .ok_or_else(|| format!("layer_norm_epsilon = {value} is not a number >= 0"))?,
    };
    let n_positions = match json.get("n_positions") {
        None => size(json, "n_ctx", 1024)?,
        Some(_) => size(json, "n_positions", 1024)?,
    };
    Ok(DecoderConfig {
        vocab: size(json, "vocab_size", 50257)?,
        n_positions,
        n_embd,
        n_layer,
        n_head,
        n_inner: match json.get("n_inner") {
            None | Some(Value::Null) => 4 * n_embd,
            Some(_) => size(json, "n_inner", 0)?,
        },
        activation,
        layer_norm_epsilon,
        score_scale,
        upcast_attention: flag(json, "reorder_and_upcast_attn", false)?,
        tie_word_embeddings: flag(json, "tie_word_embeddings", true)?,
    })
}

/// Whether a value would switch something on.
fn is_on(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(items) => !items.is_empty(),
        _ => true,
    }
}

/// Upper bound of every size: far above any checkpoint, low enough that products of a few cannot overflow.
const LARGEST: u64 = 1 << 20;

/// Most blocks; GPT-3 has 96.
const MOST_LAYERS: usize = 4096;

fn size(json: &Map<String, Value>, key: &str, default: usize) -> Result<usize, String> {
    match json.get(key) {
        None => Ok(default),
        Some(value) => value
            .as_u64()
            .filter(|size| (1..=LARGEST).contains(size))
            .map(|size| size as usize)
            .ok_or_else(|| format!("{key} = {value} is not a whole number from 1 to {LARGEST}")),
    }
}

fn flag(json: &Map<String, Value>, key: &str, default: bool) -> Result<bool, String> {
    match json.get(key) {
        None => Ok(default),
        Some(value) => value.as_bool().ok_or_else(|| format!("{key} = {value} is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn bad_configs_name_the_switch() {
        let cases = [
            (r#"{"n_embd": 10, "n_head": 3}"#, "n_embd 10 is not divisible by n_head 3"),
            (r#"{"activation_function": "snake"}"#, "activation_function \"snake\" is not supported"),
            (r#"{"rotary_dim": 64}"#, "the switch \"rotary_dim\" = 64 is not known"),
            (r#"{"add_cross_attention": true}"#, "\"add_cross_attention\" = true is not supported"),
            (r#"{"scale_attn_weights": "yes"}"#, "scale_attn_weights = \"yes\" is neither"),
            (r#"{"activation_function": "xielu"}"#, "activation_function \"xielu\" is not supported"),
            (r#"{"hidden_size": 64, "n_embd": 32}"#, "hidden_size = 64 and n_embd = 32 contradict each other"),
            (r#"{"intermediate_size": 64}"#, "which calls it \"n_inner\""),
            (r#"{"hidden_act": "relu"}"#, "which calls it \"activation_function\""),
            (r#"{"n_layer": 0}"#, "n_layer = 0 is not a whole number"),
            (r#"{"n_positions": 99999999999}"#, "n_positions = 99999999999 is not"),
            (r#"{"layer_norm_epsilon": "small"}"#, "layer_norm_epsilon"),
            (r#"{"pruned_heads": {"0": [1]}}"#, "\"pruned_heads\""),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .filter_map(|(text, expected)| {
                let json: Map<String, Value> = serde_json::from_str(text).unwrap();
                match config(&json) {
                    Err(reason) if reason.contains(expected) => None,
                    other => Some(format!("{text}: {other:?}, expected an error with {expected:?}")),
                }
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// transformers 5.24: `GPT2Config(hidden_size=64, ...)`.
    #[test]
    fn common_names_are_those_of_gpt2() {
        let of = |text: &str| config(&serde_json::from_str(text).unwrap()).unwrap();
        let common =
            r#"{"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 77}"#;
        let own = r#"{"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 77}"#;
        assert_eq!(of(common), of(own));
        assert_eq!(of(r#"{"hidden_size": 64, "n_embd": 64, "num_attention_heads": null, "n_head": 4}"#).n_head, 4);
    }

    #[test]
    fn an_empty_config_is_gpt2_small() {
        let config = config(&Map::new()).unwrap();
        assert_eq!(config.parameters(), 124_439_808);
        assert_eq!((config.n_positions, config.n_inner, config.head_dim()), (1024, 3072, 64));
        assert!(config.score_scale.iter().all(|scale| *scale == 0.125));
    }
}
