"""Model cards in the hub's format: what weights are, on whom they were trained, what they are not for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceface.components import SHIPPED
from voiceface.errors import InputError
from voiceface.pipelines.hub import Repository, load_hub
from voiceface.pipelines.weights import Loaded

MUST_NOT = "What it must not be used for"
_LICENCES = {"apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"}
"""Those of the hub's names that are also SPDX's, in small letters."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a model is for, in words and in Python, the card with what it is not for, and the hub's words."""

    sentence: str
    python: str
    card: str
    tags: tuple[str, ...]
    pipeline_tag: str | None = None


_KINDS = {
    "talk": _Kind(
        "It makes a face say what a recording says.",
        'talk = vf.Talker.load("{name}")\ntalk("voice.wav", "clip.mp4", seed=0)',
        "talker.md", ("talking-face",), "image-to-video",
    ),
    "generate": _Kind(
        "It generates faces that could go with a voice. A generated face is not a portrait of anybody.",
        'imaginer = vf.Imaginer.load("{name}")\nimaginer("voice.wav", seed=0)[0].save("face.png")',
        "imaginer.md", ("voice-to-face", "image-generation"),
    ),
    "embed": _Kind(
        "It estimates the probability that a voice and a face are of one person.",
        'matcher = vf.Matcher.load("{name}")\nmatcher.score("voice.wav", "face.jpg")',
        "matcher.md", ("voice-face-matching", "cross-modal"), "feature-extraction",
    ),
}  # fmt: skip
"""By ability; a model that has several is used for the first."""
_PART = _Kind(
    "It is a part that other models of voiceface are trained with.",
    "from voiceface.pipelines.weights import load_model\n\nmodel = load_model(\"{name}\").model",
    "matcher.md", (),
)  # fmt: skip


def model_card(loaded: Loaded, repository: Repository, *, shipped: str | None) -> str:
    """The text of ``README.md``: a YAML header as the hub reads it, then Markdown.

    Args:
        loaded: the model and its ``run.json``, which all figures are from.
        repository: where it is published.
        shipped: the name of the weights if they come with this package, whose own card is then the text.

    Raises:
        MissingPartError: huggingface_hub is not installed.
    """
    kinds = [kind for ability, kind in _KINDS.items() if loaded.model.can(ability)]  # type: ignore[arg-type]
    kind = kinds[0] if kinds else _PART
    head = "" if kind is _PART else "import voiceface as vf\n\n"
    python = f'# pip install "voiceface[hub]"\n{head}{kind.python.format(name=repository)}'
    if shipped is not None:
        file = Path(str(loaded.card.get("model_card", f"{shipped}.md"))).name
        text = f"These are the weights `{shipped}` of voiceface.\n\n{_shipped_card(file)}"
    else:
        text = _own_card(loaded.card, _section(_shipped_card(kind.card), MUST_NOT))
    title = repository.name.partition("/")[2]
    body = f"# {title}\n\n{kind.sentence}\n\n```python\n{python}\n```\n\n{text.strip()}"
    return f"---\n{_header(loaded.card, repository, kind)}\n---\n\n{body}\n"


def _header(card: dict[str, Any], repository: Repository, kind: _Kind) -> str:
    hub = load_hub(repository)
    licence = str(card.get("licence") or "")
    known = licence.lower() in _LICENCES
    task = kind.pipeline_tag or "other"
    data = str(card.get("corpus") or "")[:12]
    results = [
        hub.EvalResult(
            task_type=task, dataset_type="voiceface-corpus", dataset_name=f"corpus {data}".strip(),
            metric_type=name.rpartition(" ")[2].lower(), metric_name=name, metric_value=values[0],
        )
        for name, values in figures(card.get("results", {}))
    ]  # fmt: skip
    header = hub.ModelCardData(
        license=licence.lower() if known else "other",
        license_name=None if known else licence or "unknown",
        library_name="voiceface",
        pipeline_tag=kind.pipeline_tag,
        tags=["voiceface", *kind.tags, str(card.get("recipe"))],
        model_name=repository.name.partition("/")[2] if results else None,
        eval_results=results or None,
    )
    return str(header.to_yaml()).strip()


def figures(results: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[float]]]:  # noqa: ANN401
    """The measured figures of a ``run.json``: name, and value or value, low, high and, where known, chance.

    >>> list(figures({"validation": {"auc": 0.8}, "folds": 5}))
    [('validation, auc', [0.8])]
    """
    if isinstance(results, dict):
        for name, value in results.items():
            plain = re.sub(r"[:,]? ?value, 95 % interval over people(, chance)?$", "", name.replace("_", " "))
            yield from figures(value, (*path, plain) if plain else path)
    elif isinstance(results, float):
        yield ", ".join(path), [results]
    elif isinstance(results, list) and len(results) in (3, 4) and all(isinstance(x, float) for x in results):
        yield ", ".join(path), results


def _own_card(card: dict[str, Any], must_not: str) -> str:
    """A card of what ``run.json`` says."""
    arguments = ", ".join(f"{name} {value}" for name, value in card.get("arguments", {}).items())
    parts = card.get("split", {}).get("people", {})
    rows = {
        "recipe": f"`{card.get('recipe')}` of voiceface {card.get('voiceface')}",
        "arguments": arguments,
        "training people": f"{card.get('people', {}).get('count', 'unknown')}",
        "people by part": ", ".join(f"{part} {count}" for part, count in parts.items()),
        "corpus": f"`{card['corpus'][:12]}`" if card.get("corpus") else "",
        "trained before as": ", ".join(str(one.get("recipe")) for one in card.get("ancestors", [])),
        "licence": str(card.get("licence") or "not said"),
    }
    lines = [f"| {name} | {_cell(value)} |" for name, value in rows.items() if value]
    measured = _results_table(list(figures(card.get("results", {}))))
    return (
        "## Training\n\n| | |\n|---|---|\n" + "\n".join(lines) + "\n\n"
        f"## How well it works\n\n{measured}\n\n## {MUST_NOT}\n\n{must_not}\n"
    )


def _results_table(found: Sequence[tuple[str, list[float]]]) -> str:
    if not found:
        return "Nothing was measured."
    lines = ["| | value | 95 % interval over people | chance |", "|---|---|---|---|"]
    for name, values in found:
        interval = f"{values[1]:.3f} to {values[2]:.3f}" if len(values) > 2 else ""
        chance = f"{values[3]:.3f}" if len(values) > 3 else ""
        lines.append(f"| {_cell(name)} | {values[0]:.3f} | {interval} | {chance} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Plain text in a table: no name that a run.json holds can end the row or open a tag."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _shipped_card(file: str) -> str:
    """A card of docs/model-cards without its title; links lead nowhere on the hub and become their text."""
    # Where the wheel has them, and where the repository has.
    folders = (SHIPPED / "model-cards", SHIPPED.parents[2] / "docs" / "model-cards")
    path = next((folder / file for folder in folders if (folder / file).is_file()), None)
    if path is None:
        raise InputError(file, "did not come with this package", "install voiceface again")
    text = path.read_text(encoding="utf-8").partition("\n")[2].strip()
    return re.sub(r"\[([^\]\n]+)\]\((?!https?:)[^)\s]+\)", r"\1", text)


def _section(text: str, title: str) -> str:
    """What stands under a heading of the second level."""
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0].strip()
