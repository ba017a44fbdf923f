"""Importing a module of ``ranef.interop`` where its library is missing."""

import importlib
import sys

import pytest

from ranef import MissingExtraError


@pytest.fixture
def without(monkeypatch):
    def check(library: str, module: str, package: str) -> None:
        for name in [n for n in sys.modules if n == library or n.startswith(f"{library}.")] + [module]:
            monkeypatch.delitem(sys.modules, name, raising=False)

        class Absent:
            """An importer that knows the library is not there."""

            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] == library:
                    raise ModuleNotFoundError(f"No module named {library!r}", name=library)

        monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
        with pytest.raises(MissingExtraError, match=package) as raised:
            importlib.import_module(module)
        assert "pip install 'ranef[interop]'" in str(raised.value)
        assert isinstance(raised.value, ImportError)

    return check
