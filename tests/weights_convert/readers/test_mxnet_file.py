"""MXNet's two files: layouts, the information in the graph, and damage to either."""

import json
import struct

import numpy as np
import pytest

from pfiq_jax import PfiqError
from tests.weights_convert.damage import check_all_are_errors_or_go_unseen, damaged
from tests.weights_convert.mxnet_files import CODES, LAYOUTS, NETWORK, NORM, network_arrays, params, symbol, write
from weights_convert.readers import read

ADD = [("elemwise_add", "sum", ["data", "w"], {})]


def refused(path, reason):
    with pytest.raises(PfiqError, match=rf"^{path}: .*{reason}") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", CODES)
def test_arrays_are_those_written(layout, dtype, tmp_path):
    arrays = {"one": np.arange(6, dtype=dtype).reshape(1, 2, 3, 1), "other": np.ones(3, dtype)}
    path = write(tmp_path / "a.params", nodes=[("Concat", "all", ["data", *arrays], {})])
    path.write_bytes(params({f"arg:{name}": array for name, array in arrays.items()}, layout))
    found = read(path).arrays
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert not found[name].flags.owndata  # networks of 250 MB are not copied
        np.testing.assert_array_equal(found[name], array)


def test_prefixes_are_removed(tmp_path):
    arrays = {f"aux:{name}" if "moving" in name else f"arg:{name}": a for name, a in network_arrays().items()}
    assert read(write(tmp_path / "a.params", arrays=arrays)).arrays.keys() == network_arrays().keys()


@pytest.mark.parametrize(("layout", "ndim"), [("legacy", 0), ("v1", 0), ("v2", 0), ("v3", 2**32 - 1)])
def test_an_array_without_a_shape_is_ignored(layout, ndim, tmp_path):
    path = write(tmp_path / "a.params", nodes=[("Concat", "all", ["data", "none", "w"], {})])
    one = params({"w": np.ones(2, np.int8)}, layout)
    version = {"legacy": 0, "v1": 4, "v2": 8, "v3": 8}[layout]
    none = one[24 : 24 + version] + struct.pack("<I", ndim)
    names = struct.pack("<QQ4sQ1s", 2, 4, b"none", 1, b"w")
    path.write_bytes(one[:16] + struct.pack("<Q", 2) + none + one[24 : -len(b"w") - 16] + names)
    assert read(path).arrays.keys() == {"w"}


@pytest.mark.parametrize("name", ["model-0000.params", "model-0123.params", "model.params"])
def test_the_symbol_is_found_by_name(name, tmp_path):
    (tmp_path / "model-symbol.json").write_bytes(symbol(NETWORK))
    (tmp_path / name).write_bytes(params(network_arrays()))
    assert read(tmp_path / name).companions == (tmp_path / "model-symbol.json",)


def test_the_symbol_may_be_given(tmp_path):
    path, given = tmp_path / "model-0000.params", tmp_path / "elsewhere.json"
    path.write_bytes(params(network_arrays()))
    given.write_bytes(symbol(NETWORK))
    assert read(path, symbol=str(given)).companions == (given,)
    refused(path, r"put model-symbol\.json or model-0000-symbol\.json next to it, or give the graph with --symbol\.$")
    with pytest.raises(PfiqError, match=rf"^{tmp_path}/none: no such file; give the -symbol.json file"):
        read(path, tmp_path / "none")
    (tmp_path / "a.onnx").write_bytes(b"\x08\x08")
    with pytest.raises(PfiqError, match=rf"^{given}: only \.params files have a symbol"):
        read(tmp_path / "a.onnx", given)


@pytest.mark.parametrize("key", ["attrs", "attr", "param"])
def test_the_source_follows_the_graph(key, tmp_path):
    source = read(write(tmp_path / "a.params", key=key))
    expected = network_arrays() | {"fc1_gamma": np.ones(2, np.float32)}  # fixed by default
    assert source.arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(source.arrays[name], array)
    assert source.epsilons == {"bn0_moving_mean": 2e-5, "fc1_moving_mean": 1e-3}
    assert source.pixels == (127.5, 0.0078125)
    assert source.dropout_rate == 0.4


@pytest.mark.parametrize(("flag", "fixed"), [("True", True), ("1", True), ("False", False), ("0", False)])
def test_a_fixed_gamma_is_one(flag, fixed, tmp_path):
    norm = [("BatchNorm", "bn0", ["data", *(f"bn0_{name}" for name in NORM)], {"fix_gamma": flag})]
    gamma = read(write(tmp_path / "a.params", nodes=norm)).arrays["bn0_gamma"]
    np.testing.assert_array_equal(gamma, np.ones(4) if fixed else network_arrays()["bn0_gamma"])


def test_graphs_that_leave_out_the_statistics(tmp_path):
    norm = [("BatchNorm", "bn0", ["data", "bn0_gamma", "bn0_beta"], {"eps": "1e-05"})]
    source = read(write(tmp_path / "a.params", nodes=norm, key="param"))
    assert source.arrays.keys() == {f"bn0_{name}" for name in NORM}
    assert source.epsilons == {"bn0_moving_mean": 1e-5}


@pytest.mark.parametrize(
    ("chain", "pixels"),
    [
        ([], None),
        ([("identity", None)], None),
        ([("_copy", None), ("_minus_scalar", 127.5), ("_mul_scalar", 0.0078125)], (127.5, 0.0078125)),
        ([("_MinusScalar", 127.5), ("_DivScalar", 128)], (127.5, 1 / 128)),
        ([("_PlusScalar", -127.5), ("_MulScalar", 2)], (127.5, 2)),
        ([("_mul_scalar", 2), ("_minus_scalar", 6), ("_plus_scalar", 2)], (2, 2)),
        ([("_minus_scalar", 127.5)], (127.5, 1)),
    ],
)
def test_the_numbers_at_the_beginning_scale_the_pixels(chain, pixels, tmp_path):
    nodes = [
        (operation, f"node{i}", [f"node{i - 1}" if i else "data"], {} if number is None else {"scalar": number})
        for i, (operation, number) in enumerate(chain)
    ]
    last = nodes[-1][1] if nodes else "data"
    nodes += [("Flatten", "flat", [last], {}), ("_mul_scalar", "later", ["flat"], {"scalar": 3})]
    assert read(write(tmp_path / "a.params", nodes=nodes)).pixels == pixels


def test_pixels_that_two_operations_read_are_not_scaled_for_all(tmp_path):
    nodes = [("_mul_scalar", "twice", ["data"], {"scalar": 2}), ("elemwise_add", "sum", ["twice", "data"], {})]
    assert read(write(tmp_path / "a.params", nodes=nodes)).pixels is None


def test_dropout_rates(tmp_path):
    first, last = ("Dropout", "first", ["data"], {"p": 0.1}), ("Dropout", "last", ["first"], {})
    assert read(write(tmp_path / "a.params", nodes=[first, last])).dropout_rate == 0.5
    assert read(write(tmp_path / "b.params", nodes=ADD)).dropout_rate is None


def test_arrays_that_the_embedding_does_not_depend_on_are_omitted(tmp_path):
    loss = [
        ("FullyConnected", "fc7", ["fc1", "fc7_weight"], {"no_bias": True}),
        ("SoftmaxOutput", "softmax", ["fc7", "softmax_label"], {}),
    ]
    arrays = network_arrays() | {"fc7_weight": np.ones((9, 2), np.float32), "optimizer": np.ones(1)}
    path = write(tmp_path / "a.params", nodes=[*NETWORK, *loss], arrays=arrays, heads=["fc1", "softmax"])
    assert read(path).arrays.keys() == network_arrays().keys()


SOUND = params(
    {"w": np.ones((2, 3), np.float32)}
)  # list 24, version 8, shape 20, device and dtype 12, data 24, names 17


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (bytes(24), "does not begin like one"),
        (SOUND + b"\0", "continues after its end"),
        (SOUND[:-1], "ends too early"),
        (SOUND[:16] + struct.pack("<Q", 2**62) + SOUND[24:], "ends too early"),
        (SOUND[:28] + struct.pack("<i", 1) + SOUND[32:], "sparse arrays"),
        (SOUND[:32] + struct.pack("<I", 33) + SOUND[36:], "33 dimensions"),
        (SOUND[:36] + struct.pack("<qq", 2**40, 2**40) + SOUND[52:], "ends too early"),
        (SOUND[:36] + struct.pack("<qq", -2, -3) + SOUND[52:], "ends too early"),
        (SOUND[:36] + struct.pack("<qq", 0, 2**62) + SOUND[52:], ""),
        (SOUND[:60] + struct.pack("<i", 12) + SOUND[64:], "unknown dtype 12"),
        (SOUND[:-17] + struct.pack("<Q", 0), "not have one unique name per array"),
        (SOUND[:-9] + struct.pack("<Q", 2**63) + b"w", "ends too early"),
        (SOUND[:-1] + b"\xff", "utf-8"),
        (params({"arg:w": np.ones(1), "aux:w": np.ones(1)}), "not have one unique name per array"),
    ],
)
def test_a_damaged_params_file_is_one_sentence(content, reason, tmp_path):
    path = write(tmp_path / "a.params", nodes=ADD)
    path.write_bytes(content)
    refused(path, reason)


def with_node(**changes):
    entry = {"op": "BatchNorm", "name": "bn", "attrs": {}, "inputs": [[i, 0, 0] for i in range(5)]} | changes
    variables = [{"op": "null", "name": f"v{i}", "inputs": []} for i in range(5)]
    return json.dumps({"nodes": [*variables, entry], "heads": [[5, 0, 0]]}).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe\xff", "decode"),
        (b"[" * 10**6, "recursion"),
        (b"[]", "lacks 'nodes'"),
        (b'{"nodes": {}}', "lacks 'nodes'"),
        (b'{"nodes": []}', "lacks 'heads'"),
        (b'{"nodes": [], "heads": []}', "not belong to an earlier node"),
        (b'{"nodes": [3], "heads": []}', "lacks 'op'"),
        (symbol(ADD, heads=["data"]), "no operations"),
        (b" " * (2**22 + 1), "too large"),
        (with_node(name=None), "lacks 'name'"),
        (with_node(inputs=[[0, 0]] * 4), "does not have four arrays"),
        (with_node(inputs=[[5, 0]]), "not belong to an earlier node"),
        (with_node(inputs=[[-1, 0]]), "not belong to an earlier node"),
        (with_node(inputs=[[0, 1]]), "not belong to an earlier node"),
        (with_node(inputs=["0"]), "not belong to an earlier node"),
        (with_node(attrs=[]), "lacks 'attrs'"),
        (with_node(attrs={"eps": 1e-3}), "not strings"),
        (with_node(attrs={"eps": "small"}), "eps of 'bn' is not a finite number"),
        (with_node(attrs={"eps": "-1e-3"}), "eps of 'bn' is -0.001"),
        (with_node(attrs={"fix_gamma": "perhaps"}), "neither True nor False"),
        (with_node(op="Dropout", attrs={"p": "1.5"}), "p of 'bn' is 1.5"),
        (symbol([("_minus_scalar", "minus", ["data"], {})]), "scalar of 'minus' is not a finite number"),
        (symbol([("_mul_scalar", "times", ["data"], {"scalar": 0})]), "removes all information from the pixels"),
        (symbol([("_div_scalar", "by", ["data"], {"scalar": 0})]), "division by zero"),
    ],
)
def test_a_damaged_symbol_is_one_sentence(content, reason, tmp_path):
    path = write(tmp_path / "a.params")
    path.with_name("a-symbol.json").write_bytes(content)
    refused(path, rf"\(a-symbol\.json: .*{reason}")


OPERATIONS = (b"BatchNorm", b"Dropout", b"null", b"_minus_scalar")
TOKENS = (b"127.5", b"2e-05", b"False", b"[0, 0, 0]", b"[3, 0, 0]", b'"inputs": []', b'"attrs": {}', b"[]", b"{}")


@pytest.mark.parametrize(("which", "words"), [("params", ()), ("symbol", (*OPERATIONS, *TOKENS))])
def test_any_damage_is_an_error_or_goes_unseen(which, words, tmp_path):
    sound = {"params": params(network_arrays()), "symbol": symbol(NETWORK)}
    names = tuple(name.encode() for name in ("data", *network_arrays()))
    paths = []
    for index, copy in enumerate(damaged(sound[which], words=(*names, *words))):
        contents = sound | {which: copy}
        paths.append(tmp_path / f"copy{index}.params")
        paths[-1].write_bytes(contents["params"])
        (tmp_path / f"copy{index}-symbol.json").write_bytes(contents["symbol"])
    cut_off = paths[::5]
    assert check_all_are_errors_or_go_unseen(cut_off) == len(cut_off)
    assert check_all_are_errors_or_go_unseen(paths) > len(cut_off)
