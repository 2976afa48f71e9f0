"""Pages of the Python reference: every public name, as lists that mkdocstrings fills in."""

from __future__ import annotations

import voiceface
from voiceface.components import component_names

PAGES = {
    "matcher": (
        "Matcher",
        "Which voice belongs to which face.",
        ["pipelines.matcher.Matcher", "pipelines.embed"],
    ),
    "imaginer": (
        "Imaginer",
        "Faces for voices.",
        [
            "pipelines.imaginer.Imaginer",
            "pipelines.imaginer.ImaginedFaces",
            "media.origin",
            "pipelines.voice_recording",
        ],
    ),
    "talker": ("Talker", "Talking clips.", ["pipelines.talker.Talker", "pipelines.talker.TalkingVideo"]),
    "gallery": (
        "Gallery",
        "Known people on disk.",
        [
            "pipelines.gallery.Gallery",
            *(f"pipelines.gallery_items.{one}" for one in ("Item", "Hit", "AddResult")),
        ],
    ),
    "corpus": (
        "Corpus",
        "People, voices, faces and clips, prepared once.",
        [
            "corpus.corpus.Corpus",
            *(f"records.{one}" for one in ("Person", "Voice", "Face", "Clip", "Trial")),
            "corpus.splits",
            "corpus.prepare.prepare",
            "corpus.item",
            "corpus.listing_builder",
        ],
    ),
    "training": (
        "Training",
        "From a recipe to weights; what a recipe of your own is made of.",
        [
            "pipelines.train.train",
            "pipelines.weights.trusting",
            "training.run",
            "models.model",
            "training.two_stream_run.two_stream_run",
        ],
    ),
    "encoders": (
        "Encoders",
        "Frozen networks below a model.",
        ["models.voice_encoder", "models.face_encoder"],
    ),
    "protocols": (
        "Protocols",
        "How any model is evaluated. The modules contain no networks.",
        [f"protocols.{one}" for one in component_names("voiceface.protocols")],
    ),
    "metrics": (
        "Metrics",
        "Figures, as pure functions.",
        [f"metrics.{one}" for one in component_names("voiceface.metrics")],
    ),
    "errors": ("Errors", "What is raised for an input that cannot be used.", ["errors"]),
}
"""Page to its title, what it is about, and the modules, classes and functions on it."""


def python_page(name: str) -> str:
    """One page of the Python reference."""
    title, about, objects = PAGES[name]
    return "\n\n".join([f"# {title}", about, *(f"::: voiceface.{one}" for one in objects)])


def python_index() -> str:
    """The first page: what is where."""
    rows = [f"| [{title}]({name}.md) | {about} |" for name, (title, about, _) in PAGES.items()]
    names = ", ".join(f"`vf.{name}`" for name in voiceface.__all__)
    recipes = "| [Recipes](commands/train.md) | Every recipe with its card and options, for `vf.train` too. |"
    return "\n".join(
        [
            "# Python",
            "",
            f"`import voiceface as vf` gives {names}. Everything else is imported from its module,",
            "as it is named here.",
            "",
            "| page | |",
            "|---|---|",
            *rows,
            recipes,
        ]
    )
