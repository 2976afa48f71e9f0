"""Light that changes with the motion of a face: fitted on made clips, and put on photographs."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from voiceface.models import clip_motion
from voiceface.models.clip_motion import KeptMeshes, frame_name
from voiceface.models.fit_shading import fit_shading
from voiceface.nn.face.mesh_animation import SKIN_POINTS, MeshAnimation
from voiceface.nn.face.motion_shading import SIDE, MotionShading, face_mask, light_ratio, map_places
from voiceface.pipelines.weights import load_model
from voiceface.recipes import talker as recipe

CHEEK, FOREHEAD = 205, 151
STILL = {"sway": np.zeros((1, 3)), "lids": np.zeros(1), "brows": np.zeros(1)}
EYES, MIDDLE, SIZE = 40.0, np.array([100.0, 80.0]), 200


@pytest.fixture(scope="module")
def talker():
    return load_model("talker").model


def opening_mesh(talker, opening):
    """The mean face (478, 2) in pixels, with its mouth opened by so much."""
    rest = talker.get_buffer("rest").double().numpy() + opening * talker._opening()
    return MIDDLE + EYES * np.concatenate([rest, rest[:10]])


def made_clips(talker, strengths):
    """Clips of one person each, or of several, whose cheek lightens as the mouth opens.

    `strengths` holds a person and by how much the logarithm changes with one distance of opening.
    """
    openings = 0.2 + 0.2 * np.sin(np.arange(12))
    cheek = opening_mesh(talker, 0.2)[CHEEK]
    y, x = np.mgrid[:SIZE, :SIZE]
    blob = np.exp(-((x - cheek[0]) ** 2 + (y - cheek[1]) ** 2) / (2 * 12.0**2))
    blob[:, :58] = 1  # beside the face, where light is no matter of its motion
    teacher, clips, pictures = {}, [], []
    for number, (person, strength) in enumerate(strengths):
        clips.append(SimpleNamespace(id=f"clip{number}", person=person))
        pictures.append(
            [
                np.repeat((100 * np.exp(strength * o * blob)).astype(np.uint8)[..., None], 3, axis=2)
                for o in openings
            ]
        )
        for frame, opening in enumerate(openings):
            teacher[frame_name(f"clip{number}", frame)] = opening_mesh(talker, opening)
    corpus = SimpleNamespace(clips=clips, clip_pictures=lambda row: pictures[row])
    return SimpleNamespace(corpus=corpus, clips=np.arange(len(clips))), teacher


def fitted(talker, strengths):
    """The change at the cheek with one distance of opening, and the maps."""
    selection, teacher = made_clips(talker, strengths)
    maps = fit_shading(
        selection,
        KeptMeshes(lambda: teacher),
        coefficients=talker.coefficients_of,
        canonical=talker.canonical(),
        triangles=talker.get_buffer("triangles"),
    )
    opened = talker.coefficients_of(torch.from_numpy(talker._opening()).float()[None])[0]
    change = torch.einsum("c,chw->hw", opened, maps)
    x, y = map_places(talker.canonical()[CHEEK].float()).long().tolist()
    return float(change[y, x]), maps


def test_light_that_follows_the_opening_is_found_where_it_changes(talker):
    change, maps = fitted(talker, [("a", 0.8)])
    assert change == pytest.approx(0.8 * 100 / 108, rel=0.15)
    x, y = map_places(talker.canonical()[FOREHEAD].float()).long().tolist()
    assert maps[:, max(y, 0), x].abs().max() < 0.05
    assert maps[..., :3].abs().max() == 0


def test_meshes_are_found_once_for_motion_and_light(talker, monkeypatch):
    selection, teacher = made_clips(talker, [("a", 0.8), ("b", 0.4)])
    selection.voices = selection.faces = np.arange(0)
    selection.corpus.clip_wave = lambda row: np.ones(12 * 640, np.int16)
    for clip in selection.corpus.clips:
        clip.fps = 25.0
    found, searched = clip_motion.clip_meshes, []

    def search(corpus, row, given):
        searched.append(row)
        return found(corpus, row, teacher)

    monkeypatch.setattr(clip_motion, "clip_meshes", search)
    run = recipe.recipe(components=2, width=4)
    model = run.build(facts := run.facts(selection))
    run.start(model, selection, facts)
    assert searched == [0, 1] and model.get_buffer("light").abs().max() > 0


def test_people_weigh_by_the_root_of_their_clips(talker):
    one, four = fitted(talker, [("a", 0.9)])[0], fitted(talker, [("b", 0.3)])[0]
    both, _ = fitted(talker, [("a", 0.9)] + [("b", 0.3)] * 4)
    assert both == pytest.approx((one + 2 * four) / 3, abs=0.02)


def test_maps_end_at_the_edge_of_the_face(talker):
    places = map_places(talker.canonical().float())
    mask = face_mask(places, talker.get_buffer("triangles"), skin=SKIN_POINTS)
    x, y = places[CHEEK].long().tolist()
    assert mask[y, x] == 1
    assert mask[0].max() == mask[-1].max() == mask[:, 0].max() == mask[:, -1].max() == 0
    chin = places[152].long().tolist()
    assert mask[min(chin[1] + 3, SIDE - 1), chin[0]] == 0


def animated(talker, *, coefficients, opening=0.0):
    """A grey photograph's cheek and surroundings, whose light follows the first coefficient alone."""
    picture = np.full((SIZE, SIZE, 3), 100, np.uint8)
    places = map_places(talker.canonical().float())
    maps = torch.zeros(2, SIDE, SIDE)
    maps[0] = 0.5 * face_mask(places, talker.get_buffer("triangles"), skin=SKIN_POINTS)
    moved = MeshAnimation(
        picture,
        opening_mesh(talker, opening),
        talker.get_buffer("triangles"),
        opening=talker._opening(),
        shading=MotionShading(maps, places, torch.tensor([2.0, 0.0])),
    )
    given = None if coefficients is None else torch.tensor([coefficients])
    frame = moved.frames(np.zeros((1, SKIN_POINTS, 2)), coefficients=given, **STILL)[0]
    x, y = opening_mesh(talker, opening)[CHEEK].round().astype(int)
    return float(frame[y, x].mean()), frame, moved


def test_the_light_of_a_photograph_follows_the_coefficients(talker):
    plain, before, _ = animated(talker, coefficients=None)
    lit, after, _ = animated(talker, coefficients=[0.6, 5.0])
    assert plain == 100 and lit == pytest.approx(100 * np.exp(0.3), abs=1)
    assert np.array_equal(before[:5], after[:5]) and np.array_equal(before[:, -5:], after[:, -5:])
    assert animated(talker, coefficients=[-0.6, 0.0])[0] == pytest.approx(100 * np.exp(-0.3), abs=1)


def test_an_open_photograph_has_the_light_of_its_opening_already(talker):
    found, _, moved = animated(talker, coefficients=[0.0, 0.0], opening=0.2)
    gap = moved._closed[13, 1] - moved._closed[14, 1] + moved.shape[14, 1] - moved.shape[13, 1]
    assert gap > 0.1
    assert found == pytest.approx(100 * np.exp(-0.5 * 2.0 * gap), abs=2)


def test_no_light_changes_more_than_twofold():
    ratio = light_ratio(torch.ones(1, 4, 4), torch.tensor([[9.0], [-9.0]]))
    assert ratio.shape == (2, 1, 4, 4) and ratio.max() < 2.1 and ratio.min() > 0.45


def test_weights_from_before_there_was_shading_still_talk(talker):
    old = recipe.recipe().build({"triangles": len(talker.get_buffer("triangles"))})
    assert not old.shading and "light" not in old.state_dict()
    new = recipe.recipe().build({"triangles": 10, "shading": True})
    assert new.state_dict()["light"].shape == (12, SIDE, SIDE)
