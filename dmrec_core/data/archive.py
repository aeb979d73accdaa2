"""Take single files out of a downloaded zip without trusting where it says they belong."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from dmrec_core.data.arrays import check_growth, damage_named
from dmrec_core.data.cache import locked
from dmrec_core.data.errors import DataError
from dmrec_core.data.inert_pickle import MAX_BYTES
from dmrec_core.records.files import whole_or_not
from dmrec_core.records.ranges import cut, short


def extract_member(archive: Path, name: str, folder: str, target: Path) -> Path:
    """Copy the one member called `name` inside a folder called `folder` (at any depth) to `target`.

    Args:
        archive: the zip.
        name: file name, e.g. "usr_emb_np.pkl".
        folder: a folder on the member's way, e.g. "amazon"; tells same-named files apart.
        target: where to put it; left alone if it exists.

    Raises:
        DataError: a damaged zip, a member that points outside of it (then nothing is extracted), no such member or
            several, or a member too large. The message lists what the zip holds.

    Example:
        >>> import tempfile
        >>> here = Path(tempfile.mkdtemp())
        >>> with zipfile.ZipFile(here / "data.zip", "w") as content:
        ...     content.writestr("data/yelp/usr_prf.pkl", b"...")
        >>> extract_member(here / "data.zip", "usr_prf.pkl", "yelp", here / "usr_prf.pkl").read_bytes()
        b'...'
    """
    with locked(target):
        if target.exists():
            return target
        with damage_named(archive, "a damaged or locked zip", "fetch it again"), zipfile.ZipFile(archive) as content:
            for member in content.infolist():
                _check_inside(member, archive)
            member = _find(content, name, folder, archive)
            check_growth(member)
            with whole_or_not(target) as temporary, content.open(member) as source, open(temporary, "wb") as copy:
                shutil.copyfileobj(source, copy)
    return target


def _check_inside(member: zipfile.ZipInfo, archive: Path) -> None:
    parts = PurePosixPath(member.orig_filename.replace("\\", "/")).parts
    outside = ".." in parts or (parts and (parts[0].startswith("/") or ":" in parts[0]))
    if outside or stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(
            f"{archive}: member {short(member.orig_filename)} points outside the archive; nothing was extracted. "
            "Do not unpack this file; delete it"
        )


def _find(content: zipfile.ZipFile, name: str, folder: str, archive: Path) -> zipfile.ZipInfo:
    found = [
        member
        for member in content.infolist()
        if PurePosixPath(member.filename).name == name and folder in PurePosixPath(member.filename).parts[:-1]
    ]
    found = [member for member in found if "__MACOSX" not in member.filename]
    if len(found) != 1:
        names = [member.filename for member in found or content.infolist()]
        raise DataError(
            f"{archive}: {len(found)} members called {name} in a folder {folder}, expected 1; "
            f"{'they are' if found else 'the zip holds'} {cut(', '.join(names[:20]), 1000)}: take the file out by hand"
        )
    if found[0].file_size > MAX_BYTES:
        raise DataError(f"{archive}: {name} would be {found[0].file_size:,} bytes, expected at most {MAX_BYTES:,}")
    return found[0]
