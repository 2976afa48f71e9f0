"""How well a matcher does within a gender and a nationality, where they are known.

    python benchmarks/matcher_by_group.py CORPUS student ge2e campplus+student [--record]

Five folds over people, the recipe `matcher`: AUC of the trials whose voice and face are both of the group.
The corpus knows no ages.
"""

import numpy as np
from voice_encoders import given_encoders, record_matchers, tested

from voiceface.corpus.corpus import Corpus
from voiceface.protocols.pair_verification import verification

LEAST = 10
"""People of a nationality that is a group of its own; smaller ones are "others" together."""


def groups_of(people):
    """Name of a group to a mask over (n,) people with a gender and a nationality each."""
    genders, nations = (
        np.array([getattr(one, kind) for one in people]) for kind in ("gender", "nationality")
    )
    found = {"women": genders == "f", "men": genders == "m"}
    names, counts = np.unique(nations[nations != ""], return_counts=True)
    large = names[counts >= LEAST]
    found |= {str(name): nations == name for name in large}
    return found | {"other nationalities": (nations != "") & ~np.isin(nations, large)}


def main():
    given = given_encoders(__doc__)
    corpus, figures = Corpus.open(given.corpus), []
    everybody = list(corpus.people)
    masks = groups_of(everybody)
    for encoder in given.encoders:
        scores, _, labels, voice, face, folds = tested(corpus, voice_encoder=encoder)
        for name, mask in masks.items():
            members = [one.id for one, inside in zip(everybody, mask, strict=True) if inside]
            both = np.isin(voice, members) & np.isin(face, members)
            if not both.any():
                continue  # as of a corpus that knows no nationalities
            figure = verification(
                scores[both],
                labels[both],
                people=(voice[both], face[both]),
                groups=folds[both],
                resamples=given.resamples,
            ).auc
            print(f"{encoder}, {name}: {figure}", flush=True)
            figures.append((f"{encoder}, {name}", figure))
    record_matchers(given, corpus, figures, protocol="within groups, 5 folds over people")


if __name__ == "__main__":
    main()
