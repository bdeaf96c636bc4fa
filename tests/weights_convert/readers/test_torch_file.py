"""torch's files: the same content as torch reads, many kinds of checkpoints, and hostile pickles."""

import argparse
import collections
import os
import pathlib
import sys
import types
import warnings
import zipfile

import numpy as np
import pytest

from pfiq_jax import PfiqError
from tests.weights_convert import torch_files
from tests.weights_convert.damage import check_all_are_errors_or_go_unseen, damaged
from tests.weights_convert.hostile_pickles import LAUGHS, Call, exhausting, running
from weights_convert.readers import read

ZIP, LEGACY = {}, {"_use_new_zipfile_serialization": False}
FORMATS = pytest.mark.parametrize("save_options", [ZIP, LEGACY], ids=["zip", "legacy"])
WEIGHT = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6)
FIX = r"give a file that `torch\.save\(model\.state_dict\(\), path\)` wrote"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.pt"


@pytest.fixture(scope="module")
def state_dict(torch):
    """The state dict of a network with a BatchNorm, whose counter is an integer."""
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.PReLU(4))
    return model.state_dict()


def check_is(path, expected):
    arrays = read(path).arrays
    assert arrays.keys() == expected.keys()
    for name, tensor in expected.items():
        assert str(tensor.dtype) == f"torch.{arrays[name].dtype}"
        np.testing.assert_array_equal(arrays[name], tensor.detach().numpy())


def refused(path, reason):
    with pytest.raises(PfiqError, match=rf"^{path}: .*{reason}") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 300


@FORMATS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_state_dict(protocol, save_options, state_dict, torch, path):
    torch.save(state_dict, path, pickle_protocol=protocol, **save_options)
    check_is(path, state_dict)


@FORMATS
def test_tensors_of_all_kinds(save_options, torch, path):
    large = torch.arange(24.0).reshape(4, 6)
    names = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
    tensors = {
        **{name: torch.tensor([[0, 1], [2, 3]]).to(getattr(torch, name)) for name in names},
        "transposed": large.T,
        "part": large[1:3, 2:5],
        "stepped": large[::2, 1::3],
        "tied": large,
        "scalar": torch.tensor(7.0),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(large),
        "half_parameter": torch.nn.Parameter(large.half(), requires_grad=False),
    }
    torch.save(tensors, path, **save_options)
    check_is(path, tensors)


@FORMATS
def test_bfloat16_stays_bfloat16(save_options, torch, path):
    tensor = torch.tensor(WEIGHT).bfloat16()
    torch.save({"w": tensor, "part": tensor[:, 1:4:2]}, path, **save_options)
    arrays = read(path).arrays
    assert {str(array.dtype) for array in arrays.values()} == {"bfloat16"}
    np.testing.assert_array_equal(arrays["w"].astype(np.float32), tensor.float())
    np.testing.assert_array_equal(arrays["part"].astype(np.float32), tensor[:, 1:4:2].float())


def test_torch_is_not_needed(torch, path, monkeypatch):
    torch.save({"w": torch.tensor(WEIGHT)}, path)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert read(path).arrays.keys() == {"w"}


@FORMATS
def test_what_python_2_wrote(save_options, state_dict, torch, path):
    class OrderedDict(collections.OrderedDict):
        def __reduce__(self):
            return collections.OrderedDict, ([[name, value] for name, value in self.items()],), {"_metadata": {}}

    torch.save(OrderedDict(state_dict), path, **save_options)
    check_is(path, state_dict)


@FORMATS
@pytest.mark.parametrize("place", ["state_dict", "model_state_dict", "model", "backbone", "net"])
def test_the_state_dict_of_a_checkpoint(place, save_options, state_dict, torch, path):
    optimizer = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
    best = torch.tensor(0.9)
    torch.save(
        {place: state_dict, "optimizer": optimizer, "epoch": 3, "arch": "iresnet", "best": best}, path, **save_options
    )
    check_is(path, state_dict)


@pytest.mark.parametrize(
    ("content", "taken", "others"),
    [
        ({"model": "n", "model_ema": "e"}, "model", ("model_ema",)),
        ({"epoch": 3, "weights": "n", "optimizer": "e"}, "weights", ()),
        ({"trainer": {"network": "n"}, "loss_head": {"w": 1}}, "trainer.network", ()),
        ({"ema": "e", "state_dict": "n"}, "state_dict", ("ema",)),
    ],
)
def test_the_entry_that_is_taken_is_stated(content, taken, others, state_dict, torch, path):
    average = {name: tensor + 1 for name, tensor in state_dict.items()}

    def filled(tree):
        return {
            k: filled(v) if isinstance(v, dict) else {"n": state_dict, "e": average}.get(v, v) for k, v in tree.items()
        }

    torch.save(filled(content), path)
    source = read(path)
    assert (source.entry, source.other_entries) == (taken, others)
    check_is(path, state_dict)
    for other in others:
        np.testing.assert_array_equal(read(path, entry=other).arrays["0.weight"], average["0.weight"])


def test_entries_by_the_beginning_of_names(torch, path):
    torch.save({"model": {"student.w": torch.zeros(2), "teacher.w": torch.ones(2), "x": torch.ones(1)}}, path)
    for entry in ("teacher", "model.teacher"):
        arrays = read(path, entry=entry).arrays
        assert arrays.keys() == {"teacher.w"}
        np.testing.assert_array_equal(arrays["teacher.w"], 1)
    for entry in ("model_ema", "x", "w", "model.x"):
        with pytest.raises(PfiqError, match=f"has no entry '{entry}'; choose one such as model, student, teacher, or "):
            read(path, entry=entry)


class AttributeDict(dict):
    """The type of Lightning's hyper-parameters."""


@pytest.fixture
def gone(monkeypatch):
    """An object whose module can be imported when a file is written, but not when it is read."""
    module = types.ModuleType("training_code")
    module.Config = type("Config", (list,), {"__module__": "training_code"})
    monkeypatch.setitem(sys.modules, "training_code", module)
    return module.Config([1, 2])


@FORMATS
def test_a_checkpoint_of_lightning(save_options, gone, state_dict, torch, path, monkeypatch):
    checkpoint = {
        "epoch": 26,
        "pytorch-lightning_version": "1.4.4",
        "state_dict": {f"model.{name}": tensor for name, tensor in state_dict.items()},
        "callbacks": {
            AttributeDict: {"best_model_score": torch.tensor(0.9), "dirpath": pathlib.PurePosixPath("/runs")}
        },
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"betas": (0.9, 0.999)}]}],
        "lr_schedulers": [{"milestones": collections.Counter([12, 20]), "steps": {1, 2}, "last": frozenset("a")}],
        "hyper_parameters": AttributeDict(config=gone, arguments=argparse.Namespace(lr=0.1), size=np.float64(112)),
    }
    torch.save(checkpoint, path, **save_options)
    monkeypatch.delitem(sys.modules, "training_code")
    check_is(path, checkpoint["state_dict"])


@pytest.mark.parametrize("name", ["module.features.w", "features.module.w", "module.features.module.w", "features.w"])
def test_prefixes_of_parallel_training_are_removed(name, torch, path):
    torch.save({"state_dict": {name: torch.tensor(WEIGHT), "module_w": torch.tensor(1)}}, path)
    assert read(path).arrays.keys() == {"features.w", "module_w"}


def test_two_tensors_of_one_name(torch, path):
    torch.save({"module.w": torch.zeros(1), "w": torch.zeros(1)}, path)
    refused(path, "two tensors have the name w")


@pytest.mark.parametrize("content", [{}, [1, 2], 3, {"w": 3}, {"state_dict": 1}, {"state_dict": {}}])
@FORMATS
def test_files_without_a_state_dict(content, save_options, torch, path):
    torch.save(content, path, **save_options)
    refused(path, FIX)


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code", "ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("save", ["zip", "legacy", "torchscript"])
def test_a_whole_model_is_refused(save, torch, path):
    model = torch.nn.Linear(2, 2)
    if save == "torchscript":
        torch.jit.trace(model, torch.zeros(1, 2)).save(path)
    else:
        torch.save(model, path, **(ZIP if save == "zip" else LEGACY))
    refused(path, FIX)


@FORMATS
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (lambda t: t.zeros(3), "is a single tensor, not a state dict"),
        (lambda t: t.nn.Parameter(t.zeros(3)), "is a single tensor, not a state dict"),
        (lambda t: [t.zeros(3)], "is a list of 1 objects, not a state dict"),
        (lambda t: t.nn.Linear(2, 2), r"holds a whole pickled model \(torch\.nn\.modules\.linear\.Linear\)"),
        (lambda t: {"epoch": 1, "net": t.nn.Linear(2, 2)}, r"holds a whole pickled model as net \(torch\.nn\.modules"),
        (lambda t: {"epoch": 1, "lr": 0.1}, "does not contain a state dict of tensors, only epoch, lr"),
    ],
)
def test_what_a_file_holds_instead_of_a_state_dict(content, problem, save_options, torch, path):
    with warnings.catch_warnings(action="ignore"):
        torch.save(content(torch), path, **save_options)
    refused(path, f"{problem}.*{FIX}")


def test_archives_of_other_programs_are_named(torch, path):
    with warnings.catch_warnings(action="ignore"):
        torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(path)
    refused(path, f"is a TorchScript program, not a state dict; {FIX}")
    with path.open("wb") as file:
        np.savez(file, w=WEIGHT)
    refused(path, rf"is an archive of NumPy arrays \(\.npz\); {FIX}")


def test_float8_is_refused(torch, path):
    torch.save({"w": torch.zeros(2).to(torch.float8_e4m3fn)}, path)
    refused(path, "w is a float8_e4m3fn tensor, which cannot be converted; save it as float32")


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@FORMATS
@pytest.mark.parametrize("kind", ["sparse", "quantised", "complex"])
def test_other_tensors_are_refused(kind, save_options, torch, path):
    tensor = torch.tensor(WEIGHT)
    made = {
        "sparse": tensor.to_sparse,
        "quantised": lambda: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
        "complex": lambda: torch.complex(tensor, tensor),
    }
    torch.save({"w": made[kind]()}, path, **save_options)
    refused(path, f"w is a {kind} tensor, which cannot be converted")


def test_a_flipped_bit_is_found(torch, path):
    torch.save({"w": torch.tensor(WEIGHT)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(WEIGHT.tobytes())] ^= 1
    path.write_bytes(content)
    refused(path, "Bad CRC-32")


DATA = {"data/0": WEIGHT.tobytes()}


def test_an_archive_made_by_hand(torch, path):
    torch_files.archive(path, {"w": torch_files.tensor(torch, (2, 6), (6, 1))}, **DATA)
    check_is(path, {"w": torch.tensor(WEIGHT)})


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((13,), (1,), 0),
        ((2, 6), (6, 1), 1),
        ((2, 6), (6, 1), -1),
        ((2, 6), (-6, 1), 0),
        ((-2, -6), (6, 1), 0),
        ((2, 6), (2**62, 1), 0),
        ((2**40,), (0,), 0),
        ((2**62, 2**62), (0, 0), 0),
        ((2**40, (0,)), (0, 0), 0),
        ((0,) * 100, (0,) * 100, 0),
        ((2.0, 6), (6, 1), 0),
        ((2, 6), (6,), 0),
        ("26", "61", "0"),
        ((10**100,), (1,), 0),
    ],
)
def test_a_tensor_stays_within_its_storage(shape, strides, offset, torch, path):
    torch_files.archive(path, {"w": torch_files.tensor(torch, shape, strides, offset)}, **DATA)
    refused(path, "")


@pytest.mark.parametrize("number", ["n" * 10**7, b"n" * 10**7, 2**63, [0] * 10**6], ids=type)
def test_strides_and_shapes_are_checked_before_they_are_multiplied(number, torch, tmp_path):
    """200 strides that refer to one text of 10 MB took 7.5 GB; the process that reads them here has 256 MB more."""
    files = []
    for index, (shape, strides, offset) in enumerate(
        [((2,), (number,) * 200, 0), ((number,) * 200, (1,), 0), ((2,), (1,), number), ((1,) * 60, (number,) * 60, 0)]
    ):
        files.append(tmp_path / f"{index}.pt")
        torch_files.archive(files[-1], {"w": torch_files.tensor(torch, shape, strides, offset)}, **DATA)
    assert check_all_are_errors_or_go_unseen(files) == len(files)


def test_tensors_that_share_a_storage_stay_in_proportion_to_the_file(torch, path):
    large = torch.zeros(10**5)
    torch.save({f"layer{number}": large for number in range(10)}, path)
    assert len(read(path).arrays) == 10
    torch.save({f"layer{number}": large for number in range(40)}, path)
    refused(path, "more than 16 times the bytes of the file")


@pytest.mark.parametrize("key", ["1", "../0", 0, None, ("0",)])
def test_a_storage_that_is_not_there(key, torch, path):
    torch_files.archive(path, {"w": torch_files.tensor(torch, (1,), (1,), key=key)}, **DATA)
    refused(path, "")


def test_archives_that_torch_never_writes(torch, path):
    content = {"w": torch_files.tensor(torch, (2, 6), (6, 1))}
    torch_files.archive(path, content, zipfile.ZIP_DEFLATED, **DATA)
    refused(path, "compressed")
    torch_files.archive(path, content, byteorder=b"big", **DATA)
    refused(path, "byte order")
    torch_files.archive(path, content)
    refused(path, "data/0")
    torch_files.archive(path, content, **DATA)
    sound = path.read_bytes()
    size = len(DATA["data/0"]).to_bytes(4, "little") * 2  # compressed and not
    assert sound.count(size) == 2
    path.write_bytes(sound.replace(size, (2**31 - 1).to_bytes(4, "little") * 2))
    refused(path, "claims more bytes than the file has")


def test_a_file_of_another_machine(torch, path):
    torch.save({"w": torch.tensor(WEIGHT)}, path, **LEGACY)
    little = b"little_endianq\x02\x88"
    assert path.read_bytes().count(little) == 1
    path.write_bytes(path.read_bytes().replace(little, little[:-1] + b"\x89"))
    refused(path, "byte order")


def test_no_pickle_runs_code_or_exhausts_the_machine(torch, tmp_path):
    marker = tmp_path / "it ran"
    laughs = b"\x80\x02}X\x01\x00\x00\x00w(X\x07\x00\x00\x00storagectorch\nFloatStorage\n%bNK\x01tQs." % LAUGHS
    pickles = [*running(marker), *exhausting(), laughs]
    files = []
    torch.save({}, tmp_path / "legacy.pt", **LEGACY)
    start = (tmp_path / "legacy.pt").read_bytes()[: -len(b"\x80\x02}q\x00.\x80\x02]q\x00.")]
    for index, payload in enumerate(pickles):
        files += [tmp_path / f"{index}zip.pt", tmp_path / f"{index}legacy.pt", tmp_path / f"{index}bare.pt"]
        with zipfile.ZipFile(files[-3], "w") as written:
            written.writestr("archive/data.pkl", payload)
        files[-2].write_bytes(start + payload + b"\x80\x02].")
        files[-1].write_bytes(payload)
    files.append(tmp_path / "keys.pt")
    files[-1].write_bytes(start + b"}.](" + LAUGHS + b"e.")
    assert check_all_are_errors_or_go_unseen(files) == len(files)
    assert not marker.exists()


@FORMATS
def test_objects_next_to_the_tensors_do_not_run_code(save_options, torch, path, tmp_path):
    marker = tmp_path / "it ran"
    torch.save({"state_dict": {"w": torch.tensor(WEIGHT)}, "evil": Call(os.mkdir, str(marker))}, path, **save_options)
    check_is(path, {"w": torch.tensor(WEIGHT)})
    assert not marker.exists()


@FORMATS
def test_damage(save_options, state_dict, torch, tmp_path):
    torch.save({"state_dict": state_dict, "epoch": 3}, tmp_path / "a.pt", **save_options)
    files = []
    words = (b"0.weight", b"0.bias", b"FloatStorage", b"LongStorage", b"state_dict")
    for index, content in enumerate(damaged((tmp_path / "a.pt").read_bytes(), words=words)):
        files.append(tmp_path / f"{index}.pt")
        files[-1].write_bytes(content)
    check_all_are_errors_or_go_unseen(files)
