"""kshot beside llama.cpp, transformers and CTranslate2: the same shapes, prompts and threads, in turns, in one run.

    cargo build --release
    python3 benches/rivals/rivals.py OUT [--shapes 124m,355m] [--rounds 4] [--slices 3] [--threads 2]

OUT is a folder for everything: a virtual environment with the rivals (installed from PyPI, llama.cpp built for this
processor), the checkpoints, `result.json` and `result.md`. The first run installs and takes long; later ones measure.

A round goes through the classes of precision. Within a class the contestants decode in turns, several times over, every
other time backwards, so that those who are compared stand next to each other; then they prefill in turns. Each is a
process of its own that is stopped (SIGSTOP) while another is measured; kshot is measured through its own command, a fresh
process each turn. Everybody runs once before the first round, uncounted. Between any two turns `kshot bench --probe` reads
memory in several ways; a contestant's share of the bus is the bytes of weights and cache it reads a second over the better
of the two probes around its turn. Ratios are of neighbouring turns, kshot / rival: median, least and greatest.
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
PREFILL, SHORT, DECODE, BATCH = 512, 8, 64, 4

# Classes of precision: kshot's dtype, and what the rivals have of it.
CLASSES = {
    "f32": [("llama.cpp", "f32"), ("transformers", "f32"), ("ctranslate2", "f32")],
    "bf16": [("llama.cpp", "bf16"), ("transformers", "bf16"), ("ctranslate2", "bf16")],
    "f16": [("llama.cpp", "f16")],
    "q8_0": [("llama.cpp", "q8_0"), ("ctranslate2", "int8")],
    "q4_0": [("llama.cpp", "q4_0")],
}


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

    def measure(self, what: str) -> dict:
        question = {"what": what, "prefill": PREFILL, "short": SHORT, "decode": DECODE}
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        self.process.send_signal(signal.SIGSTOP)
        return answer

    def end(self) -> None:
        self.process.kill()


class Kshot:
    """kshot through its command, with weights of one dtype, on one tier of instructions (None: the processor's own)."""

    def __init__(self, options: argparse.Namespace, model: Path, dtype: str, tier: str | None = None, sequences: int = 1) -> None:
        self.command = [options.kshot, "bench", "--json", "--rounds", "2", "--threads", str(options.threads)]
        self.model, self.dtype, self.tier, self.sequences = model, dtype, tier, sequences

    def run(self, *arguments: str) -> dict:
        environment = os.environ | ({"KSHOT_TIER": self.tier} if self.tier else {})
        command = [*self.command, *arguments]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)

    def bench(self, prompt: int, tokens: int, *arguments: str) -> dict:
        model = ["-m", str(self.model), "--dtype", self.dtype, "--sequences", str(self.sequences)]
        return self.run(*model, "-p", str(prompt), "-n", str(tokens), *arguments)

    def probe(self) -> dict:
        return self.run("--probe")

    def measure(self, what: str) -> dict:
        if what == "decode":
            got = self.bench(SHORT, DECODE + 1)
            return {
                "rate": got["decode_tok_s"],
                "bytes": got["weight_bytes"] + got["cache_bytes"],
                "first_token_s": got["first_token_s"],
                "peak_mb": got["peak_rss_mb"],
                "tier": got["tier"],
            }
        score = ["--score"] if self.dtype in ("f32", "bf16") and not self.tier else []
        got = self.bench(PREFILL, 2, *score)
        return {"rate": got["prefill_tok_s"], "scored": got.get("score_tok_s"), "peak_mb": got["peak_rss_mb"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--kshot", type=Path, default=HERE.parents[1] / "target" / "release" / "kshot")
    parser.add_argument("--shapes", default="124m,355m")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--slices", type=int, default=3, help="how often everybody decodes in a round")
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
    """All turns: `{"what", "class", "name", "label", "time", "rate", "memory", ...}`; those of one `time` are neighbours."""
    prober = Kshot(options, folder, "f32")
    tiers = [tier for tier in options.tiers.split(",") if tier]
    classes: dict[str, dict[str, Kshot | Rival]] = {}
    for dtype, rivals in CLASSES.items():
        classes[dtype] = {"kshot": Kshot(options, folder, dtype)}
        classes[dtype] |= {f"kshot {tier}": Kshot(options, folder, dtype, tier) for tier in tiers}
        classes[dtype][f"kshot, batch of {BATCH}"] = Kshot(options, folder, dtype, sequences=BATCH)
        for name, kind in rivals:
            model = {
                "llama.cpp": options.out / f"gpt2-{shape}-{kind}.gguf",
                "transformers": folder,
                "ctranslate2": options.out / f"gpt2-{shape}-ct2-{kind}",
            }[name]
            label = f"{name} {kind}"
            print(f"loading {label}", flush=True)
            try:
                classes[dtype][label] = Rival(name, kind, model, options.threads)
            except RuntimeError as error:
                print(f"{label} cannot run here: {error}", flush=True)
    turns = []

    def turn(what: str, dtype: str, label: str, time: int, before: dict) -> dict:
        got = classes[dtype][label].measure(what)
        after = prober.probe()
        probes = (before, after)
        got |= {
            "what": what,
            "class": dtype,
            "label": label,
            "time": time,
            "memory": max(probe["memory_gb_s"] for probe in probes),
            "arithmetic": max(probe["arithmetic"]["giga_per_s"] for probe in probes),
        }
        turns.append(got)
        print(f"{shape} {time} {dtype} {label}: {what} {got['rate']:.1f} tok/s, memory {got['memory']:.1f} GB/s", flush=True)
        return after

    try:
        for contestants in classes.values():
            for contestant in contestants.values():
                for what in ("decode", "prefill") if isinstance(contestant, Rival) else ("decode",):
                    contestant.measure(what)
        time = 0
        for _ in range(options.rounds):
            for dtype, contestants in classes.items():
                probe = prober.probe()
                for what in ["decode"] * options.slices + ["prefill"]:
                    time += 1
                    # Every other time goes backwards, so that nobody always comes after the same one.
                    for label in list(contestants)[:: 1 if time % 2 else -1]:
                        if what == "decode" or "batch" not in label:
                            probe = turn(what, dtype, label, time, probe)
    finally:
        for contestants in classes.values():
            for contestant in contestants.values():
                if isinstance(contestant, Rival):
                    contestant.end()
    return turns


def cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def versions() -> dict:
    from importlib.metadata import version

    names = ["torch", "transformers", "ctranslate2", "llama-cpp-python"]
    return {name: version(name) for name in names}


def spread(values: list[float], digits: int = 1) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})" if values else ""


def report(result: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    out = [f"{result['cpu']}, {result['threads']} threads; {versions}. Medians (least to greatest)."]
    for shape, turns in result["shapes"].items():
        def of(what: str, dtype: str, label: str) -> dict[int, dict]:
            return {t["time"]: t for t in turns if (t["what"], t["class"], t["label"]) == (what, dtype, label)}

        def rates(turns: dict[int, dict], digits: int = 1) -> str:
            return spread([turn["rate"] for turn in turns.values()], digits)

        def ratios(ours: dict[int, dict], theirs: dict[int, dict]) -> str:
            return spread([turn["rate"] / theirs[time]["rate"] for time, turn in ours.items() if time in theirs], 2)

        peak = max(turn["arithmetic"] for turn in turns)
        decodes = max(len(of("decode", dtype, "kshot")) for dtype in CLASSES)
        prefills = max(len(of("prefill", dtype, "kshot")) for dtype in CLASSES)
        out += ["", f"## GPT-2 {shape}: {decodes} turns of decoding, {prefills} of prefill", ""]
        out += [f"Memory read by all threads: {spread([turn['memory'] for turn in turns])} GB/s; "
                f"multiply-adds of f32 in registers: {peak:.0f} GFLOP/s.", ""]
        out += ["| | decode tok/s | share of the bus | kshot / it | prefill tok/s | kshot / it | all scored tok/s |", "|---|---|---|---|---|---|---|"]
        for dtype, rivals in CLASSES.items():
            ours, prefill = of("decode", dtype, "kshot"), of("prefill", dtype, "kshot")
            read = next(iter(ours.values()))["bytes"]
            mine = [label for label in dict.fromkeys(t["label"] for t in turns if t["class"] == dtype) if label.startswith("kshot")]
            for label in sorted(label for label in mine if "batch" not in label) + [f"{name} {kind}" for name, kind in rivals]:
                decode, filled = of("decode", dtype, label), of("prefill", dtype, label)
                if not decode:
                    out.append(f"| {label} | cannot run here | | | | | |")
                    continue
                # Weights of int8 have one scale a row, so its bytes are a little fewer; nothing is made of the difference.
                share = spread([turn["rate"] * read / turn["memory"] / 1e9 * 100 for turn in decode.values()], 0)
                scored = spread([turn["scored"] for turn in filled.values() if turn.get("scored")], 0)
                rival = not label.startswith("kshot")
                name = label if rival else f"**kshot {dtype}** {next(iter(decode.values()))['tier']}"
                out.append(f"| {name} | {rates(decode)} | {share} % | {ratios(ours, decode) if rival else ''} | "
                           f"{rates(filled, 0)} | {ratios(prefill, filled) if rival else ''} | {scored} |")
        out += ["", f"| kshot | cost of a batch of {BATCH} | first token s | peak MB | share of the arithmetic in prefill |", "|---|---|---|---|---|"]
        for dtype in CLASSES:
            ours, prefill, batch = of("decode", dtype, "kshot"), of("prefill", dtype, "kshot"), of("decode", dtype, f"kshot, batch of {BATCH}")
            cost = [BATCH * turn["rate"] / batch[time]["rate"] for time, turn in ours.items()]
            flop = prefill_flop(shape)
            share = [turn["rate"] * flop / turn["arithmetic"] / 1e9 * 100 for turn in prefill.values()]
            memory = [turn["peak_mb"] for turn in [*ours.values(), *prefill.values()]]
            out.append(f"| {dtype} | {spread(cost, 2)} | {spread([turn['first_token_s'] for turn in ours.values()], 2)} | "
                       f"{max(memory):.0f} | {spread(share, 0)} % |")
    return "\n".join(out) + "\n"


def prefill_flop(shape: str) -> float:
    """Floating-point operations a token of a prefill of 512: products with weights, and attention over what is seen."""
    from checkpoints import SHAPES, VOCABULARY

    layers, width, _ = SHAPES[shape]
    head = 2 * VOCABULARY * width / PREFILL
    return layers * (2 * 12 * width * width + 4 * width * (PREFILL + 1) / 2) + head


if __name__ == "__main__":
    main()
