"""Writes gp.json: a Gaussian process by scikit-learn, to compare ours with.

    pip install scikit-learn==1.9.1 && python gp.py > gp.json

One length scale per column; a column of three categories enters as 0, 0.5 and 1. The kernel of each column is
scikit-learn's own: Matérn-5/2 for numbers, and for categories Matérn-1/2 on one-hot columns whose distance is 0 or 1,
which is exp(-[a != b] / length).
"""

import json

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel


class OfColumns(Kernel):
    """A kernel that sees some columns only."""

    def __init__(self, kernel, columns):
        self.kernel, self.columns = kernel, columns

    def get_params(self, deep=True):
        return {"kernel": self.kernel, "columns": self.columns}

    @property
    def hyperparameters(self):
        return self.kernel.hyperparameters

    @property
    def theta(self):
        return self.kernel.theta

    @theta.setter
    def theta(self, theta):
        self.kernel.theta = theta

    @property
    def bounds(self):
        return self.kernel.bounds

    def __call__(self, X, Y=None, eval_gradient=False):
        return self.kernel(X[:, self.columns], None if Y is None else Y[:, self.columns], eval_gradient)

    def diag(self, X):
        return self.kernel.diag(X[:, self.columns])

    def is_stationary(self):
        return True


MEAN_VARIANCE, SIGNAL, NOISE = 0.7, 1.3, 0.05
LENGTHS = [0.4, 0.9, 2.5, 0.8]  # two continuous columns, one of four steps, one of three categories

rng = np.random.default_rng(7)


def draw(n):
    numbers = rng.random((n, 2))
    steps = rng.integers(4, size=n) / 3
    categories = rng.integers(3, size=n) / 2
    return np.column_stack([numbers, steps, categories])


def expand(rows):
    one_hot = (rows[:, 3:4] * 2 == np.arange(3)) / np.sqrt(2)
    return np.hstack([rows[:, :3], one_hot])


rows, queries = draw(25), draw(6)
y = np.sin(6 * rows[:, 0]) + rows[:, 1] ** 2 - rows[:, 2] + (rows[:, 3] == 0.5) + 0.1 * rng.normal(size=25)

product = ConstantKernel(SIGNAL)
for column in range(3):
    product = product * OfColumns(Matern(LENGTHS[column], nu=2.5), [column])
product = product * OfColumns(Matern(LENGTHS[3], nu=0.5), [3, 4, 5])
kernel = ConstantKernel(MEAN_VARIANCE, "fixed") + product + WhiteKernel(NOISE)

gp = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(expand(rows), y)
value, gradient = gp.log_marginal_likelihood(gp.kernel_.theta, eval_gradient=True)
mean, sd = gp.predict(expand(queries), return_std=True)

# scikit-learn's order is that of the expression: signal, lengths, noise.
ours = np.concatenate([gradient[:1], gradient[-1:], gradient[1:-1]])
theta = np.concatenate([gp.kernel_.theta[:1], gp.kernel_.theta[-1:], gp.kernel_.theta[1:-1]])
print(json.dumps({
    "mean_variance": MEAN_VARIANCE,
    "theta": theta.tolist(),
    "rows": rows.tolist(),
    "y": y.tolist(),
    "log_likelihood": value,
    "gradient": ours.tolist(),
    "queries": queries.tolist(),
    "mean": mean.tolist(),
    "variance": (sd**2 - NOISE).tolist(),
}))
