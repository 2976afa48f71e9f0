"""The tables of Wen et al.: what is judged for which people, and pictures that say what they are."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from voiceface.audio.noise import KINDS, noise
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.papers._wen_figures import _groups
from voiceface.papers.wen import _nearest_average_faces, tables
from voiceface.pipelines.weights import load_model
from voiceface.recipes import wen_speaker, wen_voice2face
from voiceface.records import Person
from voiceface.synthetic.tiny_corpus import tiny_corpus
from voiceface.training.loop import train


@pytest.fixture(scope="module")
def corpus():
    pytest.importorskip("espeakng_loader")
    return tiny_corpus()


@pytest.fixture(scope="module")
def weights(corpus, tmp_path_factory):
    run = wen_voice2face.recipe(width=32, batch_size=4, steps=2, every=2, validation=0.2)
    return train(run, corpus, tmp_path_factory.mktemp("wen"), device="cpu", progress=False)


@pytest.mark.parametrize(("kind", "slope"), [("white", 0.0), ("pink", -3.0), ("brown", -6.0)])
def test_a_noise_falls_as_its_colour_says(kind, slope):
    wave = noise(kind, 1 << 17, rate=16_000, seed=1)
    power = np.abs(np.fft.rfft(wave)) ** 2
    hertz = np.fft.rfftfreq(len(wave), 1 / 16_000)
    octaves = [power[(hertz >= low) & (hertz < 2 * low)].mean() for low in (125, 250, 500, 1000, 2000)]
    assert np.polyfit(range(5), 10 * np.log10(octaves), 1)[0] == pytest.approx(slope, abs=0.3)
    assert np.sqrt((wave**2).mean()) == pytest.approx(0.1, rel=0.02) and wave.dtype == np.float32
    assert (noise(kind, 100, rate=16_000, seed=1) != noise(kind, 100, rate=16_000, seed=2)).any()


def test_a_hum_is_its_harmonics_and_unknown_noises_are_refused():
    power = np.abs(np.fft.rfft(noise("hum", 16_000, rate=16_000, seed=0))) ** 2
    assert power[50:1001:50].sum() > 0.9 * power.sum()
    with pytest.raises(InputError, match="white, pink, brown, hum"):
        noise("babble", 10, rate=16_000, seed=0)
    with pytest.raises(InputError, match="ask for 1"):
        noise("white", 0, rate=16_000, seed=0)


def test_unknown_people_give_noise_gender_and_matching(corpus, weights, tmp_path):
    told = []
    made = tables(corpus, tmp_path / "out", tell=told.append, weights=str(weights), gender_steps=2, samples=8)
    assert told == ["training the classifier of genders: 2 steps of wen_gender"]
    heads = [table.title.split(":")[0].split(",")[0] for table in made]
    assert heads == ["Noise against voice", "Gender of generated faces", "Table 3"]
    against, gender, matching = made
    assert [e.n for e in against.rows["voices"][:2]] == [8, 8] == [e.n for e in against.rows["noises"][:2]]
    assert all(kind in against.notes[1] for kind in KINDS)
    assert set(gender.rows) == {"real faces", "generated faces"} == set(gender.paper_rows)
    whole = matching.rows["generated faces"]
    assert whole[1].chance == 0.5 and whole[1].people == len(
        wen_voice2face.recipe(validation=0.2).split(corpus).test.people
    )
    assert matching.rows["averages of the 40 nearest training faces, L2"][0] is None
    for name in ("noises", "durations", "recordings", "genders"):
        with Image.open(tmp_path / "out" / f"wen-{name}.png") as sheet:
            assert sheet.text["synthetic"] and sheet.text["model"] == "wen_voice2face"
    assert "wen-noises.png" in matching.notes[-1]


def test_known_people_are_named(corpus, tmp_path):
    told = []
    made = tables(corpus, tmp_path / "out", tell=told.append, people="known", steps=2, samples=4)
    assert told == ["training the generator: 2 steps of wen_voice2face"]
    assert [table.title.split(":")[0] for table in made] == ["Noise against voice", "Known people"]
    rows = made[1].rows
    assert rows["generated faces, the training's own classifier"][0].chance == pytest.approx(
        1 / len(corpus.people)
    )
    assert rows["real test faces, the training's own classifier"][1].chance == pytest.approx(
        5 / len(corpus.people)
    )


def test_averages_are_of_training_faces_and_follow_the_voice(corpus, weights):
    loaded = load_model(weights)
    split = wen_voice2face.recipe(**loaded.card["arguments"]).split(corpus)
    own = _nearest_average_faces(loaded, split.train, split.train)
    view = face_view(corpus, size=64, template="wen")
    owners = corpus.column("faces", "person")[split.train.faces].astype(str)
    speakers = corpus.column("voices", "person")[split.train.voices].astype(str)
    means = {p: view[split.train.faces[owners == p]].astype(float).mean(0) for p in set(owners)}
    apart = np.array([[np.abs(face - means[p]).mean() for p in sorted(means)] for face in own.astype(float)])
    right = np.array([sorted(means).index(p) for p in speakers])
    assert (apart.argmin(1) == right).mean() > 0.7
    one = _nearest_average_faces(loaded, split.train, split.train, nearest=1)
    assert all((one[k] == means[p].round()).all() for k, p in enumerate(speakers))


def test_weights_of_another_recipe_are_refused(corpus, tmp_path):
    run = wen_speaker.recipe(width=16, batch_size=4, steps=1, every=1, validation=0.2)
    other = train(run, corpus, tmp_path / "s", device="cpu", progress=False)
    with pytest.raises(InputError, match="holds wen_speaker; give weights of wen_voice2face"):
        tables(corpus, tmp_path / "out", weights=str(other))


def test_figure_4_shows_old_voices_where_ages_are_known():
    people = [Person(id="a", gender="f", age=71.0), Person(id="b", gender="m"), Person(id="c", age=30.0)]
    test = SimpleNamespace(corpus=SimpleNamespace(people=people))
    found = _groups(test, ["a", "b", "c"])
    assert found == {"old people": ["a"], "men": ["b"], "women": ["a"]}
