"""What is going away still works, warns where it is called, and is gone when it was said to be."""

import importlib
import inspect
import pkgutil
import warnings

import pytest

import ranef
from ranef import RanefWarning
from ranef.deprecation import MARKED, RanefDeprecationWarning, deprecated, overdue


@pytest.fixture(autouse=True)
def kept():
    before = dict(MARKED)
    yield
    MARKED.clear()
    MARKED.update(before)


def old(a: int, b: int = 2) -> int:
    """Add two numbers.

    Parameters
    ----------
    a, b : int
    """
    return a + b


def test_it_works_and_warns_at_the_line_of_the_caller() -> None:
    marked = deprecated("0.2", "0.4", "`new`")(old)
    with pytest.warns(
        RanefDeprecationWarning, match=r"^old\(\) is deprecated since ranef 0\.2 and will be gone in 0\.4: use `new`\.$"
    ) as told:
        assert marked(1, b=3) == 4
    assert told[0].filename == __file__
    assert len(told) == 1


def test_users_see_it_without_asking() -> None:
    """Python hides DeprecationWarning outside the main module, not FutureWarning."""
    assert issubclass(RanefDeprecationWarning, FutureWarning)
    assert issubclass(RanefDeprecationWarning, RanefWarning)
    assert not issubclass(RanefDeprecationWarning, DeprecationWarning)


def test_signature_and_documentation_stay() -> None:
    marked = deprecated("0.2", "0.4", "`new`")(old)
    assert inspect.signature(marked) == inspect.signature(old)
    assert marked.__name__ == "old"
    assert marked.__deprecated__.endswith("use `new`.")
    lines = inspect.getdoc(marked).splitlines()
    assert lines[:5] == ["Add two numbers.", "", ".. deprecated:: 0.2", "    It will be gone in 0.4: use `new`.", ""]
    assert lines[5:7] == ["Parameters", "----------"]


def test_methods_too() -> None:
    class Model:
        @deprecated("1.1", "1.3", "`b`")
        def a(self) -> str:
            """The letter."""
            return type(self).__name__

    with pytest.warns(RanefDeprecationWarning, match=r"Model\.a\(\)"):
        assert Model().a() == "Model"


def test_time_goes_forward() -> None:
    with pytest.raises(ValueError, match=r"cannot be gone in 0\.4\.0 already"):
        deprecated("0.4", "0.4.0", "nothing")
    deprecated("0.9", "1.0", "`new`")(old)
    name = f"{old.__module__}.old"
    assert name not in overdue("0.10.2")
    assert name in overdue("1.0.0")


def test_nothing_is_overdue() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in pkgutil.walk_packages(ranef.__path__, "ranef."):
            if "_core" not in module.name and not module.name.startswith(
                ("ranef.interop", "ranef.cli", "ranef.__main__")
            ):
                importlib.import_module(module.name)
    assert not overdue(ranef.__version__)
