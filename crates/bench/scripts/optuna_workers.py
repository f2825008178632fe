"""Optuna's successive halving with many workers in simulated time, for `bench --workers N --against FOLDER`.

    optuna_workers.py TABLES FOLDER --workers 64 --trials 4 --seeds 5 [--sampler random|tpe]

writes FOLDER/workers-optuna-SAMPLER-sh.json. The simulation is that of src/simulation.rs: an epoch of a configuration takes
the time that src/table.rs says, it is reported when it ends, and whoever is free asks at once. Time is counted in average
full trainings. Needs optuna 5 and numpy.
"""

import argparse
import heapq
import json
import pathlib
import time

import numpy as np
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Table:
    def __init__(self, path):
        header = json.loads(path.read_text())
        self.name, self.epochs, self.parameters = header["name"], header["epochs"], header["parameters"]
        raw = np.fromfile(path.with_suffix(".u16"), "<u2").astype(float) * header["scale"]
        self.scores = raw.reshape(header["shape"] + [self.epochs])
        self.best, self.median = self.scores.max(), header["median"]
        values = {p["name"]: np.array(p["values"], float) for p in self.parameters}
        axes = dict(zip(values, np.meshgrid(*values.values(), indexing="ij", sparse=True)))
        width = axes["num_layers"] * axes["max_units"] / 500
        seconds = (0.5 + width) * np.sqrt(64 / axes["batch_size"])
        self.seconds = np.broadcast_to(seconds, header["shape"])

    def regret(self, score):
        return (self.best - score) / (self.best - self.median)


def run(table, seed, workers, trials, sampler):
    samplers = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    study = optuna.create_study(direction="maximize", sampler=samplers[sampler](seed=seed), pruner=pruner)
    full = table.seconds.mean() * table.epochs
    end, best, regrets, queue, begun = full * trials, -np.inf, [], [], 0

    def start(now):
        nonlocal begun
        trial = study.ask()
        at = tuple(trial.suggest_int(p["name"], 0, len(p["values"]) - 1) for p in table.parameters)
        begun += 1
        heapq.heappush(queue, (now + table.seconds[at], begun, 1, trial, at))

    for _ in range(workers):
        start(0.0)
    while queue:
        now, _, epoch, trial, at = heapq.heappop(queue)
        while len(regrets) < trials and full * (len(regrets) + 1) <= now:
            regrets.append(table.regret(best))
        if now >= end:
            break
        score = table.scores[at][epoch - 1]
        best = max(best, score)
        trial.report(score, epoch)
        if trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        elif epoch == table.epochs:
            study.tell(trial, score)
        else:
            begun += 1
            heapq.heappush(queue, (now + table.seconds[at], begun, epoch + 1, trial, at))
            continue
        start(now)
    return regrets + [table.regret(best)] * (trials - len(regrets))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sampler", default="random")
    options = parser.parse_args()
    methods = {}
    for path in sorted(options.tables.glob("lcbench*.json")):
        table = Table(path)
        task = methods.setdefault(table.name, {"curves": {}, "sec": {}})
        for seed in range(options.seeds):
            begin = time.time()
            regrets = run(table, seed, options.workers, options.trials, options.sampler)
            task["curves"][str(seed)] = [round(float(regret), 6) for regret in regrets]
            task["sec"][str(seed)] = time.time() - begin
        print(table.name, np.mean(list(task["curves"].values()), axis=0), flush=True)
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / f"workers-optuna-{options.sampler}-sh.json").write_text(json.dumps(methods) + "\n")


if __name__ == "__main__":
    main()
