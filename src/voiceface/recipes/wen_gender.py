"""Tells women's from men's faces with the judge's architecture: the ruler for the gender of drawn faces.

Paper     Wen, Singh, Raj 2019, Face Reconstruction from Voice using GANs (section 4.2)
Data      faces of people whose gender is known; others are left out
Command   voiceface train wen_gender --corpus CORPUS
Cost      see docs/papers/wen.md
Reported  98.97 % on real faces, 96.45 % on drawn ones
Differs   both genders are drawn equally often, half of the faces mirrored
          selection on validation people; weight decay, as the people here are few
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from voiceface.corpus.splits import Selection, split_people
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.models.model import Model
from voiceface.models.wen_gan import WenFaceClassifier
from voiceface.nn.face.wen_gan import SIZE, Kernel
from voiceface.training.run import Optimiser, Run

__all__ = ["GENDERS", "known_faces", "recipe", "smoke"]

GENDERS = ("f", "m")


def recipe(
    *,
    kernel: Kernel = "paper",
    width: int = 512,
    template: str = "dlib",
    lr: float = 2e-4,
    weight_decay: float = 1e-2,
    batch_size: int = 128,
    steps: int = 5000,
    every: int = 100,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
) -> Run:
    """The run; the split is that of ``wen_voice2face`` with the same shares and seed."""
    return Run(
        recipe="wen_gender",
        arguments=dict(locals()),
        split=lambda corpus: split_people(corpus, seed=seed, validation=validation, test=test),
        facts=lambda selection: {"genders": list(GENDERS)},
        build=lambda facts: WenFaceClassifier(classes=len(facts["genders"]), width=width, kernel=kernel),
        data=lambda selection, facts: GenderBalancedBatches(
            selection, template=template, batch_size=batch_size, seed=seed
        ),
        optimisers={"name": Optimiser(name="adamw", lr=lr, betas=(0.5, 0.999), weight_decay=weight_decay)},
        steps=steps,
        seed=seed,
        validate=lambda model, selection, facts: _validate(model, selection, template),
        every=every,
        select="accuracy",
        contract={"size": SIZE, "template": template, "values": "(x - 127.5) / 127.5"},
        licence="Apache-2.0",
    )


def smoke() -> Run:
    """The same in seconds."""
    return recipe(width=32, batch_size=4, steps=4, every=2, validation=0.2)


class GenderBalancedBatches:
    """Real faces with their gender, women and men equally often, half of them mirrored.

    Args:
        selection: whose faces.
        template: how they are cut.
        batch_size: faces a step.
        seed: of every draw.
    """

    def __init__(self, selection: Selection, *, template: str, batch_size: int, seed: int) -> None:
        self.faces, self.genders = known_faces(selection, template)
        self.places = [torch.nonzero(self.genders == code)[:, 0] for code in range(len(GENDERS))]
        if min(map(len, self.places)) < 1:
            fault = "tells of no face of one gender among the training people"
            raise InputError(selection.corpus.path, fault, "take a corpus that knows women and men")
        self.size, self.seed = batch_size, seed

    def batch(self, step: int) -> dict[str, Tensor]:
        """``faces`` (n, 3, 64, 64) uint8 and ``classes`` (n,)."""
        digest = hashlib.blake2b(f"{self.seed}/{step}".encode(), digest_size=8).digest()
        random = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
        picked = torch.stack(
            [
                self.places[k % 2][torch.randint(len(self.places[k % 2]), (), generator=random)]
                for k in range(self.size)
            ]
        )
        faces = self.faces[picked]
        turned = torch.rand(self.size, generator=random) < 0.5
        faces[turned] = faces[turned].flip(3)
        return {"faces": faces, "classes": self.genders[picked]}


def known_faces(selection: Selection, template: str) -> tuple[Tensor, Tensor]:
    """The selection's faces whose person's gender is known ``(n, 3, 64, 64)``, and its number ``(n,)``."""
    corpus = selection.corpus
    owners = corpus.column("faces", "person")[selection.faces].astype(str)
    told = [corpus.people[corpus.person_index[person]].gender for person in owners.tolist()]
    kept = np.isin(np.array(told, dtype=str), GENDERS)
    view = face_view(corpus, size=SIZE, template=template)
    faces = np.ascontiguousarray(view[selection.faces[kept]].transpose(0, 3, 1, 2))
    numbers = [GENDERS.index(gender) for gender in told if gender in GENDERS]
    return torch.from_numpy(faces), torch.tensor(numbers, dtype=torch.int64)


def _validate(model: Model, selection: Selection, template: str) -> dict[str, float]:
    """Mean of women's and men's accuracy on validation people."""
    assert isinstance(model, WenFaceClassifier)
    faces, genders = known_faces(selection, template)
    if not len(genders):
        raise InputError("validation", "holds nobody of known gender", "give --validation a larger share")
    found = model(faces.to(next(model.parameters()).device)).argmax(1).cpu()
    shares = [(found == genders)[genders == code].float().mean() for code in torch.unique(genders).tolist()]
    return {"accuracy": float(torch.stack(shares).mean())}
