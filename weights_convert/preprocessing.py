"""The preprocessing of a converted network: given by the user, stated by the source, or as published."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.recognizers import Preprocessing
from weights_convert.mappings import Fit
from weights_convert.source import Source

Channels = float | Sequence[float]  # one number for all three channels, or one per channel in the network's order
HIGHEST = 255  # grey level


@dataclasses.dataclass(frozen=True)
class Given:
    """The preprocessing that the user gives; None for values that the source states or that were published.

    Attributes:
        channel_order: order of the channels in the network's input. No weights file states it.
        mean: subtracted from the pixels, in grey levels of 0 to 255.
        scale: factor of the difference, per grey level, such as 1 / 127.5.
    """

    channel_order: Literal["RGB", "BGR"] | None = None
    mean: Channels | None = None
    scale: Channels | None = None

    def __post_init__(self) -> None:
        check_choice("channel_order", self.channel_order, (None, "RGB", "BGR"))
        means, scales = (() if given is None else numbers(given) for given in (self.mean, self.scale))
        if not all(mean == 0 or 1 < mean <= HIGHEST for mean in means):
            raise PfiqError(
                f"mean {described(means)}: is not in grey levels; give 0 or numbers above 1 and up to 255, such as "
                "127.5 for a network that subtracts 0.5 from pixels of 0 to 1."
            )
        if not all(0 < scale <= 1 for scale in scales):
            raise PfiqError(
                f"scale {described(scales)}: is not per grey level; give numbers above 0 and up to 1, such as "
                "0.00784314 (1 / 127.5) for a network that divides pixels of 0 to 1 by 0.5."
            )

    def names(self) -> tuple[str, ...]:
        """The names of the settings that are given."""
        return tuple(name for name, value in vars(self).items() if value is not None)


def numbers(channels: Channels) -> tuple[float, float, float]:
    """One number per channel.

    Raises:
        PfiqError: for other than one or three finite numbers.
    """
    values = tuple(map(float, channels)) if isinstance(channels, Sequence) else (float(channels),)
    if len(values) not in (1, 3) or not all(map(math.isfinite, values)):
        raise PfiqError(
            f"{described(values)}: is not one or three finite numbers; give one per channel, or one for all."
        )
    return values[0], values[len(values) // 2], values[-1]


def described(channels: Channels) -> str:
    """The numbers of the channels, as one number if they are equal."""
    values = tuple(channels) if isinstance(channels, Sequence) else (channels,)
    return ",".join(f"{value:g}" for value in (values[:1] if len(set(values)) == 1 else values))


def arithmetic(mean: Channels, scale: Channels) -> str:
    """Mean and scale as a formula."""
    return f"(x - {described(mean)}) * {described(scale)}"


NOTHING_GIVEN = Given()


def preprocessing_of(fit: Fit, source: Source, given: Given = NOTHING_GIVEN) -> Preprocessing:
    """The preprocessing of a conversion.

    Raises:
        PfiqError: if mean or scale are given, although the source's graph contains both.
    """
    found = fit.mapping.preprocessing
    if source.pixels is not None:
        if given.mean is not None or given.scale is not None:
            raise PfiqError(
                f"{source.path}: its graph begins with {arithmetic(*source.pixels)}; omit --mean and --scale."
            )
        mean, scale = source.pixels
        found = dataclasses.replace(found, mean=(mean,) * 3, scale=(scale,) * 3)
    return dataclasses.replace(
        found,
        mean=found.mean if given.mean is None else numbers(given.mean),
        scale=found.scale if given.scale is None else numbers(given.scale),
        channel_order=given.channel_order or found.channel_order,
    )
