"""`python -m bench`: what there is to measure."""

import importlib
import pkgutil

import bench

for module in pkgutil.iter_modules(bench.__path__):
    if module.name not in ("__main__", "earlier", "run", "steps"):
        summary = (importlib.import_module(f"bench.{module.name}").__doc__ or "").splitlines()[0]
        print(f"python -m bench.{module.name:<12} {summary}")
