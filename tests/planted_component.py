"""A component that lies in its folder for the length of a test, as if it had been added there."""

import importlib
import sys
from contextlib import contextmanager


@contextmanager
def planted(package, folder, texts):
    """Files by their names without ``.py`` become modules of a package of voiceface."""
    owner = importlib.import_module(package)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    owner.__path__.append(str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        owner.__path__.remove(str(folder))
        for name in texts:
            sys.modules.pop(f"{package}.{name}", None)
            vars(owner).pop(name, None)
