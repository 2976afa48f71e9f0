"""The authors' published files become a weights folder; anything else is one line."""

import json
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from voiceface.cli import main
from voiceface.errors import InputError
from voiceface.models.generator_input import GeneratorInput
from voiceface.pipelines.importers.wen import import_weights
from voiceface.pipelines.weights import load_model

VOICE = [64, 256, 384, 576, 864]
GENERATOR = [1024, 512, 256, 128, 64]
TRUNK = [32, 64, 128, 256, 512]


class Theirs(nn.Module):
    """A network as the authors wrap theirs: one sequence called model."""

    def __init__(self, *layers):
        super().__init__()
        self.model = nn.Sequential(*layers) if len(layers) > 1 else layers[0]


def networks():
    torch.manual_seed(0)
    pairs = list(zip(VOICE, VOICE[1:], strict=False))
    voice = [
        layer
        for a, b in pairs
        for layer in (nn.Conv1d(a, b, 3, 2, 1, bias=False), nn.BatchNorm1d(b), nn.ReLU())
    ]
    up = [nn.ConvTranspose2d(64, 1024, 4, 1, 0), nn.ReLU()]
    for a, b in zip(GENERATOR, GENERATOR[1:], strict=False):
        up += [nn.ConvTranspose2d(a, b, 4, 2, 1), nn.ReLU()]
    down = [nn.Conv2d(3, 32, 1), nn.LeakyReLU(0.2)]
    for a, b in zip(TRUNK, TRUNK[1:], strict=False):
        down += [nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2)]
    return {
        "voice": Theirs(*voice, nn.Conv1d(864, 64, 3, 2, 1)),
        "generator": Theirs(*up, nn.ConvTranspose2d(64, 3, 1)),
        "trunk": Theirs(*down, nn.Conv2d(512, 64, 4)),
        "judge": Theirs(nn.Linear(64, 1, bias=False)),
        "classifier": Theirs(nn.Linear(64, 7, bias=False)),
    }


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("theirs"), networks()
    for name, network in made.items():
        torch.save(network.state_dict(), folder / f"{name}.pth")
    return folder, made


def test_their_networks_generate_and_discriminate_the_same_here(theirs, tmp_path, capsys):
    folder, made = theirs
    files = [word for name in made for word in (f"--{name}", str(folder / f"{name}.pth"))]
    out = tmp_path / "w"
    assert main(["import-weights", "wen", *files, "-o", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["weights"] == str(out)
    loaded = load_model(out)
    assert loaded.card["recipe"] == "wen_voice2face" and loaded.card["arguments"]["kernel"] == "code"
    assert loaded.model.face_template == "wen"
    for network in made.values():
        network.eval()
    logmels = torch.randn(2, 64, 300)
    with torch.no_grad():
        rows = made["voice"].model(logmels).mean(2)
        assert torch.allclose(loaded.model.voice(logmels), rows, atol=1e-5)
        faces = made["generator"].model(nn.functional.normalize(rows, dim=1)[:, :, None, None])
        wanted = ((faces.clamp(-1, 1) + 1) * 127.5).permute(0, 2, 3, 1).numpy()
        drawn = loaded.model.generate_from(rows, [0, 1], typical=True)
        assert np.abs(drawn - wanted).max() <= 0.51
        seen = made["trunk"].model(((torch.from_numpy(drawn).float() - 127.5) / 127.5).permute(0, 3, 1, 2))
        assert torch.allclose(
            loaded.model.class_logits(drawn), made["classifier"].model(seen.flatten(1)), atol=1e-4
        )
        believed = made["judge"].model(seen.flatten(1))[:, 0].sigmoid()
        assert torch.allclose(loaded.model.realness(drawn), believed, atol=1e-5)
    noise = np.random.default_rng(0).normal(size=16_000).astype(np.float32) * 0.1
    face = loaded.model.generate([GeneratorInput(wave=noise)])
    assert face.shape == (1, 64, 64, 3)


def test_voice_and_generator_are_enough_to_generate(theirs, tmp_path):
    folder, made = theirs
    old = {n: t for n, t in made["voice"].state_dict().items() if "num_batches" not in n}
    torch.save(old, tmp_path / "old.pth")
    out = import_weights(tmp_path / "w", voice=tmp_path / "old.pth", generator=folder / "generator.pth")
    model = load_model(out).model
    assert model.generate_from(torch.randn(1, 64), [0]).shape == (1, 64, 64, 3)
    with pytest.raises(InputError, match="not among these weights"):
        model.realness(np.zeros((1, 64, 64, 3), np.uint8))


class Evil:
    def __reduce__(self):
        return print, ("this must never be printed",)


def test_anything_else_is_one_line_and_runs_no_code(theirs, tmp_path, capsys):
    folder, made = theirs
    voice, generator = folder / "voice.pth", folder / "generator.pth"
    cases = {
        "missing": (None, "there is no such file"),
        "truncated": (voice.read_bytes()[:5000], "no readable weights file|damaged or cut short"),
        "text": (b"weights", "no readable weights file|damaged or cut short"),
        "code": (
            pickle.dumps({"model.0.weight": Evil()}),
            "may be code and is not run",
        ),
    }
    for name, (data, fault) in cases.items():
        path = tmp_path / f"{name}.pth"
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(InputError, match=fault):
            import_weights(tmp_path / "w", voice=path, generator=generator)
    torch.save({"model.0.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="holds code beside its tensors, which is not run"):
        import_weights(tmp_path / "w", voice=tmp_path / "evil.pth", generator=generator)
    assert "never be printed" not in capsys.readouterr().out
    tensors = made["voice"].state_dict()
    wrong = {
        "shape": (tensors | {"model.3.weight": torch.zeros(384, 256, 5)}, "model.3.weight is"),
        "lacks": ({n: t for n, t in tensors.items() if n != "model.4.bias"}, "lacks model.4.bias"),
        "more": (tensors | {"model.99.weight": torch.zeros(1)}, "unknown to this network"),
        "nan": (tensors | {"model.12.bias": torch.full((64,), float("nan"))}, "NaN or infinite"),
        "list": ([torch.zeros(1)], "holds no tensors by name"),
    }
    for name, (given, fault) in wrong.items():
        torch.save(given, tmp_path / f"{name}.pth")
        with pytest.raises(InputError, match=fault):
            import_weights(tmp_path / "w", voice=tmp_path / f"{name}.pth", generator=generator)
    with pytest.raises(InputError, match="is not the voice"):
        import_weights(tmp_path / "w", voice=generator, generator=voice)
    with pytest.raises(InputError, match="needs the voice network and the generator"):
        import_weights(tmp_path / "w", voice=voice)
    with pytest.raises(InputError, match="give --trunk"):
        import_weights(tmp_path / "w", voice=voice, generator=generator, judge=folder / "judge.pth")
    assert not (tmp_path / "w").exists()
    code = main(
        ["import-weights", "wen", "--voice", str(voice), "--generator", str(voice), "-o", str(tmp_path / "w")]
    )
    said = capsys.readouterr().err.strip().splitlines()
    assert code == 1 and len(said) == 1 and "not the generator" in said[0]
