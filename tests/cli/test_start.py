"""The start of a command."""

from pfiq_jax.cli.start import start


def test_the_recogniser_runs_in_the_precision_that_was_chosen():
    assert [start(None).precision, start(None, "bfloat16").precision] == ["float32", "bfloat16"]
