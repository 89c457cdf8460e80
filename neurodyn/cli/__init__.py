"""The `neurodyn` command.

Nothing of JAX is imported before a sub-command runs, so that help comes at once.
"""

from .main import main as main
