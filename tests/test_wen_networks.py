"""Wen et al.'s networks and losses: published sizes and names, slow loops, separate forwards."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from voiceface.errors import InputError
from voiceface.models.logmels import Logmels, logmel
from voiceface.models.voice_features import EncoderFeatures, LogmelFeatures
from voiceface.models.wen_gan import WenSpeaker, WenVoice2Face, normalise_faces
from voiceface.nn.face.wen_gan import WenFaceTrunk, WenGenerator, WenLinear
from voiceface.nn.voice.wen_voice import WenVoice


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def convolution(given, made, side, *, bias=True):
    return given * made * side + bias * made


def test_the_voice_network_is_the_published_one():
    sizes = [64, 256, 384, 576, 864]
    wanted = sum(convolution(a, b, 3, bias=False) + 2 * b for a, b in zip(sizes, sizes[1:], strict=False))
    network = WenVoice()
    assert count(network) == wanted + convolution(864, 64, 3) == 2_670_720
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes["model.0.weight"] == (256, 64, 3) and "model.0.bias" not in shapes
    assert shapes["model.10.running_mean"] == (864,) and shapes["model.12.bias"] == (64,)
    assert sorted({int(name.split(".")[1]) for name in shapes}) == [0, 1, 3, 4, 6, 7, 9, 10, 12]
    for frames in (1, 300, 801):
        assert network(torch.randn(2, 64, frames)).shape == (2, 64)


@pytest.mark.parametrize(("kernel", "side"), [("paper", 3), ("code", 4)])
def test_the_face_networks_are_the_published_ones(kernel, side):
    channels = [1024, 512, 256, 128, 64]
    pairs = list(zip(channels, channels[1:], strict=False))
    generator, trunk = WenGenerator(kernel=kernel), WenFaceTrunk(kernel=kernel)
    wanted = convolution(64, 1024, 16) + sum(convolution(a, b, side**2) for a, b in pairs)
    assert count(generator) == wanted + convolution(64, 3, 1)
    down = [(b // 2, a // 2) for a, b in reversed(pairs)]
    wanted = convolution(3, 32, 1) + sum(convolution(a, b, side**2) for a, b in down)
    assert count(trunk) == wanted + convolution(512, 64, 16)
    names = {int(name.split(".")[1]) for name in generator.state_dict()}
    assert names == {0, 2, 4, 6, 8, 10} == {int(name.split(".")[1]) for name in trunk.state_dict()}
    assert generator.model[2].weight.shape == (1024, 512, side, side)
    assert list(WenLinear(classes=924).state_dict()) == ["model.weight"]
    sizes, rows = [], torch.randn(2, 64)[:, :, None, None]
    for layer in generator.model:
        rows = layer(rows)
        sizes += [rows.shape[-1]] if isinstance(layer, torch.nn.ConvTranspose2d) else []
    assert sizes == [4, 8, 16, 32, 64, 64] and rows.shape == (2, 3, 64, 64)
    assert trunk(rows).shape == (2, 64)
    assert isinstance(trunk.model[-1], torch.nn.LeakyReLU) is (kernel == "paper")


def test_impossible_networks_are_refused():
    with pytest.raises(InputError, match="'paper'"):
        WenGenerator(kernel="5x5")
    with pytest.raises(InputError, match="multiple of 32"):
        WenFaceTrunk(width=20)


def model(kernel="code", people=5):
    torch.manual_seed(0)
    return WenVoice2Face(voice=LogmelFeatures(width=16, dim=8), classes=people, width=32, kernel=kernel)


def batch(n=4, people=5):
    make = torch.Generator().manual_seed(1)
    return {
        "voices": torch.randn(n, 64, 40, generator=make),
        "voice_people": torch.randint(people, (n,), generator=make),
        "faces": torch.randint(256, (n, 3, 64, 64), generator=make, dtype=torch.uint8),
        "face_people": torch.randint(people, (n,), generator=make),
    }


def play(made, given):
    made.eval()
    torch.manual_seed(3)
    shared = made.shared(given)
    return shared, [turn.loss(given, shared) for turn in made.turns()]


@pytest.mark.parametrize("kernel", ["paper", "code"])
def test_its_losses_are_algorithm_1_in_a_slow_loop(kernel):
    made, given = model(kernel), batch()
    drawn, (judge, generator) = play(made, given)
    real = [(face.double() - 127.5) / 127.5 for face in given["faces"]]

    def realness(face):
        return 1 / (1 + math.exp(-float(made.judge(made.trunk(face[None].float())))))

    def share(face, person):
        logits = made.classifier(made.trunk(face[None].float()))[0].double().tolist()
        return math.exp(logits[person]) / sum(map(math.exp, logits))

    with torch.no_grad():
        line4 = (
            -sum(math.log(1 - realness(f)) for f in drawn) / 4 - sum(math.log(realness(f)) for f in real) / 4
        )
        line5 = -sum(math.log(share(f, int(p))) for f, p in zip(real, given["face_people"], strict=True)) / 4
        told = zip(drawn, given["voice_people"], strict=True)
        line6 = -sum(math.log(realness(f)) + math.log(share(f, int(p))) for f, p in told) / 4
    assert judge["loss"].item() == pytest.approx(line4 + line5, rel=1e-5)
    assert generator["loss"].item() == pytest.approx(line6, rel=1e-5)


def test_shared_forwards_learn_what_separate_ones_do():
    made, given = model(), batch()
    shared, named = play(made, given)
    wanted = {"judge": [*made.trunk.parameters(), *made.judge.parameters(), *made.classifier.parameters()]}
    wanted["generator"] = list(made.generator.parameters())
    torch.manual_seed(3)
    rows = F.normalize(made.voice(given["voices"]), dim=1)
    drawn = made.generator(F.normalize(rows + 0.05 * torch.randn_like(rows), dim=1))
    faces = (given["faces"].float() - 127.5) / 127.5
    ones, zeros = torch.ones(4, 1), torch.zeros(4, 1)
    bce = F.binary_cross_entropy
    judged = bce(made.judge(made.trunk(faces)).sigmoid(), ones)
    judged = judged + bce(made.judge(made.trunk(drawn.detach())).sigmoid(), zeros)
    judged = judged + F.nll_loss(made.classifier(made.trunk(faces)).log_softmax(1), given["face_people"])
    pleased = bce(made.judge(made.trunk(drawn)).sigmoid(), ones)
    pleased = pleased + F.nll_loss(made.classifier(made.trunk(drawn)).log_softmax(1), given["voice_people"])
    for name, ours, theirs in (("judge", named[0], judged), ("generator", named[1], pleased)):
        assert ours["loss"].item() == pytest.approx(theirs.item(), rel=1e-5)
        gradients = [torch.autograd.grad(loss, wanted[name]) for loss in (ours["loss"], theirs)]
        for one, other in zip(*gradients, strict=True):
            assert torch.allclose(one, other, rtol=1e-3, atol=1e-6)
    assert not any(p.requires_grad for p in made.voice.parameters())
    assert torch.equal(shared, drawn)


def test_a_generated_face_is_bytes_and_depends_on_the_direction_alone():
    made = model()
    rows = torch.randn(3, 8)
    faces = made.generate_from(rows, range(3), typical=True)
    assert faces.shape == (3, 64, 64, 3) and faces.dtype == np.uint8
    assert (made.generate_from(5 * rows, range(3), typical=True) == faces).all()
    assert (faces[0] != faces[1]).any()
    assert (made.generate_from(rows, range(3)) != faces).any()
    with torch.no_grad():
        made.generator.model[-1].bias.fill_(9.0)
    assert (made.generate_from(rows, range(3)) == 255).all()
    white = normalise_faces(torch.full((1, 3, 64, 64), 255, dtype=torch.uint8))
    assert white.unique().tolist() == [1.0]


def test_discriminator_and_classifier_read_pictures_as_in_training():
    made, given = model(), batch()
    pictures = given["faces"].permute(0, 2, 3, 1).numpy()
    rows = made.trunk(normalise_faces(given["faces"]))
    assert torch.allclose(made.realness(pictures), made.judge(rows)[:, 0].sigmoid(), atol=1e-6)
    assert torch.allclose(made.class_logits(pictures), made.classifier(rows), atol=1e-5)
    bare = WenVoice2Face(voice=LogmelFeatures(width=16), classes=1, width=32)
    bare.absent = ("judge",)
    assert not any(name.startswith("judge.") for name in bare.weights())
    with pytest.raises(InputError, match="not among these weights"):
        bare.realness(pictures)
    assert bare.class_logits(pictures).shape == (4, 1)


def test_speakers_are_told_apart_by_cross_entropy():
    made = WenSpeaker(classes=3, width=16, dim=8).eval()
    given = {"voices": torch.randn(4, 64, 30), "people": torch.tensor([0, 2, 1, 2])}
    named = made.classifier_loss(given, None)
    logits = made.classifier(made.voice(given["voices"])).double().tolist()
    slow = [
        math.log(sum(map(math.exp, row))) - row[int(p)]
        for row, p in zip(logits, given["people"], strict=True)
    ]
    assert named["loss"].item() == pytest.approx(sum(slow) / 4, rel=1e-5)


def test_the_map_of_an_encoders_embeddings_is_fitted_on_the_training_people():
    torch.manual_seed(0)
    hidden = torch.randn(300, 4) @ torch.randn(4, 20)
    voices = F.normalize(5 + hidden + 0.01 * torch.randn(300, 20), dim=1)
    faces = torch.cat([hidden[:, :2], torch.randn(300, 4)], 1)
    features = EncoderFeatures(bands=4, hidden=4, layers=1, width=20, dim=3)
    features.fit_map(voices, faces, space="speaker")
    rows = features(voices)
    assert torch.allclose(rows.T @ rows / 300, torch.eye(3), atol=1e-3)
    assert rows.mean(0).abs().max() < 1e-3
    features.fit_map(voices, faces, space="face")
    told = torch.corrcoef(torch.cat([features(voices)[:, :1].T, hidden[:, :2].T]))[0, 1:]
    assert told.square().sum() > 0.5
    with pytest.raises(InputError, match="'face'"):
        features.fit_map(voices, faces, space="sound")


def test_logmels_are_cropped_together_and_repeated():
    flat = np.arange(500, dtype=np.float16)[:, None].repeat(64, 1)
    logmels = Logmels(flat, np.array([0, 120, 500]))
    assert len(logmels) == 2 and logmels.whole(1).shape == (380, 64)
    seen = set()
    for seed in range(20):
        crops = logmels.crops(np.array([0, 1, 1]), torch.Generator().manual_seed(seed))
        frames = crops.shape[2]
        assert crops.shape == (3, 64, frames) and 300 <= frames <= 800
        steps = crops[:, 0].diff(dim=1)
        assert ((steps == 1) | (steps == -119) | (steps == -379)).all()
        seen.add(frames)
    assert len(seen) > 10


def test_silence_and_noise_have_features_too():
    random = np.random.default_rng(0)
    for wave in (np.zeros(8000, np.int16), (1000 * random.normal(size=8000)).astype(np.int16)):
        features = logmel(wave)
        assert features.shape[1] == 64 and bool(features.isfinite().all())
    assert len(logmel(np.zeros(8000, np.int16))) == 51
