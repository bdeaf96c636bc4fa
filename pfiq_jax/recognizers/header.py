"""Everything of a recogniser that is not an array, as JSON: the header of weights files and of exported programs."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.architecture import Architecture
from pfiq_jax.recognizers.inception_resnet import InceptionResNetV1
from pfiq_jax.recognizers.iresnet import IResNet
from pfiq_jax.recognizers.mobilefacenet import MobileFaceNet
from pfiq_jax.recognizers.preprocessing import Preprocessing
from pfiq_jax.recognizers.provenance import Provenance
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.recognizers.sface import SFace

ARCHITECTURES: Mapping[str, type[Architecture]] = MappingProxyType(
    {
        "iresnet": IResNet,
        "sface": SFace,
        "mobilefacenet": MobileFaceNet,
        "inception_resnet_v1": InceptionResNetV1,
    }
)


def header_of(recognizer: Recognizer) -> dict[str, Any]:
    """The static fields and the descriptions of a recogniser, as JSON holds them.

    Raises:
        PfiqError: for a custom network, whose functions cannot be written.
    """
    network = recognizer.network
    names = {kind: name for name, kind in ARCHITECTURES.items()}
    if not isinstance(network, Architecture) or type(network) not in names:
        raise PfiqError("only the library's own architectures can be written; keep your parameters with your own code.")
    return {
        "architecture": names[type(network)],
        "options": dataclasses.asdict(network),
        "preprocessing": dataclasses.asdict(recognizer.preprocessing),
        "dropout_rate": recognizer.dropout_rate,
        "dropout_granularity": recognizer.dropout_granularity,
        "folded_batch_norms": recognizer.folded_batch_norms,
        "storage_dtype": recognizer.storage_dtype,
        "provenance": dataclasses.asdict(recognizer.provenance),
    }


def fields_of(header: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recogniser that ``header_of`` wrote.

    Raises:
        PfiqError: for a header that does not describe a network of this release.
    """
    try:
        return {
            "network": ARCHITECTURES[header["architecture"]](**header["options"]),
            "preprocessing": Preprocessing(**_tuples(header["preprocessing"])),
            "dropout_rate": float(header["dropout_rate"]),
            "dropout_granularity": header["dropout_granularity"],
            "folded_batch_norms": header["folded_batch_norms"],
            "storage_dtype": header["storage_dtype"],
            "provenance": Provenance(**_tuples(header["provenance"])),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fault = f"it lacks {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise PfiqError(f"its header does not describe a network of this release ({fault})") from error


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples, which compare and hash; those of a dictionary too."""
    if isinstance(value, dict):
        return {name: _tuples(each) for name, each in value.items()}
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
