"""The Imaginer: voices to coefficients against independent answers, and what a caller sees."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from small_face_model import draw_faces, fitted_model
from voiceface.corpus.splits import Selection
from voiceface.errors import InputError
from voiceface.face.align import TEMPLATES, template_points
from voiceface.models import fit_recogniser_response as fitting
from voiceface.models import imaginer as model
from voiceface.models.corpus_faces import frontal_faces
from voiceface.models.encoders import student
from voiceface.models.generator_input import GeneratorInput
from voiceface.models.pretrained import PretrainedEncoders
from voiceface.nn.face.face_model import RenderedFace
from voiceface.nn.face.patch_discriminator import PatchDiscriminator
from voiceface.recipes import _paired_people as paired
from voiceface.recipes import imaginer as recipe
from voiceface.recipes._face_model import read_face_model

VOICE, FACE, PEOPLE = 12, 6, 60


@pytest.fixture(scope="module")
def face_model():
    fitted, measures, *_, style = fitted_model(draw_faces(24))
    with torch.no_grad():
        fitted.get_buffer("response").normal_(generator=torch.Generator().manual_seed(0))
    return fitted, fitted.encode(measures), style


def started(face_model, *, voice_width=VOICE, **options):
    """A model started on voices that tell a part of coefficients, embeddings and styles."""
    fitted = face_model[0]
    random = torch.Generator().manual_seed(1)
    voices = torch.randn(PEOPLE, voice_width, generator=random)
    width = fitted.net.width
    told = voices[:, :5] @ torch.randn(5, width, generator=random)
    coefficients = 0.5 * told + torch.randn(PEOPLE, width, generator=random)
    pairs = model.PairedFaces(
        voices=voices,
        coefficients=coefficients,
        embeddings=voices[:, :5] @ torch.randn(5, 128, generator=random) + 3,
        people=torch.arange(PEOPLE),
    )
    made = model.ImaginerModel(
        fitted.shape,
        voice_width=voice_width,
        encoders=PretrainedEncoders(voice="student", voice_fingerprint=student.load().fingerprint),
        **options,
    )
    made.faces.load_weights(fitted.weights())
    made.start(pairs)
    return made.eval(), pairs


def least_squares(voices, targets, penalty):
    """Ridge regression as least squares over rows and, below them, the ridge's own."""
    x, y = (one.double().numpy() - one.double().numpy().mean(0) for one in (voices, targets))
    ridge = penalty * (x**2).mean(0).mean() * len(x)
    rows = np.vstack([x, ridge**0.5 * np.eye(x.shape[1])])
    return np.linalg.lstsq(rows, np.vstack([y, np.zeros((x.shape[1], y.shape[1]))]), rcond=None)[0]


def test_coefficients_are_two_ridge_regressions_added(face_model):
    imagining, pairs = started(face_model)
    found = imagining.predict(pairs.voices)
    given, away = imagining.variation, (pairs.voices - pairs.voices.mean(0)).double().numpy()
    direct = away @ least_squares(pairs.voices, pairs.coefficients, 3.0)
    embedding = away @ least_squares(pairs.voices, pairs.embeddings, 3.0)
    # The shortest coefficients whose response is the embedding: least squares with a penalty on their length.
    response = imagining.faces.get_buffer("response").double().numpy()
    steady = (response**2).sum(0).mean()
    rows = np.vstack([response.T, steady**0.5 * np.eye(len(response))])
    wanted = np.vstack([embedding.T, np.zeros((len(response), len(embedding)))])
    back = np.linalg.lstsq(rows, wanted, rcond=None)[0].T
    scale = np.concatenate(
        [
            np.full(count, given.colours if name in ("tone", "hair") else 1.0)
            for name, count in imagining.faces.net.components.items()
        ]
    )
    expected = pairs.coefficients.double().mean(0).numpy() + scale * (
        given.direct * direct + given.identity * back
    )
    assert np.abs(found.numpy() - expected).max() < 1e-3


def test_what_a_voice_does_not_tell_has_the_spread_of_what_it_misses(face_model):
    imagining, pairs = started(face_model)
    residual = imagining.get_buffer("residual")
    missed = []
    for fold in range(5):
        own = pairs.people % 5 == fold
        weights = least_squares(pairs.voices[~own], pairs.coefficients[~own], 3.0)
        away = (pairs.voices[own] - pairs.voices[~own].mean(0)).double().numpy()
        missed.append((pairs.coefficients[own] - pairs.coefficients[~own].mean(0)).numpy() - away @ weights)
    missed = np.concatenate(missed)
    wanted = missed.T @ missed / len(missed)
    found = (residual.T @ residual).numpy()
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()


@pytest.fixture(scope="module")
def drawing(face_model):
    """A model for the student's voices, and two seconds of two voices."""
    imagining, _ = started(face_model, voice_width=256)
    time = np.arange(32_000) / 16_000
    waves = [np.sign(np.sin(2 * np.pi * hertz * time)).astype(np.float32) * 0.2 for hertz in (110, 230)]
    return imagining, [GeneratorInput(wave=wave) for wave in waves]


def test_seeds_samples_and_voices_give_different_faces_and_the_same_ones_the_same(drawing):
    imagining, (one, other) = drawing
    faces = imagining.generate([one, one, other])
    assert faces.shape == (3, 256, 256, 3) and faces.dtype == np.uint8
    assert (faces[0] != faces[1]).any() and (faces[0] != faces[2]).any()
    assert (imagining.generate([one, one, other]) == faces).all()
    assert (imagining.generate([one], seed=1)[0] != faces[0]).any()
    chosen = [GeneratorInput(wave=other.wave, sample=5), GeneratorInput(wave=one.wave, sample=1)]
    assert np.abs(imagining.generate(chosen)[1].astype(int) - faces[1]).max() <= 2


def test_one_seed_gives_two_voices_other_surroundings_and_two_recordings_of_one_the_same(drawing):
    imagining, inputs = drawing
    one, other = imagining.conditions(inputs)
    again = one + 0.02 * (one - imagining.get_buffer("voice_mean")).norm() * torch.randn(256) / 16
    walls = imagining.generate_from(torch.stack([one, again, other]), [0, 0, 0])[:, :6, :6].astype(int)
    assert np.abs(walls[0] - walls[1]).mean() < 6 < np.abs(walls[0] - walls[2]).mean()


def test_the_typical_face_is_one_whatever_the_seed(drawing):
    imagining, inputs = drawing
    faces = imagining.generate(inputs, typical=True)
    assert (imagining.generate(inputs, seed=9, typical=True) == faces).all()
    assert (faces[0] != faces[1]).any()


def test_variety_and_light_are_what_is_sampled(drawing):
    imagining, (one, _) = drawing
    kept = imagining.variation
    conditions = imagining.conditions([one])

    def inner(**variation):
        imagining.variation = kept._replace(**variation)
        made = imagining.generate_from(conditions, [0], seed=0)[0, 150:200, 100:150].astype(int)
        imagining.variation = kept
        return made

    nothing = inner(variety=0.0, light=0.0)
    assert np.abs(inner(variety=1.0, light=0.0) - nothing).mean() > 0.5
    assert np.abs(inner(variety=0.0, light=1.0) - nothing).mean() > 0.5


def test_no_face_goes_farther_than_real_ones_do(drawing, monkeypatch):
    """However far a voice points, coefficients stay within the limits, and keep their order."""
    imagining, (one, _) = drawing
    rendered = []

    def render(coefficients, *rest, **options):
        rendered.append(coefficients)
        made = torch.zeros(len(coefficients), 3, 2, 2)
        return RenderedFace(made, made[:, :1], made[:, :1], made[:, :1], made[:, :2])

    monkeypatch.setattr(imagining.faces.net, "render_layers", render)
    monkeypatch.setattr(imagining, "variation", model.FaceVariation(direct=80.0, identity=80.0))
    conditions = imagining.conditions([one])
    imagining.generate_from(conditions, [0], typical=True)
    wanted, found = imagining.predict(conditions)[0], rendered[0][0]
    names = [name for name, count in imagining.faces.net.components.items() for _ in range(count)]
    limits = torch.tensor([1.8 if name in ("tone", "hair") else 2.2 for name in names])
    assert (wanted.abs() > limits).any() and (found.abs() <= limits).all()
    assert torch.equal(found.sign(), wanted.sign())
    assert (found.abs() <= wanted.abs() + 1e-5).all()


def test_glasses_are_worn_by_whom_they_are_asked_for(drawing, monkeypatch):
    imagining, (one, other) = drawing
    bare = imagining.generate([one, other])
    net = imagining.faces.net
    before = {name: net.get_buffer(f"{name}_expression").clone() for name in ("luminance", "shape", "chroma")}
    rows = torch.arange(256)[:, None].expand(256, 256)[net.get_buffer("inside")]
    frame = (rows >= 150) & (rows < 156)
    # Darker by a standard deviation a unit, a frame by two: the pane is made clear, the frame stays.
    net.get_buffer("luminance_expression")[-1] = -1.0 - frame.half()
    net.get_buffer("shape_expression")[-1] = 0
    net.get_buffer("chroma_expression")[-1] = 0
    unit, usual = (imagining.faces.get_buffer(name)[-1] for name in ("expression_scale", "neutral"))
    effect = imagining.faces.glasses_effect()["luminance"]
    strength = 2.4 * float((1 - usual) / unit)
    assert effect[frame].mean() < -0.7 * strength and effect[frame].min() >= -strength
    assert effect[~frame].abs().max() < 0.3 * strength and effect.max() <= 0.15
    with_glasses = GeneratorInput(wave=other.wave, glasses=True)
    worn = imagining.generate([one, with_glasses])
    for name, value in before.items():
        net.get_buffer(f"{name}_expression").copy_(value)
    assert (worn[0] == bare[0]).all()
    change = (worn[1].astype(float) - bare[1])[:, 100:156].mean((1, 2))
    assert 145 <= change.argmin() <= 160 and change.min() < -5


def test_an_input_without_a_voice_is_refused_and_none_give_none(drawing):
    imagining, inputs = drawing
    with pytest.raises(InputError, match="input 1: has no voice"):
        imagining.generate([inputs[0], GeneratorInput(person="p1")])
    assert imagining.generate([]).shape == (0, 256, 256, 3)


def test_the_response_is_that_of_the_recogniser(face_model, monkeypatch):
    """A recogniser that is linear in the coefficients is found again."""
    fitted, coefficients, style = face_model
    truth = torch.randn(fitted.net.width, 128, generator=torch.Generator().manual_seed(2))
    seen = []

    def render(faces, *rest):
        seen.append(faces)
        return torch.zeros(len(faces), 3, 2, 2)

    monkeypatch.setattr(fitted.net, "render", render)
    monkeypatch.setattr(fitting, "embed_generated_faces", lambda *a, **k: (seen[-1] @ truth + 1).numpy())
    kept = fitted.get_buffer("response").clone()
    fitting.fit_recogniser_response(fitted, coefficients, style.clamp_min(0), count=400, seed=0)
    found = fitted.get_buffer("response").clone()
    fitted.get_buffer("response").copy_(kept)
    faces = torch.cat(seen)
    away = faces - faces.mean(0)
    error = (away @ (found - truth)).square().mean() / (away @ truth).square().mean()
    assert len(faces) == 400 and error < 0.1


def test_weights_of_another_recipe_hold_no_face_model():
    with pytest.raises(InputError, match="holds weights of matcher"):
        read_face_model("matcher")


def test_weights_of_the_earlier_generator_are_refused_in_one_line():
    facts = {"voice_width": 256, "voice_fingerprint": "", "descriptor_mean": [0.0] * 128}
    arguments = dict(recipe.smoke().arguments)
    with pytest.raises(InputError, match=r"generator of version 0\.1"):
        recipe._build(facts, arguments)


def test_hair_colour_varies_more_than_skin_tone(drawing):
    imagining, _ = drawing
    numbers = imagining._per_block(0.1, 0.2, 0.3)
    names = [name for name, count in imagining.faces.net.components.items() for _ in range(count)]
    assert [round(float(value), 1) for value in numbers] == [
        {"tone": 0.2, "hair": 0.3}.get(name, 0.1) for name in names
    ]


def test_the_template_holds_the_recognisers():
    """Generated faces can be cut for dlib's recogniser without leaving the picture."""
    left, top, side = TEMPLATES["portrait"]
    to_left, to_top, to_side = TEMPLATES["dlib"]
    assert left <= to_left and top <= to_top
    assert to_left + to_side <= left + side and to_top + to_side <= top + side


def test_the_discriminator_scores_patches_of_three_sizes():
    judge = PatchDiscriminator(channels=(4, 4, 4, 4))
    pictures = torch.randn(2, 3, 64, 64)
    assert [tuple(one.shape) for one in judge(pictures)] == [(2, 64), (2, 16), (2, 4)]
    changed = pictures.clone()
    changed[:, :, :8, :8] += 1
    before, after = judge(pictures)[0], judge(changed)[0]
    moved = (before != after).view(2, 8, 8)
    assert moved[:, 0, 0].all() and not moved[:, 6:, 6:].any()


# The split


class SomeCorpus:
    """Tables of persons, and genders of some: all that a split and a pairing look at."""

    path, clips = "somewhere", ()

    def __init__(self, voices, faces, genders, landmarks=()):
        self.owners = {"voices": voices, "faces": faces, "clips": []}
        self.tables = self.owners
        self.people = [SimpleNamespace(id=id, gender=gender) for id, gender in sorted(genders.items())]
        self.faces = [SimpleNamespace(landmarks=points) for points in landmarks]

    def person_of(self, table):
        return self.column(table, "person").astype(str)

    def column(self, table, name):
        assert name == "person"
        return np.array(self.owners[table], dtype=object)


def test_the_split_parts_people_and_tests_on_half_of_those_of_known_gender():
    paired = [f"p{k:03}" for k in range(200)]
    alone = [f"f{k}" for k in range(30)]
    genders = {id: ("f" if k % 2 else "m") if k < 40 else "" for k, id in enumerate(paired)}
    corpus = SomeCorpus(paired * 2, paired + alone, genders | dict.fromkeys(alone, ""))
    split = recipe.recipe(test=0.2, validation=0.1).split(corpus)
    parts = [set(part.people) for part in (split.train, split.validation, split.test)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert set.union(*parts) == set(paired) | set(alone) and set(alone) <= parts[0]
    assert sum(bool(genders[id]) for id in parts[2]) == 20
    assert {genders[id] for id in parts[2]} == {"", "f", "m"} and len(parts[2]) == 20 + 32
    again = recipe.recipe(test=0.2, validation=0.1, seed=1).split(corpus)
    assert set(again.test.people) != parts[2]


def test_profiles_are_left_out_unless_there_is_little_else():
    straight = template_points("head", 200)
    turned = straight.copy()
    turned[4, 0] += 60
    corpus = SomeCorpus([], list("abcde"), {}, [straight, straight * 2 + 5, straight, turned, straight])
    rows = np.arange(5)
    assert frontal_faces(corpus, rows, template="head").tolist() == [0, 1, 2, 4]
    assert frontal_faces(corpus, rows[3:4], template="head").tolist() == [3]


@pytest.mark.parametrize("wrong", [None, 0])
def test_the_control_pairs_nobody_with_the_own_face(wrong):
    people = [f"p{k}" for k in range(7)]
    corpus = SomeCorpus([*people, "p1", "v"], [*people, "p2", "f"], {})
    left, right = paired.paired_indices(Selection.everything(corpus), wrong_labels=wrong)
    voices = [corpus.owners["voices"][k] for k in left.tolist()]
    faces = [corpus.owners["faces"][k] for k in right.tolist()]
    assert set(voices) == set(faces) == set(people) and "v" not in voices
    assert {a == b for a, b in zip(voices, faces, strict=True)} == {wrong is None}


def test_a_corpus_without_pairs_is_refused():
    corpus = SomeCorpus(["a", "b"], ["c", "b"], {})
    with pytest.raises(InputError, match="1 people with both"):
        paired.paired_indices(Selection.everything(corpus), wrong_labels=None)
