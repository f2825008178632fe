#!/usr/bin/env python3
"""Many short trials on 24 workers: trials a second and memory of `tune`, beside Optuna's storages in the same run.

    cargo build --release && python3 benchmarks/soak/soak.py --trials 100000 --optuna-trials 2000

Optuna (https://optuna.org) is measured if it can be imported: the same epochs in 24 processes that share a study, in its journal file and in SQLite.
"""

import argparse
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKERS = 24


def memory(process):
    """Resident megabytes of a process, 0 when it has gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def children(process):
    try:
        return Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []


def tune(program, trials, folder):
    began = time.monotonic()
    command = [program, "search", HERE / "soak.toml", "--trials", str(trials), "--results", folder, "--quiet"]
    search = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    samples = []
    while search.poll() is None:
        time.sleep(0.5)
        workers = [memory(child) for child in children(search.pid)]
        if len(workers) == WORKERS and min(workers) > 0:
            samples.append((memory(search.pid), max(workers)))
    seconds = time.monotonic() - began
    assert search.returncode == 0, "the search failed"
    study = Path(folder) / "soak"
    files = len(list((study / "trials").iterdir()))
    others = sorted(entry.name for entry in study.iterdir())
    assert files == trials, f"{files} trial files of {trials} trials"
    print(f"tune             {trials:>7} trials {seconds:8.1f} s {trials / seconds:8.1f} trials/s")
    if samples:
        middle = samples[len(samples) // 4]
        last = samples[-1]
        print(f"  supervisor     {middle[0]:6.1f} MB after a quarter, {last[0]:6.1f} MB at the end")
        print(f"  largest worker {middle[1]:6.1f} MB after a quarter, {last[1]:6.1f} MB at the end")
    print(f"  in the folder of the study: {', '.join(others)}")
    return trials / seconds


def storage(kind, folder):
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if kind == "journal":
        return optuna.storages.JournalStorage(JournalFileBackend(f"{folder}/optuna.log"))
    return optuna.storages.RDBStorage(f"sqlite:///{folder}/optuna.db", engine_kwargs={"connect_args": {"timeout": 300}})


def optuna_worker(kind, folder, trials):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial):
        x, y = trial.suggest_float("x", -5, 5), trial.suggest_float("y", -5, 5)
        trial.suggest_int("n", 1, 1_000_000)
        time.sleep(0.001)
        trial.report(x * x + y * y, 1)
        return x * x + y * y

    sampler = optuna.samplers.RandomSampler()
    study = optuna.load_study(study_name="soak", storage=storage(kind, folder), sampler=sampler)
    study.optimize(objective, n_trials=trials)


def optuna_storage(kind, trials, folder):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(study_name="soak", storage=storage(kind, folder))
    each = max(1, trials // WORKERS)
    began = time.monotonic()
    processes = [multiprocessing.Process(target=optuna_worker, args=(kind, folder, each)) for _ in range(WORKERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    seconds = time.monotonic() - began
    done = len(study.get_trials(deepcopy=False))
    print(f"optuna {kind:<9} {done:>7} trials {seconds:8.1f} s {done / seconds:8.1f} trials/s")
    return done / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--optuna-trials", type=int, default=2_000)
    parser.add_argument("--program", default=HERE / "../../target/release/tune")
    parser.add_argument("--folder", help="where the studies are written for the time of the run [default: a new folder here]")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="soak-", dir=options.folder or os.getcwd())
    try:
        own = tune(options.program, options.trials, folder)
        try:
            import optuna
        except ImportError:
            print("optuna cannot be imported: python3 -m pip install optuna")
            return
        print(f"optuna {optuna.__version__}, the same epochs:")
        for kind in ("journal", "sqlite"):
            print(f"  ratio {own / optuna_storage(kind, options.optuna_trials, folder):.1f}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
