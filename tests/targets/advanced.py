# SPDX-License-Identifier: Apache-2.0
"""The demo: a little of everything that a numerical script does. About ten seconds; `advanced.py 0.2` does a fifth."""

import json
import logging
import sys
import warnings

import numpy as np

log = logging.getLogger("advanced")


def matrix_operations(size):
    rng = np.random.default_rng(1)
    left = rng.uniform(-1, 1, size=(size, size))
    right = rng.uniform(-1, 1, size=(size, size))
    product = left @ right
    symmetric = product + product.T
    eigenvalues = np.linalg.eigvalsh(symmetric)
    solution = np.linalg.solve(left + size * np.eye(size), right[:, 0])
    if np.linalg.cond(left) > 100:
        log.warning("matrix of size %d is poorly conditioned", size)
    return {"largest": float(eigenvalues[-1]), "norm": float(np.linalg.norm(solution))}


def monte_carlo_simulation(points):
    rng = np.random.default_rng(2)
    xy = rng.uniform(-1, 1, size=(points, 2))
    inside = np.hypot(xy[:, 0], xy[:, 1]) <= 1
    return {"pi": 4 * float(np.count_nonzero(inside)) / points}


def statistical_analysis(size):
    rng = np.random.default_rng(3)
    summary = {}
    for name, data in (
        ("normal", rng.normal(size=size)),
        ("exponential", rng.exponential(2, size=size)),
    ):
        summary[name] = {
            "mean": float(np.mean(data)),
            "std": float(np.std(data)),
            "median": float(np.median(data)),
            "quartiles": np.percentile(data, (25, 50, 75)).tolist(),
            "log_mean": float(np.nanmean(np.log(data))),
        }
    histogram, _ = np.histogram(rng.normal(size=size), bins=100)
    summary["mode"] = int(np.argmax(histogram))
    return summary


def fourier_analysis(length):
    rng = np.random.default_rng(4)
    t = np.linspace(0, 10, length)
    signal = (
        np.sin(2 * np.pi * 5 * t)
        + 0.5 * np.sin(2 * np.pi * 10 * t)
        + rng.normal(0, 0.1, length)
    )
    spectrum = np.fft.rfft(signal)
    power = np.abs(spectrum) ** 2
    strongest = np.argsort(power)[-5:]
    return {"peaks": np.sort(strongest).tolist()}


def recursive_computation(n):
    if n < 2:
        return n
    return recursive_computation(n - 1) + recursive_computation(n - 2)


def data_serialization(records):
    rng = np.random.default_rng(5)
    document = [
        {
            "id": i,
            "name": "record %d" % i,
            "matrix": rng.uniform(0, 100, size=(20, 20)).tolist(),
            "tags": ["tag-%d" % (i * k % 17) for k in range(20)],
        }
        for i in range(records)
    ]
    text = json.dumps(document)
    back = json.loads(text)
    if len(text) > 10 << 20:
        warnings.warn("a document of %d MB" % (len(text) >> 20), ResourceWarning)
    return {"characters": len(text), "equal": back == document}


def main(scale=1.0):
    results = {
        "matrices": [matrix_operations(int(size * scale ** 0.4)) for size in (250, 500, 750)],
        "monte carlo": monte_carlo_simulation(int(15e6 * scale)),
        "statistics": statistical_analysis(int(9e6 * scale)),
        "fourier": fourier_analysis(int(11e6 * scale)),
        "recursion": recursive_computation(int(34 + 5 * np.log10(scale))),
        "serialization": [data_serialization(int(6000 * scale)) for _ in range(3)],
    }
    print(json.dumps(results, indent=2, sort_keys=True))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
