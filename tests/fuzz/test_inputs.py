"""Lists and archives of images, damaged: each gives images, or one sentence per image or for all."""

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pfiq_jax import PfiqError
from pfiq_jax.bulk import read_inputs
from pfiq_jax.faces.image_files import with_image
from pfiq_jax.faces.records import Record
from tests.fuzz.fuzzing import Costs, check_sentence, damaged, fuzz


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((9, 9, 3), shade, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def tar(form: int) -> bytes:
    """Three images, of which one has a long name, and a file that is none."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for number, name in enumerate(("a.png", "b.json", f"{'x' * 90}/{'y' * 90}.png", "\xe9.png")):
            entry, content = tarfile.TarInfo(name), png(number)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


TARS = [tar(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
TEXTS = [b"a.png\nb.png\n", b"\xef\xbb\xbfa.png\r\n\r\n b.png", b"file:///none/a.png\nmemory://none/b.png\n"]
TABLES = [
    b"path,left,top,width,height\na.png,1,2,3,4\n",
    b"filename;x1;y1;x2;y2;x3;y3;x4;y4;x5;y5\na.png" + b";1,5" * 10,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("inputs")


def reason_of(record: Record) -> str | None:
    """Why an image cannot be read."""
    try:
        with_image(record, lambda picture: picture.pixels)
    except PfiqError as error:
        return str(error)
    return None


def check_inputs(path: Path) -> None:
    with Costs():
        try:
            inputs = read_inputs([str(path)])
            inputs.fingerprint()
        except PfiqError as error:
            check_sentence(error, str(path))
            return
        sentences = {str(record): reason_of(record) for record in inputs}
    assert all(reason is None or reason.startswith(f"{name}: ") for name, reason in sentences.items())


@fuzz
@given(content=damaged(TARS))
def test_damaged_tar_files(content, folder):
    (folder / "a.tar").write_bytes(content)
    check_inputs(folder / "a.tar")


@fuzz
@given(content=damaged(TEXTS), suffix=st.sampled_from((".txt", ".lst")))
def test_damaged_lists(content, suffix, folder):
    path = folder / f"a{suffix}"
    path.write_bytes(content)
    check_inputs(path)


@fuzz
@given(content=damaged(TABLES))
def test_damaged_tables_of_images(content, folder):
    (folder / "a.csv").write_bytes(content)
    check_inputs(folder / "a.csv")


def test_headers_that_nest(folder):
    """Each long name asks for a further header, one call within another."""
    block = bytearray(tarfile.TarInfo("././@LongLink").tobuf(tarfile.GNU_FORMAT))
    block[156:157] = tarfile.GNUTYPE_LONGNAME
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    (folder / "deep.tar").write_bytes(bytes(block) * 3000)
    assert os.path.getsize(folder / "deep.tar") == 3000 * 512
    with pytest.raises(PfiqError, match=r"deep.tar: is damaged or not an uncompressed tar file; create it again"):
        read_inputs([str(folder / "deep.tar")])
