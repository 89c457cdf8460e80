"""neurodyn: differentiable neuron dynamics in JAX.

Names are loaded when they are first used, so that importing the package, and `neurodyn --help`, cost next to nothing. What is public
stands in `__init__.pyi`.
"""

from importlib.metadata import version as _version

import lazy_loader as _lazy_loader


__getattr__, __dir__, __all__ = _lazy_loader.attach_stub(__name__, __file__)
__version__ = _version("neurodyn")
