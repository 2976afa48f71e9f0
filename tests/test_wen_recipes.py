"""What Wen et al.'s recipes do with labels, splits and bad input; their smokes train in test_recipes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from voiceface.corpus.splits import Selection, Split
from voiceface.corpus.views import face_view
from voiceface.errors import InputError
from voiceface.models.generated_faces import generate_for_selection
from voiceface.models.generator_input import GeneratorInput
from voiceface.pipelines.weights import load_model
from voiceface.recipes import wen_gender, wen_speaker, wen_voice2face
from voiceface.synthetic.tiny_corpus import tiny_corpus
from voiceface.training.loop import train
from voiceface.training.weights import read_run

SMALL = {"width": 32, "batch_size": 4, "steps": 2, "every": 2, "validation": 0.2}


@pytest.fixture(scope="module")
def corpus():
    pytest.importorskip("espeakng_loader")
    return tiny_corpus()


@pytest.fixture(scope="module")
def speaker(corpus, tmp_path_factory):
    run = wen_speaker.recipe(width=16, batch_size=4, steps=2, every=2, validation=0.2)
    return train(run, corpus, tmp_path_factory.mktemp("speaker"), device="cpu", progress=False)


def owners(corpus, table, rows):
    return corpus.column(table, "person")[rows].astype(str).tolist()


def parts(corpus, split):
    """A split whose training part is given."""
    rest = wen_voice2face.recipe(validation=0.2).split(corpus)
    return Split(split, rest.validation, rest.test)


def cut(run, corpus, voices=slice(None), faces=slice(None)):
    """The run on some of its training items."""
    mine = run.split(corpus).train
    some = Selection(corpus, mine.voices[voices], mine.faces[faces], mine.clips)
    return replace(run, split=lambda corpus: parts(corpus, some))


def test_voices_and_faces_are_sampled_apart_and_joined_by_labels(corpus):
    run = wen_voice2face.recipe(batch_size=64)
    chosen = run.split(corpus).train
    facts = run.facts(chosen)
    data = run.data(chosen, facts)
    batch = data.batch(7)
    again = data.batch(7)
    assert all(torch.equal(batch[name], again[name]) for name in batch)
    assert not torch.equal(batch["voice_people"], batch["face_people"])
    view = face_view(corpus, size=64, template="wen")[chosen.faces].transpose(0, 3, 1, 2)
    named = np.array([facts["people"].index(p) for p in owners(corpus, "faces", chosen.faces)])
    mirrored = 0
    for face, person in zip(batch["faces"].numpy(), batch["face_people"].tolist(), strict=True):
        own = view[named == person]
        straight, turned = (own == face).all((1, 2, 3)).any(), (own[..., ::-1] == face).all((1, 2, 3)).any()
        assert straight or turned
        mirrored += turned
    assert 16 < mirrored < 48


def test_every_voice_has_its_person_and_in_the_control_nobody_has(corpus):
    for wrong in (False, True):
        run = wen_voice2face.recipe(wrong_labels=wrong)
        chosen = run.split(corpus).train
        facts = run.facts(chosen)
        data = run.data(chosen, facts)
        own = [facts["people"].index(p) for p in owners(corpus, "voices", data.voices)]
        assert (
            (data.voice_people.numpy() == own).all()
            if not wrong
            else (data.voice_people.numpy() != own).all()
        )
        assert sorted(set(data.voice_people.tolist())) == sorted(set(own))


def test_known_people_are_in_every_part_with_other_recordings(corpus):
    split = wen_voice2face.recipe(people="known").split(corpus)
    assert split.train.people == split.test.people == split.validation.people
    assert not set(split.train.voices.tolist()) & set(split.test.voices.tolist())
    apart = wen_voice2face.recipe().split(corpus)
    assert not set(apart.train.people) & (set(apart.test.people) | set(apart.validation.people))
    same = [recipe.recipe().split(corpus).test.people for recipe in (wen_speaker, wen_gender)]
    assert same == [apart.test.people] * 2
    with pytest.raises(InputError, match="'known'"):
        wen_voice2face.recipe(people="some").split(corpus)


@pytest.mark.parametrize("kernel", ["paper", "code"])
def test_on_its_own_voice_network_one_folder_generates_alone(corpus, speaker, tmp_path, kernel):
    run = wen_voice2face.recipe(voice_network=str(speaker), kernel=kernel, ema=0.5, **SMALL)
    weights = train(run, corpus, tmp_path / "t", device="cpu", progress=False)
    moved = tmp_path / "moved"
    weights.rename(moved)
    (tmp_path / "elsewhere").mkdir()
    loaded = load_model(moved)
    told = load_model(speaker).model.state_dict()
    kept = loaded.model.state_dict()
    assert torch.equal(kept["voice.network.model.0.weight"], told["voice.model.0.weight"])
    assert torch.equal(kept["voice.network.model.1.running_mean"], told["voice.model.1.running_mean"])
    inputs = [GeneratorInput(wave=corpus.wave(0)), GeneratorInput(wave=corpus.wave(0))]
    faces = loaded.model.generate(inputs, seed=1)
    assert faces.shape == (2, 64, 64, 3) and (faces[0] != faces[1]).any()
    assert (loaded.model.generate(inputs, seed=1) == faces).all()
    assert (loaded.model.generate(inputs, seed=2) != faces).any()
    with pytest.raises(InputError, match="has no voice"):
        loaded.model.generate([GeneratorInput(person="p0")])


def test_a_face_from_the_cache_is_the_one_from_the_recording(corpus, speaker):
    for network, space in (("student", "speaker"), ("student", "face"), (str(speaker.parent), "speaker")):
        run = wen_voice2face.recipe(voice_network=network, space=space, width=32, validation=0.2)
        split = run.split(corpus)
        facts = run.facts(split.train)
        model = run.build(facts).eval()
        run.start(model, split.train, facts)
        some = Selection(corpus, split.test.voices[:2], split.test.faces, split.test.clips)
        cached = generate_for_selection(model, some, typical=True)
        inputs = [GeneratorInput(wave=corpus.wave(k)) for k in some.voices.tolist()]
        assert np.abs(cached.astype(int) - model.generate(inputs, typical=True)).max() <= 2


def test_fewer_people_than_a_batch_one_picture_each_and_people_without_faces(corpus, tmp_path):
    run = wen_voice2face.recipe(**SMALL | {"batch_size": 16})
    mine = run.split(corpus).train
    first = np.array([owners(corpus, "faces", mine.faces).index(p) for p in mine.people])
    weights = train(cut(run, corpus, faces=first[1:]), corpus, tmp_path / "t", device="cpu", progress=False)
    card = read_run(weights)
    facts = card["facts"]
    assert card["arguments"]["template"] == card["contract"]["template"] == "wen"
    # Weights from before that default name theirs.
    assert (
        wen_voice2face.recipe(**card["arguments"] | {"template": "dlib"}).build(facts).face_template == "dlib"
    )
    assert facts["people"] == mine.people[1:] and facts["without_face"] == 1
    whose = cut(run, corpus, faces=first[1:]).split(corpus).train
    data = run.data(whose, facts)
    assert mine.people[0] not in owners(corpus, "voices", data.voices)
    heard = np.array(owners(corpus, "voices", mine.voices)) == mine.people[0]
    with pytest.raises(InputError, match="1 training people with both"):
        run.facts(cut(run, corpus, voices=heard).split(corpus).train)
    with pytest.raises(InputError, match="no voice to generate"):
        empty = Selection(corpus, mine.voices[:0], mine.faces, mine.clips)
        generate_for_selection(run.build(facts), empty)


def test_weights_of_another_recipe_or_none_are_refused_as_voice_network(corpus, tmp_path):
    gender = wen_gender.smoke()
    weights = train(gender, corpus, tmp_path / "g", device="cpu", progress=False)
    with pytest.raises(InputError, match="weights of wen_gender, not of a voice network"):
        wen_voice2face.recipe(voice_network=str(weights)).facts(gender.split(corpus).train)
    with pytest.raises(InputError, match="neither 'student' nor a weights folder"):
        wen_voice2face.recipe(voice_network="studnet").facts(gender.split(corpus).train)


def test_truncated_weights_and_those_of_other_sizes_are_one_line(corpus, speaker, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in speaker.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    whole = (speaker / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    run = wen_voice2face.recipe(voice_network=str(broken), **SMALL)
    with pytest.raises(InputError, match="truncated or damaged"):
        train(run, corpus, tmp_path / "t", device="cpu", progress=False)
    other = wen_speaker.recipe(width=32, batch_size=4, steps=2, every=2, validation=0.2)
    with pytest.raises(InputError, match="the model needs"):
        train(other, corpus, tmp_path / "o", device="cpu", init=speaker, progress=False)


def test_a_loss_that_runs_away_names_its_step_and_keeps_the_last_good_state(corpus, tmp_path):
    run = replace(wen_voice2face.recipe(**SMALL | {"steps": 8}), log_every=1)

    def poisoned(selection, facts):
        data = run.data(selection, facts)
        batch = data.batch
        data.batch = lambda step: (
            batch(step) | ({"voices": torch.full((4, 256), float("nan"))} if step == 4 else {})
        )
        return data

    with pytest.raises(InputError, match=r"step 5.*step-000000004\.pt"):
        train(replace(run, data=poisoned), corpus, tmp_path / "t", device="cpu", progress=False)
    assert [p.name for p in (tmp_path / "t" / "checkpoints").iterdir()][-1].startswith("step-")
    assert (train(run, corpus, tmp_path / "t", device="cpu", progress=False) / "run.json").is_file()
