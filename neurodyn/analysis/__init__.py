"""Analysis of simulated and recorded activity."""

from .coincidence import coincidence_factor as coincidence_factor
