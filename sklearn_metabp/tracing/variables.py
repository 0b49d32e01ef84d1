"""What can be recorded of a step."""

VARIABLES = (
    "activations",
    "net_inputs",
    "derivatives",
    "deltas",
    "targets",
    "outputs",
    "weights",
    "biases",
    "gradients",
    "weight_updates",
    "bias_updates",
    "loss",
)

# What a teacher would have done, recorded where the recorder has one.
TEACHER_UPDATES = "teacher_updates"

# What every scope can be learned from and any parameter can be drawn from.
DEFAULT_VARIABLES = ("weights", "biases", "gradients", "weight_updates", "bias_updates", "loss")

# One array a layer, with the patterns of the batch as second axis.
OF_LAYERS = ("activations", "net_inputs", "derivatives", "deltas")
# One array, with the patterns of the batch as second axis.
OF_PATTERNS = ("targets", "outputs")

# What to record for an attribute of a trace.
RECORDED_BY = {
    "params": "weights",
    "updates": "weight_updates",
    "gradients": "gradients",
    **{name: name for name in OF_LAYERS + OF_PATTERNS},
}


def check_variables(variables) -> tuple[str, ...]:
    """Names in the order of ``VARIABLES``.

    Raises
    ------
    ValueError
        For a name that is not among them, or none at all.
    """
    if isinstance(variables, str):
        if variables == "default":
            return DEFAULT_VARIABLES
        if variables == "all":
            return VARIABLES
        raise ValueError(
            f"variables must be 'default', 'all' or a list of names from {list(VARIABLES)}, got "
            f"{variables!r}."
        )
    try:
        wanted = list(variables)
    except TypeError:
        raise ValueError(
            f"variables must be 'default', 'all' or a list of names from {list(VARIABLES)}, got "
            f"{variables!r}."
        ) from None
    unknown = [name for name in wanted if name not in VARIABLES]
    if unknown or not wanted:
        raise ValueError(
            f"variables must be names from {list(VARIABLES)}, got {unknown or wanted}."
        )
    return tuple(name for name in VARIABLES if name in wanted)
