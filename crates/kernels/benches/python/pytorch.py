"""Training steps of the benchmark's networks in PyTorch, one for each line on standard input.

python3 pytorch.py (small|large) BATCH THREADS answers each line with the seconds a step took.
"""

import sys
import time

import torch
from torch import nn

NETWORKS = {
    "small": ([(32, 3, nn.ReLU, True), (64, 3, nn.ReLU, True)], [128, 10]),
    "large": (
        [(256, 3, nn.Tanh, True), (224, 5, nn.ReLU, False), (256, 3, nn.Tanh, True)],
        [224, 224, 96, 32, 10],
    ),
}


def network(convolutions, units):
    layers = []
    channels, size = 3, 32
    for filters, kernel, activation, pooled in convolutions:
        layers += [nn.Conv2d(channels, filters, kernel), activation()]
        channels, size = filters, size + 1 - kernel
        if pooled:
            layers.append(nn.MaxPool2d(2))
            size //= 2
    layers.append(nn.Flatten())
    inputs = channels * size * size
    for count in units:
        layers += [nn.Linear(inputs, count), nn.ReLU()]
        inputs = count
    return nn.Sequential(*layers[:-1])


def main():
    name, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    model = network(*NETWORKS[name])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    images = torch.rand(batch, 3, 32, 32)
    labels = torch.arange(batch) % 10
    for _ in sys.stdin:
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        print(time.perf_counter() - start, flush=True)


main()
