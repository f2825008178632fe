"""Writes log_improvement.json: log(φ(z) + z Φ(z)), log Φ(z) and Φ's inverse with 60 digits.

    pip install mpmath==1.4.1 && python log_improvement.py > log_improvement.json
"""

import json

from mpmath import erfc, erfinv, exp, log, mp, mpf, pi, sqrt

mp.dps = 60
cdf = lambda z: erfc(-z / sqrt(2)) / 2
pdf = lambda z: exp(-z * z / 2) / sqrt(2 * pi)


def log_improvement(z):
    # Far out, the two terms cancel to about z² fewer bits.
    with mp.workdps(60 + int(z * z)):
        return log(pdf(z) + z * cdf(z))


points = [8, 5, 3, 2, 1, 0.5, 0, -0.5, -1, -1.5, -1.99, -2, -2.01, -3, -4, -5, -7, -10, -15, -20, -25, -30, -36]
far = [-100, -1e3, -1e6, -1e9]


def tail(z):
    # log h(z) = -z²/2 - log(√(2π) z²) + log(1 - 3/z² + 15/z⁴ - 105/z⁶ …)
    series, term = mpf(1), mpf(1)
    for k in range(1, 12):
        term *= -mpf(2 * k + 1) / (z * z)
        series += term
    return -z * z / 2 - log(sqrt(2 * pi) * z * z) + log(series)


def log_cdf_tail(z):
    series, term = mpf(1), mpf(1)
    for k in range(1, 12):
        term *= -mpf(2 * k - 1) / (z * z)
        series += term
    return -z * z / 2 - log(sqrt(2 * pi) * -z) + log(series)


print(json.dumps({
    "log_improvement": [[z, float(log_improvement(mpf(z)))] for z in points] + [[z, float(tail(mpf(z)))] for z in far],
    "log_cdf": [[z, float(log(cdf(mpf(z))))] for z in points] + [[z, float(log_cdf_tail(mpf(z)))] for z in far],
    "quantile": [[p, float(sqrt(2) * erfinv(2 * mpf(p) - 1))] for p in
                 [1e-12, 1e-6, 1e-3, 0.02, 0.074, 0.076, 0.3, 0.5, 0.6, 0.92, 0.93, 0.999, 1 - 1e-9]],
}))
