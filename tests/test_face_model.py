"""The face model: its measures, principal components, hair styles and rendering."""

import math

import numpy as np
import pytest
import torch

from small_face_model import COUNT, draw_faces, fitted_model, framed_model, mean_mesh
from voiceface.errors import InputError
from voiceface.face.align import fit_similarity_transform, template_points
from voiceface.face.mesh import EYE_CORNERS_AND_NOSE
from voiceface.face.mesh_mirror import MIRRORED_POINTS
from voiceface.models import fit_hair_styles as styles
from voiceface.models.face_model import FaceModel, glasses_features
from voiceface.models.face_regions import BACKGROUND, CLOTHES, HAIR, SKIN, label_regions
from voiceface.models.face_surroundings import label_surroundings
from voiceface.models.fit_face_model import (
    canonical_frame,
    fit_bases,
    fit_glasses,
    principal_components,
)
from voiceface.nn.face.face_model import SIZE, to_luminance_chroma, to_rgb
from voiceface.recipes import face_model as recipe
from voiceface.recipes._face_model import read_face_model


@pytest.fixture(scope="module")
def faces():
    return draw_faces(COUNT)


@pytest.fixture(scope="module")
def model(faces):
    return framed_model(faces)


@pytest.fixture(scope="module")
def fitted(faces):
    return fitted_model(faces)


def test_the_canonical_frame_is_symmetric_and_covered(faces):
    frame = canonical_frame(faces.points, torch.as_tensor(MIRRORED_POINTS))
    own = frame.points[:478]
    image = torch.stack([SIZE - own[:, 0], own[:, 1]], 1)[frame.mirror]
    assert (own - image).abs().max() < 1e-3
    assert torch.equal(frame.inside, frame.inside.flip(1)) and 0.1 < frame.inside.float().mean() < 0.5
    low, high = frame.points.amin(0), frame.points.amax(0)
    assert (low < 0).all() and (high > SIZE).all()


def test_colours_lead_back():
    colours = torch.rand(2, 3, 5, 5) * 255
    assert torch.allclose(to_rgb(*to_luminance_chroma(colours).unbind(1)), colours, atol=0.6)


def test_a_picture_in_the_canonical_shape_is_itself(model, faces):
    points = model.net.get_buffer("canonical")[None, :478]
    picture = faces.pictures[:1].float()
    assert (model.canonical_pictures(picture, points) - picture).abs().max() < 0.1


def test_measures_are_those_of_a_slow_loop(model, faces):
    measures = model.measure(faces.pictures[:2], faces.points[:2])
    canonical = model.canonical_pictures(faces.pictures[:2].float(), faces.points[:2])
    both = (canonical + canonical.flip(3)) / 2
    grey = (0.299 * both[:, 0] + 0.587 * both[:, 1] + 0.114 * both[:, 2]).double().numpy()
    inside = model.net.get_buffer("inside").numpy()
    for index in range(2):
        own = grey[index][inside]
        assert measures.tone[index, 0] == pytest.approx(own.mean(), abs=1e-2)
        assert measures.tone[index, 1] == pytest.approx(own.std(ddof=1), abs=1e-2)
        wanted = (own - own.mean()) / own.std(ddof=1)
        assert np.abs(measures.luminance[index].numpy() - wanted).max() < 1e-3


def test_principal_components_are_numpys():
    data = torch.from_numpy(np.random.default_rng(1).normal(size=(40, 12)) * np.linspace(3, 0.1, 12)).float()
    basis, spread = principal_components(data, 5)
    _, values, directions = np.linalg.svd(data.numpy() - data.numpy().mean(0), full_matrices=False)
    assert np.abs(spread.numpy() - values[:5] / math.sqrt(40)).max() < 1e-3
    assert np.abs(np.abs((basis.numpy() * directions[:5]).sum(1)) - 1).max() < 1e-3
    assert principal_components(data[:3], 5)[1][3:].tolist() == [0.0, 0.0]


def test_coefficients_are_whitened_and_lead_back_to_the_measures(fitted):
    model, measures, _, hair, clean, _ = fitted
    assert int(clean.sum()) == COUNT
    net = model.net
    coefficients = net.encode("tone", measures.tone)
    assert coefficients.mean(0).abs().max() < 1e-3
    assert torch.allclose(coefficients.std(0, unbiased=False), torch.ones(4), atol=0.02)
    blocks = net.decode(model.encode(measures))
    assert torch.allclose(blocks["tone"], measures.tone, atol=0.5)
    neutral = model.neutral_measures(measures)
    away = neutral["luminance"] - neutral["luminance"].mean(0)
    left = neutral["luminance"] - blocks["luminance"]
    assert left.square().sum() < 0.6 * away.square().sum()


def test_expression_is_taken_out(fitted):
    """Faces whose texture follows their expression have one texture once it is neutral."""
    model, measures, *_ = fitted
    random = torch.Generator().manual_seed(0)
    changes = torch.randn(COUNT, 8, generator=random)
    effect = torch.randn(8, measures.luminance.shape[1], generator=random)
    changed = measures._replace(expression=changes, luminance=changes @ effect)
    other = FaceModel(model.shape)
    other.load_weights(model.weights())
    fit_bases(other, changed, torch.zeros(COUNT, 3), grey=torch.zeros(COUNT, dtype=torch.bool))
    neutral = other.neutral_measures(changed)["luminance"]
    assert neutral.std(0).mean() < 0.35 * changed.luminance.std(0).mean()


def test_regions_are_found_by_colour_and_place(faces, model):
    around = label_surroundings(model, faces, torch.arange(COUNT))
    regions = around.regions
    assert (regions[:, 2, 2] == BACKGROUND).all()
    assert (regions[:, 8, 32] == HAIR).float().mean() > 0.9
    assert (regions[:, 38, 32] == SKIN).all()
    assert (regions[:, 63, 6] == CLOTHES).float().mean() > 0.9


def test_a_person_hardly_seen_keeps_the_expected_regions():
    face = np.zeros((64, 64), bool)
    face[20:50, 20:44] = True
    person = np.zeros((1, 64, 64), np.float32)
    person[0, 22:26, 22:26] = 1
    found = label_regions(
        np.zeros((1, 64, 64, 3), np.float32), person, np.ones((1, 64, 64), bool), face, chin=50
    )
    assert (found[0, 22:26, 22:26] == SKIN).all() and (found == BACKGROUND).sum() == 64 * 64 - 16


def test_hair_has_the_colour_that_was_drawn(fitted):
    _, _, around, hair, _, _ = fitted
    row = around.colours[:, :, 16, 64].float()
    wanted = to_luminance_chroma(row[:, :, None, None])[:, :, 0, 0]
    assert (hair - wanted).abs().median() < 6


def test_a_style_is_an_average_of_many_and_its_outline_theirs(fitted):
    model, _, around, _, _, style = fitted
    assert set(style.tolist()) <= {0, 1}
    assert (style >= 0).float().mean() > 0.8
    person = model.net.get_buffer("style_person")[0].float() / 255
    assert person[64, 64] > 0.8 and person[4, 4] < 0.2
    colours = model.net.get_buffer("style_colours")[0].float()
    mean = around.colours.float().mean(0)
    assert (colours[:, 16, 64] - mean[:, 16, 64]).abs().max() < 25


def test_a_cut_off_head_says_only_how_long_its_hair_is(fitted):
    model, measures, around, *_ = fitted
    known = around.known.clone()
    known[:3, :24] = False
    changed = FaceModel(model.shape)
    changed.load_weights(model.weights())
    worn = styles.fit_hair_styles(
        changed, around._replace(known=known), measures, model.encode(measures), clusters=2, seed=0
    )
    total = worn.sum(1)
    assert (total[:3] <= 0.5 + 1e-5).all() and (total[:3] > 0.4).any()
    assert ((total[3:] - 1).abs() < 1e-5).float().mean() > 0.8


def test_colours_are_smoothed_on_either_side_of_a_hairline():
    share = torch.zeros(128, 128)
    share[:64] = 1
    colours = torch.where(share[None] > 0, 30.0, 200.0).expand(3, -1, -1)
    hair, skin = (styles._smooth_within(colours, one) for one in (share, 1 - share))
    assert (hair[:, :64] - 30).abs().max() < 0.1 and (skin[:, 64:] - 200).abs().max() < 0.1


def test_distances_of_a_soft_edge_are_pixels():
    ramp = torch.sigmoid((torch.arange(128.0) - 63.5) / 2)[None].expand(128, -1)
    found = styles._distance(ramp)[64, 56:72]
    wanted = 2 * (torch.arange(56.0, 72.0) - 63.5)
    assert (found - wanted).abs()[5:11].max() < 1.5
    assert (found.sign() == wanted.sign()).all()


def test_clusters_are_found_again():
    random = torch.Generator().manual_seed(0)
    truth = torch.arange(60) % 3
    points = 10 * torch.eye(3)[truth] + torch.randn(60, 3, generator=random)
    centres, labels = styles._k_means(points, torch.ones(60), 3, 0)
    assert len({(int(a), int(b)) for a, b in zip(truth, labels, strict=True)}) == 3
    for label in range(3):
        assert torch.allclose(centres[label], points[labels == label].mean(0), atol=1e-4)


def test_the_reader_reads_hair_off_pictures(fitted):
    model, measures, _, hair, _, _ = fitted
    read = model.read_hair(measures)
    missed = (read[:, 0] - hair[:, 0]).square().mean()
    assert missed < 0.7 * hair[:, 0].var()


def test_hair_styles_go_with_the_faces_that_have_them(fitted):
    model = FaceModel(fitted[0].shape)
    faces = torch.randn(80, model.net.width, generator=torch.Generator().manual_seed(0))
    worn = (faces[:, 1] > 0).long()
    styles.fit_style_shares(model, faces, torch.nn.functional.one_hot(worn, 2).float(), penalty=0.5)
    shares = model.style_shares(faces)
    assert torch.allclose(shares.sum(1), torch.ones(80), atol=1e-5)
    assert (shares.argmax(1) == worn).float().mean() > 0.9


def test_glasses_are_told_by_edges_around_the_eyes(faces, fitted):
    model = FaceModel(fitted[0].shape)
    model.load_weights(fitted[0].weights())
    random = np.random.default_rng(3)
    pictures = faces.pictures.clone()
    worn = torch.from_numpy(random.random(COUNT) < 0.5).float()
    for index in torch.nonzero(worn)[:, 0].tolist():
        for x in (70, 110, 146, 186):
            pictures[index, :, 118:146, x : x + 4] = 15
    fit_glasses(model, faces._replace(pictures=pictures, glasses=worn))
    odds = model.measure(pictures, faces.points).expression[:, -1]
    assert ((odds > 0.5).float() == worn).float().mean() > 0.9
    untouched = FaceModel(model.shape)
    fit_glasses(untouched, faces)  # no labels: nobody wears any
    assert untouched.glasses(torch.rand(2, SIZE, SIZE) * 255).sigmoid().max() < 0.01
    assert glasses_features(torch.full((1, SIZE, SIZE), 90.0)).abs().sum() == 0


def test_shapes_are_placed_as_by_the_similarity_transform(model):
    shapes = mean_mesh()[None] * 1.3 + torch.tensor([20.0, -7.0])
    angle = math.radians(12)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    shapes = shapes @ turn.T
    placed = model.net.placed(shapes)[0].numpy()
    given = shapes[0].double().numpy()
    matrix = fit_similarity_transform(given[list(EYE_CORNERS_AND_NOSE)], template_points("portrait", SIZE))
    assert np.abs(placed - (given @ matrix[:, :2].T + matrix[:, 2])).max() < 0.01


def test_rendered_faces_are_the_photographs_inside_and_the_wall_outside(fitted):
    model, measures, _, _, _, style = fitted
    coefficients = model.encode(measures)[:3]
    wall = torch.full((3, 3, 4, 4), 200.0)
    pictures = model.net.render(coefficients, style[:3].clamp_min(0), wall)
    assert pictures.shape == (3, 3, SIZE, SIZE) and pictures.min() >= 0 and pictures.max() <= 255
    assert (pictures[:, :, :6, :6] - 200).abs().max() < 12
    tone = to_luminance_chroma(pictures)[:, 0, 170:190, 120:136].mean((1, 2))
    own = to_luminance_chroma(model.net.face(model.net.decode(coefficients)))[:, 0, 170:190, 120:136]
    assert (tone - own.mean((1, 2))).abs().max() < 8


def grain(seeds):
    return torch.stack(
        [torch.randn(1, SIZE, SIZE, generator=torch.Generator().manual_seed(s)) for s in seeds]
    )


def test_skin_detail_follows_the_seed_and_stays_inside(fitted):
    model, measures, _, _, _, style = fitted
    coefficients, wall = model.encode(measures)[:1], torch.full((1, 3, 4, 4), 200.0)

    def made(seed):
        return model.net.render(coefficients, style[:1].clamp_min(0), wall, grain=grain([seed]))

    assert torch.equal(made(1), made(1)) and not torch.equal(made(1), made(2))
    assert (made(1) - made(2))[:, :, :20].abs().max() < 1e-3


def test_a_face_does_not_depend_on_those_rendered_beside_it(fitted):
    model, measures, _, _, _, style = fitted
    coefficients, wall = model.encode(measures)[:3], torch.full((3, 3, 4, 4), 200.0)

    def made(rows):
        return model.net.render(coefficients[rows], style[rows].clamp_min(0), wall[rows], grain=grain(rows))

    assert (made([0, 1, 2])[1] - made([1])[0]).abs().max() < 0.01


def test_rendering_has_gradients(fitted):
    model, measures, _, _, _, style = fitted
    coefficients = model.encode(measures)[:1].requires_grad_()
    wall = torch.full((1, 3, 4, 4), 200.0)
    model.net.render(coefficients, style[:1].clamp_min(0), wall)[:, :, 100:160, 90:160].mean().backward()
    assert coefficients.grad is not None and coefficients.grad.abs().sum() > 0


def test_bases_are_kept_and_hair_is_not():
    arguments = recipe.smoke().arguments
    facts = recipe._facts(None, arguments | {"bases": "imaginer"}, None)
    made = recipe._build(facts, arguments)
    assert made.shape.components["luminance"] == facts["components"]["luminance"] > 100
    recipe._keep_bases(made, "imaginer")
    kept, _ = read_face_model("imaginer")
    assert torch.equal(made.net.get_buffer("luminance_basis"), kept["net.luminance_basis"])
    assert torch.equal(made.get_buffer("response"), kept["response"].to(made.get_buffer("response")))
    assert kept["net.style_colours"].any() and not made.net.get_buffer("style_colours").any()
    with pytest.raises(InputError, match="holds weights of matcher"):
        recipe._facts(None, arguments | {"bases": "matcher"}, None)


def test_weights_from_before_outlines_varied_have_none():
    arguments = recipe.smoke().arguments
    facts = recipe._facts(None, arguments | {"bases": "imaginer"}, None)
    del facts["outlines"]
    assert "net.style_outlines" not in recipe._build(facts, arguments).state_dict()
