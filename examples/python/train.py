"""Trains a classifier of handwritten digits, one epoch a line on standard output."""

import argparse
import json

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--units", type=int, default=32)
parser.add_argument("--learning_rate", type=float, default=0.001)
parser.add_argument("--alpha", type=float, default=0.0001)
parser.add_argument("--activation", default="relu")
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

images, labels = load_digits(return_X_y=True)
train_x, test_x, train_y, test_y = train_test_split(images / 16, labels, test_size=0.2, random_state=0)

model = MLPClassifier(
    hidden_layer_sizes=(options.units,),
    activation=options.activation,
    alpha=options.alpha,
    learning_rate_init=options.learning_rate,
    random_state=options.seed,
)
for epoch in range(1, options.epochs + 1):
    model.partial_fit(train_x, train_y, classes=np.arange(10))
    accuracy = model.score(test_x, test_y)
    print(json.dumps({"epoch": epoch, "loss": model.loss_, "val_accuracy": accuracy}), flush=True)
