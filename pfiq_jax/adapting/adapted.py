"""A recogniser whose parameters change, without what depends on them."""

import dataclasses
from typing import Any

from jaxtyping import PyTree

from pfiq_jax.recognizers.recognizer import Recognizer


def adapted(recognizer: Recognizer, parameters: PyTree, **changes: Any) -> Recognizer:
    """A recogniser with other parameters, without the values that were measured with the previous parameters.

    Calibrations, the reference of good faces, the learned head and the comparison with the source are left out.
    """
    provenance = dataclasses.replace(recognizer.provenance, verified="")
    fitted: dict[str, Any] = {"calibrations": {}, "good_faces": None, "learned_head": None}
    return dataclasses.replace(recognizer, parameters=parameters, provenance=provenance, **fitted, **changes)
