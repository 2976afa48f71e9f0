"""Two groups and the finer link: the evidence is that of the formula, and saturation is worth having."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from voiceface.metrics.roc import auc
from voiceface.models.blockwise_pca import Block, BlockwisePca
from voiceface.models.dlib_recogniser import load_dlib_recogniser
from voiceface.models.face_encoders import dlib_layers
from voiceface.models.grouped_matching import GroupedMatching
from voiceface.models.matching import Matching
from voiceface.models.two_groups import TwoGroups, log_odds, two_normals
from voiceface.recipes import matcher as recipe

BLOCKS = (Block(12, 12, 1.0), Block(30, 5, 0.7))


def people(count, seed=0):
    """Two groups far apart, depths in them that the other side knows nothing of, four fine shared factors."""
    random, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    group = random.random(count) < 0.45
    shared = random.normal(size=(count, 4))
    sides = []
    for width in (20, 42):
        apart, mixed = fixed.normal(size=width), fixed.normal(size=(4, width))
        depth = random.normal(size=count)
        rows = np.outer((2.0 * group - 1) * 3 + depth, apart) + 0.3 * shared @ mixed
        sides.append(torch.from_numpy(rows + random.normal(size=rows.shape)).float())
    return sides[0], sides[1], group


def made(heads=0, **changes):
    torch.manual_seed(0)
    link = Matching(voice_width=20, face_width=17, dim=6, heads=heads, hidden=8, **changes)
    return GroupedMatching(link, blocks=BLOCKS).eval()


def test_two_normals_are_told_apart():
    random = torch.Generator().manual_seed(0)
    first = torch.rand(4000, generator=random) < 0.3
    values = torch.randn(4000, generator=random, dtype=torch.float64) + 4.0 * first
    found = two_normals(values)
    assert float(found.mean()) == pytest.approx(0.3, abs=0.02)
    assert float(((found > 0.5) == first).double().mean()) > 0.95
    # The chance that the two normals themselves give.
    wanted = torch.sigmoid(4 * values - 8 + np.log(0.3 / 0.7))
    torch.testing.assert_close(found, wanted, atol=0.1, rtol=0)


def test_groups_are_found_without_being_named():
    voices, faces, group = people(600)
    groups = TwoGroups(voice_width=20, face_width=42)
    groups.fit(voices, faces, ridge=1.0)
    for side, rows in (("voice", voices), ("face", faces)):
        found = (groups.logit(side, rows) > 0).numpy()
        assert max((found == group).mean(), (found != group).mean()) > 0.85
        rest = groups.rest(side, rows)
        apart = lambda given: float((given[group].mean(0) - given[~group].mean(0)).norm())  # noqa: E731
        assert apart(rest) < 0.4 * apart(rows)


def test_the_evidence_is_a_dot_product():
    voices, faces, _ = people(400, seed=1)
    groups = TwoGroups(voice_width=20, face_width=42)
    groups.fit(voices, faces, ridge=1.0)
    chances = [groups.logit(s, r).clamp(-7, 7).sigmoid() for s, r in (("voice", voices), ("face", faces))]
    a, b, share = *(c.double()[:50] for c in chances), float(groups.get_buffer("share"))
    slow = [[np.log(x * y / share + (1 - x) * (1 - y) / (1 - share)) for y in b.tolist()] for x in a.tolist()]
    np.testing.assert_allclose(log_odds(a, b, share=share), slow, atol=1e-9)
    dots = groups.evidence("voice", voices)[:50] @ groups.evidence("face", faces)[:50].T
    np.testing.assert_allclose(dots, slow, atol=0.15)


def test_a_block_is_scikit_learns_components_of_standardised_numbers():
    _, rows, _ = people(300, seed=2)
    reduction = BlockwisePca(BLOCKS)
    reduction.fit(rows)
    found = reduction(rows)
    part = (rows[:, 12:] - rows[:, 12:].mean(0)) / rows[:, 12:].std(0, correction=0)
    wanted = torch.from_numpy(PCA(5).fit_transform(part.double().numpy())).float()
    wanted *= 0.7 / wanted.square().sum(1).mean().sqrt()
    torch.testing.assert_close(found[:, 12:].abs(), wanted.abs(), atol=1e-4, rtol=1e-3)
    assert float(found[:, :12].square().sum(1).mean()) == pytest.approx(1.0, rel=1e-4)
    few = BlockwisePca(BLOCKS)
    few.fit(rows[:3])
    assert few(rows).isfinite().all() and few(rows).shape == (300, 17)


@pytest.mark.parametrize("heads", [0, 2])
def test_a_dot_product_is_the_sum_of_evidence_and_finer_link(heads):
    model = made(heads).requires_grad_(False)
    voices, faces, _ = people(300, seed=3)
    model.start(voices, faces, ridge=1.0)
    rows = model.voices(voices), model.faces(faces)
    for side in rows:
        assert side.shape == (300, model.dim)
        torch.testing.assert_close(side.norm(dim=1), torch.ones(300))
    groups, reduced = model.groups, model.reduction(faces)
    coarse = groups.evidence("voice", voices) @ groups.evidence("face", reduced).T
    fine = model.link.voices(groups.rest("voice", voices)) @ model.link.faces(groups.rest("face", reduced)).T
    wanted, dots = coarse + model.weight * fine, rows[0] @ rows[1].T
    scale = float(wanted.std() / dots.std())
    np.testing.assert_allclose(dots * scale, wanted, atol=2e-4 * scale)


def test_people_never_met_are_told_better_than_by_the_cosine_alone():
    voices, faces, _ = people(500, seed=4)
    others = people(300, seed=5)
    grouped = made()
    grouped.start(voices, faces, ridge=1.0)
    plain = Matching(voice_width=20, face_width=42, dim=6, heads=0).eval()
    plain.start(voices, faces, ridge=1.0)
    same = np.eye(300, dtype=bool).ravel()
    found = [
        auc((s.voices(others[0]) @ s.faces(others[1]).T).numpy().ravel(), same) for s in (grouped, plain)
    ]
    assert found[0] > found[1] + 0.01 and found[0] > 0.8, found


def test_the_heads_learn_and_everything_is_saved():
    voices, faces, _ = people(64, seed=6)
    model, other = made(2), made(2)
    model.start(voices, faces, ridge=1.0)
    (turn,) = model.turns()
    picked = torch.stack([torch.arange(64)] * 2)
    told = turn.loss({"voices": voices[picked], "faces": faces[picked], "people": picked}, None)
    told["loss"].backward()
    assert all(p.grad is not None for p in turn.parameters)
    other.load_weights({name: tensor.clone() for name, tensor in model.weights().items()})
    with torch.no_grad():
        assert torch.equal(other.faces(faces), model.faces(faces))


def known(model, voices, faces):
    """AUC over all pairs of voice and face."""
    rows = model.project_voices(voices.numpy()), model.project_faces(faces.numpy())
    return auc((rows[0] @ rows[1].T).ravel(), np.eye(len(voices), dtype=bool).ravel())


def test_more_people_help_as_if_they_had_been_there_from_the_start():
    first, more, test = people(60, seed=7), people(300, seed=8), people(400, seed=9)
    tuned, whole = made(), made()
    tuned.start(*first[:2], ridge=1.0)
    before = known(tuned, *test[:2])
    tuned.adapt(*more[:2], ridge=1.0)
    whole.start(*(torch.cat(sides) for sides in zip(first[:2], more[:2], strict=True)), ridge=1.0)
    after, wanted = known(tuned, *test[:2]), known(whole, *test[:2])
    assert after > before + 0.02 and after > wanted - 0.02, (before, after, wanted)
    assert int(tuned.moments.get_buffer("count")) == 360


def test_moments_of_pairs_solve_to_the_closed_form():
    voices, faces, _ = people(200, seed=10)
    model = made()
    model.start(voices, faces, ridge=1.0)
    found = model.moments.solve(ridge=1.0, dim=6)
    for name in ("voice_map", "face_map"):
        ours, wanted = getattr(found, name), model.link.get_buffer(name)
        torch.testing.assert_close(ours @ ours.T, wanted @ wanted.T, atol=1e-4, rtol=1e-3)


def test_another_microphone_is_followed_and_chance_is_not():
    voices, faces, _ = people(600, seed=11)
    model = made()
    model.start(voices, faces, ridge=1.0)
    few = people(20, seed=12)
    offset = 4.0 * torch.randn(20, generator=torch.Generator().manual_seed(0))
    reduced = model.reduction(few[1])
    chance = (model.groups.logit("voice", few[0]) + model.groups.logit("face", reduced)).sigmoid()[:, None]
    rest = few[0] - model.groups.voice_base - chance * model.groups.voice_shift
    assert model.moments.shift("voice", rest).norm() < 0.5
    torch.testing.assert_close(model.moments.shift("voice", rest + offset), 0.4 * offset, atol=1.0, rtol=0)
    test = people(400, seed=13)
    spoken = test[0] + offset
    before = known(model, spoken, test[1])
    model.adapt(few[0] + offset, few[1], ridge=1.0)
    assert known(model, spoken, test[1]) > before + 0.02


def test_weights_without_moments_load_and_have_the_same_fingerprint():
    voices, faces, _ = people(100, seed=14)
    model, older = made(), made()
    model.start(voices, faces, ridge=1.0)
    kept = {name: t.clone() for name, t in model.weights().items() if not name.startswith("moments.")}
    older.load_weights(kept)
    assert older.fingerprint() == model.fingerprint()
    assert model.adaptable and not older.adaptable
    with pytest.raises(ValueError, match="not known"):
        older.adapt(voices, faces, ridge=1.0)


def test_layers_of_a_face_and_its_mirror_image():
    chips = np.random.default_rng(0).integers(0, 256, (2, 150, 150, 3), dtype=np.uint8)
    encoder = dlib_layers.load()
    rows = encoder.embed(chips)
    assert rows.shape == (2, encoder.dim) == (2, 2668)
    np.testing.assert_allclose(encoder.embed(chips[:, :, ::-1]), rows, rtol=1e-3, atol=1e-4)
    network = load_dlib_recogniser()
    both = [torch.from_numpy(c.copy()).permute(2, 0, 1)[None].float() for c in (chips[0], chips[0, :, ::-1])]
    with torch.no_grad():
        maps = [network.maps(one) for one in both]
        wanted = np.mean([network(one).numpy()[0] for one in both], axis=0)
    np.testing.assert_allclose(rows[0, :128], wanted, atol=1e-5)
    means = np.mean([np.concatenate([m.mean((2, 3))[0] for m in one]) for one in maps], axis=0)
    np.testing.assert_allclose(rows[0, 128 : 128 + 1760], means, rtol=1e-4, atol=1e-5)
    spreads = np.mean([np.concatenate([m.flatten(2).std(2)[0] for m in one[2::3]]) for one in maps], axis=0)
    np.testing.assert_allclose(rows[0, 1888:2368], spreads, rtol=1e-3, atol=1e-4)
    grid = chips[0].reshape(10, 15, 10, 15, 3).mean((1, 3)) / 255
    grid = (grid + grid[:, ::-1]) / 2
    np.testing.assert_allclose(rows[0, 2368:], grid.transpose(2, 0, 1).ravel(), atol=1e-5)


def test_weights_from_before_there_were_groups_are_still_read():
    run = recipe.recipe(voice_encoder="ge2e", heads=2)
    assert isinstance(run.build({"voice_width": 256}), Matching)
    facts = {"voice_width": 256, "groups": True, "face_width": 42, "face_blocks": [list(b) for b in BLOCKS]}
    assert run.build(facts).reduction.dim == 17
