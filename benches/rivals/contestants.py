"""One rival in a process of its own: `contestants.py RIVAL DTYPE MODEL THREADS`, then a line of JSON for each question.

A question is {"prefill": P, "short": S, "decode": N, "score": bool}; the answer has seconds: `prefill_s` for P tokens with
the head on the last position alone, `decode_s` for N tokens drawn greedily after S, `score_s` for P tokens with the
log-probabilities of all positions (null where the rival is not asked).
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
            self.measure(64, 8, 4, False)
            taken = sum(self.measure(512, 8, 16, False)[key] * weight for key, weight in (("prefill_s", 1), ("decode_s", 4)))
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

    def measure(self, prefill: int, short: int, decode: int, score: bool) -> dict:
        clear = lambda: self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)
        clear()
        begun = time.perf_counter()
        self.run(prompt(prefill, 1))
        self.best_token()
        prefill_s = time.perf_counter() - begun
        clear()
        self.run(prompt(short, 2))
        token = self.best_token()
        begun = time.perf_counter()
        for _ in range(decode):
            self.run([token])
            token = self.best_token()
        return {"prefill_s": prefill_s, "decode_s": time.perf_counter() - begun, "score_s": None}


class Transformers:
    def __init__(self, dtype: str, model: str, threads: int) -> None:
        import torch
        import transformers

        self.torch = torch
        torch.set_num_threads(threads)
        transformers.logging.set_verbosity_error()
        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        self.model = transformers.GPT2LMHeadModel.from_pretrained(model, dtype=kind, attn_implementation="sdpa").eval()

    def measure(self, prefill: int, short: int, decode: int, score: bool) -> dict:
        torch = self.torch
        with torch.inference_mode():
            ids = torch.tensor([prompt(prefill, 1)])
            begun = time.perf_counter()
            self.model(ids, use_cache=True, logits_to_keep=1).logits.argmax(-1)
            prefill_s = time.perf_counter() - begun
            score_s = None
            if score:
                begun = time.perf_counter()
                logits = self.model(ids, use_cache=True).logits[0].float()
                torch.log_softmax(logits, -1).topk(512)
                score_s = time.perf_counter() - begun
            out = self.model(torch.tensor([prompt(short, 2)]), use_cache=True, logits_to_keep=1)
            token = out.logits[:, -1:].argmax(-1)
            begun = time.perf_counter()
            for _ in range(decode):
                out = self.model(token, past_key_values=out.past_key_values, use_cache=True)
                token = out.logits[:, -1:].argmax(-1)
            return {"prefill_s": prefill_s, "decode_s": time.perf_counter() - begun, "score_s": score_s}


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

    def measure(self, prefill: int, short: int, decode: int, score: bool) -> dict:
        prefill_s = self.generate(prompt(prefill, 1), 1)
        first = self.generate(prompt(short, 2), 1)
        return {"prefill_s": prefill_s, "decode_s": self.generate(prompt(short, 2), decode + 1) - first, "score_s": None}


RIVALS = {"llama.cpp": Llama, "transformers": Transformers, "ctranslate2": CTranslate2}


def main() -> None:
    rival, dtype, model, threads = sys.argv[1:]
    contestant = RIVALS[rival](dtype, model, int(threads))
    print(json.dumps({"ready": True, "flash": getattr(contestant, "flash", None)}), flush=True)
    for line in sys.stdin:
        print(json.dumps(contestant.measure(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
