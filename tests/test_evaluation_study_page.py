"""The page of the blind study: no name of a clip, person or question becomes part of its code."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from corpus_media import talking
from voiceface.errors import InputError
from voiceface.evaluation.study_page import write_study

HOSTILE = ["<!--<script>", "</script><script>alert(1)</script>", "@DATA@", "a&b\u2028", "'\"]]>"]


class Page(HTMLParser):
    """The page's elements that have text of their own, and its policy."""

    def __init__(self, text):
        super().__init__()
        self.inside, self.found, self.policy = "", [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.inside = tag
        facts = dict(attributes)
        if facts.get("http-equiv") == "Content-Security-Policy":
            self.policy = facts["content"]

    def handle_data(self, data):
        if data.strip():
            self.found.append((self.inside, data))


def written(tmp_path, question="Which?"):
    clip = tmp_path / "x.mp4"
    talking(clip, 1, 0.2, size=32)
    page = tmp_path / "page.html"
    sets = {name: clip for name in HOSTILE}
    assert write_study(page, (sets, sets), people={HOSTILE[0]: "</script>"}, question=question) == 5
    return page.read_text(encoding="utf-8")


def test_names_and_questions_are_data_and_nothing_else(tmp_path):
    question = "Which is @DATA@ or @POLICY@ </h1><script>?"
    text = written(tmp_path, question)
    page = Page(text)
    data, script = (words for kind, words in page.found if kind == "script")
    assert "<" not in data  # it ends no script and begins no comment, whatever state the browser is in
    told = json.loads(data)
    assert told["clips"] == sorted(HOSTILE) and told["people"][HOSTILE[0]] == "</script>"
    assert {pair["clip"] for pair in told["pairs"]} == set(HOSTILE)
    assert "".join(words for kind, words in page.found if kind == "h1") == question
    assert script.lstrip().startswith('"use strict"') and "alert" not in script


def test_the_policy_allows_the_pages_own_script_and_style_and_no_connection(tmp_path):
    text = written(tmp_path)
    rules = dict(rule.strip().split(" ", 1) for rule in Page(text).policy.split(";"))
    for kind in ("script", "style"):
        own = re.search(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["media-src"] == "data:"
    assert not re.search(r"\son\w+=|style=|javascript:", text.replace(Page(text).found[-1][1], ""))


def test_a_link_with_a_clips_name_puts_no_other_file_into_the_page(tmp_path):
    (tmp_path / "secret.txt").write_text("a key")
    (tmp_path / "x.mp4").symlink_to(tmp_path / "secret.txt")
    clips = {"x": tmp_path / "x.mp4"}
    with pytest.raises(InputError, match=r"x\.mp4: is not media"):
        write_study(tmp_path / "page.html", (clips, clips), people={})
    assert not (tmp_path / "page.html").exists()
