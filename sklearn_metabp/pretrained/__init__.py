"""Learned rules that come with the package, and the recipes by which they were made."""

from sklearn_metabp.pretrained.load import (
    PRETRAINED,
    RECOMMENDED,
    load_pretrained,
    read_provenance,
)

__all__ = ["PRETRAINED", "RECOMMENDED", "load_pretrained", "read_provenance"]
