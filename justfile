# Recipes that save typing; each line is an ordinary command.

# the playground
run *args:
    cargo run --release -- {{args}}

# all tests, as in the README
test:
    cargo test --release

# what CI runs
ci:
    bash .ci/run

# accept changed screen snapshots after looking at them (needs cargo-insta)
review:
    cargo insta review

# benchmarks that print ratios side by side
bench:
    cargo bench --bench sampling --bench frame

# the pictures in docs again, on the built-in model
moments:
    cargo build --release
    for script in docs/moments/*.keys; do target/release/kshot screenshot -s 7 --keys "$(cat $script)" -o ${script%.keys}.svg; done

# golden checkpoints again (needs Python; versions in the script)
goldens:
    python tests/goldens/make.py

# the loopback hub against Python's huggingface_hub
hub-interop:
    cargo build --release --bins --examples
    python tests/python/hub_interop.py target/release

# a large pull through a hub that cuts, killed again and again, on a checkpoint folder
hub-kills model:
    cargo build --release --bins --examples
    python tests/python/hub_kills.py target/release {{model}}

# speed beside llama.cpp, transformers and CTranslate2; everything they need goes into the folder
rivals folder:
    cargo build --release
    python3 benches/rivals/rivals.py {{folder}}

# what fewer bits for the weights cost
quality model="built-in":
    cargo run --release -- bench --quality -m {{model}}

# numbers beside transformers, on a checkpoint folder with a real vocabulary
compare-logits model:
    python tests/compare/logits.py {{model}} target/release/kshot

# training speed beside torch
compare-train:
    cargo build --release
    python tests/compare/train_speed.py target/release/kshot

# what the built-in model gets right of the tasks in the program
measure-builtin:
    cargo run --release -- eval -m built-in --dtype f32 --task all --samples -k 4 --json > builtin-tasks.json
    mv builtin-tasks.json assets/

# what `kshot train` writes, and the built-in model, loaded by transformers
train-loads:
    cargo build --release
    python tests/python/train_loads.py target/release/kshot --model assets/builtin

# the built-in model again, from nothing; after a stop the same command goes on
train-builtin:
    cargo run --release -- train --preset builtin -o runs/builtin --export assets/builtin
