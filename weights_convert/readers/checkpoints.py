"""Finds the state dicts in the pickled content of a checkpoint."""

from typing import Any, NamedTuple

from pfiq_jax.errors import PfiqError
from weights_convert.readers.pickles import Object

USUAL = (  # places of state dicts, the most usual first
    "state_dict",
    "state_dict_backbone",
    "model_state_dict",
    "model",
    "backbone",
    "net",
)
DEEPEST = 3  # names in a place
NOT_NETWORKS = ("optim", "sched", "scaler", "criterion", "loss")  # parts of names of places
FIX = "give a file that `torch.save(model.state_dict(), path)` wrote."
Tensors = dict[str, Object]


class Chosen(NamedTuple):
    """A state dict of a checkpoint.

    Attributes:
        place: its place, such as ``state_dict``; empty if the file holds nothing else.
        tensors: the pickled tensors by their names.
        others: places of other state dicts of at least half as many tensors.
    """

    place: str
    tensors: Tensors
    others: tuple[str, ...]


def choose(path: object, content: Any, entry: str = "") -> Chosen:
    """The state dict at a place, or at the most usual place that has one.

    Args:
        path: the file, for messages.
        content: what ``Unpickler`` returned.
        entry: the place, or one that continues with the beginning of the tensors' names.

    Raises:
        PfiqError: if there are no tensors; the message states what the file contains instead.
    """
    places = state_dicts(content)
    if not places:
        raise PfiqError(f"{path}: {_instead(content)}; {FIX}")
    named = [place for place in places if place and (entry == place or entry.startswith(f"{place}."))]
    networks = [place for place in places if not any(part in place.lower() for part in NOT_NETWORKS)] or [*places]
    usual = [place for place in (*USUAL, "") if place in places]
    place = max(named, key=len) if named else (usual or [max(networks, key=lambda each: len(places[each]))])[0]
    tensors = places[place]
    others = [each for each in networks if each != place and 2 * len(places[each]) >= len(tensors)]
    return Chosen(place, tensors, tuple(others))


def state_dicts(content: Any) -> dict[str, Tensors]:
    """The tensors of every dictionary that directly has some, by the dictionary's place."""
    found: dict[str, Tensors] = {}
    seen: set[int] = set()
    waiting: list[tuple[tuple[str, ...], Any]] = [((), content)]
    for place, value in waiting:
        entries = _entries(value)
        if id(value) in seen or not entries:  # a pickle may hold itself
            continue
        seen.add(id(value))
        if tensors := {name: tensor for name, tensor in entries.items() if _is_tensor(tensor)}:
            found[".".join(place)] = tensors
        if len(place) < DEEPEST:
            waiting += [((*place, name), entry) for name, entry in entries.items() if isinstance(entry, Object)]
    return found


def _entries(value: Any) -> dict[str, Any]:
    match value:
        case Object("collections.OrderedDict", (list(pairs),)):  # pickled by Python 2
            made = Object("dict")
            for key, entry in pairs:
                made[key] = entry
            return made.entries
        case Object():
            return value.entries
    return {}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Object) and value.name.startswith("torch._utils._rebuild_")


def _is_module(value: Any) -> bool:
    """Whether a value is a pickled ``torch.nn.Module``."""
    return isinstance(value, Object) and isinstance(value.state, Object) and "_modules" in value.state.entries


def _instead(content: Any) -> str:
    """What a file without a state dict contains."""
    if _is_tensor(content):
        return "is a single tensor, not a state dict"
    for place, value in (("", content), *_entries(content).items()):
        if _is_module(value):
            where = f" as {place[:40]}" if place else ""
            return f"holds a whole pickled model{where} ({value.name[:60]}), not its weights"
    if isinstance(content, list | tuple):
        return f"is a {type(content).__name__} of {len(content)} objects, not a state dict"
    names = ", ".join(name[:30] for name in [*_entries(content)][:4])
    return f"does not contain a state dict of tensors{f', only {names}' if names else ''}"
