"""Makes the golden checkpoints under tests/fixtures and what transformers computes from them.

    python3 -m venv /tmp/goldens && . /tmp/goldens/bin/activate
    pip install torch==2.15.0 transformers==5.23.0 safetensors==0.8.0 numpy
    python tests/goldens/make.py            # all fixtures; or: make.py gpt2-plain ...

Each tests/fixtures/<name>/ is a checkpoint as the hub serves it plus golden.json:

    versions            what computed it
    rounding            max |log-prob in f32 - log-prob in f64| of the reference itself
    attention_entropy   per layer: mean of H(row) / log(keys of the row), 1 = uniform
    next_token_entropy  mean of H / log(vocab_size)
    cases               ids; positions; logprobs [positions, vocab_size]; token_logprobs [ids - 1] (row i: id i + 1)
    greedy              prompt, ids that follow (never stopped at eos), the smallest gap between the best two logits,
                        and whether they end at the context's end (n_positions - prompt + 1 ids)
    trace               ids; tensors without the batch axis under TransformerLens's names
    switches            key, value, `instead`, and the largest change of a log-prob that makes in transformers
    dropped             the same when one parameter is dropped (weights and biases become 0, gains 1)

A tensor is {"shape", "f32"}: base64 of little-endian f32 in row-major order. Everything is computed in f32 (after the
rounding to the stored dtype) with eager attention, the one that honours reorder_and_upcast_attn, from the files written.
tests/fixtures/activations.json holds transformers' activation functions over a grid. The script fails if attention
or the next token is uniform or saturated, if a switch or a parameter changes no fixture, or if a greedy step is a tie.
"""

import base64
import json
import math
import platform
import re
import shutil
import sys
from pathlib import Path

import safetensors
import torch
import transformers
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.activations import ACT2FN

from fixtures import FIXTURES, Fixture, stored

ROOT = Path(__file__).resolve().parent.parent / "fixtures"
ACTIVATIONS = ["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate", "quick_gelu",
               "relu", "relu2", "relu6", "silu", "swish", "mish", "tanh", "sigmoid", "leaky_relu", "hardswish", "linear",
               "gelu_10", "laplace", "sqrtsoftplus"]
# Below this a test with the tolerance 1e-4 could miss a change.
VISIBLE = 1e-2


def main() -> None:
    torch.set_num_threads(2)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    wanted = set(sys.argv[1:]) or {f.name for f in FIXTURES}
    if unknown := wanted - {f.name for f in FIXTURES}:
        sys.exit(f"no such fixture: {', '.join(sorted(unknown))}")
    goldens = {}
    for fixture in FIXTURES:
        if fixture.name in wanted:
            write_checkpoint(fixture)
            goldens[fixture.name] = write_golden(fixture)
    write_activations()
    print_summary(goldens)
    failures = [f"{name}: {text}" for name, golden in goldens.items() for text in weaknesses(golden)]
    if len(goldens) == len(FIXTURES):
        failures += blind_switches(goldens)
    if failures:
        sys.exit("\n".join(failures))


def write_checkpoint(fixture: Fixture) -> None:
    folder = ROOT / fixture.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(fixture.config, indent=2) + "\n")
    tensors = stored(fixture)
    if fixture.shards == 1:
        save(tensors, folder / "model.safetensors")
        return
    # Cut by count, so that layers lie across files.
    names, index = list(tensors), {}
    for i in range(fixture.shards):
        part = names[i * len(names) // fixture.shards : (i + 1) * len(names) // fixture.shards]
        file = f"model-{i + 1:05}-of-{fixture.shards:05}.safetensors"
        save({name: tensors[name] for name in part}, folder / file)
        index |= dict.fromkeys(part, file)
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    text = json.dumps({"metadata": {"total_size": total}, "weight_map": dict(sorted(index.items()))}, indent=2)
    (folder / "model.safetensors.index.json").write_text(text + "\n")


def save(tensors: dict[str, torch.Tensor], file: Path) -> None:
    save_file(tensors, file, {"format": "pt"})
    file.chmod(0o644)


def load(fixture: Fixture, **switches) -> GPT2LMHeadModel:
    """The checkpoint as transformers reads it, with some of the config's switches set otherwise."""
    folder = ROOT / fixture.name
    config = GPT2Config.from_pretrained(folder)
    for key, value in switches.items():
        assert hasattr(config, key), key
        setattr(config, key, value)
    model, info = GPT2LMHeadModel.from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not info["missing_keys"] and not info["mismatched_keys"], info
    return model.eval()


@torch.no_grad()
def logprobs(model: GPT2LMHeadModel, ids: list[int]) -> torch.Tensor:
    return torch.log_softmax(model(torch.tensor([ids])).logits[0], dim=-1)


def write_golden(fixture: Fixture) -> dict:
    model, draw = load(fixture), torch.Generator().manual_seed(1000 + fixture.seed)
    c = model.config

    def prompt(length: int) -> list[int]:
        return torch.randint(c.vocab_size, (length,), generator=draw).tolist()

    prompts = [prompt(length) for length in (1, 2, 7, 20, c.n_positions)]
    attention, next_token = entropies(model, prompts)
    golden = {
        "fixture": fixture.name,
        "tensors": "base64 of little-endian f32, row-major",
        "versions": {"python": platform.python_version(), "torch": torch.__version__.split("+")[0],
                     "transformers": transformers.__version__, "safetensors": safetensors.__version__},
        "rounding": rounding(model, prompts),
        "attention_entropy": attention,
        "next_token_entropy": next_token,
        "cases": [case(model, ids) for ids in prompts],
        "greedy": [greedy(model, lambda n=n: prompt(n), new) for n, new in ((1, 24), (6, None), (13, 24))],
        "trace": trace(model, prompts[2]),
        "switches": switches(fixture, model, prompts),
        "dropped": dropped(model, prompts),
    }
    text = json.dumps(golden, indent=1)
    text = re.sub(r"\[[\s\d,.e+-]*\]", lambda m: re.sub(r"\s+", " ", m[0]), text)
    (ROOT / fixture.name / "golden.json").write_text(text + "\n")
    return golden


def encoded(tensor: torch.Tensor) -> dict:
    data = tensor.detach().contiguous().numpy().astype("<f4").tobytes()
    return {"shape": list(tensor.shape), "f32": base64.b64encode(data).decode()}


def case(model: GPT2LMHeadModel, ids: list[int]) -> dict:
    rows, n = logprobs(model, ids), len(ids)
    positions = list(range(n)) if n <= 7 else sorted({0, 1, n // 4, n // 2, n - 3, n - 2, n - 1})
    token_logprobs = rows[:-1].gather(1, torch.tensor(ids[1:]).view(-1, 1)).view(-1)
    return {"ids": ids, "positions": positions, "logprobs": encoded(rows[positions]),
            "token_logprobs": encoded(token_logprobs)}


@torch.no_grad()
def greedy(model: GPT2LMHeadModel, prompt, new: int | None) -> dict:
    """The first prompt with a clear best token at every step; `new` None goes on to the end of the context."""
    for _ in range(300):
        start = prompt()
        limit = new or model.config.n_positions - len(start) + 1
        ids, gap = list(start), math.inf
        while len(ids) < len(start) + limit:
            (best, second), (top, _) = (x.tolist() for x in model(torch.tensor([ids])).logits[0, -1].topk(2))
            gap = min(gap, best - second)
            ids.append(top)
        if gap < 0.01 or len(set(ids[len(start):])) < 8:
            continue
        model.generation_config.eos_token_id = None
        cached = model.generate(torch.tensor([start]), do_sample=False, use_cache=True, max_new_tokens=limit,
                                pad_token_id=0)
        assert cached[0].tolist() == ids, "generate() with a cache differs from full forwards"
        return {"prompt": start, "ids": ids[len(start):], "min_gap": gap, "to_context_end": new is None}
    raise AssertionError("every greedy continuation is a near tie or a short loop: change the seed")


def rounding(model: GPT2LMHeadModel, prompts: list[list[int]]) -> float:
    single = [logprobs(model, ids) for ids in prompts]
    model.double()
    # The upcast of reorder_and_upcast_attn goes to f32, which would be a downcast here.
    for block in model.transformer.h:
        block.attn.reorder_and_upcast_attn = False
    double = [logprobs(model, ids) for ids in prompts]
    model.float()
    for block in model.transformer.h:
        block.attn.reorder_and_upcast_attn = model.config.reorder_and_upcast_attn
    return max((a - b).abs().max().item() for a, b in zip(single, double))


@torch.no_grad()
def entropies(model: GPT2LMHeadModel, prompts: list[list[int]]) -> tuple[list[float], float]:
    ids = prompts[-1]
    out = model(torch.tensor([ids]), output_attentions=True)
    layers = []
    for pattern in out.attentions:  # [1, head, query, key]
        rows = torch.special.entr(pattern[0]).sum(-1)[:, 1:]
        layers.append((rows / torch.arange(2, len(ids) + 1).log()).mean().item())
    next_token = torch.special.entr(out.logits[0].softmax(-1)).sum(-1).mean() / math.log(model.config.vocab_size)
    return layers, next_token.item()


@torch.no_grad()
def trace(model: GPT2LMHeadModel, ids: list[int]) -> dict:
    """Activations under the names of TransformerLens (HookedTransformer, without folding or centring)."""
    found, transformer = {}, model.transformer
    hooks = []

    def tap(module, name, *, take_input=False):
        def hook(_module, args, output):
            value = args[0] if take_input else output[0] if isinstance(output, tuple) else output
            found[name] = value[0].clone()
        hooks.append(module.register_forward_hook(hook))

    tap(transformer.wte, "hook_embed")
    tap(transformer.wpe, "hook_pos_embed")
    for i, block in enumerate(transformer.h):
        tap(block.ln_1, f"blocks.{i}.hook_resid_pre", take_input=True)
        tap(block.attn, f"blocks.{i}.hook_attn_out")
        tap(block.ln_2, f"blocks.{i}.hook_resid_mid", take_input=True)
        tap(block.mlp.c_fc, f"blocks.{i}.mlp.hook_pre")
        tap(block.mlp.act, f"blocks.{i}.mlp.hook_post")
        tap(block.mlp, f"blocks.{i}.hook_mlp_out")
        tap(block, f"blocks.{i}.hook_resid_post")
    attentions = model(torch.tensor([ids]), output_attentions=True).attentions
    for hook in hooks:
        hook.remove()
    for i, pattern in enumerate(attentions):
        found[f"blocks.{i}.attn.hook_pattern"] = pattern[0]
        mid = found[f"blocks.{i}.hook_resid_pre"] + found[f"blocks.{i}.hook_attn_out"]
        assert torch.equal(mid, found[f"blocks.{i}.hook_resid_mid"])
    return {"ids": ids, "tensors": {name: encoded(found[name]) for name in sorted(found)}}


def change(model: GPT2LMHeadModel, reference: list[torch.Tensor], prompts: list[list[int]]) -> float:
    return max((logprobs(model, ids) - rows).abs().max().item() for ids, rows in zip(prompts, reference))


def switches(fixture: Fixture, model: GPT2LMHeadModel, prompts: list[list[int]]) -> list[dict]:
    reference, c = [logprobs(model, ids) for ids in prompts], model.config
    used = sorted({f.config["activation_function"] for f in FIXTURES} | {"gelu_new", "quick_gelu", "silu"})
    head_counts = [n for n in (1, 2, 3, 4) if c.n_embd % n == 0 and n != c.n_head]
    epsilon = 1e-5 if c.layer_norm_epsilon != 1e-5 else 1e-3
    flips = [
        ("scale_attn_weights", not c.scale_attn_weights),
        ("scale_attn_by_inverse_layer_idx", not c.scale_attn_by_inverse_layer_idx),
        ("reorder_and_upcast_attn", not c.reorder_and_upcast_attn),
        ("layer_norm_epsilon", epsilon),
        ("n_head", head_counts[-1]),
        *(("activation_function", name) for name in used if name != c.activation_function),
    ]
    found = [{"key": key, "value": getattr(c, key), "instead": other,
              "max_abs_logprob_change": change(load(fixture, **{key: other}), reference, prompts)}
             for key, other in flips]
    if fixture.head == "own":
        # transformers 5 leaves a stored head that differs from wte untied whatever the config says
        # (modeling_utils.py, tie_weights), so the config alone changes nothing and the head is tied by hand.
        tie = c.tie_word_embeddings
        by_config = change(load(fixture, tie_word_embeddings=not tie), reference, prompts)
        tied = load(fixture)
        tied.lm_head.weight = tied.transformer.wte.weight
        found.append({"key": "tie_word_embeddings", "value": tie, "instead": "head tied by hand",
                      "max_abs_logprob_change": change(tied, reference, prompts),
                      "changed_by_config_alone": by_config})
    return found


@torch.no_grad()
def dropped(model: GPT2LMHeadModel, prompts: list[list[int]]) -> dict[str, float]:
    reference, found = [logprobs(model, ids) for ids in prompts], {}
    for name, parameter in model.named_parameters():
        saved = parameter.clone()
        gain = ".ln_" in name and name.endswith("weight")
        parameter.fill_(1.0 if gain else 0.0)
        found[name] = change(model, reference, prompts)
        parameter.copy_(saved)
    return found


def write_activations() -> None:
    x = torch.cat([torch.linspace(-12, 12, 193), torch.tensor([-2.2, -1e-3, 1e-3, 0.7, 2.2, 40.0, -40.0])])
    table = {"transformers": transformers.__version__, "x": encoded(x),
             "y": {name: encoded(ACT2FN[name](x)) for name in ACTIVATIONS}}
    (ROOT / "activations.json").write_text(json.dumps(table, indent=1) + "\n")


def print_summary(goldens: dict[str, dict]) -> None:
    for name, golden in goldens.items():
        size = sum(f.stat().st_size for f in (ROOT / name).iterdir())
        print(f"\n{name}: {size / 1000:.0f} kB, rounding {golden['rounding']:.1e}, attention entropy "
              + " ".join(f"{x:.2f}" for x in golden["attention_entropy"])
              + f", next token {golden['next_token_entropy']:.2f}, greedy gaps "
              + " ".join(f"{g['min_gap']:.2f}" for g in golden["greedy"]))
        for row in golden["switches"]:
            print(f"  {row['key']:34}{row['value']!s:>18} -> {row['instead']!s:18}{row['max_abs_logprob_change']:.3g}")
        least = sorted(golden["dropped"].items(), key=lambda item: item[1])[:3]
        print("  least parameters: " + ", ".join(f"{n} {v:.2g}" for n, v in least))
    total = sum(f.stat().st_size for f in ROOT.rglob("*") if f.is_file())
    print(f"\n{ROOT.name}: {total / 1e6:.2f} MB")


def weaknesses(golden: dict):
    for layer, entropy in enumerate(golden["attention_entropy"]):
        if not 0.1 <= entropy <= 0.9:
            yield f"attention of layer {layer} is uniform or saturated: {entropy:.3f}"
    if not 0.2 <= golden["next_token_entropy"] <= 0.9:
        yield f"the next token is uniform or saturated: {golden['next_token_entropy']:.3f}"
    if golden["rounding"] > 2e-5:
        yield f"the reference's own rounding is {golden['rounding']:.1e}, too near a tolerance of 1e-4"
    for name, effect in golden["dropped"].items():
        if effect < VISIBLE:
            yield f"{name} could be dropped unseen: {effect:.1e}"


def blind_switches(goldens: dict[str, dict]):
    """Switches that no fixture shows. reorder_and_upcast_attn is the same arithmetic in another order in f32."""
    most = {}
    for golden in goldens.values():
        for row in golden["switches"]:
            key = row["key"]
            if key == "activation_function":
                key = " / ".join(sorted((row["value"], row["instead"])))
            most[key] = max(most.get(key, 0.0), row["max_abs_logprob_change"])
    # Two names of one function.
    excused = {"reorder_and_upcast_attn", "gelu_new / gelu_pytorch_tanh"}
    return [f"{key} changes no fixture: {value:.1e}" for key, value in most.items() if value < VISIBLE and key not in excused]


if __name__ == "__main__":
    main()
