"""The Imaginer's closed-form parts against independent answers, its networks, and what a caller sees."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from voiceface.corpus.splits import Selection
from voiceface.errors import InputError
from voiceface.face.align import TEMPLATES, template_points
from voiceface.models import imaginer as model
from voiceface.models.align_for_dlib import align_for_dlib
from voiceface.models.augment_faces import augment_faces
from voiceface.models.corpus_faces import frontal_faces
from voiceface.models.encoders import student
from voiceface.models.generated_faces import align_generated_faces
from voiceface.models.generator_input import GeneratorInput
from voiceface.nn.face.refiner import FaceRefiner, PatchDiscriminator
from voiceface.recipes import imaginer as recipe

SIZE, VOICE, FACE = 32, 12, 6


def small(**options):
    options = {"codes": FACE, "nuisances": 10} | options
    shape = model.ImaginerShape(
        voice_width=VOICE,
        face_width=FACE,
        size=SIZE,
        channels=(8, 6, 4),
        discriminator=(4, 4, 4),
        **options,
    )
    return model.ImaginerModel(shape)


@pytest.fixture
def made():
    """A model started on 40 voices and 8 faces, and what it was started on."""
    torch.manual_seed(0)
    truth = torch.randn(VOICE, FACE)
    voices = torch.randn(40, VOICE)
    faces = voices @ truth + 0.5 * torch.randn(40, FACE) + 3
    rows, pictures = faces[:8], torch.rand(8, 3, SIZE // 2, SIZE // 2) * 2 - 1
    imagining = small()
    imagining.start(voices, faces, embeddings=rows, pictures=pictures)
    return imagining.eval(), voices, faces, rows, pictures


def test_a_predicted_embedding_lies_so_far_from_the_mean_in_the_direction_of_two_answers(made):
    imagining, voices, faces, rows, _ = made
    x, y = (one.double().numpy() - one.double().numpy().mean(0) for one in (voices, faces))
    # Ridge regression as least squares over rows and, below them, the ridge's own.
    ridge = 3.0 * (x**2).mean(0).mean() * len(x)
    weights = np.linalg.lstsq(
        np.vstack([x, ridge**0.5 * np.eye(VOICE)]), np.vstack([y, np.zeros((VOICE, FACE))]), rcond=None
    )[0]
    near = x @ weights / np.linalg.norm(x @ weights, axis=1, keepdims=True)
    found = imagining.get_buffer
    turned = x @ found("voice_turn").double().numpy()
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    turned = turned @ found("face_turn").double().numpy()
    assert (turned**2).sum(1).mean() == pytest.approx(1.0, abs=1e-4)
    ahead = near + turned
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    spread = np.sqrt(((rows - rows.mean(0)).double().numpy() ** 2).sum(1).mean())
    wanted = rows.double().numpy().mean(0) + 0.7 * spread * ahead
    assert np.allclose(imagining.predict_embeddings(voices, amplify=0.7).numpy(), wanted, atol=2e-4)
    # The voices are told from one another: each asks for its own face more than for the others'.
    alike = torch.tensor(ahead @ y.T)
    assert (alike.argmax(1) == torch.arange(40)).float().mean() > 0.3


def test_codes_are_white_and_lead_back(made):
    imagining, _, _, rows, _ = made
    codes = imagining.codes(rows)
    assert codes.mean(0).abs().max() < 1e-4
    assert torch.allclose(codes.T @ codes / len(rows), torch.eye(FACE), atol=1e-3)
    assert torch.allclose(imagining.embeddings(codes), rows, atol=1e-4)


def test_few_pictures_are_made_again_exactly_from_code_and_nuisance(made):
    imagining, _, _, rows, pictures = made
    codes = imagining.codes(rows)
    nuisances = imagining.nuisances(pictures, codes)
    assert torch.allclose(imagining.blurred(codes, nuisances), pictures, atol=1e-3)
    # Without the nuisance it is the ridge answer alone, between the mean and the picture.
    alone = imagining.blurred(codes, torch.zeros_like(nuisances))
    apart = (alone - pictures).square().mean()
    assert 1e-3 < apart < (pictures.mean(0) - pictures).square().mean()


def test_what_a_voice_does_not_tell_has_the_spread_of_what_it_misses(made):
    imagining, voices, faces, _, _ = made
    ahead = imagining.predict_embeddings(voices) - imagining.get_buffer("face_mean")
    told = faces - imagining.get_buffer("face_mean")
    shares = torch.linspace(-2, 4, 6001)
    best = shares[torch.stack([(told - s * ahead).square().sum() for s in shares]).argmin()]
    left = (told - best * ahead) @ imagining.get_buffer("code_map")
    torch.manual_seed(0)
    drawn = imagining.deviations(200_000)
    assert torch.allclose(drawn.T @ drawn / len(drawn), left.T @ left / len(left), atol=0.02 * left.var())


def test_faces_are_aligned_with_gradients_as_without():
    random = np.random.default_rng(0)
    coarse = torch.from_numpy(random.random((2, 3, 9, 9), dtype=np.float32))
    smooth = F.interpolate(coarse, size=(128, 128), mode="bicubic").clamp(0, 1)
    pictures = (smooth * 255).round().byte()
    found = align_for_dlib(pictures.float() / 127.5 - 1, template="head")
    wanted = align_generated_faces(pictures.permute(0, 2, 3, 1).numpy(), template="head")
    apart = np.abs(found.permute(0, 2, 3, 1).numpy() - wanted.astype(np.float32))
    assert apart.mean() < 1.0 and apart.max() < 12


def test_the_template_holds_the_recognisers():
    inner, outer = TEMPLATES["dlib"], TEMPLATES["head"]
    assert all(outer[i] <= inner[i] and outer[i] + outer[2] >= inner[i] + inner[2] for i in (0, 1))


def test_the_discriminators_gradient_penalty_is_the_slow_one(monkeypatch):
    monkeypatch.setattr(model, "_R1_EVERY", 1)
    monkeypatch.setattr(model, "augment_faces", lambda pictures: pictures.clone())
    torch.manual_seed(0)
    imagining = small().double()
    real, fake = (torch.randn(2, 3, 16, 16).double() for _ in range(2))
    found = {
        k: float(v.detach())
        for k, v in imagining.discriminator_loss({}, {"real": real, "faces": fake}).items()
    }
    with torch.no_grad():
        total = 0.0
        for picture in real:
            ends = []
            for sign in (1, -1):
                # A row for every pixel, and in it that pixel moved.
                moved = picture.flatten() + sign * 1e-4 * torch.eye(picture.numel()).double()
                logits = imagining.judge(moved.view(-1, *picture.shape))
                ends.append(sum(one.mean(1) for one in logits) / len(logits))
            total += float(((ends[0] - ends[1]) / 2e-4).square().sum())
        known = [[sign * one for one in imagining.judge(side)] for sign, side in ((-1, real), (1, fake))]
        log_loss = sum(float(torch.log(1 + one.exp()).mean()) / len(side) for side in known for one in side)
    assert found["log_loss"] == pytest.approx(log_loss, rel=1e-9)
    slope = found["loss"] - found["log_loss"]
    assert slope == pytest.approx(imagining.loss_weights.r1 / 2 * total / 2, rel=1e-4) and slope > 0


def test_each_picture_is_augmented_in_its_own_way_and_gradients_pass():
    torch.manual_seed(0)
    pictures = torch.full((64, 3, 40, 40), 0.1, requires_grad=True)
    changed = augment_faces(pictures)
    assert changed.shape == pictures.shape
    # Corners come in from beyond the edge or not at all; the hidden square is at most a third a side.
    hidden = (changed == 0).all(dim=1).float().mean(dim=(1, 2))
    assert 0 < hidden.mean() < 0.5 and hidden.std() > 0
    assert changed.flatten(1).amax(1).std() > 0.01
    (slope,) = torch.autograd.grad(changed.sum(), pictures)
    assert 0.4 < float((slope != 0).float().mean()) <= 1
    torch.manual_seed(0)
    assert torch.equal(augment_faces(pictures), changed)


def test_a_new_refiner_returns_the_blurred_face_and_learns_from_style_and_noise():
    torch.manual_seed(0)
    painter = FaceRefiner(width=5, channels=(8, 6, 4), size=SIZE)
    blurred, style, noise = torch.rand(2, 3, 16, 16), torch.randn(2, 5), torch.randn(2, 1, 16, 16)
    first = painter(blurred, style, noise=noise)
    assert torch.equal(first, F.interpolate(blurred, scale_factor=2.0, mode="bilinear"))
    loss = (painter(blurred, style, noise=noise) - torch.rand(2, 3, SIZE, SIZE)).square().mean()
    loss.backward()
    torch.optim.SGD(painter.parameters(), 1.0).step()
    painter.zero_grad()
    painter(blurred, style, noise=noise).square().mean().backward()
    still = [name for name, one in painter.named_parameters() if one.grad is None or not one.grad.any()]
    assert not still, still


def test_a_mirrored_face_is_generated_as_the_mirror_image():
    torch.manual_seed(0)
    pictures, rows = torch.rand(12, 3, SIZE // 2, SIZE // 2) - 0.5, torch.randn(12, FACE)
    imagining = small(nuisances=30)
    imagining.start(
        torch.randn(12, VOICE),
        rows,
        embeddings=rows.repeat(2, 1),
        pictures=torch.cat([pictures, pictures.flip(3)]),
    )
    torch.nn.init.normal_(imagining.painter.last.weight, std=0.3)
    with torch.no_grad():
        codes, noise = imagining.codes(rows), torch.randn(12, 1, SIZE // 2, SIZE // 2)
        nuisances = imagining.nuisances(pictures, codes)
        face = imagining.refine(codes, nuisances, noise=noise)
        mirrored = imagining.nuisances(imagining.blurred(codes, nuisances).flip(3), codes)
        other = imagining.refine(codes, mirrored, noise=noise.flip(3))
        plain = imagining.painter(imagining.blurred(codes, nuisances), torch.cat([codes, nuisances], dim=1))
    assert torch.allclose(face.flip(3), other, atol=1e-3)
    assert (face - plain).abs().max() > 0.01


def test_the_discriminator_scores_patches_of_three_sizes():
    judge = PatchDiscriminator(channels=(4, 4, 4, 4))
    pictures = torch.randn(2, 3, 64, 64)
    assert [tuple(one.shape) for one in judge(pictures)] == [(2, 64), (2, 16), (2, 4)]
    changed = pictures.clone()
    changed[:, :, :8, :8] += 1
    before, after = judge(pictures)[0], judge(changed)[0]
    moved = (before != after).view(2, 8, 8)
    assert moved[:, 0, 0].all() and not moved[:, 6:, 6:].any()


# The recipe


def a_run(**arguments):
    arguments = {"codes": FACE, "nuisances": 4, "size": SIZE, "channels": 5, "judge": 4} | arguments
    return recipe.recipe(**arguments)


FACTS = {"voice_width": 256, "voice_fingerprint": student.load().fingerprint, "descriptor_mean": [0.0] * 128}


@pytest.fixture(scope="module")
def drawing():
    """An untrained model started on made-up faces, and two seconds of two voices."""
    torch.manual_seed(0)
    run = a_run()
    imagining = run.build(FACTS)
    voices, faces = F.normalize(torch.randn(40, 256), dim=1), torch.randn(40, 128)
    imagining.start(voices, faces, embeddings=faces, pictures=torch.rand(40, 3, SIZE // 2, SIZE // 2) - 0.5)
    with torch.no_grad():
        imagining.painter.last.weight.normal_(std=0.1)
        for stage in imagining.painter.stages:
            stage.grain.fill_(0.5)
    time = np.arange(32_000) / 16_000
    waves = [np.sign(np.sin(2 * np.pi * hertz * time)).astype(np.float32) * 0.2 for hertz in (110, 230)]
    return imagining.eval(), [GeneratorInput(wave=wave) for wave in waves]


def test_seeds_samples_and_voices_give_different_faces_and_the_same_ones_the_same(drawing):
    imagining, (one, other) = drawing
    faces = imagining.generate([one, one, other])
    assert faces.shape == (3, SIZE, SIZE, 3) and faces.dtype == np.uint8
    assert (faces[0] != faces[1]).any() and (faces[0] != faces[2]).any()
    assert (imagining.generate([one, one, other]) == faces).all()
    assert (imagining.generate([one], seed=1)[0] != faces[0]).any()
    chosen = [GeneratorInput(wave=other.wave, sample=5), GeneratorInput(wave=one.wave, sample=1)]
    assert (imagining.generate(chosen)[1].astype(int) - faces[1]).max() <= 1


def test_the_typical_face_is_one_whatever_the_seed(drawing):
    imagining, inputs = drawing
    faces = imagining.generate(inputs, typical=True)
    assert (imagining.generate(inputs, seed=9, typical=True) == faces).all()
    assert (faces[0] != faces[1]).any()
    still = model.FaceVariation(variety=0.0, light=0.0, grain=0.0)
    for name in ("variety", "light", "grain"):
        imagining.variation = still._replace(**{name: 1.0})
        assert (imagining.generate(inputs) != faces).any(), name
    imagining.variation = still
    assert (imagining.generate(inputs) == faces).all()
    imagining.variation = model.FaceVariation()


def test_the_training_deviations_reach_the_faces_that_nobody_photographed(drawing):
    """What a voice does not tell of a face is sampled in training too, or all its faces are the mean one."""
    imagining, _ = drawing
    voices = F.normalize(torch.randn(400, 256), dim=1)
    batch = {
        "pictures": torch.randint(0, 256, (2, 3, SIZE, SIZE), dtype=torch.uint8),
        "known": torch.randn(1, 128),
        "others": torch.randn(1, 128),
        "voices": voices,
    }
    torch.manual_seed(0)
    with torch.no_grad():
        requested = imagining.shared(batch)["requested"][2:]
        codes = imagining.codes(requested)
        direction = imagining.codes(imagining.predict_embeddings(voices, amplify=1.0))
        mean = imagining.codes(imagining.predict_embeddings(voices, amplify=0.0))
        # Without deviations a code lies between 0.5 and 1.2 times the predicted one.
        ahead = direction - mean
        share = ((codes - mean) * ahead).sum(1, keepdim=True) / ahead.square().sum(1, keepdim=True)
        deviations = codes - mean - share * ahead
        # They are 0.9 u times a sample of the missed covariance, u uniform in [0, 1].
        root, unit = imagining.get_buffer("unsure"), F.normalize(ahead, dim=1)
        across = root.square().sum() - (unit @ root.T).square().sum(1).mean()
        expected = 0.9**2 / 3 * across
    assert deviations.square().sum(1).mean() == pytest.approx(float(expected), rel=0.15)


def test_an_input_without_a_voice_is_refused_and_none_give_none(drawing):
    imagining, inputs = drawing
    with pytest.raises(InputError, match="input 1: has no voice"):
        imagining.generate([inputs[0], GeneratorInput(person="p1")])
    assert imagining.generate([]).shape == (0, SIZE, SIZE, 3)


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
    split = a_run(test=0.2, validation=0.1).split(corpus)
    parts = [set(part.people) for part in (split.train, split.validation, split.test)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert set.union(*parts) == set(paired) | set(alone) and set(alone) <= parts[0]
    assert sum(bool(genders[id]) for id in parts[2]) == 20
    assert {genders[id] for id in parts[2]} == {"", "f", "m"} and len(parts[2]) == 20 + 32
    again = a_run(test=0.2, validation=0.1, seed=1).split(corpus)
    assert set(again.test.people) != parts[2]


def test_profiles_are_left_out_unless_there_is_little_else():
    straight = template_points("head", 200)
    turned = straight.copy()
    turned[4, 0] += 60
    corpus = SomeCorpus([], list("abcde"), {}, [straight, straight * 2 + 5, straight, turned, straight])
    rows = np.arange(5)
    assert frontal_faces(corpus, rows, template="head").tolist() == [0, 1, 2, 4]
    assert frontal_faces(corpus, rows[3:4], template="head").tolist() == [3]


@pytest.mark.parametrize("wrong", [False, True])
def test_the_control_pairs_nobody_with_the_own_face(monkeypatch, wrong):
    people = [f"p{k}" for k in range(7)]
    corpus = SomeCorpus([*people, "p1", "v"], [*people, "p2", "f"], {})
    monkeypatch.setattr(recipe, "voice_embeddings", lambda corpus, encoder: np.arange(9.0)[:, None])
    monkeypatch.setattr(recipe, "face_embeddings", lambda corpus: np.arange(9.0)[:, None])
    monkeypatch.setattr(
        recipe, "aligned_faces", lambda c, rows, size, template: np.zeros((len(rows), 4, 4, 3), np.uint8)
    )
    seen = {}
    stub = SimpleNamespace(
        start=lambda voices, faces, **rest: seen.update(v=voices, f=faces, **rest),
        face_size=4,
        encoders=SimpleNamespace(voice=lambda: None),
    )
    run = a_run(wrong_labels=wrong)
    run.start(stub, Selection.everything(corpus), {})
    voices = [corpus.owners["voices"][int(k)] for k in seen["v"][:, 0]]
    faces = [corpus.owners["faces"][int(k)] for k in seen["f"][:, 0]]
    assert set(voices) == set(faces) == set(people) and "v" not in voices
    assert {a == b for a, b in zip(voices, faces, strict=True)} == {not wrong}
    assert len(seen["embeddings"]) == len(seen["pictures"]) == 18


def test_a_corpus_without_pairs_is_refused():
    corpus = SomeCorpus(["a", "b"], ["c", "b"], {})
    with pytest.raises(InputError, match="1 people with both"):
        a_run().start(None, Selection.everything(corpus), {})
