"""What `kshot train` writes, loaded by transformers: tokenizers, weights, log-probabilities.

    python3 -m venv /tmp/compare && . /tmp/compare/bin/activate
    pip install torch==2.15.0 transformers==5.24.0 safetensors==0.8.0 numpy
    cargo build --release
    python tests/python/train_loads.py target/release/kshot [--model DIR ...] [--tolerance 1e-4]

A tiny model is trained on a small text for each kind of vocabulary; each folder, its 16-bit export, and each further
DIR (assets/builtin, say) goes through the same checks. GPT2LMHeadModel must find every weight that it
wants and no other. PreTrainedTokenizerFast (from tokenizer.json) and AutoTokenizer (from the folder) must give the ids of
`kshot tokens --json` and get the text back from them. The log-probabilities of `kshot score --json`, with and without
--bos, longer texts in rolling windows, must be those of transformers in f32 within the tolerance. Prints the greatest
difference of each folder; the exit code is 0 if all holds.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer, GPT2LMHeadModel, PreTrainedTokenizerFast

KINDS = {
    "characters": [],
    "bpe": ["--vocab", "300"],
    "words": ["--vocab", "300"],
}
TEXTS = [
    "The river runs to the sea.",
    "english: the cat sleeps. It's they're we've I'd DON'T",
    "café à la mer, naïve Ångström, déjà vu, e\u0301 (combining)",
    "我爱计算机。 川 and 海, 日本語テキスト",
    "waves 🌊🌊, a family 👨‍👩‍👧, a flag 🇫🇷",
    "98 plus 45 is 143; 3.14, 1234567, ١٢٣, ½",
    "two\nlines\n\nand  two  spaces\tand a tab\r\n \n trailing \n",
    "one<|endoftext|>two <|endoftext|> three <|endoftext| not special",
    "zero\u200bwidth, nbsp\u00a0here, line\u2028separator, nul\0",
    "<|endoftext|>",
    " ",
    "a",
    "The river runs to the sea, and the sea is wide.\n" * 8,
]


def documents() -> list[str]:
    """A text of a few kinds of characters, which repeats itself as little models like it."""
    animals, places = ["cat", "dog", "café owner", "naïve fox"], ["river", "sea", "forêt", "mountain"]
    lines = []
    for n in range(120):
        animal, place = animals[n % 4], places[n // 4 % 4]
        lines.append(f"The {animal} runs to the {place}.\n{n} plus {n % 7} is {n + n % 7}. 我爱{'海川山'[n % 3]}。 🌊\n")
    return lines


def train(kshot: Path, kind: str, folder: Path) -> list[Path]:
    text = folder / "text.jsonl"
    text.write_text("".join(json.dumps({"text": line}) + "\n" for line in documents()))
    out, export = folder / kind, folder / f"{kind}-16-bit"
    command = [kshot, "train", text, "--vocabulary", kind, *KINDS[kind], "--layers", "2", "--heads", "2", "--width", "32",
               "--context", "32", "--steps", "30", "--warmup", "5", "--lr", "1e-2", "-o", out, "--export", export]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"kshot train --vocabulary {kind} ended with {done.returncode}: {done.stderr}")
    return [out, export]


class Folder:
    """The checks of one checkpoint folder."""

    def __init__(self, name: str, path: Path, options):
        self.name, self.path, self.options = name, path, options
        self.failures, self.greatest, self.compared = [], 0.0, 0
        self.model, loading = GPT2LMHeadModel.from_pretrained(
            path, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
        self.model.eval()
        for key, values in loading.items():
            if values:
                self.fail(f"loading: {key} {values}")
        self.tokenizers = {}
        for who, load in {
            "PreTrainedTokenizerFast": lambda: PreTrainedTokenizerFast(tokenizer_file=str(path / "tokenizer.json")),
            "AutoTokenizer": lambda: AutoTokenizer.from_pretrained(path),
        }.items():
            try:
                self.tokenizers[who] = load()
            except Exception as error:  # the library's own errors are bare exceptions
                self.fail(f"{who} cannot be loaded: {error}")
        config = self.model.config
        for who, tokenizer in self.tokenizers.items():
            if len(tokenizer) != config.vocab_size:
                self.fail(f"{who}: {len(tokenizer)} entries, the model has {config.vocab_size} rows")
            if tokenizer.convert_tokens_to_ids("<|endoftext|>") != config.eos_token_id:
                self.fail(f"{who}: <|endoftext|> is not config.json's eos_token_id {config.eos_token_id}")

    def kshot(self, text: str, command: str, *arguments: str) -> dict | None:
        command = [str(self.options.kshot), command, "-m", str(self.path), "--json", *arguments]
        done = subprocess.run(command, input=text.encode(), capture_output=True)
        if done.returncode:
            return self.fail(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
        return json.loads(done.stdout)

    def check(self, text: str) -> None:
        got = self.kshot(text, "tokens")
        if got is None:
            return
        ids = got["ids"]
        for who, tokenizer in self.tokenizers.items():
            theirs = tokenizer(text).input_ids
            if theirs != ids:
                self.fail(f"{text[:40]!r}: kshot's ids {short(ids)}, {who}'s {short(theirs)}")
            if (back := tokenizer.decode(ids)) != text:
                self.fail(f"{text[:40]!r}: {who} decodes to {back[:80]!r}")
        self.score(text, ids, bos=False)
        self.score(text, ids, bos=True)

    def score(self, text: str, ids: list[int], bos: bool) -> None:
        got = self.kshot(text, "score", *(["--bos"] if bos else []))
        if got is None:
            return
        if [token["id"] for token in got["tokens"]] != ids:
            return self.fail(f"{text[:40]!r}: kshot scores other ids than it cuts")
        logprobs = [token["logprob"] for token in got["tokens"]]
        if not bos and logprobs.pop(0) is not None:
            self.fail(f"{text[:40]!r}: the first token has a log-probability without --bos")
        for at, (mine, theirs) in enumerate(zip(logprobs, self.logprobs(ids, bos), strict=True)):
            difference = abs(mine - theirs)
            self.greatest, self.compared = max(self.greatest, difference), self.compared + 1
            if not difference <= self.options.tolerance:
                self.fail(f"{text[:40]!r}, bos {bos}: scored token {at} has {mine}, transformers {theirs}")

    @torch.inference_mode()
    def logprobs(self, ids: list[int], bos: bool) -> list[float]:
        """Of every token with one before it, in the windows of `kshot score`."""
        whole, limit, found = ([self.model.config.bos_token_id] if bos else []) + ids, self.model.config.n_positions, []
        for first in range(1, len(whole), limit):
            last = min(first + limit, len(whole))
            logits = self.model(torch.tensor([whole[max(0, last - 1 - limit) : last - 1]])).logits[0, first - last :]
            rows = torch.log_softmax(logits.double(), dim=-1)
            found += rows.gather(1, torch.tensor(whole[first:last])[:, None])[:, 0].tolist()
        return found

    def fail(self, what: str) -> None:
        self.failures.append(what)

    def report(self) -> bool:
        verdict = "FAIL" if self.failures else "ok  "
        classes = ", ".join(type(tokenizer).__name__ for tokenizer in self.tokenizers.values())
        print(f"{verdict} {self.name:18} {self.model.config.vocab_size:6} entries ({classes}), {len(TEXTS)} texts,"
              f" {self.compared} scored tokens, greatest difference {self.greatest:.1e}")
        for failure in self.failures:
            print(f"       {failure}")
        return not self.failures


def short(ids: list[int]) -> str:
    return f"{ids[:16]} ({len(ids)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kshot", type=Path, metavar="KSHOT_BINARY")
    parser.add_argument("--model", type=Path, action="append", default=[], metavar="DIR", help="check this folder too")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of a log-probability, in nats")
    options = parser.parse_args()
    options.kshot = options.kshot.resolve()
    torch.set_num_threads(2)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    holds = True
    with tempfile.TemporaryDirectory() as folder:
        checked = [path for kind in KINDS for path in train(options.kshot, kind, Path(folder))]
        for path in checked + options.model:
            found = Folder(path.name, path, options)
            for text in TEXTS:
                found.check(text)
            holds &= found.report()
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
