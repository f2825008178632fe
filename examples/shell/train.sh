#!/bin/sh
# Minimises (x - 3)^2 + y step by step: a program that needs nothing but a shell and awk.
# The study file fills the values into the command: train.sh X METHOD EPOCHS
awk -v x="$1" -v method="$2" -v epochs="$3" 'BEGIN {
    for (epoch = 1; epoch <= epochs; epoch++) {
        loss = (x - 3) ^ 2 + (method == "fast" ? 1 / (epoch * epoch) : 1 / epoch)
        printf "{\"epoch\": %d, \"val_loss\": %.6f}\n", epoch, loss
        fflush()
    }
}'
