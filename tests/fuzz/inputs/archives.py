"""Files of saved models with accidents: bytes changed or cut, and whole zip files whose tree of
values or whose arrays were changed, which no checksum gives away.
"""

import io
import json
import random
import tempfile
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import ranef

#: Files that earlier versions wrote.
_STORED = Path(__file__).parents[2] / "reference" / "archives"


@lru_cache(maxsize=1)
def _good() -> tuple[bytes, ...]:
    """Models of every class, and the stored files."""
    rng = np.random.default_rng(3)
    n = 60
    g, h, x = np.arange(n) % 10, rng.integers(0, 4, n), rng.normal(size=n)
    data = {
        "y": x + rng.normal(size=10)[g] + rng.normal(size=n),
        "x": x,
        "k": rng.poisson(2.0, n),
        "g": [f"g{i}" for i in g],
        "h": h.astype(str),
        "t": np.arange(n) // 10,
    }
    made = (
        ranef.lmer("y ~ x + h + (x | g)", data),
        ranef.lmer("y ~ poly(x, 2) + (1 | g) + (0 + x | h)", data, REML=False, na_action="exclude"),
        ranef.glmer("k ~ x + (1 | g)", data, family="poisson"),
        ranef.gls("y ~ x", data, correlation="ar1(t | g)"),
    )
    out = []
    with tempfile.TemporaryDirectory() as folder:
        for model in made:
            path = Path(folder, "model")
            model.save(path)
            out.append(path.read_bytes())
    return (*out, *(p.read_bytes() for p in sorted(_STORED.iterdir())))


@lru_cache(maxsize=32)
def _opened(content: bytes) -> tuple[str, dict[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    return members.pop("model.json").decode(), members


def archive_case(number: int) -> bytes:
    """The file of a number: a third with damaged bytes, the others rewritten."""
    chance = random.Random(number)
    content = chance.choice(_good())
    if chance.random() < 1 / 3:
        return _damaged(content, chance)
    text, members = _opened(content)
    tree, members = json.loads(text), dict(members)
    if chance.random() < 0.7:  # as in files of earlier versions: the parts themselves are looked at
        tree.pop("digest", None)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if chance.random() < 0.65:
            tree = _changed(tree, chance, members)
        else:
            _change_member(members, chance)
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        if chance.random() < 0.99:
            archive.writestr(
                "model.json", json.dumps(tree, ensure_ascii=chance.random() < 0.5).encode("utf-8", "replace")
            )
    return sink.getvalue()


def _damaged(content: bytes, chance: random.Random) -> bytes:
    out = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 30))):
        at = chance.randrange(len(out)) if out else 0
        out = out or bytearray(1)
        kind = chance.random()
        if kind < 0.6:
            out[at] = chance.randrange(256)
        elif kind < 0.75:
            del out[at : at + chance.choice((1, 4, 100))]
        elif kind < 0.9:
            out[at:at] = bytes(chance.randrange(256) for _ in range(chance.choice((1, 4, 100))))
        else:
            del out[max(1, at) :]
    return bytes(out)


def _changed(tree: Any, chance: random.Random, members: dict[str, bytes]) -> Any:
    """The tree with one node put out, exchanged or replaced."""
    places: list[tuple[Any, Any]] = []
    rest = [tree]
    while rest:
        node = rest.pop()
        keys = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            places.append((node, key))
            rest.append(node[key])
    if not places:
        return tree
    holder, key = chance.choice(places)
    kind = chance.random()
    if kind < 0.15:
        del holder[key]
    elif kind < 0.45:
        other, name = chance.choice(places)
        # a copy, or the tree would have a circle
        holder[key] = json.loads(json.dumps(other[name]))
    elif kind < 0.55 and isinstance(holder, dict):
        holder[chance.choice(("record", "dict", "array", "texts", "range", "enum", "tuple", "name", "n"))] = holder.pop(
            key
        )
    elif kind < 0.65 and isinstance(holder[key], int | float):
        holder[key] = -holder[key] if chance.random() < 0.5 else holder[key] * 1e9 + 1
    else:
        holder[key] = _value(chance, members)
    return tree


def _value(chance: random.Random, members: dict[str, bytes]) -> Any:
    made: tuple[Callable[[], Any], ...] = (
        lambda: None,
        lambda: True,
        lambda: chance.choice((0, -1, 1, 2**31, 2**63, 2**70, 10**400)),
        lambda: chance.choice((0.5, -1e308, 1e-320)),
        lambda: {"float": chance.choice(("nan", "inf", "x"))},
        lambda: chance.choice(("", "y ~ (", "y ~ x + (1 | g)", "gaussian", "\x00", "Design", "é" * 50, "../../x")),
        lambda: [],
        lambda: {},
        lambda: {"list": [1, 2]},
        lambda: {"dict": [[{"list": []}, 1]]},
        lambda: {"formula": chance.choice(("y ~ x", "((", "", "y ~ .", "~ 1")), "dot": None},
        lambda: {"array": chance.choice(list(members) or ["arrays/0.npy"]), "writeable": True},
        lambda: {"array": "arrays/999.npy", "writeable": True},
        lambda: {"range": [0, 10**18, chance.choice((0, 1))], "name": None},
        lambda: {"objects": [1, 2, 3], "shape": chance.choice(([2, 2], [-1], [3], [10**12]))},
        lambda: {"enum": "Status", "value": chance.choice(("converged", "no such", 1))},
        lambda: {"record": "Design", "fields": {}},
        lambda: json.loads("[" * 200 + "]" * 200),
    )
    return chance.choice(made)()


def _change_member(members: dict[str, bytes], chance: random.Random) -> None:
    """One array is changed, exchanged, emptied, or no array any more."""
    if not members:
        return
    name = chance.choice(list(members))
    kind = chance.random()
    if kind < 0.15:
        del members[name]
    elif kind < 0.4:
        members[name] = members[chance.choice(list(members))]
    elif kind < 0.6:
        sink = io.BytesIO()
        arrays: tuple[Any, ...] = (
            np.zeros(0),
            np.full(7, np.nan),
            np.arange(-3, 60),
            np.zeros((3, 4)),
            np.array(5.0),
            np.array(["a", "b"]),
            np.zeros(3, dtype=complex),
            np.zeros(2, dtype="M8[D]"),
            np.full((2, 2), 10**9),
        )
        np.save(sink, chance.choice(arrays))
        members[name] = sink.getvalue()
    else:
        members[name] = _damaged(members[name] or b"\0", chance)


def use_archive(number: int) -> None:
    """Load a file, from bytes that were written to a disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.ranef")
        path.write_bytes(archive_case(number))
        ranef.load(path)
