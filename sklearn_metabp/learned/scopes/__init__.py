"""The scopes of learned rules, a file each, and the one table of them."""

from sklearn_metabp.learned.scopes.base import Fact, Scope
from sklearn_metabp.learned.scopes.layer import LayerScope
from sklearn_metabp.learned.scopes.link import LinkScope
from sklearn_metabp.learned.scopes.network import NETWORK_INPUTS, NetworkScope
from sklearn_metabp.learned.scopes.neuron import NeuronScope
from sklearn_metabp.learned.scopes.plain import PlainRegression
from sklearn_metabp.tracing.scopes import register_scopes

SCOPES: dict[str, type[Scope]] = {
    scope.name: scope
    for scope in (
        LinkScope,
        NeuronScope,
        NetworkScope,
        LayerScope,
    )
}
register_scopes(SCOPES)  # for Trace.features, in a higher tier that cannot import them

__all__ = [
    "NETWORK_INPUTS",
    "SCOPES",
    "Fact",
    "LayerScope",
    "LinkScope",
    "NetworkScope",
    "NeuronScope",
    "PlainRegression",
    "Scope",
]
