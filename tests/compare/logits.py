"""kshot's numbers beside transformers' on one checkpoint folder: token ids, log-probabilities, greedy text.

    python3 -m venv /tmp/compare && . /tmp/compare/bin/activate
    pip install torch==2.15.0 transformers==5.23.0 safetensors==0.8.0 numpy
    cargo build --release
    python tests/compare/logits.py MODEL_DIR target/release/kshot [--tolerance 1e-3]

MODEL_DIR is a GPT-2 checkpoint with vocab.json and merges.txt or tokenizer.json: a real one, or random weights with the
real vocabulary (make_gpt2_124m.py --vocab). Each text goes through `kshot score --json --top 5`, also with --bos and
longer than the context in rolling windows (lm-evaluation-harness, get_rolling_token_windows with context 1), and each
prompt through `kshot generate --json --preset greedy`. The reference runs in f32 with eager attention. Ids, ranks, the
next tokens and greedy continuations must be equal, except where transformers' own gap is below the tolerance, which is
then printed; the script prints the greatest differences and ends with 1 if anything is off.
"""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer, GPT2LMHeadModel

TEXTS = [
    "Hello",
    " ",
    "\n",
    "Hello, my dog is a little bit of a mess.",
    "Translate it, I love computer, 我爱计算机",
    "english sentence = french sentence\nI love computers = J'adore les ordinateurs\nGood night =",
    "  two  spaces\tand a tab \n\n newlines and trailing space ",
    "It's they're we've I'd don't 1234567 3.14 a_b $%^&*() https://example.org/?q=1",
    "emoji 👨‍👩‍👧 flags 🇫🇷 combining e\u0301 ｆｕｌｌ width, ไทย, עברית, русский, 日本語テキスト",
    "<|endoftext|>A document.<|endoftext|>Another one, <|endoftext| not special",
    "zero\u200bwidth, soft\u00adhyphen, nbsp\u00a0here, bom\ufeff, line\u2028separator",
    "Q: What is 98 plus 45?\nA:" + " 143\n\nQ: What is 12 plus 7?\nA: 19\n\n" * 12,
]
PROMPTS = TEXTS[0:1] + TEXTS[3:6] + TEXTS[9:10] + ["Today, I", "Hello, my dog is a little"]
NEW = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, metavar="MODEL_DIR")
    parser.add_argument("kshot", type=Path, metavar="KSHOT_BINARY")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="of a log-probability, in nats")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    comparison = Comparison(options)
    for text in TEXTS:
        comparison.score(text, bos=False)
        comparison.score(text, bos=True)
    context = comparison.model.config.n_positions
    comparison.score(long_text(comparison.tokenizer, 2 * context + context // 3), bos=True)
    for prompt in PROMPTS:
        comparison.generate(prompt)
    comparison.report()


def long_text(tokenizer, tokens: int) -> str:
    text, n = "", 0
    while len(tokenizer(text).input_ids) < tokens:
        n += 1
        text += f"Line {n} of a text that is longer than the context; {n} times {n} is {n * n}.\n"
    return text


class Comparison:
    def __init__(self, options):
        self.options, self.failures, self.greatest, self.ties = options, [], {}, []
        self.tokenizer = AutoTokenizer.from_pretrained(options.model)
        self.model = GPT2LMHeadModel.from_pretrained(options.model, dtype=torch.float32, attn_implementation="eager").eval()
        self.start = self.tokenizer.convert_tokens_to_ids("<|endoftext|>")
        self.compared = 0

    def kshot(self, text: str, *arguments: str) -> dict | None:
        command = [str(self.options.kshot), arguments[0], "-m", str(self.options.model), "--json", *arguments[1:]]
        done = subprocess.run(command, input=text.encode(), capture_output=True)
        if done.returncode:
            self.fail(text, f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
            return None
        return json.loads(done.stdout)

    @torch.inference_mode()
    def logprobs(self, ids: list[int]) -> torch.Tensor:
        return torch.log_softmax(self.model(torch.tensor([ids])).logits[0].double(), dim=-1)

    def rows(self, ids: list[int], bos: bool) -> tuple[list[torch.Tensor | None], torch.Tensor]:
        """For each token the distribution that predicts it (None for a first one without bos), then the next one."""
        limit, given = self.model.config.n_positions, [self.start] if bos else []
        if len(given) + len(ids) <= limit:
            found = list(self.logprobs(given + ids))
            return ([] if bos else [None]) + found[:-1], found[-1]
        assert bos, "rolling windows start from the bos token"
        found, whole = [], given + ids
        for first in range(0, len(ids), limit):
            last = min(first + limit, len(ids))
            window = self.logprobs(whole[max(0, last - limit) : last])
            found += list(window[first - last :])
        return found, self.logprobs(whole[-limit:])[-1]

    def score(self, text: str, bos: bool) -> None:
        got = self.kshot(text, "score", "--top", "5", *(["--bos"] if bos else []))
        if got is None:
            return
        ids = self.tokenizer(text, add_special_tokens=False).input_ids
        tokens = got["tokens"]
        if [t["id"] for t in tokens] != ids:
            return self.fail(text, f"other ids: {[t['id'] for t in tokens]}, transformers {ids}")
        if b"".join(bytes.fromhex(t["bytes"]) for t in tokens) != text.encode():
            self.fail(text, "the tokens' bytes are not the text")
        rows, next_row = self.rows(ids, bos)
        total, scored_bytes, scored = 0.0, 0, 0
        for i, (token, row) in enumerate(zip(tokens, rows)):
            if row is None:
                if token["logprob"] is not None:
                    self.fail(text, "the first token has a log-probability without --bos")
                continue
            logprob = row[ids[i]].item()
            total, scored, scored_bytes = total + logprob, scored + 1, scored_bytes + len(token["bytes"]) // 2
            self.near(text, "logprob", token["logprob"], logprob, f"token {i}")
            self.near(text, "entropy_bits", token["entropy"], torch.special.entr(row.exp()).sum().item() / math.log(2), f"token {i}")
            ahead, level = (row > logprob).sum().item(), (row - logprob).abs() < self.options.tolerance
            if token["rank"] != ahead + 1 and abs(token["rank"] - ahead - 1) >= level.sum().item():
                self.fail(text, f"token {i} has rank {token['rank']}, transformers {ahead + 1}")
        self.compared += scored
        if scored:
            self.near(text, "total_logprob", got["total_logprob"], total, "sum", scale=scored)
            self.near(text, "log_perplexity", math.log(got["perplexity"]), -total / scored, "mean")
            self.near(text, "bits_per_byte", got["bits_per_byte"], -total / math.log(2) / scored_bytes, "mean")
        self.compare_next(text, got["next"], next_row)

    def compare_next(self, text: str, got: list, row: torch.Tensor) -> None:
        best = row.topk(5)
        if len(got) != 5:
            return self.fail(text, f"{len(got)} next tokens instead of 5")
        for place, (token, logprob) in enumerate(zip(best.indices.tolist(), best.values.tolist())):
            self.near(text, "next_logprob", got[place][2], logprob, f"place {place + 1}")
            if got[place][0] != token:
                self.tie_or_fail(text, f"place {place + 1} of next", abs(row[got[place][0]].item() - logprob))

    def generate(self, prompt: str) -> None:
        got = self.kshot(prompt, "generate", "--preset", "greedy", "-n", str(NEW), "--threads", str(self.options.threads))
        if got is None:
            return
        ids = self.tokenizer(prompt, add_special_tokens=False).input_ids
        if got["prompt_ids"] != ids:
            return self.fail(prompt, f"other prompt ids: {got['prompt_ids']}, transformers {ids}")
        whole = self.model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=NEW, pad_token_id=self.start)
        expected = whole[0, len(ids):].tolist()
        ended = expected[-1] == self.start
        # Whether the end token itself is among the ids is the program's choice.
        mine = got["ids"][:-1] if ended and got["ids"][-1:] == [self.start] else got["ids"]
        expected = expected[:-1] if ended else expected
        if got["finish_reason"] != ("eos" if ended else "length"):
            self.fail(prompt, f"finish_reason {got['finish_reason']}, transformers {'eos' if ended else 'length'}")
        if mine == expected:
            return
        place = next((i for i, (a, b) in enumerate(zip(mine, expected)) if a != b), min(len(mine), len(expected)))
        row = self.logprobs(ids + expected[:place])[-1]
        best, second = row.topk(2).values.tolist()
        self.tie_or_fail(prompt, f"greedy token {place + 1}: {mine[place:]} instead of {expected[place:]}", best - second)

    def near(self, text: str, what: str, got: float, expected: float, where: str, scale: float = 1.0) -> None:
        difference = abs(got - expected) / scale
        self.greatest[what] = max(self.greatest.get(what, 0.0), difference)
        if not difference <= self.options.tolerance:
            self.fail(text, f"{what} of {where}: {got}, transformers {expected}")

    def tie_or_fail(self, text: str, what: str, gap: float) -> None:
        if gap < self.options.tolerance:
            self.ties.append(f"{text[:40]!r}: {what} (a gap of {gap:.1e} in transformers)")
        else:
            self.fail(text, f"{what} (a gap of {gap:.3g} in transformers)")

    def fail(self, text: str, what: str) -> None:
        self.failures.append(f"{text[:40]!r}: {what}")

    def report(self) -> None:
        print(f"torch {torch.__version__}, transformers {transformers.__version__}, f32, {self.options.threads} threads")
        print(f"{len(TEXTS)} texts, {self.compared} scored tokens, {len(PROMPTS)} prompts of {NEW} greedy tokens")
        for what, difference in self.greatest.items():
            print(f"  greatest difference of {what:16}{difference:.2e}")
        for tie in self.ties:
            print(f"  tie: {tie}")
        for failure in self.failures:
            print(f"  FAILED {failure}")
        sys.exit(1 if self.failures else 0)


if __name__ == "__main__":
    main()
