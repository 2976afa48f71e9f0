"""How often an interval over nine people lies wholly below chance for a generator that knows nothing.

    python benchmarks/few_people.py [--people 9] [--controls 2000]

A control of Roldán's tables is simulated: in each of T trainings everybody's generated faces are one of K
faces, alike for all recordings of a person, and each face resembles most one of the people, by chance. The
right person is then found in 1/9 of the cases on average; the interval is the percentile one over people.
"""

import argparse

import numpy as np

FACES, TRAININGS, RESAMPLES = (2, 3, 9), (1, 3), 300


def share_below(people, faces, trainings, controls, random):
    """Share of the controls whose interval lies wholly below chance."""
    below = 0
    for _ in range(controls):
        resembled = random.integers(people, size=(trainings, faces))
        generated = random.integers(faces, size=(trainings, people))
        right = (np.take_along_axis(resembled, generated, axis=1) == np.arange(people)).mean(0)
        means = right[random.integers(people, size=(RESAMPLES, people))].mean(1)
        below += np.quantile(means, 0.975) < 1 / people
    return below / controls


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=9)
    parser.add_argument("--controls", type=int, default=2000)
    given = parser.parse_args()
    random = np.random.default_rng(0)
    for trainings in TRAININGS:
        for faces in FACES:
            share = share_below(given.people, faces, trainings, given.controls, random)
            print(f"trainings: {trainings}, different faces: {faces}, intervals below chance: {share:.3f}")


if __name__ == "__main__":
    main()
