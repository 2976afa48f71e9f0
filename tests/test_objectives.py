"""The field's objectives: losses against slow loops, what each teaches, one table of all."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cli_fixtures import require_ge2e
from voiceface.components import load_component
from voiceface.errors import InputError
from voiceface.models.blockwise_pca import Block
from voiceface.models.two_streams import TwoStreams
from voiceface.nn.loss.contrastive import sigmoid_pair_loss, supervised_contrastive
from voiceface.nn.loss.margin_contrastive import margin_contrastive
from voiceface.nn.loss.orthogonal_projection import orthogonal_projection
from voiceface.papers import objectives
from voiceface.protocols.comparison_groups import DIRECTIONS
from voiceface.recipes import nagrani_pins, nagrani_svhf, saeed_fop, wen_dimnet, zhai_siglip
from voiceface.synthetic.tiny_corpus import tiny_corpus
from voiceface.training.two_stream_run import SMALL

PEOPLE = torch.tensor([0, 1, 2, 1, 3])


def rows(seed, count=5, dim=4):
    return F.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_supervised_contrast_is_its_equation():
    z, people, t = torch.cat([rows(0), rows(1)]), PEOPLE.repeat(2).tolist(), 0.3
    total = []
    for i, own in enumerate(people):
        others = [a for a in range(10) if a != i]
        below = sum(math.exp(float(z[i] @ z[a]) / t) for a in others)
        positives = [p for p in others if people[p] == own]
        terms = [math.log(math.exp(float(z[i] @ z[p]) / t) / below) for p in positives]
        total.append(-sum(terms) / len(terms))
    found = supervised_contrastive(z, people=PEOPLE.repeat(2), temperature=t)
    assert float(found) == pytest.approx(sum(total) / len(total), rel=1e-5)
    lonely = supervised_contrastive(rows(0).requires_grad_(), people=torch.arange(5), temperature=t)
    assert lonely.item() == 0 and lonely.requires_grad


def test_sigmoid_pairs_are_questions_of_their_own():
    x, y, scale, bias = rows(2), rows(3), 7.0, -2.0
    total = 0.0
    for i in range(5):
        for j in range(5):
            z = 1 if PEOPLE[i] == PEOPLE[j] else -1
            total += math.log(1 + math.exp(-z * (scale * float(x[i] @ y[j]) + bias)))
    found = sigmoid_pair_loss(x, y, people=PEOPLE, scale=torch.tensor(scale), bias=torch.tensor(bias))
    assert float(found) == pytest.approx(total / 5, rel=1e-5)


@pytest.mark.parametrize("hardness", [0.0, 0.4, 1.0])
def test_margin_contrast_picks_its_negatives_by_hardness(hardness):
    x, y, margin = rows(4), rows(5), 1.3
    own, pushed = [], []
    for one, other in ((x, y), (y, x)):
        for i in range(5):
            distances = [float((one[i] - other[j]).norm()) for j in range(5) if PEOPLE[j] != PEOPLE[i]]
            distances.sort(reverse=True)  # the farthest is the easiest
            chosen = distances[math.floor(hardness * (len(distances) - 1))]
            pushed.append(max(0.0, margin - chosen) ** 2)
            own.append(float((one[i] - other[i]).norm()) ** 2)
    expected = (sum(own) / 10 + sum(pushed) / 10) / 2
    found = margin_contrastive(x, y, people=PEOPLE, margin=margin, hardness=hardness)
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_margin_contrast_of_one_person_has_no_negatives():
    found = margin_contrastive(rows(4), rows(5), people=torch.zeros(5), margin=1.0, hardness=0.5)
    assert float(found) == pytest.approx(float((rows(4) - rows(5)).square().sum(1).mean()) / 2, rel=1e-5)


def test_orthogonal_projection_is_means_over_pairs():
    z = 3 * rows(6)
    same, other = [], []
    for i in range(5):
        for j in range(5):
            if i != j:
                cosine = float(F.cosine_similarity(z[i], z[j], dim=0))
                (same if PEOPLE[i] == PEOPLE[j] else other).append(cosine)
    expected = 1 - sum(same) / len(same) + abs(sum(other) / len(other))
    assert float(orthogonal_projection(z, people=PEOPLE)) == pytest.approx(expected, rel=1e-5)


def test_a_pair_judged_as_one_is_the_layer_over_joined_features():
    torch.manual_seed(0)
    choice = nagrani_svhf.NWayMatching(dim=4, hidden=6, ways=0)
    voices, faces = rows(0), rows(1, count=3)
    joined = torch.cat([choice.voice.weight, choice.face.weight], dim=1)
    bias = choice.voice.bias + choice.face.bias
    for i in range(5):
        for j in range(3):
            hidden = F.relu(joined @ torch.cat([voices[i], faces[j]]) + bias)
            assert float(choice.scores(voices, faces)[i, j]) == pytest.approx(
                float(choice.last(hidden)), abs=1e-5
            )
    scores = choice.scores(voices, rows(1))
    expected = (F.cross_entropy(scores, torch.arange(5)) + F.cross_entropy(scores.T, torch.arange(5))) / 2
    found = choice(voices, rows(1), {})["loss"]
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_negatives_get_harder_in_stairs(monkeypatch):
    seen = []
    monkeypatch.setattr(
        nagrani_pins,
        "margin_contrastive",
        lambda *_, hardness, **__: seen.append(hardness) or torch.zeros(()),
    )
    taught = nagrani_pins.MarginContrastive(margin=0.6, first=0.3, last=0.8)
    for progress in (0.0, 0.16, 0.17, 0.99):
        taught(rows(0), rows(1), {"people": PEOPLE, "progress": torch.full((5,), progress)})
    np.testing.assert_allclose(seen, [0.3, 0.3, 0.4, 0.8], atol=1e-6)


def test_covariates_that_are_not_known_teach_nothing():
    torch.manual_seed(0)
    taught = wen_dimnet.CovariateClassification(dim=4, sizes={"identity": 4, "gender": 2})
    batch = {"people": PEOPLE, "gender": torch.tensor([-1, 0, 1, 0, -1])}
    found = taught(rows(0), rows(1), batch)
    both = torch.cat([rows(0)[1:4], rows(1)[1:4]])
    expected = F.cross_entropy(taught.named["gender"](both), torch.tensor([0, 1, 0, 0, 1, 0]))
    assert float(found["gender"].detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert float(found["loss"]) == pytest.approx(float(found["identity"] + found["gender"]), rel=1e-5)
    nothing = wen_dimnet.CovariateClassification(dim=4, sizes={"gender": 2})
    lost = nothing(rows(0), rows(1), {"people": PEOPLE, "gender": torch.full((5,), -1)})
    assert float(lost["loss"]) == 0


@pytest.mark.parametrize(
    ("covariates", "word"),
    [("identity,shoes", "gender"), ("", "identity"), ("nationality", "knows nothing")],
)
def test_covariates_that_cannot_be_are_refused(covariates, word):
    facts = {"classes": 3, "covariates": {"gender": ["f", "m"]}}
    with pytest.raises(InputError, match=word):
        wen_dimnet._sizes(covariates, facts)


@pytest.mark.parametrize(
    "made",
    [
        lambda: nagrani_svhf.NWayMatching(dim=4, hidden=4, ways=1),
        lambda: nagrani_pins.MarginContrastive(margin=0.0, first=0.3, last=0.8),
        lambda: zhai_siglip.SigmoidPairs(scale=0.0, bias=0.0),
    ],
)
def test_impossible_objectives_are_refused(made):
    with pytest.raises(InputError):
        made()


def test_the_gates_sides_are_what_is_compared():
    torch.manual_seed(0)
    fusion = saeed_fop.Fusion(dim=4, classes=4, weight=1.0)
    model = TwoStreams(fusion, voice_width=6, blocks=[Block(5, 5, 1.0)], dim=4, hidden=8).eval()
    voices, faces = torch.randn(7, 6), torch.randn(7, 5)
    model.start(voices, faces)
    answer = model._output("voice", voices)
    torch.testing.assert_close(model.voices(voices), F.normalize(torch.tanh(fusion.voice(answer)), dim=1))
    assert model.can("embed") and not model.can("score")
    assert model.is_class_head("objective.classes.weight") and not model.is_class_head("objective.gate.bias")


@pytest.fixture(scope="module")
def corpus():
    pytest.importorskip("espeakng_loader")
    return tiny_corpus()


PEERS = ("khosla_supcon", "nagrani_pins", "nagrani_svhf", "saeed_fop", "wen_dimnet", "zhai_siglip")


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("wrong", [False, True])
def test_wrong_labels_give_nobody_their_own_faces(corpus, name, wrong):
    require_ge2e()
    run = load_component("voiceface.recipes", name).recipe(**SMALL, wrong_labels=wrong)
    pairs = run.data(run.split(corpus).train, {"covariates": {}}).pairs
    voices, faces = corpus.person_of("voices"), corpus.person_of("faces")
    assert len(pairs.items) > 2
    for own, others in pairs.items:
        assert len(set(voices[own])) == len(set(faces[others])) == 1
        assert (voices[own[0]] == faces[others[0]]) is not wrong


@pytest.mark.parametrize("name", [*PEERS, "matcher", "nawaz_ssnet"])
def test_the_weight_decay_reaches_the_optimiser(name):
    run = load_component("voiceface.recipes", name).recipe(weight_decay=0.125)
    assert {spec.weight_decay for spec in run.optimisers.values()} == {0.125}


def test_the_curriculum_runs_from_first_to_last(corpus):
    require_ge2e()
    run = nagrani_pins.recipe(**SMALL | {"steps": 100}, first=0.1, last=0.9)
    selection = run.split(corpus).train
    objective = run.build(run.facts(selection)).objective
    data = run.data(selection, run.facts(selection))
    found = []
    with pytest.MonkeyPatch.context() as patched:
        record = lambda *_, hardness, **__: found.append(hardness) or torch.zeros(())  # noqa: E731
        patched.setattr(nagrani_pins, "margin_contrastive", record)
        for step in range(0, 100, 20):
            objective(rows(0), rows(1), data.batch(step))
    assert found[0] == pytest.approx(0.1) and found == sorted(found) and found[-1] > 0.7


def test_one_command_compares_all_on_the_same_people(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(objectives, "_RESAMPLES", 20)
    chosen = {name: objectives.OBJECTIVES[name] for name in ("SVHF, of 2", "supervised contrast")}
    monkeypatch.setattr(objectives, "OBJECTIVES", chosen)
    monkeypatch.setattr(objectives, "_VALIDATION", 0.4)
    how = {"folds": 2, "steps": 3}
    told = []
    compared, matched, control = objectives.tables(corpus, tmp_path, tell=told.append, **how)
    assert told[0].startswith("SVHF, of 2: fold 1 of 2, ") and len(told) >= 2 * 2 * 3
    assert list(compared.rows) == [*chosen, "matcher (ours, closed form)"]
    best = max(chosen, key=lambda name: compared.rows[name][0].value)
    assert compared.rows[best][4] == "-" and f"AUC less {best}'s" in compared.columns[4]
    for name in chosen:
        told = compared.rows[name][5]
        moved = compared.rows[name][0].value - compared.rows["matcher (ours, closed form)"][0].value
        assert float(told.split(" ")[0]) == pytest.approx(moved, abs=6e-4)
    assert matched.rows["SVHF, of 2"][0].chance == 0.5 and len(matched.columns) == 2 * len(DIRECTIONS)
    assert list(control.rows) == list(compared.rows)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert len(stamps) >= 2 * 2 * 3
    assert objectives.tables(corpus, tmp_path, **how)[0].rows == compared.rows
    assert stamps == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    with pytest.raises(InputError, match="2 or more"):
        objectives.tables(corpus, tmp_path, folds=1)


def test_pairs_judged_as_one_are_cross_validated_by_their_scores():
    from voiceface.evaluation.cross_validation import Held

    scores = np.arange(6.0).reshape(2, 3)
    names = SimpleNamespace(v=np.array(["a", "b"]), f=np.array(["a", "b", "c"]))
    held = Held(
        voices=np.zeros((2, 0)), faces=np.zeros((3, 0)), voice_people=names.v, face_people=names.f,
        voice_folds=names.v, face_folds=names.f, voice_genders=names.v, face_genders=names.f,
        voice_ids=names.v, face_ids=names.f, calibrations={}, scores=scores,
    )  # fmt: skip
    assert (held.similarity == scores).all()
