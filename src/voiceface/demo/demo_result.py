"""What the demo shows: its models, and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voiceface.demo.demo_voice import DemoVoice
    from voiceface.demo.next_commands import Suggestion
    from voiceface.demo.rankings import ImaginedRanking, PictureRanking
    from voiceface.pipelines.imaginer import Imaginer
    from voiceface.pipelines.matcher import Matcher
    from voiceface.pipelines.talker import Talker, TalkingVideo

MOST_SHOWN = 24
"""Ranked pictures on the page."""
CLIP = "talking.mp4"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoModels:
    """What the demo shows."""

    imaginer: Imaginer
    talker: Talker
    matcher: Matcher

    @classmethod
    def load(cls) -> DemoModels:
        """The best shipped ones.

        Raises:
            MissingPartError: a part that they need is not installed.
        """
        from voiceface.pipelines.imaginer import Imaginer
        from voiceface.pipelines.matcher import Matcher
        from voiceface.pipelines.talker import Talker

        return cls(imaginer=Imaginer.load(), talker=Talker.load(), matcher=Matcher.load())


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What came out: files by their names in the demo's folder."""

    voices: Sequence[DemoVoice]
    faces: Sequence[Sequence[str]]
    """By voice."""
    video: TalkingVideo
    """The clip of the first voice's first face, `CLIP`."""
    ranking: PictureRanking | ImaginedRanking | None
    pictures: Sequence[str]
    """The faces in the user's pictures, the best first, at most `MOST_SHOWN`."""
    own_files: bool
    """Whether the voice is the user's."""
    models: DemoModels
    suggestions: Sequence[Suggestion]
    seconds: float
