"""Every result has a command, and every command exists."""

import importlib.util
import json

from benchmarks.all import PROGRAMS, makers
from benchmarks.manifest import NAME, RESULTS
from benchmarks.records import MADE_RECORDS, RECORDS, RESULT_RECORDS


def test_every_result_has_one_record_and_an_entry_in_the_manifest():
    names = [name for record in RESULT_RECORDS for name in record.files]
    assert len(names) == len(set(names))
    results = {path.name for path in RESULTS.iterdir()} - {NAME}
    assert results <= set(names), "add a Record to benchmarks/records.py"
    assert set(json.loads((RESULTS / NAME).read_text())) == results


def test_commands_exist_and_write_their_files():
    for record in RECORDS:
        first, *others = record.command.split()
        assert first in PROGRAMS
        if first == "python":
            assert others[0] == "-m"
            assert importlib.util.find_spec(others[1]), record.command
        assert "OUT" in record.command
        assert all(path in record.command or "DATA" in record.command for path in record.data)


def test_intermediate_files_come_in_the_order_in_which_they_need_each_other():
    made = {record.name for record in MADE_RECORDS}
    assert all(set(record.makes_from) <= made for record in RECORDS)
    calibrated = next(record for record in RESULT_RECORDS if record.name == "maps_y1.md")
    order = [record.name for record in makers(calibrated)]
    assert order.index("y1.safetensors") < order.index("y1_scaled.safetensors") < order.index("y1_cal.safetensors")
    assert len(order) == len(set(order)) == 4
