"""The published teachers of Speech2Video's students, on small weights with the published names and shapes."""

import pytest
import torch
import torch.nn.functional as F

from published_teacher_files import SMALL, made, senet_shapes, vgg_shapes
from voiceface.errors import InputError, MissingPartError
from voiceface.models.encoder_loading import load_teacher
from voiceface.models.teacher import as_identity_teacher, embed_with_teacher
from voiceface.models.teachers import ferplus, vggface
from voiceface.nn.face.senet import SeNet50
from voiceface.nn.face.vgg import VggFace

TEACHERS = {"vggface": vggface, "ferplus": ferplus}
MEANS = {"vggface": (129.1863, 104.7624, 93.5940), "ferplus": (131.0912, 103.8827, 91.4953)}


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    """None of whoever runs this."""
    for module in TEACHERS.values():
        monkeypatch.delenv(module.VARIABLE, raising=False)


@pytest.fixture
def files(tmp_path):
    """Each teacher's file under its published name, with the tensors in it."""
    found = {}
    for name, module in TEACHERS.items():
        path = tmp_path / name / module.FILES[0]
        path.parent.mkdir()
        tensors = made(SMALL[name])
        torch.save(tensors, path)
        found[name] = path, tensors
    return found


# ---- the same networks once more, slowly: float64, by the file's names


def slow_vgg(tensors, faces):
    w = {name: tensor.double() for name, tensor in tensors.items()}
    blocks, x = [], faces.double()
    for block, depth in enumerate((2, 2, 3, 3, 3), start=1):
        for layer in range(1, depth + 1):
            name = f"conv{block}_{layer}"
            x = F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=1).clamp_min(0)
        blocks.append(x)
        n, channels, side, _ = x.shape
        x = x.reshape(n, channels, side // 2, 2, side // 2, 2).amax((3, 5))
    x = x.reshape(len(x), -1)
    for name in ("fc6", "fc7"):
        x = (x @ w[f"{name}.weight"].T + w[f"{name}.bias"]).clamp_min(0)
    return x, blocks


def slow_senet(tensors, faces, stages):
    w = {name: tensor.double() for name, tensor in tensors.items()}

    def unit(name, x, stride=1):
        kernel = w[f"{name}.weight"]
        x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        at = f"{name}_bn."
        mean, var, scale, shift = (
            w[at + leaf][:, None, None] for leaf in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    x = unit("conv1_7x7_s2", faces.double(), 2).clamp_min(0)
    # Rounded up: the last window hangs over the edge on the right and below, and only there.
    x = F.pad(x, (0, 1, 0, 1), value=-torch.inf).unfold(2, 3, 2).unfold(3, 3, 2).amax((4, 5))
    for stage, count in enumerate(stages, start=2):
        for block in range(1, count + 1):
            at, stride = f"conv{stage}_{block}", 2 if stage > 2 and block == 1 else 1
            bent = unit(f"{at}_1x1_reduce", x, stride).clamp_min(0)
            bent = unit(f"{at}_1x1_increase", unit(f"{at}_3x3", bent).clamp_min(0))
            told = bent.mean((2, 3))
            told = (told @ w[f"{at}_1x1_down.weight"][..., 0, 0].T + w[f"{at}_1x1_down.bias"]).clamp_min(0)
            told = told @ w[f"{at}_1x1_up.weight"][..., 0, 0].T + w[f"{at}_1x1_up.bias"]
            shortcut = unit(f"{at}_1x1_proj", x, stride) if block == 1 else x
            x = (bent / (1 + torch.exp(-told))[..., None, None] + shortcut).clamp_min(0)
    features = x.mean((2, 3))
    return features, features @ w["classifier.weight"].flatten(1).T + w["classifier.bias"]


def enlarged(pictures, side):
    """Bilinear, by the share that each pixel's centre takes of its two neighbours along either axis."""
    small = pictures.shape[-1]
    at = ((torch.arange(side) + 0.5) * small / side - 0.5).clamp(0, small - 1).double()
    share = (1 - (at[:, None] - torch.arange(small)).abs()).clamp_min(0)
    return share @ pictures.double() @ share.T


def less_means(name, pictures):
    return pictures.double() - torch.tensor(MEANS[name], dtype=torch.float64)[:, None, None]


def faces(n, side, seed=1):
    return torch.rand((n, 3, side, side), generator=torch.Generator().manual_seed(seed)) * 255


def close(found, wanted):
    assert found.dtype == torch.float32 and wanted.abs().max() > 1
    torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize("side", [64, 48])
def test_vggface_gives_fc7_and_three_maps(files, side):
    path, tensors = files["vggface"]
    teacher, pictures = vggface.load(path), faces(2, side)
    wanted, blocks = slow_vgg(tensors, less_means("vggface", enlarged(pictures, 64)))
    close(teacher.embed(pictures), wanted)
    assert (wanted[0] - wanted[1]).abs().max() > 0.1
    assert (teacher.name, teacher.dim, len(teacher.fingerprint)) == ("vggface", 12, 64)
    maps = teacher.maps(pictures)
    assert [tuple(one.shape) for one in maps] == [(2, 16, 4, 4), (2, 16, 8, 8), (2, 8, 16, 16)]
    assert teacher.map_channels == (16, 16, 8)
    for found, block in zip(maps, (4, 3, 2), strict=True):
        close(found, blocks[block])
    network = teacher.network.maps(less_means("vggface", enlarged(pictures, 64)).float())
    assert [one.shape[-1] for one in network] == [64, 32, 16, 8, 4]
    close(network[0], blocks[0])


@pytest.mark.parametrize("side", [224, 96])
def test_ferplus_gives_what_stands_before_its_classifier(files, side):
    path, tensors = files["ferplus"]
    teacher, pictures = ferplus.load(path), faces(2, side)
    prepared = less_means("ferplus", enlarged(pictures, 224))
    features, logits = slow_senet(tensors, prepared, (1, 2, 1, 2))
    close(teacher.embed(pictures), features)
    assert (teacher.name, teacher.dim, len(teacher.fingerprint)) == ("ferplus", 256, 64)
    assert features.shape == (2, 256) and (features[0] - features[1]).abs().max() > 0.01
    close(teacher.network.features(prepared.float()), features)
    close(teacher.network.logits(prepared.float()), logits)
    assert logits.shape == (2, 8)


def test_a_larger_face_is_smoothed_before_it_is_shrunk(files):
    teacher = vggface.load(files["vggface"][0])
    stripes = torch.zeros(1, 3, 320, 320)
    stripes[..., 2::5] = 255  # what five pixels' middle alone would say: all white
    seen = next(teacher._prepared(stripes)) + torch.tensor(MEANS["vggface"])[:, None, None]
    assert seen.shape == (1, 3, 64, 64) and abs(float(seen[..., 4:-4].mean()) - 51) < 0.5


# ---- the whole networks, without their memory


def shapes_of(network, theirs):
    return {theirs(name): tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def test_the_whole_vgg_has_the_published_names_shapes_and_size():
    with torch.device("meta"):
        network = VggFace()
    wanted = {name: shape for name, shape in vgg_shapes().items() if not name.startswith("fc8")}
    assert shapes_of(network, vggface._published_name) == wanted and len(wanted) == 30
    convolutions = 9 * (3 * 64 + 64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 2 * 256 * 256)
    convolutions += 9 * (256 * 512 + 5 * 512 * 512) + 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512
    dense = (7 * 7 * 512 + 1) * 4096 + (4096 + 1) * 4096
    assert (convolutions, dense) == (14_714_688, 119_545_856)
    assert sum(one.numel() for one in network.parameters()) == convolutions + dense
    seen = network(torch.empty(1, 3, 224, 224, device="meta"))
    assert seen.shape == (1, 4096)


def test_the_whole_senet_has_the_published_names_shapes_and_size():
    with torch.device("meta"):
        network = SeNet50()
    wanted = senet_shapes() | {"classifier.weight": (8, 2048)}
    assert shapes_of(network, ferplus._published_name) == wanted
    convolutions = 9 * 49 * 64 // 3  # the stem: 7 x 7 x 3 x 64
    reweighting, source = 0, 64
    for stage, count in enumerate((3, 4, 6, 3)):
        inner, wide = 64 << stage, 256 << stage
        convolutions += (
            source * (inner + wide) + (count - 1) * wide * inner + count * inner * (9 * inner + wide)
        )
        reweighting += count * (2 * wide * wide // 16 + wide // 16 + wide)
        source = wide
    # Two numbers a channel: 64, then two narrow and one wide (and the shortcut's) of every block.
    normalisation = 2 * (64 + 3 * 384 + 4 * 768 + 6 * 1536 + 3 * 3072 + 256 + 512 + 1024 + 2048)
    # With a thousand classes ResNet-50 has 25,557,032, SE-ResNet-50 28,088,024.
    assert convolutions + normalisation == 25_557_032 - 2049 * 1000
    assert reweighting == 28_088_024 - 25_557_032
    total = convolutions + normalisation + reweighting + 2049 * 8
    assert sum(one.numel() for one in network.parameters()) == total == 26_055_416
    assert network.logits(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 8)


def test_the_first_pooling_is_rounded_up_and_a_stage_halves_in_its_first_convolution():
    with torch.device("meta"):
        network = SeNet50(width=8, stages=(1, 1, 1, 1))
        sides = {
            side: [one.shape[-1] for one in network.maps(torch.empty(1, 3, side, side))]
            for side in (224, 226, 228)
        }
    # 113 pixels of the stem have 56 windows either way; 112 and 114 have another one over the edge.
    assert sides == {224: [56, 56, 28, 14, 7], 226: [56, 56, 28, 14, 7], 228: [57, 57, 29, 15, 8]}
    seen = {}
    for name in ("reduce", "middle", "increase"):
        layer = network.get_submodule(f"stages.1.0.{name}")
        layer.register_forward_hook(
            lambda _, given, gave, name=name: seen.update({name: (given[0].shape[-1], gave.shape[-1])})
        )
    network(torch.empty(1, 3, 224, 224, device="meta"))
    assert seen == {"reduce": (56, 28), "middle": (28, 28), "increase": (28, 28)}
    with pytest.raises(InputError, match="side: is 31 pixels; give at least 32"):
        VggFace(width=1, units=1, side=31)


# ---- a teacher learns nothing and disturbs nothing


@pytest.mark.parametrize("name", sorted(TEACHERS))
def test_a_teacher_is_frozen_and_disturbs_no_training(files, name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    teacher = TEACHERS[name].load(files[name][0])
    assert torch.equal(torch.get_rng_state(), before)
    assert not teacher.network.training and not any(p.requires_grad for p in teacher.network.parameters())
    pictures = faces(17, 16).requires_grad_()
    rows = teacher.embed(pictures)
    assert rows.shape == (17, teacher.dim) and not rows.requires_grad
    torch.testing.assert_close(teacher.embed(pictures[16:]), rows[16:], rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(teacher.embed(pictures), rows)
    student = torch.zeros_like(rows, requires_grad=True)
    (student * rows).sum().backward()
    assert torch.equal(student.grad, rows)
    assert torch.equal(teacher.embed(pictures.detach().byte()), teacher.embed(pictures.byte().float()))
    assert teacher.embed(pictures[:0]).shape == (0, teacher.dim)
    for wrong in (pictures[0], pictures[:, :1], pictures[..., :9], pictures[..., :0, :0]):
        with pytest.raises(InputError, match=r"faces: have the shape \(.*\); give \(n, 3, side, side\)"):
            teacher.embed(wrong)


def test_maps_of_many_faces_are_those_of_each(files):
    teacher = vggface.load(files["vggface"][0])
    many = teacher.maps(faces(18, 32))
    for all_of_them, last in zip(many, teacher.maps(faces(18, 32)[17:]), strict=True):
        torch.testing.assert_close(all_of_them[17:], last, rtol=1e-4, atol=1e-3)
        assert not all_of_them.requires_grad and len(all_of_them) == 18
    assert [one.shape[:2] for one in teacher.maps(faces(0, 32))] == [(0, 16), (0, 16), (0, 8)]


# ---- files


class Trap:
    """What a file of code does when it is loaded: here it would leave a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


FIRST = {"vggface": "conv1_1.weight", "ferplus": "conv1_7x7_s2.weight"}
LATER = {
    "vggface": ("conv5_2.bias", "fc6.weight", "fc7.weight", "conv3_1.weight"),
    "ferplus": (
        "conv3_2_1x1_down.bias",
        "conv2_1_1x1_proj_bn.running_var",
        "classifier.bias",
        "conv4_1_1x1_reduce.weight",
    ),
}
TENSORS = [(name, tensor) for name, tensors in LATER.items() for tensor in tensors]


def refused(name, path, told):
    with pytest.raises(InputError) as caught:
        TEACHERS[name].load(path)
    line, where, does = str(caught.value), f"{path.name}: {told}", "; "
    assert where in line and does in line.partition(where)[2] and "\n" not in line


@pytest.mark.parametrize(("name", "tensor"), TENSORS)
def test_a_tensor_that_is_missing_or_wrong_is_named(files, name, tensor):
    path, tensors = files[name]
    torch.save({n: t for n, t in tensors.items() if n != tensor}, path)
    refused(name, path, f"lacks the tensor {tensor}")
    longer = torch.cat([tensors[tensor], tensors[tensor][:1]])
    torch.save(tensors | {tensor: longer}, path)
    with pytest.raises(
        InputError, match=r"its tensor \S+ has the shape .*, not .*; give weights of this"
    ) as caught:
        TEACHERS[name].load(path)
    if tensor != "fc6.weight":  # the units are read off it, and its own bias is the first to disagree
        assert f"its tensor {tensor} has the shape ({len(longer)}," in str(caught.value)
    torch.save(tensors | {tensor: tensors[tensor] * torch.nan}, path)
    refused(name, path, f"its tensor {tensor} holds NaN")


@pytest.mark.parametrize("name", sorted(TEACHERS))
def test_a_file_that_is_no_teacher_is_told_in_one_line(files, tmp_path, name):
    path, tensors = files[name]
    whole = path.read_bytes()
    for kept in (len(whole) // 2, len(whole) - 3000, len(whole) - 10):
        path.write_bytes(whole[:kept])
        refused(name, path, "is damaged or cut short")
    path.write_text("no weights")
    refused(name, path, "is no readable weights file")
    torch.save(tensors | {"extra": Trap(tmp_path / "sprung")}, path)
    refused(name, path, "holds code beside its tensors, which is not run")
    assert not (tmp_path / "sprung").exists()
    torch.save(tensors | {"head.weight": torch.zeros(1)}, path)
    refused(name, path, "has a tensor head.weight, which the network does not have")
    torch.save(torch.nn.Linear(3, 3).state_dict(), path)
    refused(name, path, f"lacks the tensor {FIRST[name]}")
    torch.save(tensors | {FIRST[name]: tensors[FIRST[name]][:0]}, path)
    refused(name, path, f"lacks the tensor {FIRST[name]}")
    refused(name, path.with_name("nowhere.pth"), "does not exist")
    refused(name, tmp_path, f"holds no {TEACHERS[name].FILES[0]}")


@pytest.mark.parametrize("name", sorted(TEACHERS))
def test_a_file_is_found_by_place_and_by_variable_only(files, monkeypatch, name):
    path, _ = files[name]
    module = TEACHERS[name]
    with pytest.raises(
        MissingPartError, match=f"{name}: needs weights.*; set {module.VARIABLE} to their file"
    ):
        module.load()
    wanted = module.load(path).fingerprint
    assert module.load(path.parent).fingerprint == wanted
    monkeypatch.setenv(module.VARIABLE, str(path.parent))
    assert module.load().fingerprint == wanted
    assert [one.FILES[0] for one in TEACHERS.values()] == ["vgg_face_dag.pth", "senet50_ferplus_dag.pth"]


def test_what_is_not_needed_may_be_left_out_and_a_dense_classifier_is_taken(files):
    path, tensors = files["vggface"]
    wanted = vggface.load(path).embed(faces(1, 64))
    torch.save({n: t for n, t in tensors.items() if not n.startswith("fc8")}, path)
    torch.testing.assert_close(vggface.load(path).embed(faces(1, 64)), wanted, rtol=0, atol=0)
    path, tensors = files["ferplus"]
    kept = {n: t for n, t in tensors.items() if not n.endswith("num_batches_tracked")}
    seen = less_means("ferplus", faces(1, 224)).float()
    wanted = ferplus.load(path).network.logits(seen)
    torch.save(kept | {"classifier.weight": tensors["classifier.weight"].flatten(1)}, path)
    torch.testing.assert_close(ferplus.load(path).network.logits(seen), wanted, rtol=0, atol=0)


def test_they_are_found_by_name_and_only_a_recogniser_has_maps(files):
    seen, felt = (load_teacher(f"{name}={files[name][0]}") for name in ("vggface", "ferplus"))
    assert (seen.name, felt.name) == ("vggface", "ferplus")
    assert as_identity_teacher(seen).map_channels == (16, 16, 8)
    rows = embed_with_teacher(seen, [torch.full((40, 40, 3), 90, dtype=torch.uint8)] * 3)
    assert rows.shape == (3, 12) and torch.equal(rows[0], rows[2])
    with pytest.raises(InputError, match="ferplus: has no feature maps"):
        as_identity_teacher(felt)
