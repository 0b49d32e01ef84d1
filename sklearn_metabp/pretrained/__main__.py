"""Make a rule that comes with the package again: ``python -m sklearn_metabp.pretrained NAME``."""

import argparse
import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path

from sklearn_metabp.pretrained.load import PRETRAINED
from sklearn_metabp.pretrained.recipes import RECIPES


def main() -> None:
    """Follow the recipe of a rule, and write its file and how it was made."""
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_metabp.pretrained", description=__doc__
    )
    parser.add_argument("name", choices=list(PRETRAINED))
    parser.add_argument("--folder", type=Path, default=Path("."), help="where to write both files")
    parser.add_argument("--jobs", type=int, default=1, help="searches at the same time")
    parser.add_argument("--checkpoint", type=Path, help="folder to continue from after a stop")
    arguments = parser.parse_args()
    name, recipe = arguments.name, RECIPES[arguments.name]
    rule, searches = recipe.follow(n_jobs=arguments.jobs, checkpoint=arguments.checkpoint)
    packages = ("sklearn-metabp", "numpy", "scipy", "scikit-learn")
    provenance = {
        "name": name,
        "purpose": PRETRAINED[name],
        "command": f"{parser.prog} {name}",
        "inputs": list(recipe.inputs),
        "start": dict(recipe.start),
        "searches": searches,
        "n_rollouts": sum(search["n_rollouts"] for search in searches),
        "sha256": hashlib.sha256(rule.meta_params_.tobytes()).hexdigest(),
        "versions": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            **{package: version(package) for package in packages},
        },
    }
    arguments.folder.mkdir(parents=True, exist_ok=True)
    rule.save(arguments.folder / f"{name}.rule")
    text = json.dumps(provenance, indent=1) + "\n"
    (arguments.folder / f"{name}.json").write_text(text, encoding="utf-8")
    print(f"{name}: {provenance['n_rollouts']} rollouts, sha256 {provenance['sha256'][:16]}")


if __name__ == "__main__":
    main()
