"""What the site has beside the pages in docs/: root documents, the command reference, the Python reference.

MkDocs calls the functions here (`hooks` in mkdocs.yml). Pages in docs/ are read on GitHub too, where links
lead to files of the repository; on the site such a link leads to the page that was made of the file.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import Any

os.environ["COLUMNS"] = "84"  # the width of components' cards

from mkdocs.structure.files import File  # noqa: E402
from site_commands import command_names, command_page  # noqa: E402
from site_python import PAGES, python_index, python_page  # noqa: E402

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ROOT_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
    "RESULTS.md": "project/results.md",
}
"""Documents of the root and the pages that they become."""
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)


def on_config(config: Any) -> Any:  # noqa: ANN401  MkDocs' types
    """Fill in what the navigation names in capitals."""
    python = [{title: f"reference/{name}.md"} for name, (title, _, _) in PAGES.items()]
    commands = [{f"voiceface {name}": f"reference/commands/{name}.md"} for name in command_names()]
    written = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {
        "REFERENCE": [{"Python": ["reference/index.md", *python]}, {"Commands": commands}],
        "MEASUREMENTS": [
            f"measurements/{path.name}" for path in sorted((DOCS / "measurements").glob("*.md"))
        ],
        "OTHERS": [path.name for path in sorted(DOCS.glob("*.md")) if f" {path.name}\n" not in written],
    }
    config.nav = [one for entry in config.nav for one in _filled(entry, pages)]
    return config


def _filled(entry: Any, pages: dict[str, list[Any]]) -> list[Any]:  # noqa: ANN401
    """An entry of the navigation, with lists of pages for the words that stand for them."""
    if isinstance(entry, str):
        return pages.get(entry, [entry])
    [(name, below)] = entry.items()
    if isinstance(below, str):
        return [{name: pages.get(below, below)}]
    return [{name: [one for part in below for one in _filled(part, pages)]}]


def on_files(files: Any, config: Any) -> Any:  # noqa: ANN401
    """Add the generated pages."""
    pages = {page: (ROOT / name).read_text(encoding="utf-8") for name, page in ROOT_PAGES.items()}
    pages["index.md"] = f"---\nhide: [navigation]\n---\n{pages['index.md']}"  # it is alone there
    pages["reference/index.md"] = python_index()
    pages |= {f"reference/{name}.md": python_page(name) for name in PAGES}
    pages |= {f"reference/commands/{name}.md": command_page(name) for name in command_names()}
    for page, text in pages.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:  # noqa: ANN401
    """Let links to files of the repository lead to their pages."""
    at = page.file.src_uri
    if at.startswith("reference/"):
        return markdown
    written = {made: name for name, made in ROOT_PAGES.items()}.get(at, f"docs/{at}")
    parts = _FENCE.split(markdown)
    for index in range(0, len(parts), 2):
        parts[index] = _LINK.sub(lambda link: _site_link(link, written, at), parts[index])
    return _with_colab("".join(parts)) if at == "tutorial.md" else "".join(parts)


def _with_colab(markdown: str) -> str:
    """The tutorial with a link that opens its notebook at Colab, where the repository is known."""
    repository = os.environ.get("GITHUB_REPOSITORY")
    if not repository:
        return markdown
    notebook = "docs/notebooks/first-steps.ipynb"
    address = f"https://colab.research.google.com/github/{repository}/blob/main/{notebook}"
    return markdown.replace(
        "\n\n## ", f"\n\n[Open the notebook in Colab]({address}){{ .md-button }}\n\n## ", 1
    )


def _site_link(link: re.Match[str], written: str, at: str) -> str:
    """A link of the document ``written`` as its page ``at`` has it."""
    image, text, target = link.groups()
    text = _LINK.sub(lambda inner: _site_link(inner, written, at), text)
    path, mark, anchor = target.partition("#")
    if "://" in target or target.startswith("mailto:") or not path:
        return f"{image}[{text}]({target})"
    file = posixpath.normpath(posixpath.join(posixpath.dirname(written), path))
    if file in ROOT_PAGES:
        file = ROOT_PAGES[file]
    elif file.startswith("docs/"):
        file = file.removeprefix("docs/")
    else:
        return f"[{text}]({source_url(file)})" if source_url(file) else text
    return f"{image}[{text}]({os.path.relpath(file, PurePosixPath(at).parent)}{mark}{anchor})".replace(
        os.sep, "/"
    )


def source_url(file: str) -> str:
    """Where a file of the repository is shown; empty where the site is built outside of its workflow."""
    repository = os.environ.get("GITHUB_REPOSITORY")
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    return f"{server}/{repository}/blob/main/{file}" if repository else ""
