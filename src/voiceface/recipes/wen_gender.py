"""Classifies the gender of faces with the discriminator's architecture, to measure that of generated faces.

Paper     Wen, Singh, Raj 2019, Face Reconstruction from Voice using GANs (section 4.2)
Data      faces of people whose gender is known; others are left out
Command   voiceface train wen_gender --corpus CORPUS
Cost      see docs/papers/wen.md
Reported  98.97 % on real faces, 96.45 % on generated ones
Differs   both genders are sampled equally often, half of the faces mirrored
          selection on validation people; AdamW at 2e-4 for 5,000 steps, whose weight decay is for the few
          people here
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from voiceface.corpus.splits import Selection, split_people
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.models.step_seed import torch_generator
from voiceface.models.wen_gan import WenFaceClassifier
from voiceface.nn.face.wen_gan import SIZE, Kernel
from voiceface.training.option_help import option_help
from voiceface.training.run import Facts, Optimiser, Run

GENDERS = ("f", "m")


@option_help()
def recipe(
    *,
    kernel: Kernel = "paper",
    width: int = 512,
    template: str = "wen",
    lr: float = 2e-4,
    weight_decay: float = 1e-2,
    batch_size: int = 128,
    steps: int = 5000,
    every: int = 100,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
) -> Run[WenFaceClassifier]:
    """The run; the split is that of ``wen_voice2face`` with the same shares and seed.

    Args:
        kernel: kernels as the paper prints them (paper: 3x3) or as in the authors' program (code: 4x4)
        width: channels of the network's last layer, a multiple of 16
        batch_size: faces a step
    """
    return Run(
        recipe="wen_gender",
        arguments=dict(locals()),
        split=partial(split_people, seed=seed, validation=validation, test=test),
        facts=_facts,
        build=partial(_build, width=width, kernel=kernel),
        data=partial(GenderBalancedBatches, template=template, batch_size=batch_size, seed=seed),
        optimisers={"name": Optimiser(name="adamw", lr=lr, betas=(0.5, 0.999), weight_decay=weight_decay)},
        steps=steps,
        seed=seed,
        validate=partial(_validate, template=template),
        every=every,
        select="accuracy",
        contract={"size": SIZE, "template": template, "values": "(x - 127.5) / 127.5"},
        licence="Apache-2.0",
    )


def smoke() -> Run[WenFaceClassifier]:
    """The same in seconds."""
    return recipe(width=32, batch_size=4, steps=4, every=2, validation=0.2)


def _facts(selection: Selection) -> Facts:
    return {"genders": list(GENDERS)}


def _build(facts: Facts, *, width: int, kernel: Kernel) -> WenFaceClassifier:
    return WenFaceClassifier(classes=len(facts["genders"]), width=width, kernel=kernel)


class GenderBalancedBatches:
    """Real faces with their gender, women and men equally often, half of them mirrored.

    The options are the recipe's.
    """

    def __init__(
        self, selection: Selection, facts: Facts, *, template: str, batch_size: int, seed: int
    ) -> None:
        self.faces, self.genders = faces_of_known_gender(selection, template)
        self.of_gender = [torch.nonzero(self.genders == code)[:, 0] for code in range(len(GENDERS))]
        if min(map(len, self.of_gender)) < 1:
            fault = "has no face of one gender among the training people"
            raise InputError(selection.corpus.path, fault, "use a corpus with women and men of known gender")
        self.batch_size, self.seed = batch_size, seed

    def batch(self, step: int) -> dict[str, Tensor]:
        """``faces`` (n, 3, 64, 64) uint8 and ``classes`` (n,)."""
        random = torch_generator(self.seed, step)
        sides = [self.of_gender[k % 2] for k in range(self.batch_size)]
        chosen = torch.stack([side[torch.randint(len(side), (), generator=random)] for side in sides])
        faces = self.faces[chosen]
        mirrored = torch.rand(self.batch_size, generator=random) < 0.5
        faces[mirrored] = faces[mirrored].flip(3)
        return {"faces": faces, "classes": self.genders[chosen]}


def faces_of_known_gender(selection: Selection, template: str) -> tuple[Tensor, Tensor]:
    """The selection's faces of people of known gender ``(n, 3, 64, 64)``, and its index in `GENDERS`."""
    corpus = selection.corpus
    owners = selection.person_of("faces").tolist()
    genders = [corpus.people[corpus.person_index[person]].gender for person in owners]
    kept = np.isin(np.array(genders, dtype=str), GENDERS)
    view = face_view(corpus, size=SIZE, template=template)
    faces = np.ascontiguousarray(view[selection.faces[kept]].transpose(0, 3, 1, 2))
    codes = [GENDERS.index(gender) for gender in genders if gender in GENDERS]
    return torch.from_numpy(faces), torch.tensor(codes, dtype=torch.int64)


def _validate(
    model: WenFaceClassifier, selection: Selection, facts: Facts, *, template: str
) -> dict[str, float]:
    """Mean of women's and men's accuracy on validation people."""
    faces, genders = faces_of_known_gender(selection, template)
    if not len(genders):
        raise InputError("validation", "has nobody of known gender", "give --validation a larger share")
    classes = model(faces.to(next(model.parameters()).device)).argmax(1).cpu()
    shares = [(classes == genders)[genders == code].float().mean() for code in torch.unique(genders).tolist()]
    return {"accuracy": float(torch.stack(shares).mean())}
