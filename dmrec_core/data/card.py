"""A data card: where a data set comes from, what was done to it, and what nobody can check."""

from __future__ import annotations

import numpy as np

from dmrec_core.data.dataset import RecDataset
from dmrec_core.data.sources import RLMREC_NAMES, XREC_NAMES
from dmrec_core.data.steam_fields import WRITER

TOY = {
    "origin": "made in memory by dmrec_core.data.toy; no person, no product",
    "licence": "the kit's own",
    "filters": "none; history lengths are drawn from three bands, most of them short",
    "split": "per user, 3 : 1 : 1, shuffled with a fixed seed",
    "raw fields": "a title and a text for each item",
    "item texts": "written by templates from the item's true themes, with a share of wrong words",
    "user texts": "titles and texts of sampled training items",
    "cannot be checked": "whether people behave like this. Sparse users gain from text BY CONSTRUCTION",
}
XREC = {
    "origin": "HKUDS/XRec, files tst.pkl and total_{trn,val,tst}.csv",
    "licence": "Apache-2.0 (the repository); the reviews behind it have terms of their own",
    "filters": "items with a profile; then users and items with at least 5 interactions, until stable",
    "split": "per user, 3 : 1 : 1, by the kit, numpy default_rng(2024)",
    "raw fields": "titles; no description, category, city or review is published. So an extractive profile here is an "
    "extract of the model-written one: only titles are free of a language model",
    "item texts": "profiles written by GPT-3.5, one for each item",
    "user texts": "titles and profiles of sampled TRAINING items; XRec's own user profiles may have seen test reviews",
    "cannot be checked": "what the language model was shown of each item, and whether it knew the item before",
}
RLMREC = {
    "origin": "RLMRec's split, as DMRec's repository publishes it; the paper's data",
    "licence": "not stated for the data; Amazon, Yelp and Steam have terms of their own",
    "filters": "done upstream and not published as code: k-core and ratings of 3 or more (not on Steam) are claimed, "
    "yet amazon has users with a single interaction",
    "split": "upstream, 3 : 1 : 1; the seed is not published",
    "raw fields": "none published; the profiles come finished",
    "item texts": "profiles written by gpt-3.5-turbo from titles, descriptions or sampled reviews",
    "user texts": "profiles written by gpt-3.5-turbo from sampled interacted items",
    "cannot be checked": "whether user profiles were written from training items only (a possible leak), how many "
    "items were sampled, and the prompts' exact inputs",
}
STORE_FIELDS = {
    "raw fields": "title, tags, genres, specs and developer, from UC San Diego's crawl of the store; no description. "
    "Its ratings and prices are left out: test users may have rated",
    "item texts": "those fields as they are, a line each, written by no language model; titles stand beside them",
    "user texts": "titles and texts of sampled TRAINING items",
    "cannot be checked": "which players gave an item its tags (test users may be among them), and what changed in the "
    "store between the interactions and the crawl",
}
STEAM_PART = {
    "origin": "the published validation and test parts of the paper's Steam, 209,732 of 525,922 interactions. NOT the "
    "paper's Steam: its training part is missing, and what it holds out is trained on here",
    "licence": "not stated for the interactions nor for the crawl; the ids of the items are RLMRec's (Apache-2.0)",
    "filters": "upstream's, not published as code; then users and items with at least 5 interactions, until stable",
    "split": "a new one, per user, 3 : 1 : 1, by the kit, numpy default_rng(2024)",
    **STORE_FIELDS,
}
OWN = {
    "origin": "your own folder",
    "licence": "yours to know",
    "filters": "as you gave it, and rows below your threshold (`min_rating`) left out",
    "split": "yours; or per user, 3 : 1 : 1, each user's drawn by that user's own ids, or the newest held out",
    "raw fields": "the columns of your items file",
    "item texts": "yours",
    "user texts": "yours, or the titles and texts of sampled training items",
    "cannot be checked": "what happened before the files reached the kit",
}


def data_card(dataset: RecDataset) -> dict[str, str]:
    """What a reader should know before believing a number on this data set.

    Args:
        dataset: as `load_dataset` gave it; its `source` holds checksums and counts.

    Returns:
        Heading -> text, in reading order.

    Example:
        >>> from dmrec_core.data.toy import toy_dataset
        >>> data_card(toy_dataset())["cannot be checked"].split(". ")[0]
        'whether people behave like this'
    """
    kinds = {"toy": TOY, "steam-part": STEAM_PART}
    kinds |= {f"{name}-xrec": XREC for name in XREC_NAMES} | dict.fromkeys(RLMREC_NAMES, RLMREC)
    words = kinds.get(dataset.name, OWN)
    if words is RLMREC and dataset.profiles is not None and dataset.profiles.source == WRITER:
        words = RLMREC | STORE_FIELDS
    counts = dataset.summary()
    held = np.diff(dataset.test.indptr)
    return {
        **words,
        "size": f"{dataset.n_users:,} users, {dataset.n_items:,} items, {counts['interactions']:,} interactions "
        f"({counts['train']:,} / {counts['valid']:,} / {counts['test']:,}), density {counts['density']:.2%}",
        "median training history": f"{counts['median_history']:g} items",
        "users without a test item": f"{int((held == 0).sum()):,}; they are skipped in every metric",
        "content hash": dataset.fingerprint,
    }


def source_table(dataset: RecDataset) -> list[tuple[str, str]]:
    """Counts before and after filtering, and sha256 of every upstream file, as the loader recorded them."""
    return [
        (str(key), f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value))
        for key, value in dataset.source.items()
    ]
