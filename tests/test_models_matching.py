"""The closed-form answer against textbook canonical correlation, and what the heads add to it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.linalg import eigh
from sklearn.cross_decomposition import CCA

from voiceface.models.matching import Matching, solve


def pairs(count=300, wide=7, narrow=5, seed=0):
    """Two sides that share two factors beside noise of their own, of very unequal spread."""
    random = np.random.default_rng(seed)
    shared = random.normal(size=(count, 2)) * [1.0, 0.6]
    sides = []
    for width in (wide, narrow):
        mixed = shared @ random.normal(size=(2, width)) + random.normal(size=(count, width))
        sides.append(mixed @ np.diag(random.uniform(0.2, 3.0, width)) + random.normal(size=width))
    return [torch.from_numpy(side) for side in sides]


def cca(voices, faces, ridge):
    """Regularised canonical correlations: the generalised eigenvalue problem, whole."""
    x, y = (np.asarray(side) - np.asarray(side).mean(0) for side in (voices, faces))
    sxx, syy, sxy = (a.T @ b / len(x) for a, b in ((x, x), (y, y), (x, y)))
    sxx = sxx + ridge * np.trace(sxx) / len(sxx) * np.eye(len(sxx))
    syy = syy + ridge * np.trace(syy) / len(syy) * np.eye(len(syy))
    left = np.block([[np.zeros_like(sxx), sxy], [sxy.T, np.zeros_like(syy)]])
    right = np.block([[sxx, np.zeros_like(sxy)], [np.zeros_like(sxy.T), syy]])
    values, vectors = eigh(left, right)
    order = np.argsort(-values)[: min(sxy.shape)]
    return values[order], vectors[: len(sxx), order], vectors[len(sxx) :, order]


@pytest.mark.parametrize("ridge", [0.0, 0.3, 5.0])
def test_correlations_and_directions_are_those_of_the_eigenvalue_problem(ridge):
    voices, faces = pairs()
    found = solve(voices, faces, ridge=ridge, dim=5)
    values, left, right = cca(voices, faces, ridge)
    np.testing.assert_allclose(found.correlations, values, atol=1e-5)
    # Each direction is scaled by the root of its correlation: columns agree up to one common length and sign.
    for mine, theirs in ((found.voice_map, left), (found.face_map, right)):
        scaled = theirs * np.sqrt(values)
        np.testing.assert_allclose(
            np.abs((mine / mine.abs().max()).numpy()), np.abs(scaled / np.abs(scaled).max()), atol=2e-4
        )
    np.testing.assert_allclose(found.voice_mean, voices.mean(0), rtol=1e-5)


def test_without_ridge_it_is_scikit_learns_cca():
    voices, faces = pairs(seed=1)
    left, right = CCA(n_components=3, max_iter=5000, tol=1e-12).fit_transform(voices.numpy(), faces.numpy())
    theirs = [np.corrcoef(left[:, k], right[:, k])[0, 1] for k in range(3)]
    np.testing.assert_allclose(solve(voices, faces, ridge=0.0, dim=3).correlations, theirs, atol=1e-4)


def test_on_white_sides_it_is_the_svd_of_their_cross_covariance():
    white = []
    for side in pairs(seed=2):
        centred = side - side.mean(0)
        white.append(torch.linalg.qr(centred).Q * len(centred) ** 0.5)
    found = solve(*white, ridge=0.0, dim=5)
    values = np.linalg.svd(white[0].T.numpy() @ white[1].numpy() / 300, compute_uv=False)
    np.testing.assert_allclose(found.correlations, values, atol=1e-6)


def test_answers_have_a_mean_squared_length_of_one():
    voices, faces = pairs(seed=3)
    found = solve(voices, faces, ridge=1.0, dim=4)
    for rows, mean, map_ in ((voices, *found[:2]), (faces, *found[2:4])):
        answers = (rows.float() - mean) @ map_
        assert answers.square().sum(1).mean() == pytest.approx(1.0, rel=1e-4)


def test_a_planted_factor_is_found_under_louder_noise():
    random = np.random.default_rng(4)
    factor = random.normal(size=2000)
    left, right = random.normal(size=(2000, 30)) * 5, random.normal(size=(2000, 20)) * 5
    here, there = (v / np.linalg.norm(v) for v in (random.normal(size=30), random.normal(size=20)))
    voices, faces = left + 10 * factor[:, None] * here, right + 10 * factor[:, None] * there
    found = solve(torch.from_numpy(voices), torch.from_numpy(faces), ridge=0.5, dim=1)
    for map_, wanted in ((found.voice_map[:, 0], here), (found.face_map[:, 0], there)):
        assert abs(F.cosine_similarity(map_, torch.from_numpy(wanted).float(), dim=0)) > 0.97
    # Both maps point the same way, or own pairs would look least alike.
    assert (
        float(found.voice_map[:, 0] @ torch.from_numpy(here).float())
        * float(found.face_map[:, 0] @ torch.from_numpy(there).float())
        > 0
    )


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_fewer_pairs_than_numbers_stay_finite(ridge):
    random = torch.Generator().manual_seed(5)
    voices, faces = torch.randn(6, 40, generator=random), torch.randn(6, 30, generator=random)
    model = made(voice_width=40, face_width=30, dim=64, heads=0)
    model.start(voices, faces, ridge=ridge)
    for rows in (model.voices(voices), model.faces(faces)):
        assert rows.shape == (6, 64) and rows.isfinite().all()
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(6))
    similarity = model.voices(voices) @ model.faces(faces).T
    assert (similarity.argmax(1) == torch.arange(6)).all()  # seen pairs are known again


def made(**changes):
    torch.manual_seed(0)
    plain = {"voice_width": 7, "face_width": 5, "dim": 4, "heads": 3, "hidden": 8}
    return Matching(**(plain | changes)).eval()


def disturbed(model):
    """Heads that answer something: they begin with nothing."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model


@pytest.mark.parametrize("heads", [0, 1, 3])
def test_embeddings_are_of_length_one_and_as_long_as_told(heads):
    model = disturbed(made(heads=heads)).requires_grad_(False)
    voices, faces = (side.float() for side in pairs(seed=6))
    model.start(voices, faces, ridge=1.0)
    rows = model.voices(voices), model.faces(faces)
    for side in rows:
        assert side.shape == (300, model.dim) == (300, 4 * (heads + 1))
        torch.testing.assert_close(side.norm(dim=1), torch.ones(300))
    # The slow reading: the linear cosine and the heads' mean cosine, half and half.
    i, j = 3, 8
    linear = [
        (model.get_buffer(f"{side}_map").T @ (row - model.get_buffer(f"{side}_mean")))
        for side, row in (("voice", voices[i]), ("face", faces[j]))
    ]
    cosine = F.cosine_similarity(*linear, dim=0)
    corrected = []
    for k in range(heads):
        answers = []
        for side, row, base in (("voice", voices[i], linear[0]), ("face", faces[j], linear[1])):
            head = getattr(model, f"{side}_heads")
            given = (row - model.get_buffer(f"{side}_mean")) / model.get_buffer(f"{side}_spread")
            hidden = (given @ head.into[k] + head.into_bias[k, 0]).clamp_min(0)
            answers.append(base + hidden @ head.out[k] + head.out_bias[k, 0])
        corrected.append(F.cosine_similarity(*answers, dim=0))
    wanted = (cosine + torch.stack(corrected).mean()) / 2 if heads else cosine
    assert float(rows[0][i] @ rows[1][j]) == pytest.approx(float(wanted), abs=1e-5)


def test_heads_that_have_learnt_nothing_change_no_score():
    voices, faces = (side.float() for side in pairs(seed=7))
    linear, corrected = made(heads=0), made(heads=3)
    for model in (linear, corrected):
        model.start(voices, faces, ridge=1.0)
    scores = [model.voices(voices) @ model.faces(faces).T for model in (linear, corrected)]
    torch.testing.assert_close(*scores)


def test_the_spread_is_that_of_the_rows():
    voices, faces = (side.float() for side in pairs(seed=8))
    model = made()
    model.start(voices, faces, ridge=1.0)
    given = (voices - model.get_buffer("voice_mean")) / model.get_buffer("voice_spread")
    assert given.square().mean() == pytest.approx(1.0, rel=1e-4)


def test_everything_it_was_given_is_saved():
    voices, faces = (side.float() for side in pairs(seed=9))
    model, other = disturbed(made()), made()
    model.start(voices, faces, ridge=1.0)
    other.load_weights({name: tensor.clone() for name, tensor in model.weights().items()})
    assert torch.equal(other.voices(voices), model.voices(voices))
    assert torch.equal(other.faces(faces), model.faces(faces))


def bent(count, seed):
    """A factor that one side shows only by its size: no linear answer can find it."""
    random = torch.Generator().manual_seed(seed)
    factor = torch.randn(count, generator=random)
    voices = torch.randn(count, 6, generator=random) * 0.3
    faces = torch.randn(count, 4, generator=random) * 0.3
    voices[:, 0] += factor
    faces[:, 1] += factor.abs() * 2
    return voices, faces


def own_above_others(model, voices, faces):
    similarity = model.voices(voices) @ model.faces(faces).T
    own = similarity.diagonal()[:, None]
    return float(((own > similarity).float() + 0.5 * (own == similarity).float()).mean())


def test_learning_finds_what_no_linear_answer_can():
    voices, faces = bent(2048, seed=10)
    held = bent(256, seed=11)
    model = made(voice_width=6, face_width=4, dim=4, heads=2, hidden=32, dropout=0.0, noise=0.05)
    model.temperature = 0.3
    model.start(voices, faces, ridge=0.1)
    with torch.no_grad():
        linear = own_above_others(model, *held)
    (turn,) = model.turns()
    optimiser = torch.optim.AdamW(turn.parameters, lr=1e-2)
    model.train()
    random = torch.Generator().manual_seed(12)
    figures = []
    for _ in range(300):
        picked = torch.stack([torch.randperm(2048, generator=random)[:64] for _ in range(2)])
        batch = {"voices": voices[picked], "faces": faces[picked], "people": picked}
        told = turn.loss(batch, None)
        optimiser.zero_grad()
        told["loss"].backward()
        optimiser.step()
        figures.append(told["info_nce"].item())
    model.eval()
    with torch.no_grad():
        learnt = own_above_others(model, *held)
    assert linear < 0.56 and learnt > 0.65, (linear, learnt)
    assert np.mean(figures[-10:]) < np.mean(figures[:10]) - 0.2
    assert told["loss"].item() == pytest.approx(2 * told["info_nce"].item())


def test_a_turn_changes_the_heads_and_leaves_the_closed_form_alone():
    model = made()
    (turn,) = model.turns()
    assert {id(p) for p in turn.parameters} == {id(p) for p in model.parameters()}
    assert {"voice_map", "face_map", "voice_mean", "face_mean"} <= dict(model.named_buffers()).keys()


def test_noise_is_for_learning_only():
    model = disturbed(made(noise=1.0))
    rows = torch.randn(5, 7)
    assert torch.equal(model.voices(rows), model.voices(rows))
    model.train()
    assert not torch.equal(model.voices(rows), model.voices(rows))
