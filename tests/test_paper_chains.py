"""A paper's documented chain on a small tree in the official layout: prepare, train, lists, tables."""

import json

from cli_fixtures import call
from source_trees import real, text
from voiceface.papers import _roldan_sweep, ssnet
from voiceface.recipes import _roldan_run, si_speech2video

VIDEO = "abcdefghi{:02d}"
NAMES = [
    "Ada_Byron", "Bo_Derek", "Cy_Young", "Ed_Harris", "Fay_Wray", "Guy_Pearce", "Hal_Hartley", "Dan_Holm",
    "Cat_March", "Kit_Carson", "Lou_Reed", "May_West",
]  # fmt: skip


def done(*words):
    """Run a command that must succeed."""
    said = call(*words)
    assert said.code == 0, (words, said.err)
    return said


def vox_meta(path, part="dev"):
    rows = [f"id{10001 + n}\t{name}\t{'fm'[n % 2]}\tUK\t{part}" for n, name in enumerate(NAMES)]
    return text(path, "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet", *rows)


def voxceleb(root, people=12, videos=1, takes=2):
    """VoxCeleb1: numbered voices, named frames, the metadata and Learnable PINs' people."""
    meta = vox_meta(root / "vox1_meta.csv")
    codes = "111111223344"
    for n, name in enumerate(NAMES[:people]):
        for video in range(videos):
            folder = VIDEO.format(video)
            for take in range(takes):
                real(root / "wav" / f"id{10001 + n}" / folder / f"{take + 1:05d}.wav", n)
            real(root / "unzippedFaces" / name / "1.6" / folder / "0000025.jpg", n)
    return meta, text(
        root / "identity_splits.txt", *(f"{one} {c} " for one, c in zip(NAMES, codes, strict=True))
    )


def run_json(folder):
    return json.loads((folder / "weights" / "run.json").read_text())


def beside_paper(page):
    """Whether a page of tables has rows of the paper's and of ours."""
    return "| paper |" in page.read_text() and "| ours |" in page.read_text()


def test_nawaz_on_voxceleb_with_the_lists_of_learnable_pins(tmp_path, monkeypatch):
    monkeypatch.setattr(ssnet, "_RESAMPLES", 10)
    meta, codes = voxceleb(tmp_path / "vox")
    corpus, run = tmp_path / "corpus", tmp_path / "run"
    done("prepare", "voxceleb", tmp_path / "vox", "-o", corpus, "--split-list", codes, "--workers", 1)
    head = "id,voice-speaker-id,face-speaker-id,label,voice-path,face-path"
    voice, face = "{0}/" + VIDEO.format(0) + "_0000001.wav", "{0}/" + VIDEO.format(0) + "/0000025.jpg"
    tested = NAMES[8:]
    pairs = [(a, b) for a in tested for b in tested if NAMES.index(a) % 2 == NAMES.index(b) % 2]
    rows = [
        f"{k},{NAMES.index(a)},{NAMES.index(b)},{int(a == b)},{voice.format(a)},{face.format(b)}"
        for k, (a, b) in enumerate(pairs, start=1)
    ]
    listed = text(tmp_path / "veriflist.txt", head, *rows)
    small = ("--backbone", "small", "--size", 32, "--width", 0.25, "--steps", 2)
    done("train", "nawaz_ssnet", "--corpus", corpus, *small, "--leave-out", listed, "-o", run)
    assert run_json(run)["split"]["people"] == {"train": 6, "validation": 2, "test": 0}
    scored = done("evaluate", "verification", "--model", run, "--corpus", corpus, "--people", meta,
                  "--list", listed, "--same", "gender", "--resamples", 0, "--json")  # fmt: skip
    assert json.loads(scored.out)["rows"]["same gender"]
    triples = text(tmp_path / "v2f.txt", *(
        f"id{10001 + NAMES.index(a)}/{VIDEO.format(0)}/00001.wav {a}/1.6/{VIDEO.format(0)}/0000025.jpg "
        f"{b}/1.6/{VIDEO.format(0)}/0000025.jpg" for a, b in pairs if a != b))  # fmt: skip
    done("evaluate", "matching", "--model", run, "--corpus", corpus, "--people", meta, "--list", triples)
    # A list of people who were trained on is refused, and an audit recognises them by name and by number.
    same = [f"{k},9,9,1,{voice.format(a)},{face.format(a)}" for k, a in enumerate(NAMES[:3], start=1)]
    seen = text(tmp_path / "seen.txt", head, *same)
    given = ("--model", run, "--corpus", corpus, "--people", meta)
    call("evaluate", "verification", *given, "--list", seen).refused("3 of the list's 3 people")
    trained = text(tmp_path / "trained.txt", "id10001", "id10002")
    for how in (("--training", corpus), ("--training", trained, "--people", meta)):
        found = json.loads(done("audit", seen, *how, "--json").out)["shared_people"]
        assert len(found) == (3 if how[1] == corpus else 2)
    call("audit", seen, "--training", trained).refused("--people vox1_meta.csv")
    stranger = text(tmp_path / "other.csv", "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet",
                    "id10999\tZoe_Other\tf\tUK\tdev")  # fmt: skip
    call("audit", seen, "--people", stranger, "--matched", "gender").refused("names nobody of the metadata")
    done("tables", "ssnet", "--corpus", corpus, "--people", "unknown", "--quick", "--steps", 1, "--size", 32,
         "-o", tmp_path / "tables")  # fmt: skip
    assert beside_paper(tmp_path / "tables" / "ssnet.md")
    assert run_json(tmp_path / "tables" / "unknown-pull-1")["split"]["by"] == "authors"


def test_wen_on_voxceleb_and_vggface_by_the_letters_of_the_paper(tmp_path):
    root, corpus = tmp_path / "root", tmp_path / "corpus"
    vox_meta(root / "voxceleb1" / "vox1_meta.csv")
    for n, name in enumerate(NAMES):
        real(root / "voxceleb1" / "wav" / f"id{10001 + n}" / VIDEO.format(0) / "00001.wav", n)
        real(root / "vggface" / name / "00000001.jpg", n)
    done("prepare", "voxceleb_vggface", root, "-o", corpus, "--workers", 1)
    tables = ("tables", "wen", "--corpus", corpus, "--gender-steps", 2, "--samples", 4, "-o", tmp_path / "t")
    small = ("--width", 32, "--batch-size", 4, "--steps", 1, "--every", 1)
    done("train", "wen_voice2face", "--corpus", corpus, *small, "-o", tmp_path / "run")
    card = run_json(tmp_path / "run")
    assert card["split"]["by"] == "authors"
    assert card["split"]["people"] == {"train": 6, "validation": 2, "test": 4}
    done(*tables, "--weights", tmp_path / "run")
    page = (tmp_path / "t" / "wen.md").read_text()
    assert beside_paper(tmp_path / "t" / "wen.md") and "4 test people" in page


def test_agarwal_on_known_people_of_voxceleb(tmp_path):
    voxceleb(tmp_path / "vox", people=2, videos=4, takes=2)
    corpus, run, out = tmp_path / "corpus", tmp_path / "classifier", tmp_path / "tables"
    done("prepare", "voxceleb", tmp_path / "vox", "-o", corpus, "--workers", 1)
    small = ("--minimum", 4, "--steps", 1, "--every", 1)
    done("train", "agarwal_voice_classifier", "--corpus", corpus, *small, "-o", run)
    given = ("--voice-classifier", run, "--variant", "vae", "-o", tmp_path / "vae")
    done("train", "agarwal_voice2face", "--corpus", corpus, *small, *given)
    made = ("--quick", "--minimum", 4, "--classifier-steps", 1, "--steps", 1, "-o", out)
    done("tables", "agarwal", "--corpus", corpus, "--split", "random", *made)
    assert beside_paper(out / "agarwal.md") and "--split random" in (out / "agarwal.md").read_text()


def test_roldan_on_peoples_own_videos(tmp_path, monkeypatch):
    monkeypatch.setattr(_roldan_sweep, "FACES_PER_PERSON", 4)
    monkeypatch.setattr(_roldan_run, "_MAX_VALIDATED", 4)
    for n, name in enumerate(("Ann", "Bo")):
        for k in range(4):
            real(tmp_path / "videos" / name / f"day{k}" / f"{k}.mp4", n)
    corpus, out = tmp_path / "corpus", tmp_path / "tables"
    done("prepare", "videos", tmp_path / "videos", "-o", corpus, "--workers", 1)
    assert (corpus / "same_people.csv").read_text().startswith("group,person,other,faces,voices")
    small = ("--size", 16, "--width", 4, "--batch-size", 2, "--steps", 1, "--every", 1)
    done("train", "roldan_name2face", "--corpus", corpus, *small, "-o", tmp_path / "name")
    speech = (*small, "--speech-width", 2, "-o", tmp_path / "speech")
    done("train", "roldan_speech2face", "--corpus", corpus, *speech)
    rows = ("--variants", "projecting input", "--variants", "control: waveform")
    done("tables", "roldan", "--corpus", corpus, "--quick", "--steps", 1, *rows, "-o", out)
    page = (out / "roldan.md").read_text()
    assert beside_paper(out / "roldan.md") and "| control: waveform" in page and "mel" not in page
    call("tables", "roldan", "--corpus", corpus, "--variants", "wavelet").refused("names no row")


def test_si_on_cremad(tmp_path, monkeypatch):
    monkeypatch.setattr(si_speech2video, "_MAX_VALIDATED", 2)
    root, corpus, out = tmp_path / "cremad", tmp_path / "corpus", tmp_path / "tables"
    rows = [f'{1001 + n},{20 + n},"{("Male", "Female")[n % 2]}","Asian","Not Hispanic"' for n in range(5)]
    text(root / "VideoDemographics.csv", '"ActorID","Age","Sex","Race","Ethnicity"', *rows, newline="\r\n")
    for n in range(5):
        name = f"{1001 + n}_DFA_{('ANG', 'HAP')[n % 2]}_XX"
        real(root / "AudioWAV" / f"{name}.wav", n)
        real(root / "VideoFlash" / f"{name}.flv", n)
    done("prepare", "cremad", root, "-o", corpus, "--no-faces", "--workers", 1)
    said = done("tables", "si", "--corpus", corpus, "--steps", 1, "--clips", 1, "-o", out)
    assert "voiceface: training the generator: 1 steps of si_speech2video" in said.err
    assert beside_paper(out / "si.md")
    page = json.loads((out / "si.json").read_text())["tables"][0]
    assert (
        page["rows"]["speech2video"][0]["value"] and page["paper_rows"]["speech2video, CREMA-D"][0] == 0.541
    )


def test_si_on_voxceleb2_with_its_own_training_and_test_people(tmp_path, monkeypatch):
    """Section 3.1: the training and the testing set are those of the data set's authors."""
    monkeypatch.setattr(si_speech2video, "_MAX_VALIDATED", 2)
    root, corpus, out = tmp_path / "vox2", tmp_path / "corpus", tmp_path / "tables"
    people = [f"id{n:05d}" for n in range(12, 18)]
    sets = ["dev", "dev", "dev", "dev", "test", "test"]
    rows = [f"{one}, 1, {'mf'[n % 2]}, {sets[n]} " for n, one in enumerate(people)]
    text(root / "vox2_meta.csv", "VoxCeleb2 ID ,VGGFace2 ID ,Gender,Set", *rows)
    for n, person in enumerate(people):
        real(root / sets[n] / "mp4" / person / VIDEO.format(n) / "00001.mp4", n)
    done("prepare", "voxceleb", root, "-o", corpus, "--no-faces", "--no-voices", "--workers", 1)
    done("tables", "si", "--corpus", corpus, "--steps", 1, "--clips", 2, "-o", out)
    card = run_json(out / "si_speech2video")
    assert (card["split"]["by"], card["people"]["count"]) == ("authors", 3)  # of four, one selects
    found = json.loads((out / "si.json").read_text())["tables"]
    assert [table["title"] for table in found if "Table 1" in table["title"]] == ["Table 1, unknown voices"]
    assert beside_paper(out / "si.md")
