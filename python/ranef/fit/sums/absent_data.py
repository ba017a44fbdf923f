"""What stands in a model for data that are not kept in it."""

from dataclasses import dataclass
from typing import Any

_WHY = {
    "saved": "the data are not kept in a saved model",
    "pickled": (
        "the data are not kept in a pickled model, such as one from a worker process "
        "(ranef.options(keep_data=True) keeps them)"
    ),
    "summed": "the data are not kept in a model that was made of sums over rows",
    "streamed": "the data were a stream that can be read once only",
    "resampled": "the data are not kept in a replicate of drawn groups",
}


@dataclass(frozen=True, slots=True)
class AbsentData:
    """Stands in a model for data that are not kept in it.

    Attributes
    ----------
    attrs : dict
        The name of the data, if they had one.
    how : {"saved", "pickled", "summed", "streamed", "resampled"}
        How the model lost them.
    """

    attrs: dict[str, str]
    how: str = "saved"

    @classmethod
    def of(cls, data: Any, how: str) -> "AbsentData":
        """What is kept of data."""
        if isinstance(data, AbsentData):
            return data
        attributes = getattr(data, "attrs", None)
        name = attributes.get("name") if isinstance(attributes, dict) else None
        return cls({"name": name} if isinstance(name, str) else {}, how)

    @property
    def reason(self) -> str:
        """Why there are no data, as the first half of a sentence."""
        return _WHY[self.how]
