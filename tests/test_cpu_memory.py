import platform

from pfiq_jax.cpu_memory import keep_freed_memory


def test_applies_under_glibc():
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_does_nothing_elsewhere(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert not keep_freed_memory()
