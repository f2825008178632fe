"""Training steps of a network in Keras on TensorFlow.

python3 keras.py NETWORK, a JSON object as the benchmark `training` writes it. Each line on standard
input is a number of steps to take; the answer is the seconds they took.
"""

import json
import os
import sys
import time

# This file has the name of the library.
sys.path.pop(0)
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy
import tensorflow


def build(network):
    layers = [keras.Input((32, 32, 3))]
    for filters, kernel, activation, pooled in network["convolutions"]:
        layers.append(keras.layers.Conv2D(filters, kernel, activation=activation))
        if pooled:
            layers.append(keras.layers.MaxPooling2D(2))
    layers.append(keras.layers.Flatten())
    layers += [keras.layers.Dense(units, activation="relu") for units in network["units"]]
    return keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])


def main():
    network = json.loads(sys.argv[1])
    tensorflow.config.threading.set_intra_op_parallelism_threads(network["threads"])
    tensorflow.config.threading.set_inter_op_parallelism_threads(network["threads"])
    model = build(network)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    images = tensorflow.constant(numpy.random.rand(network["batch"], 32, 32, 3).astype("float32"))
    labels = tensorflow.constant(numpy.arange(network["batch"]) % 10)
    for line in sys.stdin:
        steps = int(line)
        data = tensorflow.data.Dataset.from_tensors((images, labels)).repeat(steps)
        start = time.perf_counter()
        model.fit(data, epochs=1, verbose=0)
        print(time.perf_counter() - start, flush=True)


main()
