"""Makes a checkpoint of GPT-2 124M's shape with random weights, for the pull, speed and memory tests.

    python3 -m venv /tmp/goldens && . /tmp/goldens/bin/activate
    pip install torch==2.15.0 transformers==5.23.0 safetensors==0.8.0 numpy
    python tests/goldens/make_gpt2_124m.py DIR [--masks] [--vocab FOLDER] [--seed N]

DIR gets config.json and generation_config.json of openai-community/gpt2 and model.safetensors: f32, the same tensor
names and no prefix; 498 MB, or with --masks 548 MB like the real file, which carries a 4 MiB mask buffer a layer. The
weights are larger than GPT-2's initial ones, so that attention is not uniform and the next token is not flat.
--vocab copies vocab.json and merges.txt from FOLDER and adds the tokenizer_config.json of the real repository.
"""

import argparse
import json
import math
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from fixtures import PLAIN

LAYERS, WIDTH, CONTEXT, VOCABULARY = 12, 768, 1024, 50257
CONFIG = PLAIN | {
    "bos_token_id": VOCABULARY - 1,
    "eos_token_id": VOCABULARY - 1,
    "n_ctx": CONTEXT,
    "n_embd": WIDTH,
    "n_head": 12,
    "n_layer": LAYERS,
    "n_positions": CONTEXT,
    "vocab_size": VOCABULARY,
}
GENERATION = {"bos_token_id": VOCABULARY - 1, "eos_token_id": VOCABULARY - 1, "_from_model_config": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--masks", action="store_true", help="with the mask buffers of the real file")
    parser.add_argument("--vocab", type=Path, metavar="FOLDER", help="where vocab.json and merges.txt are")
    parser.add_argument("--seed", type=int, default=124)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    write_json(options.folder / "config.json", CONFIG)
    write_json(options.folder / "generation_config.json", GENERATION)
    tensors = weights(options.seed)
    if options.masks:
        mask = torch.tril(torch.ones(CONTEXT, CONTEXT)).view(1, 1, CONTEXT, CONTEXT)
        tensors |= {f"h.{i}.attn.bias": mask.clone() for i in range(LAYERS)}
    file = options.folder / "model.safetensors"
    save_file(tensors, file, {"format": "pt"})
    file.chmod(0o644)
    if options.vocab:
        for name in ("vocab.json", "merges.txt"):
            shutil.copyfile(options.vocab / name, options.folder / name)
        write_json(options.folder / "tokenizer_config.json", {"model_max_length": CONTEXT})
    parameters = sum(t.numel() for n, t in tensors.items() if not n.endswith("attn.bias"))
    print(f"{options.folder}: {parameters / 1e6:.1f} M parameters, {file.stat().st_size / 1e6:.1f} MB")


def weights(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape, std, mean=0.0):
        return torch.empty(shape).normal_(mean, std, generator=generator)

    unit = WIDTH**-0.5  # keeps the size of a LayerNorm's rows
    out = {"wte.weight": normal(VOCABULARY, WIDTH, std=0.1), "wpe.weight": normal(CONTEXT, WIDTH, std=0.05)}
    for i in range(LAYERS):
        for ln in ("ln_1", "ln_2"):
            out[f"h.{i}.{ln}.weight"] = normal(WIDTH, std=0.1, mean=1.0)
            out[f"h.{i}.{ln}.bias"] = normal(WIDTH, std=0.1)
        out[f"h.{i}.attn.c_attn.weight"] = normal(WIDTH, 3 * WIDTH, std=1.4 * unit)
        out[f"h.{i}.attn.c_attn.bias"] = normal(3 * WIDTH, std=0.1)
        out[f"h.{i}.attn.c_proj.weight"] = normal(WIDTH, WIDTH, std=0.1 * unit)
        out[f"h.{i}.attn.c_proj.bias"] = normal(WIDTH, std=0.02)
        out[f"h.{i}.mlp.c_fc.weight"] = normal(WIDTH, 4 * WIDTH, std=unit)
        out[f"h.{i}.mlp.c_fc.bias"] = normal(4 * WIDTH, std=0.1)
        out[f"h.{i}.mlp.c_proj.weight"] = normal(4 * WIDTH, WIDTH, std=0.1 * unit)
        out[f"h.{i}.mlp.c_proj.bias"] = normal(WIDTH, std=0.02)
    # Logits of standard deviation 3; random signs, or the tied head would repeat the last token for ever.
    gain = 3 / (0.1 * math.sqrt(WIDTH))
    out["ln_f.weight"] = normal(WIDTH, std=0.1 * gain, mean=gain) * normal(WIDTH, std=1.0).sign()
    out["ln_f.bias"] = normal(WIDTH, std=0.1 * gain)
    return out


def write_json(file: Path, value: dict) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n")


if __name__ == "__main__":
    main()
