from pathlib import Path

import numpy as np
import pytest

from pfiq_jax import PfiqError, Recognizer
from pfiq_jax.cli.outcome import MEANING, NAMED, outcome
from pfiq_jax.faces import Face

IMAGE = np.zeros((112, 112, 3), np.uint8)


@pytest.fixture(scope="module")
def own() -> Recognizer:
    """A recogniser without calibrations."""
    return Recognizer.from_functions(
        lambda scale, images: images[:, ::16, ::16] * scale,
        lambda _, features: features.reshape(len(features), -1),
        np.float32(1),
    )


def test_nothing_to_say(own, capsys):
    with outcome(own, total=1) as seen:
        seen.note(Path("a.png"), Face(IMAGE, False))
    assert capsys.readouterr() == ("", "")


def test_says_once_that_deficits_are_left_out(own, capsys):
    with outcome(own, total=2) as seen:
        seen.note_deficits(None)
        seen.note_deficits(None)
    expected = "Note: The recogniser was not calibrated for deficits, so they are left out; run `pfiq calibrate`.\n"
    assert capsys.readouterr().err == expected
    with outcome(own, total=1) as seen:
        seen.note_deficits(np.zeros((112, 112)))
    assert capsys.readouterr().err == ""


def test_files_that_failed_are_listed_and_make_the_exit_code_1(own, capsys):
    faces = {
        "a.png": PfiqError("a.png: is empty; give an image."),
        "b.png": Face(IMAGE, False),
        "c.png": PfiqError("c.png: is damaged; give an image."),
    }

    def command() -> None:
        with outcome(own, total=3) as seen:
            for name, face in faces.items():
                seen.note(Path(name), face)

    with pytest.raises(SystemExit, match="1"):
        command()
    assert capsys.readouterr().err.splitlines() == [
        "Error: a.png: is empty; give an image.",
        "Error: c.png: is damaged; give an image.",
        "2 of 3 files were left out.",
    ]


def test_an_exception_goes_on_after_the_summary(own, capsys):
    def command() -> None:
        with outcome(own, total=2) as seen:
            seen.note(Path("a.png"), PfiqError("a.png: is empty; give an image."))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        command()
    assert "1 of 2 files were left out." in capsys.readouterr().err


@pytest.mark.parametrize("number", [1, NAMED, NAMED + 2])
def test_resized_files_are_counted_and_the_first_ones_named(own, capsys, number):
    with outcome(own, total=20) as seen:
        for index in range(number):
            seen.note(Path(f"{index}.png"), Face(IMAGE, True))
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{number} of 20 files were resized to 112x112 pixels without alignment" in line
    assert f"{min(number, NAMED) - 1}.png" in line
    assert f", {NAMED}.png" not in line
    assert (" and 2 more" in line) == (number > NAMED)


@pytest.mark.parametrize("method", ["ser_fiq", "ser_fiq_closed_form"])
def test_a_borrowed_scale_is_named(own, recognizer, capsys, method):
    for each, is_borrowed in ((own, True), (recognizer, False)):
        with outcome(each, total=2) as seen:
            seen.note_qualities(method, [0.2, 0.7])
            seen.note_qualities(method, [0.3])
        lines = capsys.readouterr().err.splitlines()
        assert lines[0] == MEANING
        assert len(lines) == 1 + is_borrowed
        assert not is_borrowed or "no scale of its own; quality uses SER-FIQ's published scale" in lines[1]


@pytest.mark.parametrize(
    ("qualities", "side"),
    [
        ([0.0, 0.0009], "below 0.001"),
        ([0.9991], "above 0.999"),
        ([0.0, 0.5], None),
        ([0.0, 1.0], None),
        ([0.0, 0.001], None),
        ([], None),
    ],
)
def test_saturated_qualities_are_not_printed_without_a_word(recognizer, capsys, qualities, side):
    with outcome(recognizer, total=2) as seen:
        seen.note_qualities("relative_norm", qualities)
    stderr = capsys.readouterr().err
    assert ("cannot rank faces; compare raw_quality" in stderr) == (side is not None)
    assert side is None or f"every quality is {side}," in stderr
