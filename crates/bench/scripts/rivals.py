"""Records regret curves of other tuners on a folder of tables, in the layout that `bench --against` reads.

    rivals.py METHOD TABLES SEEDS TRIALS OUT.json [ONLY]

METHOD is one of
    optuna-random, optuna-tpe, optuna-gp    optuna==5.0.0, and torch and scipy for the last
    smac-rf                                 smac==2.4.1, its facade for hyperparameter optimisation
    kt-bayesian                             keras-tuner==1.4.8 with keras, jax and scikit-learn

ONLY keeps the tasks with that in their name. Runs that OUT.json already holds are not repeated, so that a recording
can be stopped and continued, and given more seeds.

Each tuner sees an ordinal parameter as an integer index and a choice as an unordered choice, as our strategies do. Of a
learning curve it is told the best epoch.
"""

import contextlib
import io
import json
import logging
import os
import pathlib
import sys
import tempfile
import time
import warnings

import numpy

warnings.filterwarnings("ignore")


class Task:
    """A table of losses, lower is better."""

    def __init__(self, header):
        about = json.loads(header.read_text())
        self.name = about["name"]
        self.parameters = about["parameters"]
        if "epochs" in about:
            values = numpy.fromfile(header.with_suffix(".u16"), "<u2").astype(float) * about["scale"]
            values = values.reshape([*about["shape"], about["epochs"]])
        else:
            values = numpy.fromfile(header.with_suffix(".f32"), "<f4").astype(float).reshape([*about["shape"], 1])
        sign = -1.0 if about["direction"] == "maximize" else 1.0
        self.losses = (sign * values).min(axis=-1)
        self.best = self.losses.min()
        self.median = sign * about["median"]

    def regrets(self, losses):
        """The regret of the best so far after each trial."""
        return (numpy.minimum.accumulate(losses) - self.best) / (self.median - self.best)


def optuna_run(sampler):
    def run(task, seed, trials):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=seed))
        for _ in range(trials):
            trial = study.ask()
            index = []
            for parameter in task.parameters:
                name, values = parameter["name"], parameter["values"]
                if parameter["kind"] == "choice":
                    index.append(values.index(trial.suggest_categorical(name, values)))
                else:
                    index.append(trial.suggest_int(name, 0, len(values) - 1))
            loss = float(task.losses[tuple(index)])
            study.tell(trial, loss)
            yield loss

    return run


def smac_run(task, seed, trials):
    from ConfigSpace import Categorical, ConfigurationSpace, Integer
    from smac import HyperparameterOptimizationFacade, Scenario

    logging.disable(logging.CRITICAL)
    space = ConfigurationSpace(seed=seed)
    for parameter in task.parameters:
        name, count = parameter["name"], len(parameter["values"])
        # Indices stand for the values, which need not be of one type.
        space.add(Categorical(name, range(count)) if parameter["kind"] == "choice" else Integer(name, (0, count - 1)))
    losses = []

    def train(config, seed=0):
        losses.append(float(task.losses[tuple(int(config[parameter["name"]]) for parameter in task.parameters)]))
        return losses[-1]

    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(space, deterministic=True, n_trials=trials, seed=seed, output_directory=pathlib.Path(folder))
        HyperparameterOptimizationFacade(scenario, train, overwrite=True, logging_level=False).optimize()
    return losses[:trials]


def keras_tuner_run(task, seed, trials):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras_tuner
    from keras_tuner.src.tuners.bayesian import BayesianOptimizationOracle

    space = keras_tuner.HyperParameters()
    for parameter in task.parameters:
        if parameter["kind"] == "choice":
            space.Choice(parameter["name"], parameter["values"])
        else:
            space.Int(parameter["name"], 0, len(parameter["values"]) - 1)
    # Of seed 0 it makes a random one.
    oracle = BayesianOptimizationOracle(
        objective=keras_tuner.Objective("loss", "min"),
        max_trials=trials,
        seed=seed + 1,
        hyperparameters=space,
        allow_new_entries=False,
    )
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        oracle._set_project_dir(folder, "study")
        for _ in range(trials):
            trial = oracle.create_trial("worker")
            if trial.status == "STOPPED":
                return
            values = trial.hyperparameters.values
            index = tuple(
                parameter["values"].index(values[parameter["name"]])
                if parameter["kind"] == "choice"
                else values[parameter["name"]]
                for parameter in task.parameters
            )
            loss = float(task.losses[index])
            oracle.update_trial(trial.trial_id, {"loss": loss})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
            yield loss


METHODS = {
    "optuna-random": optuna_run("RandomSampler"),
    "optuna-tpe": optuna_run("TPESampler"),
    "optuna-gp": optuna_run("GPSampler"),
    "smac-rf": smac_run,
    "kt-bayesian": keras_tuner_run,
}


def main(method, tables, seeds, trials, out, only=""):
    run, trials, out = METHODS[method], int(trials), pathlib.Path(out)
    recorded = json.loads(out.read_text()) if out.exists() else {}
    headers = sorted(path for path in pathlib.Path(tables).glob("*.json") if only in path.stem)
    # A seed of every task before the next seed of any: what is there at any time is even.
    for seed in map(str, range(int(seeds))):
        for header in headers:
            task = Task(header)
            curves = recorded.setdefault(task.name, {"curves": {}, "sec": {}})
            if seed in curves["curves"]:
                continue
            begin = time.time()
            losses = list(run(task, int(seed), trials))
            seconds = time.time() - begin
            # A tuner that ends early keeps what it has.
            losses += losses[-1:] * (trials - len(losses))
            curves["curves"][seed] = [float(f"{regret:.6g}") for regret in task.regrets(losses)]
            curves["sec"][seed] = round(seconds, 3)
            out.write_text(json.dumps(recorded) + "\n")
            print(method, task.name, seed, curves["curves"][seed][-1], f"{seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
