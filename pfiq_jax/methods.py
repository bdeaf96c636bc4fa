"""The record of a method: its function, cost and requirements."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pfiq_jax.recognizers.forward import Images
from pfiq_jax.recognizers.recognizer import Recognizer

Result = TypeVar("Result")


def needs_nothing(recognizer: Recognizer) -> None:
    """The requirement of a method that works on every recogniser."""


@dataclass(frozen=True)
class Method(Generic[Result]):
    """A quality method, a pixel map or an activation map. Listings, ``--help``, tables and commands use these records.

    Attributes:
        compute: ``(recognizer, images) -> result``, with one row per face. Random methods draw from a fixed key.
        summary: what it computes, in half a sentence.
        forward_passes: passes of the trunk per face. 0 if the method needs only the ``Forward`` that every face has.
        backward_passes: backward passes of the trunk per face.
        differentiable: whether gradients by the images are useful and finite.
        missing: returns what the recogniser lacks for this method, as the end of the sentence "the recogniser has ...";
            None if it lacks nothing.
    """

    compute: Callable[[Recognizer, Images], Result]
    summary: str
    forward_passes: int = 0
    backward_passes: int = 0
    differentiable: bool = True
    missing: Callable[[Recognizer], str | None] = needs_nothing

    @property
    def passes(self) -> int:
        """Passes of the trunk per face, forward and backward; at least 1."""
        return max(1, self.forward_passes + self.backward_passes)

    @property
    def cost(self) -> str:
        """The passes in words."""
        backward = f", {self.backward_passes} backward" if self.backward_passes else ""
        return f"{max(1, self.forward_passes)} forward{backward}"
