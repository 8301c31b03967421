"""Speed of kshot beside transformers, f32 on the CPU, round by round in one run.

    python3 -m venv /tmp/compare && . /tmp/compare/bin/activate
    pip install torch==2.15.0 transformers==5.23.0 safetensors==0.8.0 numpy
    python tests/goldens/make_gpt2_124m.py /tmp/gpt2-124m      # or any GPT-2 checkpoint folder
    cargo build --release
    python tests/compare/speed.py /tmp/gpt2-124m target/release/kshot [--rounds 5] [--threads 2] [--json FILE]

A round is `kshot bench -p 512 -n 128`, `kshot bench -p 8 -n 128`, and the same work in transformers, in alternating
order, after one uncounted round. Figures are medians with the least and the greatest; a ratio is the median over rounds of kshot / transformers,
so a machine that slows down for a while slows both. Threads that wait for each other lose far more than their share to
another process (transformers has been seen at a tenth of its speed beside one compiler), so a round in which others take
more than 5 % of the cores is run again; if that goes on, the script says so and ends with 1. transformers decodes
greedily with its KV cache in three ways: a bare loop over model() after the short prompt, the same after the 512 tokens,
and generate() after the short prompt. Each is compared with kshot after a prompt of the same length. Without a kshot
binary only transformers is measured.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import transformers
from transformers import GPT2LMHeadModel

PREFILL, DECODE, SHORT = 512, 128, 8
QUIET = 0.05
# kshot's key -> the transformers figures of the same work.
RIVALS = {
    "prefill_tok_s": ["prefill_tok_s"],
    "decode_tok_s": ["decode_tok_s", "decode_generate_tok_s"],
    "decode_after_prefill_tok_s": ["decode_after_prefill_tok_s"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, metavar="MODEL_DIR")
    parser.add_argument("kshot", type=Path, nargs="?", metavar="KSHOT_BINARY")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures here too")
    options = parser.parse_args()
    kshot = options.kshot if options.kshot and options.kshot.is_file() else None
    if options.kshot and not kshot:
        print(f"no binary at {options.kshot}: measuring transformers alone", file=sys.stderr)

    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    started = time.perf_counter()
    model = GPT2LMHeadModel.from_pretrained(options.model, dtype=torch.float32).eval()
    load_s = time.perf_counter() - started

    contestants = {"transformers": lambda: run_transformers(model)}
    if kshot:
        contestants["kshot"] = lambda: run_kshot(kshot, options)
    rounds = []
    for i in range(3 * options.rounds + 1):
        before, others = time.perf_counter(), others_s()
        names = sorted(contestants, reverse=i % 2 == 1)
        found = {name: contestants[name]() for name in names}
        found["others"] = (others_s() - others) / (time.perf_counter() - before) / os.cpu_count()
        print(f"round {i}: others took {found['others']:.1%} of the cores", file=sys.stderr)
        if i:  # the first round warms caches and clocks
            rounds.append(found)
        quiet = [r for r in rounds if r["others"] <= QUIET]
        if len(quiet) == options.rounds:
            break

    machine = {
        "cpu": cpu_name(), "cores": os.cpu_count(), "threads": options.threads, "dtype": "float32",
        "python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__,
        "attention": model.config._attn_implementation, "kshot": version(kshot), "transformers_load_s": load_s,
        "prefill": PREFILL, "decode": DECODE, "short_prompt": SHORT,
    }
    enough = len(quiet) == options.rounds
    rounds = quiet if enough else rounds
    report(machine, rounds, bool(kshot))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "rounds": rounds}, indent=1) + "\n")
    if not enough:
        sys.exit(f"only {len(quiet)} of {len(rounds)} rounds were quiet: these figures, of all rounds, mean little")


def run_kshot(binary: Path, options) -> dict:
    long, short = (bench(binary, options, prompt) for prompt in (PREFILL, SHORT))
    return long | {"decode_after_prefill_tok_s": long["decode_tok_s"], "decode_tok_s": short["decode_tok_s"]}


def bench(binary: Path, options, prompt: int) -> dict:
    command = [binary, "bench", "-m", options.model, "-p", prompt, "-n", DECODE, "--threads", options.threads, "--json"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"kshot bench ended with {done.returncode}:\n{done.stderr}")
    figures = json.loads(done.stdout)
    if figures["threads"] != options.threads or figures["dtype"].lower() not in ("f32", "float32"):
        sys.exit(f"kshot ran another race: {figures['dtype']} with {figures['threads']} threads")
    return figures


@torch.inference_mode()
def run_transformers(model) -> dict:
    draw = torch.Generator().manual_seed(0)
    long = torch.randint(model.config.vocab_size, (1, PREFILL), generator=draw)
    short = long[:, :SHORT]
    prefill_s, cache, first = prefill(model, long)
    after_prefill_s = decode(model, cache, first)
    _, cache, first = prefill(model, short)
    decode_s = decode(model, cache, first)
    model.generation_config.eos_token_id = None  # 128 tokens whatever they are
    started = time.perf_counter()
    ids = model.generate(short, do_sample=False, max_new_tokens=DECODE, pad_token_id=0)
    generate_s = time.perf_counter() - started
    assert ids.shape[1] == SHORT + DECODE
    return {"prefill_tok_s": PREFILL / prefill_s, "decode_tok_s": DECODE / decode_s,
            "decode_after_prefill_tok_s": DECODE / after_prefill_s, "decode_generate_tok_s": DECODE / generate_s}


def prefill(model, ids):
    """The head on the last position only, as generate() does it."""
    started = time.perf_counter()
    out = model(ids, use_cache=True, logits_to_keep=1)
    token = out.logits[:, -1].argmax(-1, keepdim=True)
    return time.perf_counter() - started, out.past_key_values, token


def decode(model, cache, token) -> float:
    started = time.perf_counter()
    for _ in range(DECODE):
        token = model(token, past_key_values=cache, use_cache=True).logits[:, -1].argmax(-1, keepdim=True)
    return time.perf_counter() - started


def report(machine: dict, rounds: list[dict], with_kshot: bool) -> None:
    for key, value in machine.items():
        print(f"{key:20} {value}")
    print(f"{'others':20} up to {max(r['others'] for r in rounds):.1%} of the cores in {len(rounds)} rounds\n")

    def line(who: str, key: str) -> None:
        values = [r[who][key] for r in rounds]
        print(f"{who:14}{key:28}{statistics.median(values):10.2f}   {min(values):.2f} to {max(values):.2f}")

    for key in rounds[0]["transformers"]:
        line("transformers", key)
    if not with_kshot:
        return
    for key, value in rounds[0]["kshot"].items():
        if isinstance(value, (int, float)) and key != "threads":
            line("kshot", key)
    print()
    for key, rivals in RIVALS.items():
        ratios = {rival: sorted(r["kshot"][key] / r["transformers"][rival] for r in rounds) for rival in rivals}
        for rival, values in ratios.items():
            print(f"kshot {key} / transformers {rival}: {statistics.median(values):.2f}"
                  f"   {values[0]:.2f} to {values[-1]:.2f}")
        print(f"  against the fastest: {min(statistics.median(v) for v in ratios.values()):.2f}")


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
