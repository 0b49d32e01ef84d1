"""
A rule for a family of tasks of your own
========================================

Meta-train an update rule for your own tasks: improve the rule that comes with the
package on some networks of a kind, and let it train others of the same kind.

Many small networks of one kind, such as one forecast per shop or one model per patient,
can share what an update rule learns from some of them. In this example every shop has a
network of its own, which forecasts the sales of a week. A search improves the rule
``"generalise"``, which comes with the package, on other shops of the family. Then all
rules train networks of 40 shops that no rule has seen.
"""

# %%
# The family is a function of an index: shop 17 is always the same shop. The sales
# depend on the season, on the price, and on promotions, in a way that differs between
# shops, and on chance.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_metabp import Adam, BackpropMLPRegressor, load_pretrained
from sklearn_metabp.meta_training import (
    EvolutionSearch,
    Task,
    TaskFamily,
    compare_rules,
)
from sklearn_metabp.plotting import RuleComparisonDisplay, figure_style

plt.style.use(figure_style())


def shop(index):
    """Return the network of a shop with weeks to train, to validate and to test."""
    rng = np.random.default_rng(index)
    week = np.arange(160)
    season = 2 * np.pi * (week / 52 + rng.uniform())
    price, promotion = rng.standard_normal(160), rng.uniform(size=160) < 0.2
    elasticity, strength = rng.uniform(0.3, 1.5), rng.uniform(0.5, 2)
    sales = (
        np.sin(season)
        + 0.5 * np.sin(2 * season + rng.uniform(0, 6))
        - elasticity * np.tanh(price) * (1 + promotion)
        + strength * promotion * np.cos(season)
        + 0.4 * rng.standard_normal(160)
    )
    X = np.column_stack(
        [np.sin(season), np.cos(season), price, promotion, rng.normal(size=160)]
    )
    sales = (sales - sales[:50].mean()) / sales[:50].std()
    network = BackpropMLPRegressor(
        (16,), "tanh", batch_size=10, max_iter=40, n_iter_no_change=np.inf
    )
    parts = X[:50], sales[:50], X[50:80], sales[50:80], X[80:], sales[80:]
    return Task(network, *parts)


# %%
# The search trains 24 networks in every iteration: the networks of 12 shops, each by
# the rule with its numbers moved a little in one direction and in the other. This
# search takes some seconds. A longer one finds a better rule.

rule = load_pretrained("generalise")
search = EvolutionSearch(
    rule,
    TaskFamily(shop),
    n_iterations=50,
    n_pairs=12,
    update_rule=Adam(0.01),
    random_state=0,
).fit()

# %%
# Compare the rules on shops that no search has seen. Adam may choose its learning rate
# for every shop by the validation weeks. The learned rules have nothing to choose.
# Validation weeks also choose the epoch, for all. The test weeks are reported.

comparison = compare_rules(
    {"for this family": search.best_rule_, "shipped": rule, "Adam, 0.01": Adam(0.01)},
    [shop(index) for index in range(100_000, 100_040)],
    tuned={
        "Adam, tuned per shop": [Adam(rate) for rate in np.geomspace(0.001, 0.1, 5)]
    },
    reference="Adam, tuned per shop",
    n_starts=1,
    n_validations=20,
    random_state=0,
)
for row in comparison.summary("test_loss"):
    print(
        f"{row.rule:22} {row.iqm:.3f} of tuned Adam's test loss, "
        f"from {row.iqm_low:.3f} to {row.iqm_high:.3f}; "
        f"better in {row.won:.0%} of the shops"
    )

# %%
# The shipped rule alone loses against Adam that is tuned for every shop, because it was
# made for other tables. A short search for this family makes it the best of all.

display = RuleComparisonDisplay.from_comparison(comparison, measure="test_loss")
display.ax_.set_title("The rule for this family beats Adam tuned for every shop")
plt.show()
