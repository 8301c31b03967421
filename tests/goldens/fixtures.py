"""The table of golden checkpoints: one row per fixture, and how its weights are drawn.

Trained weights would hide bugs (a LayerNorm bias near zero can be dropped unseen) and so would the
usual N(0, 0.02) (attention is uniform, every switch is a no-op). So every tensor is drawn at a scale
that makes it matter; make.py then measures that it does.
"""

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Fixture:
    """One checkpoint. `config` is the text of its config.json, `prefix` stands before each tensor name."""

    name: str
    seed: int
    config: dict
    dtype: torch.dtype = torch.float32
    prefix: str = ""
    # None: no lm_head in the file; "tied": a copy of wte; "own": different weights.
    head: str | None = None
    # The causal-mask buffers that old checkpoints carry, and the -1e4 scalar beside them.
    mask_dtype: torch.dtype | None = None
    masked_bias: bool = False
    shards: int = 1
    # Scale of the residual stream; small beside sqrt(layer_norm_epsilon) makes the epsilon matter.
    residual: float = 1.0
    # Standard deviation of the attention scores after all scaling.
    score: float = 2.5
    # Standard deviation of the logits, roughly.
    logit: float = 2.5
    # Weight of the MLP units that rest near -2.2, where gelu and its tanh form differ most; 0: none do.
    tail: float = 0.0


# As transformers 2 wrote it: n_ctx, no scaling switches, nothing about tying.
PLAIN = {
    "activation_function": "gelu_new",
    "architectures": ["GPT2LMHeadModel"],
    "attn_pdrop": 0.1,
    "bos_token_id": 130,
    "embd_pdrop": 0.1,
    "eos_token_id": 130,
    "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05,
    "model_type": "gpt2",
    "n_ctx": 64,
    "n_embd": 36,
    "n_head": 4,
    "n_layer": 2,
    "n_positions": 64,
    "resid_pdrop": 0.1,
    "summary_activation": None,
    "summary_first_dropout": 0.1,
    "summary_proj_to_labels": True,
    "summary_type": "cls_index",
    "summary_use_proj": True,
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    "vocab_size": 131,
}


def config(**changes) -> dict:
    """A config.json as transformers 4 wrote it: every switch spelled out."""
    base = {k: v for k, v in PLAIN.items() if k not in ("n_ctx", "task_specific_params")}
    base |= {
        "n_inner": None,
        "reorder_and_upcast_attn": False,
        "scale_attn_by_inverse_layer_idx": False,
        "scale_attn_weights": True,
        "torch_dtype": "float32",
        "transformers_version": "4.20.0",
        "use_cache": True,
    }
    base |= changes
    return base | {"bos_token_id": base["vocab_size"] - 1, "eos_token_id": base["vocab_size"] - 1}


FIXTURES = [
    # openai-community/gpt2: no prefix, tied, head_dim 9, mask buffers.
    Fixture("gpt2-plain", 11, PLAIN, mask_dtype=torch.uint8, masked_bias=True, tail=8.0),
    # The Mistral models of stanford-crfm set both scaling switches. head_dim 5, n_inner not 4 * n_embd.
    Fixture(
        "gpt2-scaled", 12,
        config(n_embd=20, n_head=4, n_layer=4, n_positions=48, vocab_size=101, n_inner=52, activation_function="silu",
               scale_attn_by_inverse_layer_idx=True, reorder_and_upcast_attn=True, layer_norm_epsilon=1e-3),
        prefix="transformer.", mask_dtype=torch.float32, masked_bias=True, residual=0.03, score=3.0,
    ),
    # Cerebras-GPT: exact gelu, n_inner spelled out; bf16 in shards with a copy of the tied head.
    Fixture(
        "gpt2-cerebras", 13,
        config(n_embd=48, n_head=3, n_layer=3, n_positions=56, vocab_size=257, n_inner=80, activation_function="gelu",
               torch_dtype="bfloat16"),
        dtype=torch.bfloat16, prefix="transformer.", head="tied", mask_dtype=torch.bool, shards=3, tail=8.0,
    ),
    # Scores not divided by sqrt(head_dim), an own head, f16, relu. head_dim 7.
    Fixture(
        "gpt2-unscaled", 14,
        config(n_embd=28, n_head=4, n_layer=2, n_positions=50, vocab_size=97, activation_function="relu",
               scale_attn_weights=False, tie_word_embeddings=False, torch_dtype="float16"),
        dtype=torch.float16, prefix="transformer.", head="own",
    ),
    # A fine-tune whose config says nothing about tying while the file holds another head: the file wins.
    Fixture(
        "gpt2-finetuned", 15,
        config(n_embd=24, n_head=2, n_layer=2, n_positions=48, vocab_size=109, activation_function="gelu_pytorch_tanh"),
        prefix="transformer.", head="own", mask_dtype=torch.float16, tail=8.0,
    ),
]


def weights(fixture: Fixture) -> dict[str, torch.Tensor]:
    """Draws the checkpoint's parameters, named without prefix, in f32 before rounding."""
    c = fixture.config
    generator = torch.Generator().manual_seed(fixture.seed)

    def normal(*shape, std, mean=0.0):
        return mean + std * torch.randn(*shape, generator=generator)

    d, residual = c["n_embd"], fixture.residual
    inner = c.get("n_inner") or 4 * d
    out = {"wte.weight": normal(c["vocab_size"], d, std=residual), "wpe.weight": normal(c["n_positions"], d, std=residual)}
    for i in range(c["n_layer"]):
        # LayerNorm leaves rows of unit size, so a weight of std s / sqrt(fan_in) gives outputs of std s, and
        # the products of queries and keys have std s^2 * sqrt(head_dim).
        scaling = 1.0 if not c.get("scale_attn_weights", True) else (d // c["n_head"]) ** -0.5
        if c.get("scale_attn_by_inverse_layer_idx"):
            scaling /= i + 1
        qk = math.sqrt(fixture.score / (scaling * math.sqrt(d // c["n_head"])))
        columns = torch.cat([torch.full((2 * d,), qk), torch.ones(d)])
        for ln in ("ln_1", "ln_2"):
            out[f"h.{i}.{ln}.weight"] = normal(d, std=0.3, mean=1.0)
            out[f"h.{i}.{ln}.bias"] = normal(d, std=0.2)
        out[f"h.{i}.attn.c_attn.weight"] = normal(d, 3 * d, std=d**-0.5) * columns
        out[f"h.{i}.attn.c_attn.bias"] = normal(3 * d, std=0.3) * columns
        out[f"h.{i}.attn.c_proj.weight"] = normal(d, d, std=residual * d**-0.5)
        out[f"h.{i}.attn.c_proj.bias"] = normal(d, std=0.3 * residual)
        fc, fc_bias = normal(d, inner, std=d**-0.5), normal(inner, std=0.5)
        proj = normal(inner, d, std=residual * inner**-0.5)
        if fixture.tail:
            fc[:, ::2] *= 0.25
            fc_bias[::2] = -2.2 + 0.2 * fc_bias[::2]
            proj[::2] *= fixture.tail
        out[f"h.{i}.mlp.c_fc.weight"], out[f"h.{i}.mlp.c_fc.bias"] = fc, fc_bias
        out[f"h.{i}.mlp.c_proj.weight"] = proj
        out[f"h.{i}.mlp.c_proj.bias"] = normal(d, std=0.3 * residual)
    gain = fixture.logit / math.sqrt(d) / (1.0 if fixture.head == "own" else residual)
    # Random signs, or a tied head would repeat the last token for ever.
    out["ln_f.weight"] = gain * normal(d, std=0.3, mean=1.0) * normal(d, std=1.0).sign()
    out["ln_f.bias"] = gain * normal(d, std=0.2)
    if fixture.head == "own":
        out["lm_head.weight"] = normal(c["vocab_size"], d, std=1.0)
    elif fixture.head == "tied":
        out["lm_head.weight"] = out["wte.weight"].clone()
    return out


def stored(fixture: Fixture) -> dict[str, torch.Tensor]:
    """What the file holds: prefixed names, rounded parameters, and the buffers a loader must skip."""
    tensors = {
        name if name == "lm_head.weight" else fixture.prefix + name: tensor.to(fixture.dtype).contiguous()
        for name, tensor in weights(fixture).items()
    }
    n = fixture.config["n_positions"]
    for i in range(fixture.config["n_layer"]):
        attn = f"{fixture.prefix}h.{i}.attn."
        if fixture.mask_dtype is not None:
            tensors[attn + "bias"] = torch.tril(torch.ones(n, n)).to(fixture.mask_dtype).view(1, 1, n, n)
        if fixture.masked_bias:
            tensors[attn + "masked_bias"] = torch.tensor(-1e4)
    return tensors
