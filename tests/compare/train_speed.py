"""Training speed of kshot beside torch, f32 on the CPU, round by round in one run.

    python3 -m venv /tmp/compare && . /tmp/compare/bin/activate
    pip install torch==2.15.0 transformers==5.24.0 numpy
    cargo build --release
    python tests/compare/train_speed.py target/release/kshot [--rounds 5] [--threads 2] [--json FILE]

A round is `kshot train --preset builtin --json` with the shape of the flags, and as many steps of transformers' GPT2LMHeadModel of
the same shape in eager mode, once with `eager` and once with `sdpa` attention, in alternating order, after one uncounted
round. A step is forward, loss of every position, backward, clipping and AdamW (fused, weight decay on matrices only);
the first steps of each start are not counted. kshot's seconds include writing and tokenising its text; torch is given
random tokens that were drawn before. Figures are medians with the least and the greatest; a ratio is the median over
rounds of kshot / torch, with the attention that is faster in torch. A round in which others take more than 5 % of the
cores is run again; if that goes on, the script says so and ends with 1. Both must have equally many parameters. Without
a kshot binary only torch is measured.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import transformers
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel


ATTENTION = ("eager", "sdpa")
QUIET = 0.05
LR, BETAS, DECAY, CLIP = 3e-3, (0.9, 0.98), 0.1, 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kshot", type=Path, nargs="?", metavar="KSHOT_BINARY")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=30, help="of each start")
    parser.add_argument("--warm-up", type=int, default=5, help="steps of those that are not counted")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures here too")
    shape = parser.add_argument_group("shape, by default that of the preset `builtin`")
    shape.add_argument("--layers", type=int, default=6)
    shape.add_argument("--heads", type=int, default=4)
    shape.add_argument("--width", type=int, default=128)
    shape.add_argument("--inner", type=int, default=512)
    shape.add_argument("--context", type=int, default=256)
    shape.add_argument("--batch", type=int, default=16)
    shape.add_argument("--vocab", type=int, default=1920, help="of torch's model: the preset's")
    options = parser.parse_args()
    if not 0 <= options.warm_up < options.steps:
        parser.error("--warm-up must be less than --steps")
    kshot = options.kshot if options.kshot and options.kshot.is_file() else None
    if options.kshot and not kshot:
        print(f"no binary at {options.kshot}: measuring torch alone", file=sys.stderr)

    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    contestants = {f"torch {name}": lambda name=name: run_torch(name, options) for name in ATTENTION}
    if kshot:
        contestants["kshot"] = lambda: run_kshot(kshot, options)
    rounds, quiet = [], []
    for i in range(3 * options.rounds + 1):
        before, others = time.perf_counter(), others_s()
        found = {name: contestants[name]() for name in sorted(contestants, reverse=i % 2 == 1)}
        found["others"] = (others_s() - others) / (time.perf_counter() - before) / os.cpu_count()
        figures = ", ".join(f"{name} {found[name]:.0f}" for name in contestants)
        print(f"round {i}: {figures} tok/s; others took {found['others']:.1%} of the cores", file=sys.stderr)
        if i:  # the first round warms caches and clocks
            rounds.append(found)
        quiet = [r for r in rounds if r["others"] <= QUIET]
        if len(quiet) == options.rounds:
            break

    machine = {
        "cpu": cpu_name(), "cores": os.cpu_count(), "threads": options.threads, "dtype": "float32",
        "python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__,
        "kshot": version(kshot) and version(kshot).splitlines()[0],
        "parameters": sum(p.numel() for p in build("eager", options).parameters()),
        "shape": {key: getattr(options, key) for key in ("layers", "heads", "width", "inner", "context", "batch", "vocab")},
        "steps": options.steps, "warm_up": options.warm_up,
    }
    enough = len(quiet) == options.rounds
    rounds = quiet if enough else rounds
    report(machine, rounds, list(contestants))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "rounds": rounds}, indent=1) + "\n")
    if not enough:
        sys.exit(f"only {len(quiet)} of {len(rounds)} rounds were quiet: these figures, of all rounds, mean little")


def run_kshot(binary: Path, options) -> float:
    """Tokens a second of the steps after the warm-up."""
    command = [binary, "train", "--preset", "builtin", "--json", "--steps", options.steps, "--threads", options.threads,
               "--validate-every", 0, "--save-every", 0, "--lr", LR, "--weight-decay", DECAY, "--clip", CLIP,
               "--layers", options.layers, "--heads", options.heads, "--width", options.width, "--inner", options.inner,
               "--context", options.context, "--batch", options.batch]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"kshot train ended with {done.returncode}:\n{done.stderr}")
    said = re.search(r"([\d,]+) parameters", done.stderr)
    here = sum(p.numel() for p in build("eager", options).parameters())
    if not said or int(said[1].replace(",", "")) != here:
        sys.exit(f"kshot ran another race: {done.stderr.strip()}; torch has {here} parameters")
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    if [step["step"] for step in steps] != list(range(1, options.steps + 1)):
        sys.exit(f"kshot reported other steps: {done.stdout}")
    counted = steps[options.warm_up :]
    return sum(step["tokens"] for step in counted) / sum(step["seconds"] for step in counted)


def build(attention: str, options) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=options.vocab, n_positions=options.context, n_embd=options.width, n_layer=options.layers,
        n_head=options.heads, n_inner=options.inner, activation_function="gelu_new", tie_word_embeddings=True,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, use_cache=False, bos_token_id=0, eos_token_id=0,
        attn_implementation=attention,
    )
    return GPT2LMHeadModel(config).float().train()


def run_torch(attention: str, options) -> float:
    """The same of transformers' model."""
    model = build(attention, options)
    assert model.config._attn_implementation == attention
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=LR, betas=BETAS, fused=True)
    draw = torch.Generator().manual_seed(0)
    rows = torch.randint(options.vocab, (options.steps, options.batch, options.context + 1), generator=draw)
    seconds = []
    for ids in rows:
        started = time.perf_counter()
        logits = model(ids[:, :-1]).logits
        loss = cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP, error_if_nonfinite=True)
        optimiser.step()
        optimiser.zero_grad()
        assert loss.isfinite()
        seconds.append(time.perf_counter() - started)
    counted = seconds[options.warm_up :]
    return len(counted) * options.batch * options.context / sum(counted)


def report(machine: dict, rounds: list[dict], names: list[str]) -> None:
    for key, value in machine.items():
        value = ", ".join(f"{name} {size}" for name, size in value.items()) if isinstance(value, dict) else value
        print(f"{key:14} {value}")
    print(f"{'others':14} up to {max(r['others'] for r in rounds):.1%} of the cores in {len(rounds)} rounds\n")
    tokens = machine["shape"]["batch"] * machine["shape"]["context"]
    medians = {}
    print(f"{'':14}{'tok/s':>8}{'least':>8}{'greatest':>10}{'ms a step':>11}")
    for name in names:
        values = [r[name] for r in rounds]
        medians[name] = statistics.median(values)
        print(f"{name:14}{medians[name]:8.0f}{min(values):8.0f}{max(values):10.0f}{1e3 * tokens / medians[name]:11.1f}")
    if "kshot" not in medians:
        return
    rival = max((name for name in names if name != "kshot"), key=medians.get)
    ratios = [r["kshot"] / r[rival] for r in rounds]
    print(f"\nkshot / {rival}: {statistics.median(ratios):.2f}   {min(ratios):.2f} to {max(ratios):.2f}"
          f"   (rounds: {', '.join(f'{ratio:.2f}' for ratio in ratios)})")


def others_s() -> float:
    """Seconds of CPU that all but this process and its ended children have used, where /proc/stat tells."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields[:8])
    mine = os.times()
    busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return busy - mine.user - mine.system - mine.children_user - mine.children_system


def version(binary: Path | None) -> str | None:
    if binary is None:
        return None
    return subprocess.run([str(binary), "--version"], capture_output=True, text=True).stdout.strip()


def cpu_name() -> str:
    try:
        for row in Path("/proc/cpuinfo").read_text().splitlines():
            if row.startswith("model name"):
                return row.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
