"""Numbers and where they came from, on disk: whole files or none."""

from dmrec_core.records.markup import markdown_text
from dmrec_core.records.origin import provenance
from dmrec_core.records.writer import record
