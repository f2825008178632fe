"""Strategies on Fashion-MNIST at the same total of epochs: what each finds, seed by seed.

    cargo build --release && python3 benchmarks/fashion/compare.py --images 3000

Every study trains on the first IMAGES images of the training set, a tenth of them kept for validation, with the space of
configs/fashion-mnist.toml and no early stopping; its best trial is measured on the 10,000 test images.
"""

import argparse
import gzip
import json
import pathlib
import re
import statistics
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[2]


def subset(source, target, images):
    """Copies the set, with the first `images` of its training images."""
    target.mkdir()
    for name, header, size in (("train-images-idx3-ubyte", 16, 784), ("train-labels-idx1-ubyte", 8, 1)):
        content = gzip.decompress((source / f"{name}.gz").read_bytes())
        content = content[:4] + images.to_bytes(4, "big") + content[8 : header + images * size]
        (target / name).write_bytes(content)
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (target / name).write_bytes(gzip.decompress((source / f"{name}.gz").read_bytes()))


def study(data, name):
    """The ready study on other data, without early stopping."""
    text = (ROOT / "configs/fashion-mnist.toml").read_text()
    text = re.sub(r'name +=.*', f'name = "{name}"', text, count=1)
    text = re.sub(r"\[early_stopping\]\n(.+\n)*", "", text)
    return text.replace("[data]\n", f'[data]\npath = "{data}"\n')


def run(program, folder, strategy, seed, epochs):
    name = f"{strategy}-{seed}"
    config = folder / f"{name}.toml"
    config.write_text(study(folder / "data", name))
    results = ["--results", str(folder / "results")]
    limits = ["--max-epochs-total", str(epochs), "--trials", "1000", "--epochs", "9", "--threads", "1"]
    search = [program, "search", str(config), "--strategy", strategy, "--seed", str(seed), "--quiet"]
    subprocess.run(search + limits + results, check=True, stdout=subprocess.DEVNULL)

    def answer(command):
        printed = subprocess.run(
            [program, command, name, "--format", "json"] + results, check=True, capture_output=True
        ).stdout
        return json.loads(printed)

    trials = [json.loads(path.read_text()) for path in (folder / "results" / name / "trials").glob("*.json")]
    trained = sum(len(execution["epochs"]) for trial in trials for execution in trial["executions"])
    # Only those that were trained in full: a score of fewer epochs is another measure.
    best = max(trial["score"] for trial in trials if trial["state"] == "completed")
    return {"trials": len(trials), "epochs": trained, "validation": best, "test": answer("evaluate")["accuracy"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "target/release/tune"))
    parser.add_argument("--source", type=pathlib.Path, default=pathlib.Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--strategies", default="random,hyperband")
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=63, help="in all, of each study; 63 is one iteration of Hyperband")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="studies at a time, of one thread each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subset(options.source, folder / "data", options.images)
        studies = [(s, seed) for seed in range(options.seeds) for s in options.strategies.split(",")]
        with ThreadPoolExecutor(options.jobs) as pool:
            found = pool.map(lambda s: run(options.program, folder, *s, options.epochs), studies)
            rows = []
            for (strategy, seed), row in zip(studies, found):
                rows.append((strategy, row))
                print(f"{strategy:<10} seed {seed}  {row['trials']:>3} trials  {row['epochs']:>4} epochs  "
                      f"validation {row['validation']:.4f}  test {row['test']:.4f}", flush=True)
    for strategy in options.strategies.split(","):
        of = lambda key: statistics.mean(row[key] for name, row in rows if name == strategy)
        print(f"{strategy:<10} mean    {of('trials'):>5.1f} trials  {of('epochs'):>4.0f} epochs  "
              f"validation {of('validation'):.4f}  test {of('test'):.4f}")


if __name__ == "__main__":
    main()
