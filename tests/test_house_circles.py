"""No modules of the package import each other, and the rule finds those that do."""

from house_circles import circles
from test_house import PACKAGE, plant


def test_no_modules_import_each_other():
    assert circles(PACKAGE) == []


CIRCLES = {
    "corpus/corpus": "def check(self):\n    from voiceface.corpus.check import check",
    "corpus/check": "if TYPE_CHECKING:\n    from .corpus import Corpus",
    "corpus/item": "from voiceface.corpus import video\nfrom voiceface.media import sound",
    "corpus/video": "import voiceface.corpus.tracks",
    "corpus/tracks": "from ..corpus.item import Item",
    "media/sound": "from voiceface.media import sound",
    "media/__init__": "",
    "nn/__init__": "from voiceface.nn.net import Net",
    "nn/net": "from . import losses\nfrom voiceface import nn",
    "nn/losses": "",
}


def test_modules_that_import_each_other_are_found(tmp_path):
    package = plant(tmp_path, CIRCLES)
    assert circles(package) == [
        "voiceface.corpus.check -> voiceface.corpus.corpus -> voiceface.corpus.check",
        "voiceface.corpus.item -> voiceface.corpus.video -> voiceface.corpus.tracks -> voiceface.corpus.item",
        "voiceface.nn -> voiceface.nn.net -> voiceface.nn",
    ]
