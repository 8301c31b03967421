"""kshot beside llama.cpp, transformers and CTranslate2: the same shapes, prompts and threads, in turns, in one run.

    cargo build --release
    python3 benches/rivals/rivals.py OUT [--shapes 124m,355m] [--rounds 5] [--threads 2]

OUT is a folder for everything: a virtual environment with the rivals (installed from PyPI, llama.cpp built for this
processor), the checkpoints, `result.json` and `result.md`. The first run installs and takes long; later ones measure.

A round measures every contestant once, each in a process of its own that is stopped (SIGSTOP) while another is measured.
The first round is not counted. Before and after each turn `kshot bench --probe` reads memory in several ways; a
contestant's share of the bus is the bytes of weights and cache it reads a second over the best of these probes. kshot
is measured through its own command, a fresh process each turn. Ratios are medians over rounds of kshot / rival, with the
least and the greatest.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = ["numpy", "safetensors==0.8.0", "gguf==0.19.0", "torch==2.15.0", "transformers==5.24.0", "ctranslate2==4.8.5"]
LLAMA = "llama-cpp-python==0.3.36"
PREFILL, SHORT, DECODE = 512, 8, 128

# Contestants of each class of precision: kshot's dtype, and what the rivals have of it.
CLASSES = [
    ("f32", ["f32"], [("llama.cpp", "f32"), ("transformers", "f32"), ("ctranslate2", "f32")]),
    ("bf16", ["bf16"], [("llama.cpp", "bf16"), ("transformers", "bf16"), ("ctranslate2", "bf16")]),
    ("f16", ["f16"], [("llama.cpp", "f16")]),
    ("8-bit", ["q8_0"], [("llama.cpp", "q8_0"), ("ctranslate2", "int8")]),
    ("4-bit", ["q4_0"], [("llama.cpp", "q4_0")]),
]


def install(out: Path) -> Path:
    """Python of an environment that has the rivals."""
    python = out / "venv" / "bin" / "python"
    done = out / "venv" / "installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", out / "venv"], check=True)
        pip = [python, "-m", "pip", "install", "-q"]
        subprocess.run([*pip, *PACKAGES], check=True)
        native = os.environ | {"CMAKE_ARGS": "-DGGML_NATIVE=ON"}
        subprocess.run([*pip, "--no-binary", "llama-cpp-python", LLAMA], check=True, env=native)
        done.touch()
    return python


class Rival:
    """A rival's process, stopped while it is not measured."""

    def __init__(self, name: str, dtype: str, model: Path, threads: int) -> None:
        command = [sys.executable, HERE / "contestants.py", name, dtype, model, str(threads)]
        self.errors = tempfile.TemporaryFile("w+")
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            text=True, env=environment,
        )
        self.facts = self.answer()
        self.process.send_signal(signal.SIGSTOP)

    def answer(self) -> dict:
        while line := self.process.stdout.readline():
            if line.startswith("{"):
                return json.loads(line)
        self.errors.seek(0)
        raise RuntimeError((self.errors.read().strip().splitlines() or ["it ended without a word"])[-1])

    def measure(self, question: dict) -> dict:
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        self.process.send_signal(signal.SIGSTOP)
        return answer

    def end(self) -> None:
        self.process.kill()


class Bench:
    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.kshot, self.threads, self.folder = options.kshot, options.threads, folder

    def run(self, *arguments: str, tier: str | None = None) -> dict:
        environment = os.environ | ({"KSHOT_TIER": tier} if tier else {})
        command = [self.kshot, "bench", "--json", "--rounds", "2", "--threads", str(self.threads), *arguments]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)

    def probe(self) -> dict:
        return self.run("--probe")

    def measure(self, dtype: str, tier: str | None = None) -> dict:
        model = ["-m", str(self.folder), "--dtype", dtype]
        score = ["--score"] if dtype in ("f32", "bf16") and not tier else []
        short = self.run(*model, "-p", str(SHORT), "-n", str(DECODE + 1), tier=tier)
        long = self.run(*model, "-p", str(PREFILL), "-n", "2", *score, tier=tier)
        batch = self.run(*model, "-p", str(SHORT), "-n", str(DECODE + 1), "--sequences", "4", tier=tier)
        return {
            "decode": short["decode_tok_s"],
            "prefill": long["prefill_tok_s"],
            "scored": long.get("score_tok_s"),
            "batch4": batch["decode_tok_s"],
            "first_token_s": short["first_token_s"],
            "peak_mb": max(short["peak_rss_mb"], long["peak_rss_mb"]),
            "bytes": short["weight_bytes"] + short["cache_bytes"],
            "tier": short["tier"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--kshot", type=Path, default=HERE.parents[1] / "target" / "release" / "kshot")
    parser.add_argument("--shapes", default="124m,355m")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tiers", default="avx2", help="lower tiers to force kshot to, besides the processor's own")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    python = install(options.out.resolve())
    if Path(sys.executable).resolve() != python.resolve() or sys.prefix == sys.base_prefix:
        os.execv(python, [str(python), *sys.argv])

    from checkpoints import prepare

    result = {"cpu": cpu(), "threads": options.threads, "versions": versions(), "shapes": {}}
    for shape in options.shapes.split(","):
        folder = prepare(options.out, shape)
        result["shapes"][shape] = contest(options, shape, folder)
        (options.out / "result.json").write_text(json.dumps(result, indent=1))
    text = report(result)
    (options.out / "result.md").write_text(text)
    print(text)


def contest(options: argparse.Namespace, shape: str, folder: Path) -> list[dict]:
    bench = Bench(options, folder)
    rivals: dict[tuple[str, str], Rival] = {}
    for _, _, names in CLASSES:
        for name, dtype in names:
            model = {
                "llama.cpp": options.out / f"gpt2-{shape}-{dtype}.gguf",
                "transformers": folder,
                "ctranslate2": options.out / f"gpt2-{shape}-ct2-{dtype}",
            }[name]
            print(f"loading {name} {dtype}", flush=True)
            try:
                rivals[name, dtype] = Rival(name, dtype, model, options.threads)
            except RuntimeError as error:
                print(f"{name} {dtype} cannot run here: {error}", flush=True)
    tiers = [None, *(tier for tier in options.tiers.split(",") if tier)]
    turns = [("kshot", dtype, tier) for _, ours, _ in CLASSES for dtype in ours for tier in tiers]
    turns += [(name, dtype, None) for name, dtype in rivals]
    rounds = []
    try:
        for round_number in range(options.rounds + 1):
            measured = []
            # Every other round goes backwards, so that nobody always comes after the same one.
            for name, dtype, tier in turns if round_number % 2 else reversed(turns):
                before = bench.probe()
                if name == "kshot":
                    got = bench.measure(dtype, tier)
                else:
                    score = name == "transformers"
                    got = rivals[name, dtype].measure({"prefill": PREFILL, "short": SHORT, "decode": DECODE, "score": score})
                    got = {
                        "decode": DECODE / got["decode_s"],
                        "prefill": PREFILL / got["prefill_s"],
                        "scored": PREFILL / got["score_s"] if got["score_s"] else None,
                    }
                after = bench.probe()
                got |= {
                    "name": name,
                    "dtype": dtype,
                    "tier_asked": tier,
                    "memory": max(before["memory_gb_s"], after["memory_gb_s"]),
                    "arithmetic": max(before["arithmetic"]["giga_per_s"], after["arithmetic"]["giga_per_s"]),
                }
                measured.append(got)
                print(f"{shape} round {round_number} {name} {dtype} {tier or ''}: decode {got['decode']:.1f}, "
                      f"prefill {got['prefill']:.0f}, memory {got['memory']:.1f} GB/s", flush=True)
            if round_number:
                rounds.append(measured)
    finally:
        for rival in rivals.values():
            rival.end()
    return rounds


def cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def versions() -> dict:
    from importlib.metadata import version

    names = ["torch", "transformers", "ctranslate2", "llama-cpp-python"]
    return {name: version(name) for name in names}


def spread(values: list[float], digits: int = 1) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def report(result: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    out = [f"{result['cpu']}, {result['threads']} threads; {versions}. Medians (least to greatest)."]
    for shape, rounds in result["shapes"].items():
        def of(name: str, dtype: str, tier: str | None = None) -> list[dict]:
            key = (name, dtype, tier)
            return [m for r in rounds for m in r if (m["name"], m["dtype"], m["tier_asked"]) == key]

        probes = [m["memory"] for r in rounds for m in r]
        peak = max(m["arithmetic"] for r in rounds for m in r)
        out += ["", f"## GPT-2 {shape}, {len(rounds)} rounds", ""]
        out += [f"Memory read by all threads: {spread(probes)} GB/s; multiply-adds of f32 in registers: {peak:.0f} GFLOP/s.", ""]
        out += ["| | decode tok/s | share of the bus | kshot / it | prefill tok/s | kshot / it | all scored tok/s |", "|---|---|---|---|---|---|---|"]
        for title, ours, theirs in CLASSES:
            for dtype in ours:
                base = of("kshot", dtype)
                bytes_read = base[0]["bytes"]
                tiers = sorted({m["tier_asked"] for r in rounds for m in r if m["name"] == "kshot"}, key=str)
                for tier in sorted(tiers, key=lambda tier: tier is not None):
                    mine = of("kshot", dtype, tier)
                    share = [m["decode"] * m["bytes"] / m["memory"] / 1e9 * 100 for m in mine]
                    label = f"**kshot {dtype}** {mine[0]['tier']}"
                    scored = [m["scored"] for m in mine if m.get("scored")]
                    out.append(f"| {label} | {spread([m['decode'] for m in mine])} | {spread(share, 0)} % | | "
                               f"{spread([m['prefill'] for m in mine], 0)} | | {spread(scored, 0) if scored else ''} |")
            for name, dtype in theirs:
                if not (them := of(name, dtype)):
                    out.append(f"| {name} {dtype} | cannot run here | | | | | |")
                    continue
                # Weights of int8 have one scale a row, so its bytes are a little fewer; nothing is made of the difference.
                share = [m["decode"] * bytes_read / m["memory"] / 1e9 * 100 for m in them]
                faster = [a["decode"] / b["decode"] for a, b in zip(base, them)]
                prefill = [a["prefill"] / b["prefill"] for a, b in zip(base, them)]
                scored = [m["scored"] for m in them if m.get("scored")]
                out.append(f"| {name} {dtype} | {spread([m['decode'] for m in them])} | {spread(share, 0)} % | {spread(faster, 2)} | "
                           f"{spread([m['prefill'] for m in them], 0)} | {spread(prefill, 2)} | {spread(scored, 0) if scored else ''} |")
        out += ["", "| kshot | cost of a batch of 4 | first token s | peak MB | share of the arithmetic in prefill |", "|---|---|---|---|---|"]
        for _, ours, _ in CLASSES:
            for dtype in ours:
                mine = of("kshot", dtype)
                cost = [4 * m["decode"] / m["batch4"] for m in mine]
                flop = prefill_flop(shape)
                share = [m["prefill"] * flop / m["arithmetic"] / 1e9 * 100 for m in mine]
                out.append(f"| {dtype} | {spread(cost, 2)} | {spread([m['first_token_s'] for m in mine], 2)} | "
                           f"{statistics.median(m['peak_mb'] for m in mine):.0f} | {spread(share, 0)} % |")
    return "\n".join(out) + "\n"


def prefill_flop(shape: str) -> float:
    """Floating-point operations a token of a prefill of 512: products with weights, and attention over what is seen."""
    from checkpoints import SHAPES, VOCABULARY

    layers, width, _ = SHAPES[shape]
    head = 2 * VOCABULARY * width / PREFILL
    return layers * (2 * 12 * width * width + 4 * width * (PREFILL + 1) / 2) + head


if __name__ == "__main__":
    main()
