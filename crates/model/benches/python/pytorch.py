"""Training steps of a network in PyTorch.

python3 pytorch.py NETWORK, a JSON object as the benchmark `training` writes it. Each line on standard
input is a number of steps to take; the answer is the seconds they took.
"""

import json
import sys
import time

import torch
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


def build(network):
    layers = []
    channels, size = 3, 32
    for filters, kernel, activation, pooled in network["convolutions"]:
        layers += [nn.Conv2d(channels, filters, kernel), ACTIVATIONS[activation]()]
        channels, size = filters, size + 1 - kernel
        if pooled:
            layers.append(nn.MaxPool2d(2))
            size //= 2
    layers.append(nn.Flatten())
    inputs = channels * size * size
    for units in network["units"]:
        layers += [nn.Linear(inputs, units), nn.ReLU()]
        inputs = units
    return nn.Sequential(*layers, nn.Linear(inputs, 10))


def main():
    network = json.loads(sys.argv[1])
    torch.set_num_threads(network["threads"])
    model = build(network)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    images = torch.rand(network["batch"], 3, 32, 32)
    labels = torch.arange(network["batch"]) % 10
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
        loss.item()
        print(time.perf_counter() - start, flush=True)


main()
