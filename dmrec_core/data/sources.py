"""Which upstream files there are, where they live and what they must hash to.

A key is a file's place in a mirror (`DMREC_MIRROR`) and under `DMREC_HOME/raw`.
"""

from __future__ import annotations

from dataclasses import dataclass

DMREC = "https://raw.githubusercontent.com/BlueGhostYi/DMRec/main/data"
RLMREC = "https://raw.githubusercontent.com/HKUDS/RLMRec/main/data"
XREC = "https://raw.githubusercontent.com/HKUDS/XRec/main/data"
STEAM = "https://raw.githubusercontent.com/agueroaugusto/steam/d221bc5d7088521024bac7f6cfaec675b6fc3239"
XREC_NAMES = ("yelp", "google", "amazon")
RLMREC_NAMES = ("amazon", "yelp", "steam")
DATASETS = ("toy", *(f"{name}-xrec" for name in XREC_NAMES), "steam-part", *RLMREC_NAMES)
"""Every data set that has a name; all others are folders of one's own."""


@dataclass(frozen=True)
class RemoteFile:
    """One upstream file."""

    key: str  # "rlmrec/amazon/trn_mat.pkl"
    url: str  # upstream
    sha256: str | None = None  # None: not known here; recorded when first fetched, checked ever after


def rlmrec_matrices(name: str) -> dict[str, RemoteFile]:
    """The interactions of `amazon`, `yelp` or `steam` by split."""
    return {
        split: _known(f"rlmrec/{name}/{stem}_mat.pkl", f"{DMREC}/{name}/{stem}_mat.pkl")
        for split, stem in (("train", "trn"), ("valid", "val"), ("test", "tst"))
    }


def rlmrec_archive() -> RemoteFile:
    """Profiles and ada-002 vectors of all three data sets (RLMRec's release): one large zip."""
    return RemoteFile("rlmrec/data.zip", "https://archive.org/download/rlmrec_data/data.zip")


def xrec_files(name: str) -> dict[str, RemoteFile]:
    """The profiles (`tst.pkl`) and interactions of `yelp`, `google` or `amazon` in HKUDS/XRec."""
    return {
        file: _known(f"xrec/{name}/{file}", f"{XREC}/{name}/{file}")
        for file in ("tst.pkl", "total_trn.csv", "total_val.csv", "total_tst.csv")
    }


def steam_fields() -> dict[str, RemoteFile]:
    """The app id of each item of `steam` (RLMRec), and a public crawl of the Steam store."""
    return {
        "mapper": _known("rlmrec/mapper/steam_item.json", f"{RLMREC}/mapper/steam_item.json"),
        "crawl": _known("steam/steam_games.json.gz", f"{STEAM}/steam_games.json.gz"),
    }


def _known(key: str, url: str) -> RemoteFile:
    return RemoteFile(key, url, SHA256.get(key))


SHA256 = {
    "rlmrec/amazon/trn_mat.pkl": "535cc15f915858a64249e3a893cceac9efe8e6f1ce17c08879a3c099c510b309",
    "rlmrec/amazon/tst_mat.pkl": "c279ce551d32536ed90d916212bc0b891ce4c189ea7cfa5e4051e0dbfc728d17",
    "rlmrec/amazon/val_mat.pkl": "90cd52a011f9b31081461a010e9bccb98d12a1dd7a7760085facbc7d1a2c46c3",
    "rlmrec/mapper/steam_item.json": "36a5419c5194ad9821e3a374696bae030bc395e724f5eb4fa6d94892f71a5b60",
    "rlmrec/steam/tst_mat.pkl": "703ee5e29bdadcd9636ce0af4babb19db607622654e7dde24a3086988c231818",
    "rlmrec/steam/val_mat.pkl": "10c762435cfee4e80b04df1fedee7cb37c6602eaec8c661b399c26337b7ca6e2",
    "rlmrec/yelp/trn_mat.pkl": "2306f5b9de8f3dd3342744d937a45b04abd22ede422304a549fb324e12e5f6bd",
    "rlmrec/yelp/tst_mat.pkl": "3007de4f5955223bf7752f59cadb3b069d92acb879987e7eee286f252772a564",
    "rlmrec/yelp/val_mat.pkl": "33aaf3bd27bd25d7d3e8223700fbd2d5400feec217c9ce09c87785460bcb355b",
    "steam/steam_games.json.gz": "717f4653a26585fec8f463f59311a654127c2ed66b07b9f78b4c0ce64961c740",
    "xrec/google/total_trn.csv": "e4a2c4d5d09fb9b04166e28a7e5342e7a2dda22e68b73af44105aed55891a839",
    "xrec/google/total_tst.csv": "0faf33d2b81467ae7d8fd36af146cc3d930831437d52b5dcc39ea6251ce01ce2",
    "xrec/google/total_val.csv": "a7ac03f7f350ed028c7dc779a53b451675ca40b2e3599b5a26ec83c5282be336",
    "xrec/google/tst.pkl": "3ba86b02e32438e93bb0861161d39c147f86a82c0d0b8255198a835788371fe6",
    "xrec/yelp/total_trn.csv": "c8d2b4a23f29406cc2027cae621645a29bee267d08f8cb0737c567eae46cb94b",
    "xrec/yelp/total_tst.csv": "ed933f3885e5c56ee13319c12d296c556716e33eee730223fe86291849fa13ed",
    "xrec/yelp/total_val.csv": "87834575a22fe896649846e389c4f3512f7e6398b5c0ec3d1cf836c6fe03f7b9",
    "xrec/yelp/tst.pkl": "eed8f2a37709de3171b3a3cefdf15bcb762c6f81bdc50741441b1ce577addac9",
}
