"""Encoders whose weights others published: read on this machine only, every fault told by file and tensor."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from corpus_media import synthetic_voice
from encoder_contract import check_face_encoder
from published_weights import arcface_file, ecapa_file, facenet_file
from voiceface.audio.log_fbank import log_fbank
from voiceface.components import component_names
from voiceface.errors import InputError, MissingPartError
from voiceface.models.corpus_embeddings import align_corpus_face, embed_aligned_faces, face_embeddings
from voiceface.models.encoder_loading import load_face_encoder, load_voice_encoder
from voiceface.models.encoders import ecapa
from voiceface.models.face_encoders import arcface, dlib, facenet
from voiceface.models.published_weights import hub_folder
from voiceface.nn.face.facenet import FaceNet
from voiceface.nn.face.iresnet import DEPTHS, IResNet
from voiceface.nn.voice.ecapa import Ecapa
from voiceface.pipelines.matcher import Matcher
from voiceface.recipes.matcher import recipe
from voiceface.synthetic.tiny_corpus import tiny_corpus
from voiceface.training.loop import train

SIDES = {"ecapa": (ecapa, ecapa_file), "facenet": (facenet, facenet_file), "arcface": (arcface, arcface_file)}


@pytest.fixture(autouse=True)
def nothing_at_home(monkeypatch, tmp_path):
    """No variable and no hub cache of whoever runs this."""
    for name in ("ECAPA", "WAVLM", "FACENET", "ARCFACE"):
        monkeypatch.delenv(f"VOICEFACE_{name}", raising=False)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    """Each encoder's weights file, and the network that it holds."""
    folder = tmp_path_factory.mktemp("published")
    return {name: (folder / name, make(folder / name)) for name, (_, make) in SIDES.items()}


@pytest.fixture
def files(made_once, tmp_path):
    """Each encoder's weights file under its published name, with the network that it holds."""
    given = {}
    for name, (path, network) in made_once.items():
        (tmp_path / name).mkdir()
        given[name] = (Path(shutil.copy(path, tmp_path / name / SIDES[name][0].FILES[0])), network)
    return given


@pytest.mark.parametrize(
    ("network", "parameters"),
    [(Ecapa, 20_767_552), (FaceNet, 23_482_624), (IResNet, 43_590_848)],
    ids=["ecapa", "facenet", "arcface"],
)
def test_the_published_networks_have_their_published_size(network, parameters):
    with torch.device("meta"):  # no memory, no time
        made = network()
    assert sum(p.numel() for p in made.parameters()) == parameters


def test_the_published_layers_have_their_published_names_and_shapes():
    with torch.device("meta"):
        voice, face, deep = Ecapa().state_dict(), FaceNet().state_dict(), IResNet().state_dict()
    speech = {ecapa._published_name(name): tuple(tensor.shape) for name, tensor in voice.items()}
    assert speech["blocks.0.conv.conv.weight"] == (1024, 80, 5)
    assert speech["blocks.2.res2net_block.blocks.6.conv.conv.weight"] == (128, 128, 3)
    assert speech["blocks.3.se_block.conv2.conv.weight"] == (1024, 128, 1)
    assert speech["mfa.norm.norm.running_var"] == (3072,)
    assert speech["asp.tdnn.conv.conv.weight"] == (128, 9216, 1)
    assert speech["asp_bn.norm.weight"] == (6144,)
    assert speech["fc.conv.weight"] == (192, 6144, 1)
    pictures = {facenet._published_name(name): tuple(tensor.shape) for name, tensor in face.items()}
    assert pictures["conv2d_4b.bn.running_mean"] == (256,)
    assert pictures["repeat_1.4.branch2.2.conv.weight"] == (32, 32, 3, 3)
    assert pictures["repeat_2.9.branch1.1.conv.weight"] == (128, 128, 1, 7)
    assert pictures["mixed_6a.branch0.conv.weight"] == (384, 256, 3, 3)
    assert pictures["mixed_7a.branch2.2.conv.weight"] == (256, 256, 3, 3)
    assert pictures["block8.conv2d.bias"] == (1792,)
    assert pictures["last_linear.weight"] == (512, 1792) and pictures["last_bn.weight"] == (512,)
    assert tuple(deep["layer3.13.conv2.weight"].shape) == (256, 256, 3, 3)
    assert tuple(deep["layer4.0.downsample.0.weight"].shape) == (512, 256, 1, 1)
    assert tuple(deep["fc.weight"].shape) == (512, 25088)
    with torch.device("meta"):
        assert len(IResNet(depths=DEPTHS[100]).layer3) == 30


def test_ecapa_gives_what_a_plain_reading_of_its_layers_gives(files):
    path, network = files["ecapa"]
    wave = synthetic_voice(3, 1.0)
    (row,) = ecapa.load(path).embed([wave])
    wanted = slow_ecapa(torch.load(path, weights_only=True), log_fbank(torch.from_numpy(wave)).T[None])
    np.testing.assert_allclose(row, (wanted / wanted.norm()).numpy(), atol=2e-5)


def slow_ecapa(tensors, maps):
    """The network again, from the paper's figure 2 and the file's own names."""

    def norm(name, found):
        mean, var, weight, bias = (
            tensors[f"{name}.norm.{leaf}"][None, :, None]
            for leaf in ("running_mean", "running_var", "weight", "bias")
        )
        return (found - mean) / (var + 1e-5).sqrt() * weight + bias

    def conv(name, found, dilation=1):
        weight = tensors[f"{name}.conv.weight"]
        edge = dilation * (weight.shape[2] // 2)
        if edge:
            found = torch.nn.functional.pad(found, (edge, edge), mode="reflect")
        return torch.nn.functional.conv1d(found, weight, tensors[f"{name}.conv.bias"], dilation=dilation)

    def layer(name, found, dilation=1):
        return norm(f"{name}.norm", conv(f"{name}.conv", found, dilation).clamp_min(0))

    maps = layer("blocks.0", maps)
    kept = []
    for number in (1, 2, 3):
        name = f"blocks.{number}"
        groups = list(layer(f"{name}.tdnn1", maps).split(maps.shape[1] // 8, dim=1))
        for place in range(1, 8):
            heard = groups[place] + (groups[place - 1] if place > 1 else 0)
            groups[place] = layer(f"{name}.res2net_block.blocks.{place - 1}", heard, number + 1)
        found = layer(f"{name}.tdnn2", torch.cat(groups, dim=1))
        gate = conv(f"{name}.se_block.conv1", found.mean(2, keepdim=True)).clamp_min(0)
        maps = maps + found * torch.sigmoid(conv(f"{name}.se_block.conv2", gate))
        kept.append(maps)
    found = layer("mfa", torch.cat(kept, dim=1))
    mean, spread = found.mean(2, keepdim=True), found.var(2, correction=0, keepdim=True).sqrt()
    context = torch.cat([found, mean.expand_as(found), spread.expand_as(found)], dim=1)
    share = torch.softmax(conv("asp.conv", torch.tanh(layer("asp.tdnn", context))), dim=2)
    mean = (share * found).sum(2, keepdim=True)
    spread = ((share * found.square()).sum(2, keepdim=True) - mean.square()).clamp_min(1e-12).sqrt()
    return conv("fc", norm("asp_bn", torch.cat([mean, spread], dim=1)))[0, :, 0]


def test_arcface_gives_what_a_plain_reading_of_its_layers_gives(files):
    path, network = files["arcface"]
    faces = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    wanted = slow_arcface(torch.load(path, weights_only=True), faces)
    with torch.no_grad():
        torch.testing.assert_close(network(faces), wanted, atol=1e-3, rtol=1e-3)


def slow_arcface(tensors, maps):
    """The network again, from insightface's names: stride in the second convolution and the shortcut."""

    def norm(name, found):
        shape = (1, -1, *[1] * (found.ndim - 2))
        leaves = ("running_mean", "running_var", "weight", "bias")
        mean, var, weight, bias = (tensors[f"{name}.{leaf}"].view(shape) for leaf in leaves)
        return (found - mean) / (var + 1e-5).sqrt() * weight + bias

    def bent(name, found):
        return torch.where(found > 0, found, found * tensors[f"{name}.weight"].view(1, -1, 1, 1))

    def conv(name, found, stride=1):
        weight = tensors[f"{name}.weight"]
        return torch.nn.functional.conv2d(found, weight, stride=stride, padding=weight.shape[2] // 2)

    maps = bent("prelu", norm("bn1", conv("conv1", maps)))
    for stage in (1, 2, 3, 4):
        for number in range(len({n.split(".")[1] for n in tensors if n.startswith(f"layer{stage}.")})):
            name, stride = f"layer{stage}.{number}", 1 if number else 2
            found = bent(
                f"{name}.prelu", norm(f"{name}.bn2", conv(f"{name}.conv1", norm(f"{name}.bn1", maps)))
            )
            found = norm(f"{name}.bn3", conv(f"{name}.conv2", found, stride))
            if not number:
                maps = norm(f"{name}.downsample.1", conv(f"{name}.downsample.0", maps, stride))
            maps = found + maps
    flat = norm("bn2", maps).flatten(1)
    return norm("features", flat @ tensors["fc.weight"].T + tensors["fc.bias"])


def test_log_mels_by_the_definition():
    wave = synthetic_voice(5, 0.1)
    found = log_fbank(torch.from_numpy(wave), bands=20).numpy()
    hann = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(400) / 400)
    padded = np.pad(wave.astype(np.float64), 200)
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 22) / 2595) - 1)
    decibels = np.zeros((1 + len(wave) // 160, 20))
    for frame in range(len(decibels)):
        power = np.abs(np.fft.rfft(padded[frame * 160 : frame * 160 + 400] * hann)) ** 2
        for band in range(20):
            rise = edges[band + 1] - edges[band]
            weight = np.maximum(0, 1 - np.abs(np.arange(201) * 40 - edges[band + 1]) / rise)
            decibels[frame, band] = 10 * np.log10(max(weight @ power, 1e-10))
    decibels = np.maximum(decibels, decibels.max() - 80)
    np.testing.assert_allclose(found, decibels - decibels.mean(0), atol=2e-3)


@pytest.mark.parametrize("name", ["facenet", "arcface"])
def test_a_face_is_the_mean_of_it_and_its_mirror_image(files, name):
    path, network = files[name]
    encoder = SIDES[name][0].load(path)
    chips = np.random.default_rng(0).integers(0, 256, (3, encoder.size, encoder.size, 3), dtype=np.uint8)
    rows = encoder.embed(chips)
    scale = {"facenet": 128, "arcface": 127.5}[name]
    faces = (torch.from_numpy(chips).permute(0, 3, 1, 2).float() - 127.5) / scale
    with torch.no_grad():
        both = [
            torch.nn.functional.normalize(network(faces)),
            torch.nn.functional.normalize(network(faces.flip(3))),
        ]
    np.testing.assert_allclose(rows, torch.nn.functional.normalize(both[0] + both[1]).numpy(), atol=1e-5)
    assert rows.shape == (3, encoder.dim) == (3, 12) and len(encoder.fingerprint) == 64


@pytest.mark.parametrize("name", component_names("voiceface.models.face_encoders"))
def test_every_face_encoder_keeps_the_contract(files, name):
    try:
        encoder = load_face_encoder(f"{name}={files[name][0]}" if name in files else name)
    except MissingPartError as missing:
        pytest.skip(str(missing))
    assert encoder.name == name
    check_face_encoder(encoder)


def test_dlib_is_one_of_them():
    encoder = load_face_encoder("dlib")
    chips = np.random.default_rng(0).integers(0, 256, (1, 150, 150, 3), dtype=np.uint8)
    np.testing.assert_array_equal(encoder.embed(chips), embed_aligned_faces(chips))
    assert (encoder.name, encoder.dim) == ("dlib", 128) and encoder.fingerprint.startswith("dlib_")
    assert isinstance(encoder, dlib.DlibFace)


class Trap:
    """What a file of code does when it is loaded: here it would leave a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


FIRST = {"ecapa": "blocks.0.conv.conv.weight", "facenet": "conv2d_1a.conv.weight", "arcface": "conv1.weight"}
LATER = {
    "ecapa": "asp_bn.norm.bias",
    "facenet": "mixed_6a.branch1.1.bn.weight",
    "arcface": "layer2.1.bn3.weight",
}


@pytest.mark.parametrize("name", sorted(SIDES))
@pytest.mark.parametrize(
    "fault", ["cut", "text", "code", "lacking", "shape", "nan", "more", "other", "gone", "list"]
)
def test_what_is_wrong_with_a_file_is_told_in_one_line(files, tmp_path, name, fault):
    path, network = files[name]
    tensors = torch.load(path, weights_only=True)
    later, told = LATER[name], LATER[name]
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:-3000])
        told = "is damaged or cut short"
    elif fault == "text":
        path.write_text("no weights")
        told = "is no readable weights file"
    elif fault == "code":
        torch.save(tensors | {"extra": Trap(tmp_path / "sprung")}, path)
        told = "holds code beside its tensors, which is not run"
    elif fault == "lacking":
        del tensors[later]
        torch.save(tensors, path)
        told = f"lacks the tensor {later}"
    elif fault == "shape":
        torch.save(tensors | {later: torch.zeros(3)}, path)
        told = rf"its tensor {later} has the shape \(3,\), not \("
    elif fault == "nan":
        torch.save(tensors | {later: tensors[later] * torch.nan}, path)
        told = f"its tensor {later} holds NaN"
    elif fault == "more":
        torch.save(tensors | {"head.weight": torch.zeros(1)}, path)
        told = "has a tensor head.weight, which the network does not have"
    elif fault == "other":
        torch.save(torch.nn.Linear(3, 3).state_dict(), path)
        told = f"lacks the tensor {FIRST[name]}"
    elif fault == "gone":
        path = path.with_name("nowhere")
        told = "does not exist"
    else:
        torch.save([torch.zeros(1)], path)
        told = "holds no tensors by name"
    with pytest.raises(InputError, match=rf"{path.name}: {told}.*; .*") as caught:
        SIDES[name][0].load(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


def test_a_trap_would_have_sprung(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").exists()


def test_what_devices_and_trainers_put_around_tensors_is_taken_off(files, tmp_path):
    path, _ = files["arcface"]
    tensors = torch.load(path, weights_only=True)
    wrapped = tmp_path / "backbone.pth"
    torch.save({"state_dict": {f"module.{n}": t.half() for n, t in tensors.items()}, "epoch": 3}, wrapped)
    plain = tmp_path / "arcface.safetensors"
    save_file({n: t for n, t in tensors.items() if "num_batches" not in n}, plain)
    chips = np.random.default_rng(1).integers(0, 256, (1, 112, 112, 3), dtype=np.uint8)
    wanted = arcface.load(path).embed(chips)
    np.testing.assert_array_equal(arcface.load(plain).embed(chips), wanted)
    assert float((arcface.load(wrapped).embed(chips) @ wanted.T)[0, 0]) > 0.999


@pytest.mark.parametrize("name", ["ecapa", "wavlm", "facenet", "arcface"])
def test_without_weights_it_says_where_they_are_looked_for(name):
    pick = load_voice_encoder if name in ("ecapa", "wavlm") else load_face_encoder
    with pytest.raises(MissingPartError, match=f"{name}: needs weights.* set VOICEFACE_{name.upper()} to"):
        pick(name)


def test_weights_are_found_by_place_by_variable_and_in_the_hubs_cache(files, tmp_path, monkeypatch):
    path, _ = files["ecapa"]
    wanted = ecapa.load(path).fingerprint
    for given in (str(path), str(path.parent), f"ecapa={path}"):
        found = load_voice_encoder(given)
        assert (found.name, found.fingerprint) == ("ecapa", wanted)
    odd = tmp_path / "mine.bin"
    odd.write_bytes(path.read_bytes())
    assert load_voice_encoder(f"ecapa={odd}").fingerprint == wanted
    assert load_face_encoder(str(files["arcface"][0].parent)).name == "arcface"
    assert load_face_encoder(str(files["facenet"][0])).name == "facenet"
    with pytest.raises(
        InputError, match=r"mine\.bin: holds no weights of arcface, dlib.*facenet; write NAME="
    ):
        load_face_encoder(str(odd))
    monkeypatch.setenv("VOICEFACE_ECAPA", str(path.parent))
    assert load_voice_encoder("ecapa").fingerprint == wanted
    monkeypatch.setenv("VOICEFACE_ECAPA", str(files["arcface"][0].parent))
    with pytest.raises(InputError, match=r"arcface: holds no embedding_model\.ckpt"):
        load_voice_encoder("ecapa")
    monkeypatch.delenv("VOICEFACE_ECAPA")
    kept = tmp_path / "home" / "hub" / "models--speechbrain--spkrec-ecapa-voxceleb"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("abc")
    assert hub_folder("speechbrain/spkrec-ecapa-voxceleb") is None
    (kept / "snapshots" / "abc").mkdir(parents=True)
    (kept / "snapshots" / "abc" / "embedding_model.ckpt").symlink_to(path)
    assert load_voice_encoder("ecapa").fingerprint == wanted


def test_a_matcher_is_trained_on_published_encoders_and_needs_the_same_ones_again(files, tmp_path):
    pytest.importorskip("espeakng_loader")
    places = str(files["ecapa"][0].parent), str(files["arcface"][0])
    run = recipe(
        voice_encoder=places[0], face_encoder=places[1], dim=4, heads=1, hidden=8, batch_size=8, steps=2,
        validation=0.3,
    )  # fmt: skip
    corpus = tiny_corpus()
    weights = train(run, corpus, tmp_path / "out", device="cpu", progress=False)
    matcher = Matcher.load(weights)
    told = json.loads((weights / "run.json").read_text())
    assert (told["facts"]["voice_width"], told["facts"]["face_width"]) == (10, 12)
    rows = matcher.embed_corpus_items(corpus, "faces", [0, 1])
    chips = np.stack([align_corpus_face(corpus, k, size=112, template="arcface") for k in (0, 1)])
    seen = torch.from_numpy(arcface.load(places[1]).embed(chips))
    np.testing.assert_allclose(rows, matcher._model.faces(seen).detach().numpy(), atol=1e-5)
    assert matcher.embed_voices([(synthetic_voice(1), 16_000)]).shape == rows[:1].shape
    arcface_file(files["arcface"][0], seed=9)
    with pytest.raises(InputError, match="arcface: is the face encoder .* but the model was trained on"):
        Matcher.load(weights)
    ecapa_file(files["ecapa"][0], seed=9)
    with pytest.raises(InputError, match="ecapa: is the voice encoder .* but the model was trained on"):
        Matcher.load(weights)


def test_rows_of_two_face_encoders_are_kept_apart(files):
    pytest.importorskip("espeakng_loader")
    corpus = tiny_corpus()
    encoders = [arcface.load(files["arcface"][0]), facenet.load(files["facenet"][0])]
    rows = [face_embeddings(corpus, encoder) for encoder in encoders]
    again = [face_embeddings(corpus, encoder) for encoder in encoders]
    assert rows[0].shape == rows[1].shape == (len(corpus.faces), 12)
    assert np.abs(rows[0] - rows[1]).max() > 0.1
    np.testing.assert_array_equal(rows, again)
    assert face_embeddings(corpus).shape == (len(corpus.faces), 128)
    np.testing.assert_array_equal(face_embeddings(corpus, dlib.load()), face_embeddings(corpus))
