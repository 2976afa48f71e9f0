"""FAME and POLY-SIM: submissions in the challenges' exact layout, scored as their plans say, or refused."""

import re
import zipfile

import numpy as np
import pytest

from cli_fixtures import call
from voiceface.errors import InputError
from voiceface.metrics.roc import eer
from voiceface.protocols.language_transfer import fame, read_fame_submission
from voiceface.protocols.polyglot_identification import polysim, read_polysim_submission

LANGUAGES = ("English", "German")
HEARD = "sub_score_English_heard.txt"
URDU = "submission_v1_test_English_Urdu.csv"


def fame_files(folder, people=12, trials=60, noise=0.6, seed=0):
    """Four files as the FAME challenge takes them, and answers for them."""
    random = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    answers, expected = ["key,label,voice_person,face_person"], {}
    for language in LANGUAGES:
        voice = random.integers(people, size=trials)
        face = np.where(
            np.arange(trials) % 2, voice, (voice + 1 + random.integers(people - 1, size=trials)) % people
        )
        same = voice == face
        keys = [f"{language[0].lower()}{at:07d}" for at in range(trials)]
        answers += [
            f"{k},{int(y)},id{v:04d},id{f:04d}" for k, y, v, f in zip(keys, same, voice, face, strict=True)
        ]
        for kind in ("heard", "unheard"):
            distances = (1.2 - 0.5 * same + noise * random.random(trials)).round(4)
            order = random.permutation(trials)
            (folder / f"sub_score_{language}_{kind}.txt").write_text(
                "".join(f"{keys[at]} {distances[at]}\n" for at in order)
            )
            expected[f"{language} {kind}"] = eer(-distances, same)
    (folder / "answers.csv").write_text("\n".join(answers) + "\n")
    return expected


def zipped(folder, to, prefix=""):
    with zipfile.ZipFile(to, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, prefix + path.name)
    return to


def test_the_score_of_fame_is_the_mean_of_four_equal_error_rates(tmp_path):
    expected = fame_files(tmp_path / "sub")
    assert 0.02 < min(expected.values()) < max(expected.values()) < 0.5
    answers = [tmp_path / "sub" / "answers.csv"]
    for given in (tmp_path / "sub", zipped(tmp_path / "sub", tmp_path / "a.zip")):
        report = fame(**read_fame_submission(given, answers), resamples=200)
        for name, value in expected.items():
            assert report.figure("EER", name).value == pytest.approx(value)
        overall = report.figure("EER", "overall score")
        assert overall.value == pytest.approx(np.mean(list(expected.values())))
        assert overall.low < overall.value < overall.high and overall.chance == 0.5 and overall.people == 12
        # Four conditions of one set of people: their mean is hardly surer than one of them.
        widths = [one[0].high - one[0].low for name, one in report.rows.items() if name != "overall score"]
        assert overall.high - overall.low > 0.4 * np.mean(widths)


def test_fame_at_chance_and_collapsed():
    random = np.random.default_rng(1)
    labels, conditions = (
        np.arange(4000) % 2,
        np.repeat(["E heard", "E unheard", "G heard", "G unheard"], 1000),
    )
    at_random = fame(random.random(4000), labels, conditions, resamples=0).figure("EER", "overall score")
    assert at_random.value == pytest.approx(0.5, abs=0.03)
    assert fame(np.ones(4000), labels, conditions).figure("EER", "overall score").value == 0.5
    assert fame(1.0 - labels, labels, conditions).figure("EER", "overall score").value == 0.0


def rewrite(path, change):
    path.write_text(change(path.read_text()))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: (d / "sub_score_German_unheard.txt").unlink(), "the score is of four files"),
        (lambda d: rewrite(d / HEARD, lambda t: t[: t.index("\n") + 1] + t), "repeats 1"),
        (lambda d: rewrite(d / HEARD, lambda t: t.replace(" 1", " -1", 1)), "no `key distance`"),
        (lambda d: rewrite(d / HEARD, lambda t: t.split("\n", 1)[1]), "other trials"),
        (lambda d: rewrite(d / "answers.csv", lambda t: t.replace("e0000003", "x")), "without an answer"),
        (lambda d: rewrite(d / "answers.csv", lambda t: t + "z,1,id0001,id0001\n"), "lacks 1 of"),
        (lambda d: rewrite(d / "answers.csv", lambda t: t.replace("key,", "id,", 1)), "lacks the column key"),
    ],
)  # fmt: skip
def test_a_faulty_submission_to_fame_is_refused(tmp_path, spoil, said):
    fame_files(tmp_path / "sub")
    spoil(tmp_path / "sub")
    with pytest.raises(InputError, match=re.escape(said)):
        read_fame_submission(tmp_path / "sub", [tmp_path / "sub" / "answers.csv"])


def polysim_files(folder, people=10, trials=80, seed=0):
    """Both files of a submission, the two lists and their key dictionaries, in the challenge's layout."""
    random = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    expected = {}
    for language, settings, rates in (("English", "p3,p4", (0.9, 0.5)), ("Urdu", "p5,p6", (0.8, 0.3))):
        labels = random.integers(people, size=trials)
        keys = [f"{language[0]}{at:09d}" for at in range(trials)]
        said = [np.where(random.random(trials) < rate, labels, (labels + 1) % people) for rate in rates]
        rows = [f"{k},{a},{b}" for k, a, b in zip(keys, *said, strict=True)]
        (folder / f"submission_v1_test_English_{language}.csv").write_text(
            "\n".join([f"key,{settings}", *rows]) + "\n"
        )
        answers = [
            f"{key},./v1/voices/id{label + 1:04d}/{language}/vid/00000.wav,id{label + 1:04d},{label}"
            for key, label in zip(keys, labels, strict=True)
        ]
        order = random.permutation(trials)
        (folder / f"v1_{language}_test_key_dict.csv").write_text(
            "\n".join(["key,audio_path,identity,label", *(answers[at] for at in order)]) + "\n"
        )
        for name, one in zip(settings.upper().split(","), said, strict=True):
            expected[name] = (one == labels).mean()
    return expected


def answers_of(folder):
    return sorted(folder.glob("*_key_dict.csv"))


def test_the_score_of_polysim_is_the_mean_of_four_accuracies(tmp_path):
    expected = polysim_files(tmp_path / "sub")
    archive = zipped(tmp_path / "sub", tmp_path / "a.zip")
    report = polysim(**read_polysim_submission(archive, answers_of(tmp_path / "sub")), known_people=70)
    found = {row[:2]: one[0] for row, one in report.rows.items()}
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value) and found[name].chance == pytest.approx(1 / 70)
        assert found[name].low < value < found[name].high
    average = report.figure("accuracy", "average")
    assert average.value == pytest.approx(np.mean(list(expected.values()))) and average.low < average.value
    assert average.n == 320 and average.people == 10


def test_polysim_at_chance():
    random = np.random.default_rng(2)
    labels, settings = random.integers(20, size=8000), np.resize(["P3", "P4", "P5", "P6"], 8000)
    found = polysim(random.integers(20, size=8000), labels, settings, resamples=100).figure(
        "accuracy", "average"
    )
    assert found.value == pytest.approx(found.chance, abs=0.01) and found.low < 0.05 < found.high


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: (d / URDU).unlink(), "the score is of two files"),
        (lambda d: rewrite(d / URDU, lambda t: t.replace("p5", "p3", 1)), "lacks the column p5"),
        (lambda d: rewrite(d / URDU, lambda t: t.replace(",1", ",id1", 1)), "hold no label"),
        (lambda d: rewrite(d / URDU, lambda t: t.replace(",1", ",", 1)), "filled columns"),
        (lambda d: rewrite(d / URDU, lambda t: t + "U000000003,1,1\n"), "repeats 1"),
        (lambda d: rewrite(d / URDU, lambda t: t.rsplit("\n", 2)[0]), "lacks 1 of"),
        (lambda d: rewrite(d / URDU, lambda t: t.replace("U", "W")), "without an answer"),
    ],
)  # fmt: skip
def test_a_faulty_submission_to_polysim_is_refused(tmp_path, spoil, said):
    polysim_files(tmp_path / "sub")
    spoil(tmp_path / "sub")
    with pytest.raises(InputError, match=re.escape(said)):
        read_polysim_submission(tmp_path / "sub", answers_of(tmp_path / "sub"))


def test_an_archive_of_a_folder_and_a_damaged_one_are_refused(tmp_path):
    polysim_files(tmp_path / "sub")
    folder = zipped(tmp_path / "sub", tmp_path / "f.zip", prefix="sub/")
    with pytest.raises(InputError, match="in a folder, which the challenge refuses"):
        read_polysim_submission(folder, answers_of(tmp_path / "sub"))
    (tmp_path / "bad.zip").write_bytes(folder.read_bytes()[:200])
    with pytest.raises(InputError, match="no intact zip archive"):
        read_polysim_submission(tmp_path / "bad.zip", answers_of(tmp_path / "sub"))
    with pytest.raises(InputError, match="where 10 people are answers"):
        polysim(**read_polysim_submission(tmp_path / "sub", answers_of(tmp_path / "sub")), known_people=9)


def embedded(path, names, rows, **people):
    np.savez(path, names=np.array(names), embeddings=rows.astype(np.float32), **people)


def test_fame_is_scored_from_the_command_line(tmp_path):
    expected = fame_files(tmp_path / "sub")
    said = call(
        "evaluate",
        "fame",
        "--submission",
        tmp_path / "sub",
        "--answers",
        tmp_path / "sub" / "answers.csv",
        "--json",
    )
    assert said.code == 0, said.err
    assert said.json["rows"]["overall score"][0]["value"] == pytest.approx(np.mean(list(expected.values())))
    call("evaluate", "fame", "--voices", tmp_path / "v.npz").refused("nothing to write or to score")
