"""`neurodyn info`: what is installed and what it runs on."""

import platform
from importlib import metadata

import jax

from .. import __version__
from .terminal import say


_PARTS = ("jax", "jaxlib", "equinox", "diffrax", "optax", "optimistix", "lineax", "numpy")
_EXTRAS = {
    "plot": "matplotlib",
    "io": "pyabf",
    "features": "efel",
    "evolution": "cma",
    "bayes": "numpyro",
    "examples": "nitime",
    "cuda": "jax-cuda12-plugin",
}


def version(name: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """neurodyn, Python and everything that makes numbers."""
    parts = {name: version(name) or "missing" for name in _PARTS}
    return {"neurodyn": __version__, "python": platform.python_version(), **parts}


def devices() -> str:
    """The devices in words, e.g. `2 x cpu`."""
    found = [device.device_kind for device in jax.devices()]
    return ", ".join(f"{found.count(kind)} x {kind}" for kind in dict.fromkeys(found))


def run() -> int:
    """Print the table."""
    rows = [
        *versions().items(),
        ("platform", f"{platform.system()} {platform.machine()}"),
        ("devices", devices()),
        ("precision", "float64" if jax.config.read("jax_enable_x64") else "float32"),
        *((f"extra {name}", _installed(package)) for name, package in _EXTRAS.items()),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        say(f"{name:{width}}  {value}")
    return 0


def _installed(package: str) -> str:
    found = version(package)
    return f"installed ({package} {found})" if found else f"not installed ({package})"
