"""GPT-2 checkpoints with random weights, and the forms that the rivals read."""

import json
from pathlib import Path

import numpy as np

VOCABULARY, CONTEXT = 50257, 1024
SHAPES = {"124m": (12, 768, 12), "355m": (24, 1024, 16)}
GGUF_TYPES = {"f32": "F32", "bf16": "BF16", "f16": "F16", "q8_0": "Q8_0", "q4_0": "Q4_0"}
CT2_TYPES = {"f32": "float32", "bf16": "bfloat16", "int8": "int8"}


def byte_tokens() -> list[str]:
    """The 256 byte tokens of GPT-2 (openai/gpt-2, encoder.py), made-up ones behind them: only ids are used here."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    tokens = [chr(byte if byte in plain else next(spare)) for byte in range(256)]
    return tokens + [f"x{i}" for i in range(VOCABULARY - 257)] + ["<|endoftext|>"]


def make(folder: Path, shape: str) -> None:
    """config.json, model.safetensors (f32) and a vocabulary."""
    from safetensors.numpy import save_file

    layers, width, heads = SHAPES[shape]
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(124)

    def normal(*size: int, scale: float = 0.05) -> np.ndarray:
        return random.standard_normal(size, dtype=np.float32) * scale

    ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)
    tensors = {"wte.weight": normal(VOCABULARY, width, scale=0.1), "wpe.weight": normal(CONTEXT, width)}
    tensors |= {"ln_f.weight": ones, "ln_f.bias": zeros}
    for i in range(layers):
        at = f"h.{i}."
        for norm in ("ln_1", "ln_2"):
            tensors |= {f"{at}{norm}.weight": ones.copy(), f"{at}{norm}.bias": zeros.copy()}
        for name, inputs, outputs in (
            ("attn.c_attn", width, 3 * width),
            ("attn.c_proj", width, width),
            ("mlp.c_fc", width, 4 * width),
            ("mlp.c_proj", 4 * width, width),
        ):
            tensors |= {f"{at}{name}.weight": normal(inputs, outputs), f"{at}{name}.bias": normal(outputs)}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "activation_function": "gelu_new",
        "vocab_size": VOCABULARY, "n_positions": CONTEXT, "n_ctx": CONTEXT, "n_embd": width, "n_layer": layers,
        "n_head": heads, "layer_norm_epsilon": 1e-5, "bos_token_id": VOCABULARY - 1, "eos_token_id": VOCABULARY - 1,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(byte_tokens())}))
    (folder / "merges.txt").write_text("#version: 0.2\nx 0\n")
    tokenizer = {"tokenizer_class": "GPT2Tokenizer", "model_max_length": CONTEXT}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))


def to_gguf(folder: Path, shape: str, dtype: str, file: Path) -> None:
    """llama.cpp's form: its names, linear weights as [out, in], norms and biases in f32."""
    import gguf
    from safetensors.numpy import load_file

    layers, width, heads = SHAPES[shape]
    tensors = load_file(folder / "model.safetensors")
    writer = gguf.GGUFWriter(str(file), "gpt2")
    writer.add_block_count(layers)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(4 * width)
    writer.add_head_count(heads)
    writer.add_layer_norm_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(byte_tokens())
    writer.add_token_merges(["x 0"])
    writer.add_bos_token_id(VOCABULARY - 1)
    writer.add_eos_token_id(VOCABULARY - 1)
    kind = gguf.GGMLQuantizationType[GGUF_TYPES[dtype]]

    def add(name: str, values: np.ndarray, matrix: bool = False) -> None:
        if matrix and dtype != "f32":
            packed = gguf.quants.quantize(np.ascontiguousarray(values), kind)
            writer.add_tensor(name, packed, raw_dtype=kind)
        else:
            writer.add_tensor(name, np.ascontiguousarray(values))

    add("token_embd.weight", tensors["wte.weight"], matrix=True)
    add("position_embd.weight", tensors["wpe.weight"])
    add("output_norm.weight", tensors["ln_f.weight"])
    add("output_norm.bias", tensors["ln_f.bias"])
    names = {"attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    for i in range(layers):
        for ours, theirs in (("ln_1", "attn_norm"), ("ln_2", "ffn_norm")):
            for part in ("weight", "bias"):
                add(f"blk.{i}.{theirs}.{part}", tensors[f"h.{i}.{ours}.{part}"])
        for ours, theirs in names.items():
            add(f"blk.{i}.{theirs}.weight", tensors[f"h.{i}.{ours}.weight"].T, matrix=True)
            add(f"blk.{i}.{theirs}.bias", tensors[f"h.{i}.{ours}.bias"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def to_ct2(folder: Path, dtype: str, to: Path) -> None:
    """CTranslate2's form, by its own converter."""
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(folder)).convert(str(to), quantization=CT2_TYPES[dtype], force=True)


def prepare(out: Path, shape: str) -> Path:
    """Makes what is not there yet; gives the folder of the checkpoint."""
    folder = out / f"gpt2-{shape}"
    if not (folder / "tokenizer_config.json").exists():
        print(f"making {folder}", flush=True)
        make(folder, shape)
    for dtype in GGUF_TYPES:
        file = out / f"gpt2-{shape}-{dtype}.gguf"
        if not file.exists():
            print(f"converting to {file}", flush=True)
            part = file.with_suffix(".part")
            to_gguf(folder, shape, dtype, part)
            part.rename(file)
    for dtype in CT2_TYPES:
        to = out / f"gpt2-{shape}-ct2-{dtype}"
        if not (to / "model.bin").exists():
            print(f"converting to {to}", flush=True)
            to_ct2(folder, dtype, to)
    return folder
