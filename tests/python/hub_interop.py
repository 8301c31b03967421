"""Python's huggingface_hub against the loopback hub, and both programs against each other's cache.

Recipe (huggingface_hub 2.4.0 was used; any recent one will do):

    cargo build --release --bins --examples
    python tests/python/hub_interop.py target/release

Every check prints one line; the exit code is 0 if all hold. The server counts as a hub because the Python library,
unchanged, downloads a whole repository from it.
"""

import importlib.metadata
import os
import pathlib
import random
import shutil
import stat
import subprocess
import sys
import tempfile

BIN = pathlib.Path(sys.argv[1]).resolve()
REPO = "tester/tiny"
FILES = {
    "config.json": b'{"model_type": "gpt2"}\n',
    "vocab.json": b"{}\n",
    "merges.txt": b"#version: 0.2\n",
    "generation_config.json": b"{}\n",
    "model.safetensors": random.Random(1).randbytes(3_000_000),
}
failures = 0


def check(name, holds, detail=""):
    global failures
    failures += not holds
    print("ok  " if holds else "FAIL", name, "" if holds else detail)


def environment(endpoint, home, **more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and "proxy" not in k.lower()}
    return env | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "*"} | more


def python(code, env):
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout.strip(), done.stderr.strip()[-400:]


def kshot(env, *args):
    done = subprocess.run([BIN / "kshot", "models", *args], env=env, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout.strip(), done.stderr.strip()[-400:]


def same(folder):
    return all((pathlib.Path(folder) / name).read_bytes() == data for name, data in FILES.items())


SNAPSHOT = f"from huggingface_hub import snapshot_download as s; print(s({REPO!r}))"
OFFLINE_FILES = (
    "from huggingface_hub import hf_hub_download as d\n"
    + "\n".join(f"d({REPO!r}, {name!r})" for name in FILES)
    + f"\nprint(d({REPO!r}, 'config.json').rsplit('/', 1)[0])"
)
SCAN = (
    "from huggingface_hub import scan_cache_dir as s\n"
    "i = s(); assert not i.warnings, i.warnings\n"
    "r, = i.repos; v, = r.revisions; print(r.repo_id, len(v.files), *v.refs)"
)
ABSENT = (
    "from huggingface_hub import try_to_load_from_cache as t, _CACHED_NO_EXIST as n\n"
    f"print(t({REPO!r}, 'added_tokens.json') is n)"
)


def main():
    print("huggingface_hub", importlib.metadata.version("huggingface_hub"))
    work = pathlib.Path(tempfile.mkdtemp())
    served = work / "served" / REPO
    served.mkdir(parents=True)
    for name, data in FILES.items():
        (served / name).write_bytes(data)
    server = subprocess.Popen(
        [BIN / "examples/loopback_hub", "--dir", work / "served"], stdout=subprocess.PIPE, text=True
    )
    endpoint = next(line.strip() for line in server.stdout if line.startswith("http"))
    try:
        ours, theirs = work / "ours", work / "theirs"
        code, out, err = python(SNAPSHOT, environment(endpoint, theirs))
        check("the library downloads from the server", code == 0 and same(out), err)
        code, out, err = kshot(environment(endpoint, theirs, HF_HUB_OFFLINE="1"), "pull", REPO)
        check("kshot reads the library's cache, offline", code == 0 and same(out), err)
        code, out, err = kshot(environment(endpoint, theirs, HF_HUB_OFFLINE="1"), "verify", REPO)
        check("and finds every blob intact", code == 0, out + err)

        code, out, err = kshot(environment(endpoint, ours), "pull", REPO)
        check("kshot downloads from the server", code == 0 and same(out), err)
        offline = environment(endpoint, ours, HF_HUB_OFFLINE="1")
        code, out, err = python(OFFLINE_FILES, offline)
        check("the library reads kshot's cache, offline", code == 0 and same(out), err)
        code, out, err = python(SCAN, offline)
        check("the library's scan has no warnings", (code, out) == (0, f"{REPO} {len(FILES)} main"), out + err)
        code, out, err = python(ABSENT, offline)
        check("absent files are remembered", out == "True", out + err)
        code, out, err = python(SNAPSHOT, environment(endpoint, ours))
        check("the library goes on with kshot's cache, online", code == 0 and same(out), err)
        layouts = [sorted(str(p.relative_to(h)) for p in (h / "hub").rglob("*") if ".no_exist" not in str(p)) for h in (ours, theirs)]
        differing = [p for p in set(layouts[0]) ^ set(layouts[1]) if "trees" not in p]
        check("both layouts are equal", not differing, str(differing))

        copies = work / "copies"
        shutil.copytree(theirs, copies)
        env = environment(endpoint, copies, HF_HUB_OFFLINE="1")
        for pointer in list((copies / "hub").rglob("snapshots/*/*")):
            data = pointer.read_bytes()
            pointer.unlink()
            pointer.write_bytes(data)
        shutil.rmtree(next((copies / "hub").glob("models--*")) / "blobs")
        code, out, err = kshot(env, "pull", REPO)
        check("kshot reads a cache of copies instead of links", code == 0 and same(out), err)

        readonly = work / "readonly"
        shutil.copytree(theirs, readonly, symlinks=True)
        for path in [readonly, *readonly.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
        code, out, err = kshot(environment(endpoint, readonly), "pull", REPO)
        check("kshot reads a read-only cache, online", code == 0 and same(out), err)

        partial = work / "partial"
        code, out, err = python(f"from huggingface_hub import hf_hub_download as d; d({REPO!r}, 'config.json')", environment(endpoint, partial))
        code, out, err = kshot(environment(endpoint, partial), "pull", REPO)
        check("kshot completes what the library began", code == 0 and same(out), err)
    finally:
        server.kill()
    print("all hold" if failures == 0 else f"{failures} failed")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
