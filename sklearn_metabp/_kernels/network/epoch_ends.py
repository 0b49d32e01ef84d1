"""Texts for an epoch that ends before its last batch."""

LOSS_IS_NOT_FINITE = "the loss of a batch is {}"
UPDATE_IS_NOT_FINITE = "the rule returned an update with NaN or infinity"
