"""How a run of epochs ends; ``epoch_ends.py`` has the words."""

cdef enum End:
    FINISHED
    LOSS_IS_NOT_FINITE
    UPDATE_IS_NOT_FINITE
    ROWS_CHANGED
    INTERRUPTED
