"""A pull of a large checkpoint through a hub that cuts connections, killed again and again.

Recipe (Python's standard library is enough):

    cargo build --release --bins --examples
    python tests/python/hub_kills.py target/release FOLDER [--kills 20]

FOLDER is a checkpoint with weights and vocabulary (tests/goldens/make_gpt2_124m.py makes one). Each body that the hub
sends ends after 1 to 64 MB. `kshot models pull` is killed (SIGKILL) after a random share of a second, `--kills` times,
then runs to its end; what lies in the cache must have the hashes of what was served, and a second pull with
HF_HUB_OFFLINE must need no network. Prints figures; the exit code is 0 if all holds.
"""

import argparse
import hashlib
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

REPO = "tester/large"


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    folder = options.folder.resolve()
    work = pathlib.Path(tempfile.mkdtemp())
    (work / "served" / "tester").mkdir(parents=True)
    (work / "served" / REPO).symlink_to(folder)
    server = subprocess.Popen(
        [options.bin / "examples/loopback_hub", "--dir", work / "served", "--fault", "cuts"],
        stdout=subprocess.PIPE,
        text=True,
    )
    endpoint = next(line.strip() for line in server.stdout if line.startswith("http"))
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and "proxy" not in k.lower()}
    env = clean | {"HF_ENDPOINT": endpoint, "HF_HOME": str(work / "home"), "HOME": str(work)}
    pull = [options.bin.resolve() / "kshot", "models", "pull", REPO]

    def partial():
        return sum(p.stat().st_size for p in (work / "home").rglob("*") if p.is_file() and p.name.endswith("-partial"))

    chance, lost, kept = random.Random(124), 0, []
    try:
        for kill in range(options.kills):
            before = partial()
            running = subprocess.Popen(pull, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0.05, 0.9))
            done = running.poll() is not None
            running.kill()
            running.wait()
            if done:
                print(f"the pull was over before kill {kill + 1}")
                break
            lost += partial() < before
            kept.append(partial())
        begun = time.monotonic()
        code = subprocess.run(pull, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        took = time.monotonic() - begun
        landed = pathlib.Path(code.stdout.strip())
        same = all(digest(landed / f.name) == digest(f) for f in folder.iterdir() if (landed / f.name).exists())
        names = {"config.json", "model.safetensors", "vocab.json", "merges.txt"}
        whole = names <= {f.name for f in landed.iterdir()}
        verify = subprocess.run([*pull[:2], "verify", REPO], env=env, stdout=subprocess.DEVNULL).returncode
    finally:
        server.kill()
        server.wait()
    begun = time.monotonic()
    offline = subprocess.run(pull, env=env | {"HF_HUB_OFFLINE": "1"}, stdout=subprocess.DEVNULL).returncode
    instant = time.monotonic() - begun
    size = (folder / "model.safetensors").stat().st_size
    print(f"{size / 1e6:.0f} MB, {len(kept)} kills; after each, MB kept: {[round(k / 1e6) for k in kept]}")
    print(f"kills that lost bytes: {lost}; the last run took {took:.1f} s")
    print(f"hashes as served: {same}; all files: {whole}; models verify: exit code {verify}")
    print(f"second pull, offline, hub gone: exit code {offline} in {instant * 1e3:.0f} ms")
    good = code.returncode == 0 and same and whole and verify == 0 and offline == 0 and lost == 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
