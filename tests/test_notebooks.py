"""The notebooks run from the first to the last cell, and are kept without outputs."""

import json
import os
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_outputs(path):
    cells = [
        cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"
    ]
    assert cells and all(not cell["outputs"] and cell["execution_count"] is None for cell in cells)


@pytest.mark.slow
def test_first_steps_run_and_show_faces_and_a_clip(tmp_path, monkeypatch):
    pytest.importorskip("nbclient", reason="nbclient is not installed: make docs")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: make docs")
    pytest.importorskip("espeakng_loader", reason="the speech synthesiser is not installed")
    import nbformat
    from nbclient import NotebookClient

    paths = [str(Path(__file__).parents[1] / "src"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    specification = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
    kernels = tmp_path / "kernels" / "python3"
    kernels.mkdir(parents=True)
    specification |= {"display_name": "Python 3", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(specification))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [
        output["data"].get("text/html", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "data" in output
    ]
    faces = [html for html in shown if html.count("data:image/png;base64,") == 4]
    assert len(faces) == 1
    assert any("data:video/mp4;base64," in html for html in shown)
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert "chance 0.5" in printed or "| 0.500" in printed, printed
    assert (tmp_path / "face.png").is_file() and (tmp_path / "clip.mp4").is_file()
