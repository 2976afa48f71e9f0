"""Roldán's GANs of known people: networks, conditions, losses, and generated faces."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from voiceface.audio.normalise_peak import normalise_peak
from voiceface.errors import InputError
from voiceface.models.conditional_gan import GanOptions, GanShape, build_conditional_gan
from voiceface.models.conditions import FRAME, ProjectedName, RepeatedName, Speech
from voiceface.models.generator_input import GeneratorInput
from voiceface.nn.face.roldan_gan import RoldanDiscriminator, RoldanGenerator
from voiceface.nn.voice.segan import SeganEncoder

SMALL = GanShape(size=16, width=4, noise=6, spectral="none")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def batch(people=(0, 1, 2, 0, 1, 2), size=16):
    pictures = torch.randint(0, 256, (len(people), size, size, 3), dtype=torch.uint8)
    return {"pictures": pictures, "people": torch.tensor(people)}


def gan(options=None, *, shape=SMALL, own=True, people=3):
    part = ProjectedName(people, dim=8)
    mine = {"name": ProjectedName(people, dim=8)} if own else {}
    names = [f"p{k}" for k in range(people)]
    return build_conditional_gan(
        {"name": part}, mine, people=names, shape=shape, options=options or GanOptions()
    )


def step(model, data, lr=1e-2):
    """One step as the loop plays it."""
    shared = model.shared(data)
    told = {}
    for turn in model.turns():
        figures = turn.loss(data, shared)
        optimiser = torch.optim.SGD(turn.parameters, lr=lr)
        optimiser.zero_grad()
        torch.autograd.backward(figures["loss"], inputs=list(turn.parameters))
        optimiser.step()
        told[turn.name] = figures
    with torch.no_grad():
        model.after_step()
    return told


# ---- networks


@pytest.mark.parametrize("size", [8, 16, 64])
@pytest.mark.parametrize("norm", ["none", "batch", "spectral"])
def test_pictures_have_their_size_and_range(size, norm):
    generator = RoldanGenerator(condition=5, noise=3, width=2, size=size, norm=norm)
    judge = RoldanDiscriminator(condition=5, classes=4, width=2, size=size, norm=norm)
    drawn = generator(torch.randn(2, 5), torch.randn(2, 3))
    assert drawn.shape == (2, 3, size, size) and drawn.abs().max() <= 1
    score, names = judge(drawn, torch.randn(2, 5))
    assert score.shape == (2,) and names.shape == (2, 4)


def test_the_thesis_sizes_at_64_pixels():
    generator = RoldanGenerator(condition=128, width=2, norm="batch")
    judge = RoldanDiscriminator(width=2, norm="batch")
    shapes = [tuple(block[0].weight.shape) for block in generator.blocks]
    assert shapes == [(228, 16, 4, 4), (16, 8, 4, 4), (8, 4, 4, 4), (4, 2, 4, 4)]
    kernels = [tuple(m.weight.shape) for m in judge.trunk if isinstance(m, nn.Conv2d)]
    assert kernels == [(2, 3, 4, 4), (4, 2, 4, 4), (8, 4, 4, 4), (16, 8, 4, 4)]
    assert tuple(judge.join[0].weight.shape) == (16, 144, 1, 1)
    assert tuple(judge.score.weight.shape) == (1, 16, 4, 4)


@pytest.mark.parametrize("size", [4, 24, 63])
def test_other_sizes_are_refused(size):
    with pytest.raises(InputError, match="power of two"):
        RoldanGenerator(condition=4, size=size)


def test_the_discriminators_answer_to_a_name_depends_on_the_picture():
    """Else the score would be a sum of two functions, and no match could be told."""
    judge = RoldanDiscriminator(condition=6, width=4, size=16)
    faces, names = torch.randn(2, 3, 16, 16), torch.randn(2, 6)
    with torch.no_grad():
        one, two = (judge(face[None], names[:1])[0] - judge(face[None], names[1:])[0] for face in faces)
    assert abs(float(one - two)) > 1e-4


def largest_values(network):
    found = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            weight = module.weight.detach()
            rows = weight.transpose(0, 1) if isinstance(module, nn.ConvTranspose2d) else weight
            found.append(torch.linalg.matrix_norm(rows.flatten(1), ord=2).item())
    return found


@pytest.mark.parametrize(
    ("spectral", "generator", "judge"),
    [
        ("none", "batch", "batch"),
        ("generator", "spectral", "none"),
        ("judge", "batch", "spectral"),
        ("both", "spectral", "spectral"),
    ],
)
def test_spectral_norm_stands_where_it_is_asked_for(spectral, generator, judge):
    model = gan(shape=replace(SMALL, spectral=spectral))
    data = batch()
    with torch.no_grad():
        for _ in range(15):  # power iterations settle
            model.shared(data), model.judge(torch.randn(2, 3, 16, 16), torch.randn(2, 8))
    for network, norm in ((model.generator, generator), (model.judge, judge)):
        bounded = all(abs(value - 1) < 0.05 for value in largest_values(network))
        assert bounded == (norm == "spectral")
        assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == (norm == "batch")


def test_controlled_dropout_varies_a_face_and_is_the_seeds():
    model = gan(shape=replace(SMALL, dropout=0.5)).eval()
    model.generator.noise = 6
    inputs = [GeneratorInput(person="p0")] * 4
    one, again, other = (model.generate(inputs, seed=seed) for seed in (3, 3, 4))
    assert (one == again).all() and (one != other).any()
    masks = model.generator.dropout_masks(torch.Generator().manual_seed(0))
    assert {float(v) for v in torch.cat([m.flatten() for m in masks]).unique()} == {0.0, 2.0}
    assert all(abs(float(m.mean()) - 1) < 0.5 for m in masks)
    # Without noise only the masks can tell two faces apart.
    with torch.no_grad():
        for block in list(model.generator.blocks)[:1]:
            block[0].weight[model.generator.condition :] = 0
    assert (np.diff(model.generate(inputs, seed=3)[:2].astype(int), axis=0) != 0).any()


def test_a_face_depends_on_the_seed_and_its_own_sample_alone():
    model = gan(GanOptions(condition_noise=0.3), shape=replace(SMALL, dropout=0.2)).eval()
    inputs = [GeneratorInput(person=f"p{k}") for k in range(3)]
    whole = model.generate(inputs, seed=5).astype(int)
    part = model.generate(inputs[:2], seed=5)
    assert np.abs(whole[:2] - part).max() <= 1  # batched sums may round another way
    last = model.generate([GeneratorInput(person="p2", sample=2)], seed=5)
    assert np.abs(whole[2:] - last).max() <= 1
    assert part.dtype == np.uint8 and whole.shape == (3, 16, 16, 3)


def test_the_typical_face_is_the_mean_of_sixteen_samples():
    model = gan(GanOptions(condition_noise=2.0)).eval()
    with torch.no_grad():
        for parameter in model.generator.parameters():
            parameter.mul_(4)
    typical = model.generate([GeneratorInput(person="p1")], seed=2, typical=True)
    several = model.generate([GeneratorInput(person="p1")] * 16, seed=2).astype(float)
    assert np.abs(typical[0] - several.mean(0)).max() <= 1.5
    assert several.std(0).max() > 2


def test_the_first_layers_weights_are_told_apart():
    generator = RoldanGenerator(condition=4, noise=3, width=2, size=16, norm="batch")
    with torch.no_grad():
        generator.blocks[0][0].weight[:4] = -2.0
        generator.blocks[0][0].weight[4:] = 0.5
    assert generator.first_weights() == (2.0, 0.5)


@pytest.mark.parametrize("length", [FRAME, 501, 3])
def test_segan_shortens_by_four_six_times(length):
    network = SeganEncoder(length=length, width=2, dim=7)
    assert network(torch.randn(2, length)).shape == (2, 7)
    assert network(torch.randn(2, 1, max(1, length // 2))).shape == (2, 7)
    with pytest.raises(InputError, match="too long"):
        network(torch.randn(2, length + 1))


def test_segan_has_the_thesis_sizes():
    shapes = [tuple(block[0].weight.shape) for block in SeganEncoder(width=2).blocks]
    assert [32 * shape[0] for shape in shapes] == [64, 128, 256, 512, 1024, 1024]
    assert {shape[2] for shape in shapes} == {15}
    assert all(isinstance(block[1], nn.BatchNorm1d) for block in SeganEncoder(width=1).blocks)


# ---- conditions


def test_a_name_is_repeated_and_padded():
    rows = RepeatedName(3, dim=8)({"people": torch.tensor([1, 2])})
    assert rows.tolist() == [[0, 1, 0, 0, 1, 0, 0, 0], [0, 0, 1, 0, 0, 1, 0, 0]]
    assert RepeatedName(9, dim=8)({"people": torch.tensor([8])}).shape == (1, 9)


def test_a_projected_name_is_a_column_of_its_matrix():
    part = ProjectedName(3, dim=4)
    told = part({"people": torch.tensor([2])})[0]
    assert torch.allclose(told, part.projection.weight[:, 2] + part.projection.bias)


@pytest.mark.parametrize("form", ["waveform", "mel"])
def test_speech_is_the_same_at_any_level_and_as_whole_numbers(form):
    part = Speech(form, width=2, dim=6).eval()
    wave = torch.sin(torch.arange(FRAME) * 0.05)[None] * 0.5
    quiet, whole, other = wave * 0.1, (wave * 32768).to(torch.int16), torch.sin(torch.arange(FRAME) * 0.31)
    with torch.no_grad():
        told = part({"waves": wave})
        changes = [(told - part({"waves": w})).abs().max() for w in (quiet, whole, other[None])]
    assert told.shape == (1, 6)
    assert changes[0] < 1e-5 and changes[1] < 0.2 * changes[2]


def test_silence_stays_silent():
    assert normalise_peak(torch.zeros(2, 5)).abs().max() == 0
    assert torch.isfinite(Speech("mel", width=1, dim=4).eval()({"waves": torch.zeros(1, FRAME)})).all()


# ---- training


@pytest.mark.parametrize("objective", ["ls", "w", "ac"])
@pytest.mark.parametrize("aware", [False, True])
def test_every_objective_updates_both_networks(objective, aware):
    model = gan(GanOptions(objective, matching_aware=aware, critic_steps=1))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    told = step(model, batch())
    assert set(told) == {"discriminator", "generator"}
    assert all(torch.isfinite(figures["loss"]) for figures in told.values())
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert {name.split(".")[0] for name in moved} >= {"generator", "judge", "parts"}


def test_a_critics_weights_stay_within_the_clip():
    model = gan(GanOptions("w", clip=0.02))
    assert [turn.every for turn in model.turns()] == [1, 5]
    step(model, batch(), lr=10.0)
    critic = [*model.judge.parameters(), *model.own.parameters()]
    assert max(float(p.detach().abs().max()) for p in critic) <= 0.02
    assert max(float(p.detach().abs().max()) for p in model.generator.parameters()) > 0.02
    unclipped = gan(GanOptions("ls"))
    step(unclipped, batch(), lr=10.0)
    assert max(float(p.detach().abs().max()) for p in unclipped.judge.parameters()) > 0.02


def test_the_discriminator_reuses_the_generators_name_without_training_it():
    for own, taught in ((True, True), (False, False)):
        model = gan(own=own)
        data = batch()
        shared = model.shared(data)
        model.discriminator_loss(data, shared)["loss"].backward()
        assert all(p.grad is None for p in model.parts.parameters())
        assert any(p.grad is not None for p in model.own.parameters()) == taught
        model.zero_grad()
        # The generator's turn reaches the name through the drawn faces alone.
        told = shared["parts"]["name"]
        read = model._discriminator_condition(data, shared)
        assert read.requires_grad == own
        assert own or torch.equal(read, told)


def test_a_matching_aware_discriminator_sees_somebody_elses_name():
    data = batch(people=(0, 0, 1, 2))
    plain, aware = (gan(GanOptions(matching_aware=flag)) for flag in (False, True))
    aware.load_state_dict(plain.state_dict())
    torch.manual_seed(1)
    one = plain.discriminator_loss(data, shared := plain.shared(data))["loss"]
    aware.load_state_dict(plain.state_dict())
    model = aware
    seen = []
    judge = model.judge.score_features

    def noted(features, condition=None):
        answer = judge(features, condition)
        seen.append(condition)
        return answer

    model.judge.score_features = noted
    other = model.discriminator_loss(data, shared)["loss"]
    assert not torch.allclose(one, other)
    right, wrong = seen[0], seen[-1]
    for row, whose in enumerate([2, 2, 3, 0]):  # the next of another person, going round
        assert torch.equal(wrong[row], right[whose])


def test_one_person_in_a_batch_leaves_nobody_to_mismatch():
    data = batch(people=(1, 1, 1))
    model = gan(GanOptions(matching_aware=True))
    assert torch.isfinite(model.discriminator_loss(data, model.shared(data))["loss"])


def test_noise_on_the_condition_reaches_the_generator_alone():
    model = gan(GanOptions(condition_noise=2.0), own=False)
    data = batch(people=(0, 0))
    shared = model.shared(data)
    assert torch.equal(shared["parts"]["name"][0], shared["parts"]["name"][1])
    assert torch.equal(*model._discriminator_condition(data, shared))


def test_it_learns_two_flat_faces_apart():
    """Least squares, two people of one grey each: after a few steps each name draws its own."""
    people = torch.tensor([0, 1] * 8)
    pictures = torch.where(people == 0, 40, 215).to(torch.uint8)[:, None, None, None].expand(-1, 8, 8, 3)
    part = ProjectedName(2, dim=8)
    model = build_conditional_gan(
        {"name": part},
        {"name": ProjectedName(2, dim=8)},
        people=["a", "b"],
        shape=GanShape(size=8, width=8, noise=4, spectral="none"),
        options=GanOptions(matching_aware=True),
    )
    turns = [(t, torch.optim.Adam(t.parameters, lr=4e-3, betas=(0.5, 0.99))) for t in model.turns()]
    for _ in range(150):
        data = {"pictures": pictures, "people": people}
        shared = model.shared(data)
        for turn, optimiser in turns:
            optimiser.zero_grad()
            torch.autograd.backward(turn.loss(data, shared)["loss"], inputs=list(turn.parameters))
            optimiser.step()
    inputs = [GeneratorInput(person=name) for name in "ab" * 4]
    drawn = model.eval().generate(inputs).mean((1, 2, 3))
    assert drawn[1::2].min() - drawn[::2].max() > 80
