"""The page of a blind study: one HTML file with its clips and its script, which saves the answers."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from voiceface.media.files import write_text
from voiceface.media.movie import frames, movie_facts
from voiceface.media.sound import load_sound
from voiceface.media.write_movie import write_movie
from voiceface.protocols.preference_study import study_id, study_pairs

QUESTION = "Which clip looks more like a real person saying what you hear?"
_PLAYABLE = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}


def write_study(
    path: Path,
    sets: tuple[Mapping[str, Path], Mapping[str, Path]],
    *,
    people: Mapping[str, str],
    question: str = QUESTION,
    seed: int = 0,
) -> int:
    """Write the page of all clips in both sets; returns the number of pairs.

    The page shows neither the set of a clip nor the names of the sets.

    Args:
        path: The HTML file.
        sets: From a clip's name to its file, of the first and of the second set.
        people: From a clip's name to its person.
        question: The question that raters answer.
        seed: Random seed of the order and the sides.

    Raises:
        InputError: no clip in both sets, or one that cannot be read.
    """
    clips = sorted(sets[0].keys() & sets[1].keys())
    pairs = []
    for pair in study_pairs(clips, seed=seed):
        first, second = (_data_uri(files[pair.clip]) for files in sets)
        left, right = (first, second) if pair.first_left else (second, first)
        pairs.append({"clip": pair.clip, "left": left, "right": right})
    facts = {
        "study": study_id(clips, seed=seed),
        "seed": seed,
        "clips": clips,
        "people": {clip: people.get(clip, clip) for clip in clips},
        "pairs": pairs,
    }
    # No name may end the script or begin a comment in it: the data holds no "<".
    data = json.dumps(facts).replace("<", "\\u003c")
    filled = {"QUESTION": html.escape(question), "DATA": data, "POLICY": _policy()}
    # At once, so that a question or a name is never searched for places to fill.
    write_text(path, re.sub(r"@(QUESTION|DATA|POLICY)@", lambda place: filled[place[1]], _PAGE))
    return len(pairs)


def _policy() -> str:
    """The page's content security policy: its own script and style, its own clips, and no connection."""
    own = {}
    for kind in ("script", "style"):
        text = re.search(rf"<{kind}>(.*?)</{kind}>", _PAGE, re.DOTALL)
        assert text is not None
        own[kind] = base64.b64encode(hashlib.sha256(text[1].encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{own['script']}'; style-src 'sha256-{own['style']}'; "
        "media-src data:; base-uri 'none'; form-action 'none'"
    )


def _data_uri(path: Path) -> str:
    """A clip as a data URI; formats that browsers do not play are converted to MP4."""
    movie_facts(path)  # a link with a clip's name may lead to any file, which raters must not get
    kind = _PLAYABLE.get(path.suffix.lower())
    if kind is not None:
        data = path.read_bytes()
    else:
        with tempfile.TemporaryDirectory() as folder:
            converted = Path(folder) / "clip.mp4"
            facts = movie_facts(path)
            wave = load_sound(path) if facts.has_sound else None
            fps = facts.fps or 25.0
            write_movie(converted, (picture for _, picture in frames(path, fps=fps)), fps=fps, wave=wave)
            data, kind = converted.read_bytes(), "video/mp4"
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="@POLICY@">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Which clip?</title>
<style>
:root { color-scheme: light dark; --line: #8888; --mark: #2b6cb0; }
body { font: 17px/1.45 system-ui, sans-serif; max-width: 58rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } .hidden { display: none; }
#pair { display: flex; gap: 1.5rem; flex-wrap: wrap; align-items: end; }
figure { flex: 1 1 16rem; margin: 0; text-align: center; }
video { width: 100%; max-height: 60vh; background: #000; border-radius: 6px; }
button { font: inherit; padding: .5rem 1.2rem; margin: .3rem .3rem .3rem 0; border: 1px solid var(--line);
  border-radius: 6px; cursor: pointer; background: transparent; color: inherit; }
button:hover:not(:disabled), button.chosen { border-color: var(--mark); background: #2b6cb022; }
button:disabled { opacity: .45; cursor: default; }
progress { width: 100%; } .small { font-size: .85rem; opacity: .8; }
input { font: inherit; padding: .4rem; }
</style>
</head>
<body>
<h1>@QUESTION@</h1>
<section id="start">
<p>You will see <span class="count"></span> pairs of short clips with sound. Play both, then choose. Nobody
knows yet which is which, and nothing leaves this page: at the end you save a file.</p>
<p><label>Your initials, or any name: <input id="rater" autocomplete="off" maxlength="40"></label>
<button id="begin">Begin</button></p>
</section>
<section id="rating" class="hidden">
<progress id="progress" value="0"></progress>
<p class="small"><span id="where"></span> <span id="kept"></span></p>
<div id="pair">
<figure><video id="left" playsinline preload="auto"></video>
<figcaption><button data-play="left">play A</button></figcaption></figure>
<figure><video id="right" playsinline preload="auto"></video>
<figcaption><button data-play="right">play B</button></figcaption></figure>
</div>
<p>
<button data-choice="left">A</button>
<button data-choice="right">B</button>
<button data-choice="same">no difference</button>
<button id="back">back</button>
<span class="small" id="hint">play both clips first</span>
</p>
</section>
<section id="end" class="hidden">
<p>Thank you. <span id="done"></span></p>
<p><button id="json">Save answers (JSON)</button><button id="csv">Save as CSV</button>
<button id="again">Change answers</button></p>
<p class="small">Send the JSON file to whoever gave you this page.</p>
</section>
<script id="data" type="application/json">@DATA@</script>
<script>
"use strict";
const study = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const show = (id) => ["start", "rating", "end"].forEach((s) => $(s).classList.toggle("hidden", s !== id));
let rater = "", answers = {}, index = 0, since = 0, played = new Set();
const key = () => "voiceface-study-" + study.study + "-" + rater;
function keep() {
  try {
    localStorage.setItem(key(), JSON.stringify(answers));
    localStorage.setItem("voiceface-rater", rater);
  } catch (error) { $("kept").textContent = "This browser stores nothing: save your answers at the end."; }
}
function present() {
  if (index >= study.pairs.length) { finish(); return; }
  const pair = study.pairs[index];
  show("rating");
  played = new Set(answers[pair.clip] ? ["left", "right"] : []);
  for (const side of ["left", "right"]) { $(side).src = pair[side]; $(side).load(); }
  since = Date.now();
  $("progress").max = study.pairs.length; $("progress").value = index;
  $("where").textContent = "Pair " + (index + 1) + " of " + study.pairs.length;
  $("back").disabled = index === 0;
  enable();
}
function enable() {
  const ready = played.size === 2, given = answers[study.pairs[index].clip];
  document.querySelectorAll("[data-choice]").forEach((button) => {
    button.disabled = !ready;
    button.classList.toggle("chosen", !!given && given.choice === button.dataset.choice);
  });
  $("hint").classList.toggle("hidden", ready);
}
function choose(choice) {
  const pair = study.pairs[index];
  answers[pair.clip] = { choice: choice, seconds: Math.round((Date.now() - since) / 100) / 10 };
  keep(); index += 1; present();
}
function answerSheet() {
  return { study: study.study, seed: study.seed, rater: rater, clips: study.clips, people: study.people,
    answers: study.pairs.filter((p) => answers[p.clip]).map((p) => ({ clip: p.clip, ...answers[p.clip] })) };
}
function csv() {
  const cell = (v) => '"' + String(v).replaceAll('"', '""') + '"';
  const fields = (a) => [study.study, rater, a.clip, a.choice, a.seconds].map(cell).join(",");
  const rows = answerSheet().answers.map(fields);
  return ["study,rater,clip,choice,seconds", ...rows].join("\\n") + "\\n";
}
function save(name, kind, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name; link.click();
}
function finish() {
  for (const side of ["left", "right"]) $(side).pause();
  show("end");
  const count = answerSheet().answers.length;
  $("done").textContent = "You answered " + count + " of " + study.pairs.length + " pairs.";
}
function begin() {
  rater = $("rater").value.trim();
  if (!rater) { $("rater").focus(); return; }
  try { answers = JSON.parse(localStorage.getItem(key()) || "{}"); } catch (error) { answers = {}; }
  const open = study.pairs.findIndex((p) => !answers[p.clip]);
  index = open < 0 ? study.pairs.length : open;
  present();
}
document.querySelectorAll(".count").forEach((span) => { span.textContent = study.pairs.length; });
// A player's own controls lie over the mouth that is looked at: clips have a button of their own.
function play(side) { const clip = $(side); if (clip.ended) clip.currentTime = 0; clip.play(); }
document.querySelectorAll("[data-play]").forEach((button) => {
  button.addEventListener("click", () => play(button.dataset.play));
});
for (const side of ["left", "right"]) {
  $(side).addEventListener("click", () => play(side));
  $(side).addEventListener("play", () => { $(side === "left" ? "right" : "left").pause(); });
  $(side).addEventListener("ended", () => { played.add(side); enable(); });
}
document.querySelectorAll("[data-choice]").forEach((button) => {
  button.addEventListener("click", () => choose(button.dataset.choice));
});
$("begin").addEventListener("click", begin);
$("rater").addEventListener("keydown", (event) => { if (event.key === "Enter") begin(); });
$("back").addEventListener("click", () => { index = Math.max(0, index - 1); present(); });
$("again").addEventListener("click", () => { index = 0; present(); });
const file = () => "answers-" + rater.replace(/[^A-Za-z0-9_-]+/g, "_");
const text = () => JSON.stringify(answerSheet(), null, 1);
$("json").addEventListener("click", () => save(file() + ".json", "application/json", text()));
$("csv").addEventListener("click", () => save(file() + ".csv", "text/csv", csv()));
try { $("rater").value = localStorage.getItem("voiceface-rater") || ""; } catch (error) { /* none */ }
</script>
</body>
</html>
"""
