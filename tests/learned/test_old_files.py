"""Rule files of earlier versions load, and train as they did there."""

from pathlib import Path

import numpy as np
import pytest

from sklearn_metabp import BackpropMLPRegressor, load_rule

FILES = Path(__file__).parent / "rule_files"
X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
AND = np.array([0.0, 0, 0, 1])

# Fitted attributes, and the parameters after three epochs of online training, as noted when the
# files were written. The names are those of today: the normalizer was called unit.
WRITTEN = {
    "link": (
        {
            "scope_": "link",
            "inputs_": ("gradient/rms_0.9", "warmup_0.9"),
            "normalizer_": "rms_0.9",
            "scale_": 0.22785766968236834,
            "first_step_": 0.0,
            "n_features_in_": 3,
        },
        [
            0.09966789520327371,
            0.3707982950149088,
            0.4858227845290361,
            0.20110231669911807,
            0.5144310505196403,
        ],
    ),
    "link_stride": (
        {
            "scope_": "link",
            "inputs_": ("gradient/rms_0.9", "last_step"),
            "normalizer_": "stride",
            "scale_": 1.0722840591225236,
            "first_step_": 0.01,
            "n_features_in_": 4,
        },
        [
            0.2425178664485857,
            0.47718209048840077,
            -22.863406307764826,
            16.15726527393529,
            -28.184342446693538,
        ],
    ),
    "neuron": (
        {
            "scope_": "neuron",
            "inputs_": ("delta", "weight", "derivative"),
            "scale_": 0.23967296437213326,
            "learning_rate_": 0.2300000000000002,
            "n_features_in_": 4,
        },
        [
            0.08048876750223599,
            0.3518327532006025,
            0.01373920392154208,
            0.16714033887472593,
            -0.2956039779150346,
        ],
    ),
    "network": (
        {
            "scope_": "network",
            "inputs_": ("biases", "loss"),
            "layer_sizes_": (2, 1, 1),
            "n_features_in_": 3,
        },
        [
            15.372351499192561,
            0.8492596764697364,
            5.099050562073291,
            -0.9917922723749053,
            4.781341462161199,
        ],
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_an_old_file_is_the_rule_that_it_was(name, tmp_path):
    attributes, params = WRITTEN[name]
    rule = load_rule(FILES / f"{name}.safetensors")
    assert {attribute: getattr(rule, attribute) for attribute in attributes} == attributes
    model = BackpropMLPRegressor(
        (1,),
        "logistic",
        out_activation="logistic",
        update_rule=rule,
        alpha=0.0,
        batch_size=1,
        max_iter=3,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    np.testing.assert_allclose(model.fit(X, AND).params_, params, rtol=1e-6)
    rule.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (FILES / f"{name}.safetensors").read_bytes()


def test_the_old_name_of_the_normalizer_leads_to_the_new_one():
    rule = load_rule(FILES / "link.safetensors")
    with pytest.raises(AttributeError, match=r"no attribute 'unit_': it is called normalizer_"):
        rule.unit_  # noqa: B018
