"""What stays true of a recogniser whose parameters change."""

import dataclasses
from typing import Any

from jaxtyping import PyTree

from pfiq_jax.recognizers.recognizer import Recognizer


def adapted(recognizer: Recognizer, parameters: PyTree, **changes: Any) -> Recognizer:
    """A recogniser with other parameters, without what was measured with the previous ones.

    Calibrations, good faces, the learned head and the comparison with the source are left out.
    """
    provenance = dataclasses.replace(recognizer.provenance, verified="")
    fitted: dict[str, Any] = {"calibrations": {}, "good_faces": None, "learned_head": None}
    return dataclasses.replace(recognizer, parameters=parameters, provenance=provenance, **fitted, **changes)
