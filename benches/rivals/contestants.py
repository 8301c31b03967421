"""One rival in a process of its own: `contestants.py RIVAL DTYPE MODEL THREADS`, then a line of JSON for each question.

A question is {"what": "decode" or "prefill", "prefill": P, "short": S, "decode": N}. The answer to the first has `rate`,
tokens a second of N drawn greedily after S; that to the second has `rate` of P tokens with the head on the last position
alone, and `scored`, the same with the log-probabilities and the 512 likeliest tokens of all positions, where the contestant
gives them.
"""

import json
import sys
import time


def prompt(length: int, salt: int) -> list[int]:
    return [(salt + at * 7919) % 50257 for at in range(length)]


class Llama:
    def __init__(self, dtype: str, model: str, threads: int) -> None:
        import ctypes

        import llama_cpp
        import numpy as np

        self.lib, self.np, self.ctypes = llama_cpp, np, ctypes
        self.quiet = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self.quiet, ctypes.c_void_p(0))
        self.model = llama_cpp.llama_model_load_from_file(model.encode(), llama_cpp.llama_model_default_params())
        self.best, self.context = None, None
        # Its best settings: with and without flash attention, the faster counts.
        for flash in (0, 1):
            params = llama_cpp.llama_context_default_params()
            params.n_ctx, params.n_batch, params.n_ubatch = 1024, 512, 512
            params.n_threads = params.n_threads_batch = threads
            params.flash_attn_type = flash
            context = llama_cpp.llama_init_from_model(self.model, params)
            old, self.context = self.context, context
            self.prefill(64)
            taken = self.prefill(512) + 4 * self.decode(8, 16)
            if self.best is None or taken < self.best:
                self.best, self.flash = taken, flash
                if old:
                    llama_cpp.llama_free(old)
            else:
                llama_cpp.llama_free(context)
                self.context = old

    def run(self, ids: list[int]) -> None:
        tokens = (self.lib.llama_token * len(ids))(*ids)
        if self.lib.llama_decode(self.context, self.lib.llama_batch_get_one(tokens, len(ids))):
            raise RuntimeError("llama_decode failed")

    def best_token(self) -> int:
        logits = self.lib.llama_get_logits_ith(self.context, -1)
        return int(self.np.ctypeslib.as_array(logits, shape=(50257,)).argmax())

    def clear(self) -> None:
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)

    def prefill(self, count: int) -> float:
        self.clear()
        begun = time.perf_counter()
        self.run(prompt(count, 1))
        self.best_token()
        return time.perf_counter() - begun

    def decode(self, short: int, count: int) -> float:
        self.clear()
        self.run(prompt(short, 2))
        token = self.best_token()
        begun = time.perf_counter()
        for _ in range(count):
            self.run([token])
            token = self.best_token()
        return time.perf_counter() - begun


class Transformers:
    def __init__(self, dtype: str, model: str, threads: int) -> None:
        import torch
        import transformers

        self.torch = torch
        torch.set_num_threads(threads)
        transformers.logging.set_verbosity_error()
        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        self.model = transformers.GPT2LMHeadModel.from_pretrained(model, dtype=kind, attn_implementation="sdpa").eval()

    def prefill(self, count: int) -> float:
        with self.torch.inference_mode():
            ids = self.torch.tensor([prompt(count, 1)])
            begun = time.perf_counter()
            self.model(ids, use_cache=True, logits_to_keep=1).logits.argmax(-1)
            return time.perf_counter() - begun

    def score(self, count: int) -> float:
        with self.torch.inference_mode():
            ids = self.torch.tensor([prompt(count, 1)])
            begun = time.perf_counter()
            logits = self.model(ids, use_cache=True).logits[0].float()
            self.torch.log_softmax(logits, -1).topk(512)
            return time.perf_counter() - begun

    def decode(self, short: int, count: int) -> float:
        with self.torch.inference_mode():
            out = self.model(self.torch.tensor([prompt(short, 2)]), use_cache=True, logits_to_keep=1)
            token = out.logits[:, -1:].argmax(-1)
            begun = time.perf_counter()
            for _ in range(count):
                out = self.model(token, past_key_values=out.past_key_values, use_cache=True)
                token = out.logits[:, -1:].argmax(-1)
            return time.perf_counter() - begun


class CTranslate2:
    def __init__(self, dtype: str, model: str, threads: int) -> None:
        import ctranslate2

        kind = {"f32": "float32", "bf16": "bfloat16", "int8": "int8"}[dtype]
        self.generator = ctranslate2.Generator(model, device="cpu", compute_type=kind, inter_threads=1, intra_threads=threads)
        from checkpoints import byte_tokens

        self.tokens = byte_tokens()

    def generate(self, ids: list[int], count: int) -> float:
        words = [self.tokens[id] for id in ids]
        begun = time.perf_counter()
        self.generator.generate_batch(
            [words], max_length=count, min_length=count, sampling_topk=1, beam_size=1, include_prompt_in_result=False
        )
        return time.perf_counter() - begun

    def prefill(self, count: int) -> float:
        return self.generate(prompt(count, 1), 1)

    def decode(self, short: int, count: int) -> float:
        first = self.generate(prompt(short, 2), 1)
        return self.generate(prompt(short, 2), count + 1) - first


RIVALS = {"llama.cpp": Llama, "transformers": Transformers, "ctranslate2": CTranslate2}


def main() -> None:
    rival, dtype, model, threads = sys.argv[1:]
    contestant = RIVALS[rival](dtype, model, int(threads))
    print(json.dumps({"ready": True, "flash": getattr(contestant, "flash", None)}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["what"] == "decode":
            answer = {"rate": asked["decode"] / contestant.decode(asked["short"], asked["decode"])}
        else:
            count = asked["prefill"]
            answer = {"rate": count / contestant.prefill(count)}
            answer["scored"] = count / contestant.score(count) if hasattr(contestant, "score") else None
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
