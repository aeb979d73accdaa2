"""The numbers the papers print, and where those of Table 3 seem to come from."""

from __future__ import annotations

from collections.abc import Mapping

from dmrec_core.data.rlmrec import NAMES as PAPERS_DATASETS
from dmrec_core.matching import STRATEGIES
from dmrec_core.runs.models import CARDS

TABLE2_METRICS = ("recall@10", "recall@20", "ndcg@10", "ndcg@20")
TABLE3_METRICS = ("recall@20", "ndcg@20")

# DMRec, Table 2: four metrics on amazon, then on yelp, then on steam. Means over ten seeds it does not name.
_TABLE2 = {
    ("mult-vae", "base"): ".1013 .1498 .0771 .0936  .0732 .1189 .0593 .0751  .0929 .1452 .0744 .0923",
    ("mult-vae", "godm"): ".1047 .1545 .0795 .0960  .0752 .1226 .0612 .0775  .0954 .1495 .0764 .0950",
    ("mult-vae", "cpdm"): ".1047 .1561 .0802 .0971  .0771 .1254 .0625 .0792  .0952 .1496 .0762 .0948",
    ("mult-vae", "mddm"): ".1069 .1571 .0812 .0979  .0768 .1261 .0618 .0785  .0986 .1536 .0784 .0973",
    ("l-diffrec", "base"): ".1048 .1495 .0844 .0990  .0721 .1177 .0590 .0745  .0885 .1395 .0722 .0893",
    ("l-diffrec", "godm"): ".1063 .1529 .0867 .1016  .0750 .1225 .0625 .0787  .0899 .1419 .0740 .0916",
    ("l-diffrec", "cpdm"): ".1059 .1525 .0856 .1006  .0766 .1248 .0641 .0804  .0907 .1420 .0744 .0917",
    ("l-diffrec", "mddm"): ".1111 .1576 .0893 .1044  .0753 .1218 .0613 .0771  .0961 .1474 .0773 .0949",
    ("cvga", "base"): ".1030 .1522 .0799 .0960  .0779 .1249 .0639 .0801  .0842 .1339 .0679 .0847",
    ("cvga", "godm"): ".1135 .1647 .0865 .1035  .0806 .1310 .0657 .0829  .0959 .1506 .0771 .0958",
    ("cvga", "cpdm"): ".1132 .1642 .0869 .1038  .0809 .1307 .0655 .0826  .0973 .1522 .0781 .0969",
    ("cvga", "mddm"): ".1129 .1652 .0869 .1042  .0803 .1304 .0654 .0826  .0989 .1536 .0792 .0979",
}

# DMRec, Table 3: two metrics on each data set; LightGCN's row is RLMRec's own base, which Table 3 leaves out.
_TABLE3 = {
    "lightgcn": ".1411 .0856  .1157 .0733  .1348 .0855",
    "kar": ".1416 .0863  .1194 .0756  .1353 .0854",
    "llmrec": ".1469 .0855  .1203 .0751  .1431 .0901",
    "rlmrec-c": ".1483 .0903  .1230 .0776  .1421 .0902",
    "rlmrec-g": ".1446 .0887  .1209 .0761  .1433 .0907",
    "alpharec": ".1412 .0873  .1212 .0752  .1404 .0889",
    "alpharec-star": ".1421 .0835  .1213 .0752  .1420 .0898",
    "mult-vae": ".1571 .0979  .1261 .0785  .1536 .0973",
}

# What is known of where a row of Table 3 comes from.
PROVENANCE: Mapping[str, str] = {
    "lightgcn": "RLMRec's paper, Table 1 (five seeds); not a row of Table 3",
    "kar": "amazon and yelp equal RLMRec's Table 2 to four digits: evidently copied; steam is in no earlier paper",
    "llmrec": "no earlier source found; how it was run is not published",
    "rlmrec-c": "equals RLMRec's Table 1 to four digits: evidently copied (width 32, patience 15 epochs, five seeds)",
    "rlmrec-g": "equals RLMRec's Table 1 to four digits: evidently copied (width 32, patience 15 epochs, five seeds)",
    "alpharec": "no earlier source found; how it was run is not published",
    "alpharec-star": "no earlier source found; how it was run is not published",
    "mult-vae": "DMRec's own (ten seeds, width 200, patience 60 epochs)",
}


def table2(dataset: str, model: str, strategy: str) -> dict[str, float] | None:
    """A row of Table 2, by metric; None where the paper has none.

    Example:
        >>> table2("amazon", "mult-vae", "mddm")["recall@20"]
        0.1571
    """
    return _numbers(_TABLE2.get((model, strategy)), dataset, TABLE2_METRICS)


def table3(dataset: str, model: str) -> dict[str, float] | None:
    """A row of Table 3, by metric; None where the paper has none."""
    return _numbers(_TABLE3.get(model), dataset, TABLE3_METRICS)


def best_dmrec(dataset: str) -> dict[str, dict[str, object]] | None:
    """The best DMRec row of Table 2 by each metric of Table 3: its value, base model and strategy; None without one.

    Example:
        >>> best_dmrec("amazon")["recall@20"]
        {'value': 0.1652, 'model': 'CVGA', 'label': 'DMRec-M'}
    """
    rows = {key: table2(dataset, *key) for key in _TABLE2 if key[1] in STRATEGIES}
    if None in rows.values():
        return None
    best = {metric: max(rows, key=lambda key: rows[key][metric]) for metric in TABLE3_METRICS}
    return {
        metric: {"value": rows[key][metric], "model": CARDS[key[0]].name, "label": STRATEGIES[key[1]].label}
        for metric, key in best.items()
    }


def _numbers(row: str | None, dataset: str, metrics: tuple[str, ...]) -> dict[str, float] | None:
    if row is None or dataset not in PAPERS_DATASETS:
        return None
    start = PAPERS_DATASETS.index(dataset) * len(metrics)
    values = [float(number) for number in row.split()]
    return dict(zip(metrics, values[start : start + len(metrics)], strict=True))
