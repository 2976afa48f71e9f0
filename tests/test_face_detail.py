"""The detail network: what it may change in a face, what its discriminator sees, what teaches it."""

import numpy as np
import pytest
import torch

from small_face_model import draw_faces, fitted_model
from voiceface.errors import InputError
from voiceface.models import detail_faces as data
from voiceface.models import face_detail as learning
from voiceface.models.imaginer import OUTSIDE, ImaginerModel, _within_reach, add_detail
from voiceface.nn.face import detail_net
from voiceface.nn.face.box_filters import blur
from voiceface.nn.face.face_model import SIZE, RenderedFace
from voiceface.nn.face.hair_flow import streaks
from voiceface.nn.face.patch_discriminator import PatchDiscriminator
from voiceface.recipes import face_detail, imaginer
from voiceface.training.weights import write_weights


@pytest.fixture(scope="module")
def fitted():
    faces = draw_faces(24)
    model, measures, *_ = fitted_model(faces)
    return model, faces, measures


def trained_net(limit=0.16, fine=11):
    """A network whose weights are large enough to change much."""
    torch.manual_seed(3)
    net = detail_net.DetailNet(channels=(4, 6, 8, 8, 8), limit=limit, fine=fine)
    torch.nn.init.normal_(net.last.weight, std=2.0)
    return net.eval()


def pictures(count=2, seed=0):
    random = torch.Generator().manual_seed(seed)
    rough = torch.rand(count, 3, 16, 16, generator=random) * 1.6 - 0.8
    return torch.nn.functional.interpolate(rough, size=SIZE, mode="bicubic")


def noise(count=2, seed=1):
    return torch.randn(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_inside_a_face_only_fine_luminance_changes():
    smooth, inside = pictures(), torch.ones(2, 1, SIZE, SIZE)
    change = trained_net()(smooth, inside, noise()) - smooth
    assert change.abs().max() > 0.05  # it does change something
    assert change.abs().max() <= 0.16 + 1e-5
    torch.testing.assert_close(change[:, 0], change[:, 1])
    torch.testing.assert_close(change[:, 0], change[:, 2])
    coarse = blur(change, 31)[:, :, 16:-16, 16:-16]
    assert coarse.abs().mean() < 0.15 * change.abs().mean()
    outside = trained_net()(smooth, torch.zeros(2, 1, SIZE, SIZE), noise()) - smooth
    assert outside.abs().max() > 1 and (outside[:, 0] - outside[:, 1]).abs().max() > 0.5


@torch.no_grad()
def test_detail_follows_the_grain_and_any_size_that_sixteen_divides():
    net, smooth, inside = trained_net(), pictures(1), torch.zeros(1, 1, SIZE, SIZE)
    one, two = (net(smooth, inside, noise(1, seed)) for seed in (1, 2))
    assert (one - two).abs().mean() > 0.01
    torch.testing.assert_close(one, net(smooth, inside, noise(1, 1)))
    wide = net(torch.zeros(1, 3, 64, 96), torch.zeros(1, 1, 64, 96), torch.zeros(1, 1, 64, 96))
    assert wide.shape == (1, 3, 64, 96)


def test_a_new_network_hardly_changes_a_picture():
    smooth = pictures()
    found = detail_net.DetailNet()(smooth, torch.zeros(2, 1, SIZE, SIZE), noise())
    assert (found - smooth).abs().mean() < 0.05


@torch.no_grad()
def test_the_discriminator_sees_what_is_known_and_nothing_else():
    detail = learning.FaceDetail(channels=(4, 6, 8, 8, 8), discriminator_channels=(4, 8, 8, 8), limit=0.16)
    discriminator = detail.eval().discriminator
    known = torch.ones(1, 1, SIZE, SIZE)
    known[..., :100] = 0
    one = pictures(1)
    other = one.clone()
    other[..., :100] = 0.9
    before = discriminator(learning._seen(one, known))
    assert [found.shape[1] for found in before] == [32 * 32, 16 * 16, 8 * 8]
    assert len(discriminator.maps(learning._seen(one, known))) == 4
    for a, b in zip(before, discriminator(learning._seen(other, known)), strict=True):
        torch.testing.assert_close(a, b)
    other[..., 120:] = 0.9
    after = discriminator(learning._seen(other, known))
    assert any((a - b).abs().max() > 1e-3 for a, b in zip(before, after, strict=True))


def test_spectral_norm_holds_the_discriminator():
    discriminator = PatchDiscriminator(channels=(4, 8, 8, 8), inputs=4, spectral=True)
    with torch.no_grad():
        for layer in discriminator.layers:
            layer.parametrizations.weight.original.mul_(50)
    for _ in range(30):
        discriminator(torch.zeros(1, 4, 64, 64))
    largest = [torch.linalg.matrix_norm(one.weight.flatten(1), 2).item() for one in discriminator.layers]
    assert largest == pytest.approx([1.0] * 4, abs=0.1)
    assert not any("parametrizations" in name for name in PatchDiscriminator(channels=(4, 8)).state_dict())


def test_alterations_move_a_picture_and_what_is_known_of_it_together():
    torch.manual_seed(0)
    place = torch.zeros(1, 3, SIZE, SIZE)
    place[..., 100:140, 90:130] = 1
    for _ in range(20):
        changed, known = learning._alter(place, (place[:, :1] > 0).float())
        inside = known[0, 0] > 0
        if not bool(inside.any()):  # the hidden square
            continue
        values = changed[0, 0][inside]
        assert float(values.std()) < 1e-5
        assert float((changed[0, 0][~inside] - values.mean()).abs().max()) > 0.3
    grown = place.clone().requires_grad_()
    learning._alter(grown, torch.ones(1, 1, SIZE, SIZE))[0].sum().backward()
    assert float(grown.grad.abs().max()) > 0


def test_sharp_faces_are_the_sharpest_and_keep_the_person(fitted):
    model, faces, measures = fitted
    random = np.random.default_rng(0)
    texture = torch.from_numpy(random.normal(0, 25, (24, 1, SIZE, SIZE))).float()
    rough = (faces.pictures.float() + texture).clamp(0, 255)
    rough[::2] = blur(blur(rough[::2], 9), 9)
    set_ = faces._replace(pictures=rough.round().to(torch.uint8))
    chosen = data.sharp_faces(model, set_, torch.zeros(24), keep=0.5)
    assert len(chosen.pictures) == 12
    inside = chosen.face[:, 0].float().mean(0) / 255
    assert inside[150, 128] > 0.95 and inside[10, 10] == 0
    # The middle of a face is the photograph's own, a corner of the wall is not.
    own = {tuple(picture[:, 150, 128].tolist()) for picture in set_.pictures[1::2]}
    assert {tuple(picture[:, 150, 128].tolist()) for picture in chosen.pictures} == own
    walls = chosen.pictures[:, :, :12, :12].float()
    assert walls.std((2, 3)).max() < 8 < set_.pictures[1::2, :, :12, :12].float().std((2, 3)).min()
    turned = torch.full((24,), 99.0)
    turned[5] = 0
    assert len(data.sharp_faces(model, set_, turned, keep=0.5).pictures) == 1


def test_smooth_faces_lose_more_outside_a_face_than_inside():
    sharp = torch.rand(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) - 0.5
    face, person, hair = torch.zeros(3, 4, 1, SIZE, SIZE)
    face[..., 64:192, 64:192] = 1
    person[..., 32:224] = 1
    hair[..., :64, 32:224] = 1
    smooth = data.smooth_faces(sharp, face, person, hair, torch.Generator().manual_seed(1))
    again = data.smooth_faces(sharp, face, person, hair, torch.Generator().manual_seed(1))
    torch.testing.assert_close(smooth, again)
    inside, outside = smooth[..., 80:176, 80:176].std((1, 2, 3)), smooth[..., :48, 48:208].std((1, 2, 3))
    assert bool((inside > outside).all()) and float(outside.max()) < 0.1


def test_smooth_faces_keep_the_borders_of_hair_and_background():
    face, person, hair = torch.zeros(3, 1, 1, SIZE, SIZE)
    person[..., 100:] = 1
    hair[..., :128, 100:] = 1
    sharp = torch.full((1, 3, SIZE, SIZE), 0.8)
    sharp = sharp * (1 - hair) - 0.8 * hair - 0.6 * (person - hair)
    for seed in range(4):
        smooth = data.smooth_faces(sharp, face, person, hair, torch.Generator().manual_seed(seed))
        for near, far in ((smooth[0, 0, 60, 108:], -0.8), (smooth[0, 0, 60, :92], 0.8)):
            assert (near - far).abs().max() < 0.05
        assert (smooth[0, 0, 134:, 200] - 0.2).abs().max() < 0.05
    assert 0.3 < (smooth[0, 0, 60, 96:104].diff().abs().max()) < 1.2


def test_the_grain_of_hair_runs_with_it(fitted):
    model, faces, _ = fitted
    sharp = data.sharp_faces(model, faces, torch.zeros(24), keep=1.0)
    rows, stripes = torch.arange(2), torch.arange(SIZE) % 8 < 4
    striped = (60 + 120 * stripes.to(torch.uint8)).expand(2, 3, SIZE, SIZE).clone()
    whole = torch.full((2, 1, SIZE, SIZE), 255, dtype=torch.uint8)
    made = sharp._replace(pictures=striped, face=0 * whole, known=whole // 255, person=whole, hair=whole)
    grain = data.DetailFaces(made, batch_size=2, seed=0).pairs(rows, torch.Generator().manual_seed(0))[
        "grain"
    ]
    down, across = grain.diff(dim=2).square().mean(), grain.diff(dim=3).square().mean()
    assert down < 0.6 * across


def test_a_batch_depends_on_the_step_alone_and_is_one_window_of_all(fitted):
    model, faces, _ = fitted
    sharp = data.sharp_faces(model, faces, torch.zeros(24), keep=1.0)
    made = data.DetailFaces(sharp, batch_size=2, crop=96, seed=0)
    one, again, other = made.batch(4), made.batch(4), made.batch(5)
    assert {name: tuple(value.shape) for name, value in one.items()} == {
        "sharp": (2, 3, 96, 96),
        "smooth": (2, 3, 96, 96),
        "face": (2, 1, 96, 96),
        "known": (2, 1, 96, 96),
        "grain": (2, 1, 96, 96),
    }
    for name in one:
        torch.testing.assert_close(one[name], again[name])
    assert not torch.equal(one["sharp"], other["sharp"])
    # The smooth face is that of the sharp one, at the same place.
    assert (one["smooth"] - one["sharp"]).abs().mean() < 0.5 * (one["smooth"] - other["sharp"]).abs().mean()


def test_losses_teach_the_generator_towards_the_sharp_face(fitted):
    model, faces, _ = fitted
    sharp = data.sharp_faces(model, faces, torch.zeros(24), keep=1.0)
    batch = data.DetailFaces(sharp, batch_size=2, seed=0).batch(0)
    detail = learning.FaceDetail(channels=(4, 6, 8, 8, 8), discriminator_channels=(4, 6, 8, 8), limit=0.16)
    assert {name.split(".")[0] for name in detail.weights()} == {"net"}
    detail.eval()  # spectral norm moves with every pass otherwise
    before, after = (detail.generator_loss(batch, batch[name]) for name in ("smooth", "sharp"))
    assert after["pixels"].item() == 0 == after["matching"].item() < before["pixels"].item()
    assert before["matching"].item() > 0
    found = detail.discriminator_loss(batch, detail.shared(batch))
    found["loss"].backward()
    assert all(one.grad is not None for one in detail.discriminator.parameters())
    assert all(one.grad is None for one in detail.net.parameters())


def test_every_size_of_patch_counts_alike():
    small, large = torch.tensor([[1.0, 1.0, 4.0]]), torch.tensor([[10.0]])
    assert learning._mean([small, large]).item() == 6.0


def test_an_imaginer_takes_the_network_of_a_training(tmp_path):
    run = face_detail.smoke()
    detail = run.build({})
    folder = tmp_path / "weights"
    write_weights(
        folder, detail.weights(), {"recipe": "face_detail", "arguments": dict(run.arguments), "facts": {}}
    )
    tensors, sizes = imaginer._detail(str(folder))
    assert sizes == {"channels": (4, 8, 16, 24, 32), "limit": 0.16}
    net = detail_net.DetailNet(**sizes).eval()
    net.load_state_dict(tensors)
    person = torch.zeros(2, 1, SIZE, SIZE)
    person[..., 128:] = 1
    none, flow = torch.zeros(2, 1, SIZE, SIZE), torch.zeros(2, 2, SIZE, SIZE)
    layers = RenderedFace((127.5 * (pictures() + 1)).clamp(0, 255), none, person, none, flow)
    with torch.no_grad():
        sharp = add_detail(net, layers, noise())
        expected = 127.5 * (detail.net.eval()(layers.pictures / 127.5 - 1, layers.face, noise()) + 1)
    wanted = (layers.pictures + OUTSIDE * _within_reach(expected - layers.pictures)).clamp(0, 255)
    torch.testing.assert_close(sharp[..., 136:], wanted[..., 136:], atol=1e-3, rtol=1e-4)
    assert (expected - layers.pictures).abs().max() > 0.1
    torch.testing.assert_close(sharp[..., :100], layers.pictures[..., :100])  # a wall stays plain
    with torch.no_grad():
        sharp = add_detail(net, layers._replace(hair=person), noise())
        grain = noise() + person * (streaks(noise(), flow) - noise())
        expected = 127.5 * (detail.net.eval()(layers.pictures / 127.5 - 1, layers.face, grain) + 1)
    wanted = (layers.pictures + _within_reach(expected - layers.pictures)).clamp(0, 255)
    torch.testing.assert_close(sharp[..., 136:], wanted[..., 136:], atol=1e-3, rtol=1e-4)
    bald = torch.zeros(2, 1, SIZE, SIZE)
    bald[..., 200:] = 1  # skin whose only hair is at the right
    with torch.no_grad():
        beside = add_detail(net, layers._replace(hair=bald), noise()) - layers.pictures
        fully = add_detail(net, layers._replace(hair=person), noise()) - layers.pictures
    assert beside[..., 192:197].abs().mean() < 0.4 * fully[..., 192:197].abs().mean()
    assert add_detail(None, layers, noise()) is layers.pictures
    assert imaginer._detail("") == ({}, None)
    with pytest.raises(InputError, match="weights of talker"):
        imaginer._detail("talker")


def test_a_large_face_gets_detail_of_its_own(fitted):
    faces = fitted[0]
    made = ImaginerModel(faces.shape, voice_width=4)
    made.faces.load_weights(faces.weights())
    small = (127.5 * (pictures(2) + 1)).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    assert made.enlarge(small, [0, 1]) is None
    made.detail = trained_net()
    large = made.enlarge(small, [0, 1], seed=3)
    assert large.shape == (2, 2 * SIZE, 2 * SIZE, 3) and large.dtype == np.uint8
    assert (made.enlarge(small[1:], [1], seed=3)[0] == large[1]).all()
    assert (made.enlarge(small[1:], [1], seed=4)[0] != large[1]).any()
    # Within the face it stays near what resampling gives, far outside it is nothing else.
    plain = torch.nn.functional.interpolate(
        torch.from_numpy(small).permute(0, 3, 1, 2).float(), scale_factor=2, mode="bicubic"
    ).permute(0, 2, 3, 1)
    away = np.abs(large.astype(float) - plain.clamp(0, 255).numpy())
    assert 3 < away[:, 260:340, 220:292].max() <= 0.5 * 0.16 * 127.5 + 1
    assert away[:, :60].max() <= 1


def test_detail_in_bf16_is_the_same_detail(fitted):
    faces = fitted[0]
    made = ImaginerModel(faces.shape, voice_width=4, detail=detail_net.DetailNet(channels=(4, 6, 8, 8, 8)))
    made.faces.load_weights(faces.weights())
    torch.nn.init.normal_(made.detail.last.weight, std=0.1)
    voices = torch.randn(2, 4, generator=torch.Generator().manual_seed(5))
    exact = made.generate_from(voices, [0, 1], seed=2)
    made.detail_in_bf16 = True
    rounded = made.generate_from(voices, [0, 1], seed=2)
    away = np.abs(exact.astype(int) - rounded)
    assert 0 < away.mean() < 0.5 and away.max() < 16
    made.detail = None
    assert away.mean() < 0.1 * np.abs(exact.astype(int) - made.generate_from(voices, [0, 1], seed=2)).mean()


def test_no_strand_of_hair_is_white_or_purple():
    grey = torch.tensor([-90.0, -20.0, 5.0, 200.0]).view(1, 1, 1, 4).expand(1, 3, 1, 4)
    found = _within_reach(grey)[0, 0, 0]
    assert found[0] == pytest.approx(-90, abs=0.01) and found[2] == pytest.approx(5, abs=0.2)
    assert 20 < found[3] <= 25
    purple = torch.tensor([30.0, -40.0, 30.0]).view(1, 3, 1, 1)
    spread = _within_reach(purple).flatten()
    assert float(spread.max() - spread.min()) == pytest.approx(0.4 * 70, rel=1e-4)


def test_detail_inside_a_face_is_what_the_network_says_and_of_hair_less():
    grey, none = torch.full((1, 3, SIZE, SIZE), 90.0), torch.zeros(1, 1, SIZE, SIZE)
    left, right = none.clone(), none.clone()
    left[..., :120], right[..., 136:] = 1, 1
    layers = RenderedFace(grey, left, left + right, right, torch.zeros(1, 2, SIZE, SIZE))
    bright = add_detail(lambda pictures, face, grain: pictures + 0.5, layers, torch.zeros_like(none))
    assert float(bright[..., :100].mean() - 90) == pytest.approx(0.5 * 127.5, abs=0.1)
    assert 20 < float(bright[..., 160:].mean() - 90) <= 25
