"""The report: one page that fetches nothing, holds every figure, and draws what was measured."""

import base64
import io
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from voiceface.errors import InputError, MissingPartError
from voiceface.evaluation.report import drawing, embedding_map, faces
from voiceface.evaluation.report.evidence import Evidence
from voiceface.evaluation.report.faces import FaceGridRow, GridFace, faces_figure, retrieved_faces_figure
from voiceface.evaluation.report.markdown import write_markdown
from voiceface.evaluation.report.page import Figure, Section, write_html
from voiceface.evaluation.report.sections import evidence_section, report_sections
from voiceface.protocols import matching, retrieval, verification
from voiceface.protocols.calibration import calibration
from voiceface.protocols.estimate import Estimate, number
from voiceface.protocols.pair_verification import pair_trials

PEOPLE = np.array([f"p{k:02}" for k in range(24)])
VOID = {"meta", "img", "br", "hr", "link", "input", "path", "use", "rect"}


class Page(HTMLParser):
    """Collects text and attributes; fails on tags that do not close."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.words, self.attributes = [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def measured():
    rng = np.random.default_rng(0)
    own = rng.normal(size=(24, 5))
    voices, faces = (own + rng.normal(size=own.shape) for _ in range(2))
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (voices, faces)]
    similarity = unit[0] @ unit[1].T
    trials = pair_trials(similarity, people=(PEOPLE, PEOPLE))
    verified = verification(trials.scores, trials.labels, people=trials.people, resamples=30)
    object.__setattr__(
        verified,
        "calibration",
        calibration(4 * trials.scores, trials.labels, people=trials.people, resamples=30),
    )
    matched = matching(similarity, people=(PEOPLE, PEOPLE), resamples=30)
    searched = retrieval(similarity, people=(PEOPLE, PEOPLE), resamples=30)
    genders = np.array(["fm"[k % 2] for k in range(24)])
    evidence = Evidence(
        voices=unit[0], faces=unit[1], voice_people=PEOPLE, face_people=PEOPLE, voice_genders=genders,
        face_genders=genders,
    )  # fmt: skip
    return (verified, matched, searched), evidence


def test_the_page_holds_every_figure_and_fetches_nothing(measured, tmp_path):
    pytest.importorskip("matplotlib")
    reports, evidence = measured
    sections = [part for report in reports for part in report_sections(report, plots=True)]
    sections.append(evidence_section(evidence))
    size = write_html(tmp_path / "r.html", sections, title="A <test> & more", facts=["voiceface x --y"])
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    page = Page(text)
    assert size == len(text.encode()) < 3_000_000
    assert "http:" not in text and "https:" not in text and "<script" not in text and "@import" not in text
    # What a browser would load is inside the page.
    asked = [v for _, name, v in page.attributes if name in ("src", "href", "xlink:href", "data")]
    assert asked and all(v.startswith(("#", "data:")) for v in asked)
    assert text.count("<svg") == 7 and 'role="img"' in text
    words = " ".join(page.words)
    assert "A <test> & more" in words
    for report in reports:
        for row in report.rows.values():
            for e in row:
                assert e.name in words and number(e.value) in words, e
                assert f"{number(e.low)} to {number(e.high)}" in words and e.convention in words
    for title in ("ROC", "DET", "Matching by N", "CMC", "Reliability", "t-SNE", "chance", "Cllr"):
        assert title in words
    # Colours follow the page: none of the stand-ins is left, and both schemes are there.
    assert "#0101" not in text and "var(--s1)" in text and "prefers-color-scheme: dark" in text
    assert "@media print" in text
    # The parts that clip one drawing are not those of another.
    found = [re.findall(r'<clipPath id="([^"]+)"', svg) for svg in text.split("<svg")[1:]]
    names = [name for one in found for name in set(one)]
    assert len(names) == len(set(names)) > 0


def test_drawn_points_are_the_reports(measured):
    pytest.importorskip("matplotlib")
    (verified, *_), _ = measured
    body = report_sections(verified, plots=True)[0].figures[0].body
    # The longest path is the curve: from the lower left corner to the upper right one.
    paths = [re.findall(r"[ML] ([\d.]+) ([\d.]+)", d) for d in re.findall(r'<path d="([^"]+)"', body)]
    curve = np.array(max(paths, key=len), dtype=float)
    points = verified.curves["all"]
    x = (curve[:, 0] - curve[0, 0]) / (curve[-1, 0] - curve[0, 0])
    y = (curve[:, 1] - curve[0, 1]) / (curve[-1, 1] - curve[0, 1])
    assert np.trapezoid(y, x) == pytest.approx(np.trapezoid(points.tpr, points.fpr), abs=5e-3)


def test_a_page_that_would_fetch_is_refused(tmp_path):
    for body in (
        '<img src="http://x.org/a.png">', "<img src=a.png>", "<a href='//x'>", "<script>1</script>",
        '<b style="background:url(x.png)">', '<link rel="x">',
    ):  # fmt: skip
        with pytest.raises(InputError, match="would fetch something from outside"):
            write_html(tmp_path / "r.html", [Section(title="t", figures=[Figure(title="f", body=body)])])
        assert not (tmp_path / "r.html").exists()
    # Words are not markup: what a user's names look like fetches nothing.
    said = Section(title='<script src="http://x">', text=["!href=x", "url(x)"])
    write_html(tmp_path / "r.html", [said])
    assert "&lt;script" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_markdown_tells_the_same(measured, tmp_path):
    reports, _ = measured
    sections = [part for report in reports for part in report_sections(report, plots=False)]
    assert not any(part.figures for part in sections)
    write_markdown(tmp_path / "r.md", sections, title="T", facts=["command"])
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert text.startswith("# T\n\n- command\n\n## Verification")
    for report in reports:
        write_markdown(tmp_path / "one.md", report_sections(report, plots=False))
        lines = (tmp_path / "one.md").read_text(encoding="utf-8").splitlines()
        for name, row in report.rows.items():
            line = next(x for x in lines if x.startswith((f"| {name} |", f"| {name} (gallery")))
            assert all(f"{number(e.value)} [{number(e.low)}, {number(e.high)}]" in line for e in row)
            assert row[0].convention in text


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    found = drawing.find_spec
    monkeypatch.setattr(drawing, "find_spec", lambda name: None if name == "matplotlib" else found(name))
    with pytest.raises(MissingPartError, match=r'matplotlib: .*pip install "voiceface\[report\]"'):
        drawing.require_packages()
    drawing.require_packages("sklearn")


def test_a_face_grid_is_pictures_inside_the_page(tmp_path):
    grey = np.full((200, 200, 3), 90, np.uint8)
    small = np.zeros((64, 64, 3), np.uint8)
    lines = [
        FaceGridRow(
            title="<a>", heading="Best", faces=[GridFace(picture=grey, words="own", right=True), None]
        ),
        FaceGridRow(title="b", caption="rank 1", heading="Best", faces=[GridFace(picture=small)]),
    ]
    figure = faces_figure("Faces", lines, caption="c")
    write_html(tmp_path / "r.html", [Section(title="s", figures=[figure])])
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    pictures = [v for tag, name, v in page.attributes if (tag, name) == ("img", "src")]
    sizes = []
    for picture in pictures:
        kind, data = picture.split(",", 1)
        assert kind == "data:image/jpeg;base64"
        sizes.append(Image.open(io.BytesIO(base64.b64decode(data))).size)
    assert sizes == [(96, 96), (64, 64)]
    assert page.words.count("Best") == 1 and "<a>" in page.words
    with pytest.raises(InputError, match="float64 of shape"):
        faces_figure("x", [FaceGridRow(title="a", faces=[GridFace(picture=grey / 255)])])


def test_best_and_worst_are_those_of_the_ranking(measured, monkeypatch):
    _, evidence = measured
    shown = []
    monkeypatch.setattr(faces, "corpus_face", lambda corpus, place: np.full((8, 8, 3), place, np.uint8))
    monkeypatch.setattr(faces, "faces_figure", lambda title, lines, caption: shown.extend(lines))
    whole = vars(evidence) | {"corpus": SimpleNamespace(), "face_places": np.arange(24)}
    retrieved_faces_figure(Evidence(**whole), each=3, first=2)
    ranks = [1 + int((row > row[k]).sum()) for k, row in enumerate(evidence.voices @ evidence.faces.T)]
    told = [int(re.search(r"place (\d+) of 24", line.caption)[1]) for line in shown]
    assert [line.heading for line in shown] == ["Best"] * 3 + ["Median"] * 3 + ["Worst"] * 3
    assert told[:3] == sorted(ranks)[:3] and sorted(told[6:]) == sorted(ranks)[-3:]
    assert sorted(ranks)[11] in told[3:6] or sorted(ranks)[12] in told[3:6]
    # The first picture is the voice's own face; those after the gap are the first found.
    for line in shown:
        own = int(line.title[-2:])
        order = np.argsort(-(evidence.faces @ evidence.voices[own]))
        assert line.faces[0].picture[0, 0, 0] == own and line.faces[0].right and line.faces[1] is None
        assert [face.picture[0, 0, 0] for face in line.faces[2:]] == order[:2].tolist()
        assert [face.right for face in line.faces[2:]] == [k == own for k in order[:2]]
    assert retrieved_faces_figure(evidence) is None


def test_the_map_keeps_neighbours_and_folds_apart(measured):
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    centres = np.eye(4) * 8
    rows = np.repeat(centres, 20, axis=0) + rng.normal(size=(80, 4)) * 0.2
    points, method = embedding_map.placed(rows)
    if method == "t-SNE":
        nearest = np.argsort(((points[:, None] - points) ** 2).sum(-1), axis=1)[:, 1]
        assert (nearest // 20 == np.arange(80) // 20).mean() > 0.95
    _, evidence = measured
    folds = np.array(["0", "1"])[np.arange(24) % 2]
    apart = Evidence(**{**vars(evidence), "voice_folds": folds, "face_folds": folds})
    assert [places.tolist() for places in apart.group()] == [list(range(0, 24, 2))] * 2
    people = embedding_map.sample_people((np.array(list("aab")), np.array(list("abc"))), rng)
    assert people == ["a", "b"]


def test_rows_without_interval_or_chance_are_drawn_as_such(tmp_path):
    pytest.importorskip("matplotlib")
    rows = {"all": [Estimate(name="AUC", value=0.5, n=3)]}
    write_html(tmp_path / "r.html", [Section(title="t", rows=rows)])
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert page.words.count("–") == 2 and "nan" not in " ".join(page.words).lower()
    bare = matching(np.eye(3), people=(list("abc"),) * 2, n=(2, 3, 7), resamples=0)
    (section,) = report_sections(bare, plots=True)
    assert "nan" not in section.figures[0].body and "<svg" in section.figures[0].body
