"""What ends an epoch before its last batch, in words."""

LOSS_IS_NOT_FINITE = "the loss of a batch is {}"
UPDATE_IS_NOT_FINITE = "the rule returned an update with NaN or infinity"
