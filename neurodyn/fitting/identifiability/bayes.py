"""Samples of the posterior of the trained parameters."""

import dataclasses
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray
from tqdm import tqdm

from ..._parameter import check_whole
from ..._paths import match
from ..._table import as_html, as_text
from ..._types import FloatArray
from ..objectives import Prior
from ..task import Task
from .coordinates import HasTask, as_task, check_likelihood, element_names, measured_jacobian
from .fisher import describe_noise


_HEADER = ("parameter", "mean", "sd", "5 %", "95 %", "unit", "r_hat", "n_eff")
_KEPT = ("z", "potential_energy", "diverging", "num_steps")
_BLOCK = 50  # draws between two looks at the clock
_WIDEST = 3.0  # standard deviation that a sampler is told of, in natural units, for what the data say nothing about


@dataclasses.dataclass(frozen=True)
class Posterior:
    """Draws from the posterior of the trained parameters.

    **Fields:**

    - `samples`: values by path in their units, shape (chains, draws, ...).
    - `units`: by path.
    - `r_hat`, `n_eff`: split Gelman-Rubin statistic and effective number of draws, by path, of the parameter's shape; trust a chain with `r_hat`
        below 1.01 and `n_eff` of some hundreds.
    - `log_density`: of the likelihood times the prior in the trained space, up to a constant, shape (chains, draws).
    - `diverging`: which draws end a trajectory that diverged, shape (chains, draws): the posterior is not well explored around them.
    - `leapfrogs`: gradients taken for each draw, shape (chains, draws).
    - `prior`: what was assumed, in words.
    - `noise`: likewise.
    """

    samples: dict[str, np.ndarray]
    units: dict[str, str]
    r_hat: dict[str, np.ndarray]
    n_eff: dict[str, np.ndarray]
    log_density: np.ndarray
    diverging: np.ndarray
    leapfrogs: np.ndarray
    prior: str
    noise: str

    @property
    def divergences(self) -> int:
        """How many draws diverged."""
        return int(self.diverging.sum())

    def flat(self, path: str) -> np.ndarray:
        """The draws of all chains together, shape (chains * draws, ...)."""
        found = self.samples[path]
        return found.reshape(-1, *found.shape[2:])

    def columns(self) -> dict[str, np.ndarray]:
        """The draws of every trained number by name, an element of an array as `path[i]`, each of shape (chains, draws)."""
        names = element_names({path: jnp.asarray(x[0, 0]) for path, x in self.samples.items()})
        parts = [self.samples[path].reshape(*self.diverging.shape, -1) for path in sorted(self.samples)]
        return dict(zip(names, np.moveaxis(np.concatenate(parts, axis=-1), -1, 0), strict=True))

    def _rows(self) -> list[tuple[str, ...]]:
        rows = []
        flat = {
            k: np.concatenate([np.ravel(x[path]) for path in sorted(x)])
            for k, x in (("r", self.r_hat), ("n", self.n_eff))
        }
        for i, (name, draws) in enumerate(self.columns().items()):
            low, high = np.quantile(draws, [0.05, 0.95])
            numbers = [f"{x:.5g}" for x in (draws.mean(), draws.std(ddof=1), low, high)]
            unit = self.units[name.split("[")[0]] or "-"
            rows.append((name, *numbers, unit, f"{flat['r'][i]:.3f}", f"{flat['n'][i]:.0f}"))
        return rows

    def _notes(self) -> list[str]:
        chains, draws = self.diverging.shape
        return [
            f"{chains} chains of {draws} draws, {self.divergences} divergences, {self.leapfrogs.mean():.1f} gradients a draw",
            f"prior: {self.prior}; noise: {self.noise}",
        ]

    def __repr__(self) -> str:
        return "\n".join([as_text(_HEADER, self._rows()), *self._notes()])

    def _repr_html_(self) -> str:
        return as_html(_HEADER, self._rows()) + "".join(f"<p>{note}</p>" for note in self._notes())


def sample_posterior(
    source: Task | HasTask,
    *,
    key: PRNGKeyArray,
    draws: int = 500,
    warmup: int = 300,
    chains: int = 4,
    target_accept: float = 0.8,
    max_tree_depth: int = 8,
    progress: bool = False,
) -> Posterior:
    """Draws from the posterior by the No-U-Turn sampler with the solver's gradients; needs the extra `bayes`.

    The likelihood is that of the objectives' misfits in units of their noise. The prior is uniform in the values within their bounds, times the `Prior`
    objectives. Uniform in the logarithm for what has a logarithmic one, so that the two together are log-normal. A parameter without bounds, prior or
    information from the data has no proper posterior, and its chains will wander.

    Chains run as one batch. They start around the optimum, drawn from the normal distribution that the Fisher information makes, and the sampler works
    in the coordinates in which that is a standard one, so little is left to adapt.

    Source: Hoffman and Gelman (2014), J. Mach. Learn. Res. 15:1593; r_hat: Gelman et al. (2013), Bayesian Data Analysis, section 11.4.

    **Arguments:**

    - `source`: the result of a fit, or a `Task` at the optimum.
    - `key`: of the chains.
    - `draws`, `warmup`: of each chain.
    - `target_accept`: nearer to 1 for smaller steps, when trajectories diverge.
    - `max_tree_depth`: no more than two to that power gradients for a draw.

    **Raises:** `ImportError` naming the extra; `ValueError` for an objective that is no likelihood, for counts that are not allowed, and when the
    density or its derivative is not finite at the optimum.
    """
    for name, count, least in (
        ("draws", draws, 4),
        ("warmup", warmup, 0),
        ("chains", chains, 1),
        ("max_tree_depth", max_tree_depth, 1),
    ):
        check_whole(name, count, least)
    if not 0 < target_accept < 1:
        raise ValueError(f"target_accept = {target_accept!r} is not allowed: must be between 0 and 1")
    task = as_task(source)
    check_likelihood(task)
    sampler = _sampler()
    density = _Density.of(task)
    first, run = jax.random.split(key)
    z = jax.random.normal(first, (chains, density.centre.size), density.centre.dtype)
    start = density.usable(z)
    kernel = sampler(
        potential_fn=density.potential,
        dense_mass=True,
        step_size=0.5,
        target_accept_prob=target_accept,
        max_tree_depth=max_tree_depth,
    )
    found = _run_nuts(kernel, start, run, warmup, draws, progress)
    return _posterior(density, found)


@dataclasses.dataclass(frozen=True)
class _Density:
    """The posterior density in coordinates in which it is nearly a standard normal one."""

    task: Task
    centre: FloatArray  # theta at the optimum, one vector
    root: FloatArray  # of the covariance of the linear model
    unravel: Any
    logarithmic: frozenset[str]  # paths whose prior is uniform in the logarithm

    @classmethod
    def of(cls, task: Task) -> "_Density":
        start = task.encode()
        centre, unravel = jax.flatten_util.ravel_pytree(start)
        matrix = np.asarray(measured_jacobian(task, start)[0], float)
        if not np.isfinite(matrix).all():
            raise ValueError("the derivative of what is measured is not finite at the optimum; see gradient_health")
        values, directions = np.linalg.svd(matrix, full_matrices=True)[1:]
        padded = np.zeros(centre.size)
        padded[: values.size] = values
        root = directions.T / np.sqrt(padded**2 + 1 / _WIDEST**2)
        paths = list(start)
        priors = [p for p in task.objectives if isinstance(p, Prior) and p.logarithmic]
        hit = {path for p in priors for path in paths if path in match(p.path, list(task.known()))}
        return cls(task, centre, jnp.asarray(root, centre.dtype), unravel, frozenset(hit))

    @property
    def prior(self) -> str:
        bounded = [path for path, b in self.task.space.bijections.items() if b.kind == "box"]
        improper = [path for path in self.task.space.bijections if path not in bounded]
        said = "uniform in the values within their bounds"
        if improper:
            said += f" (unbounded: {', '.join(improper)})"
        explicit = sum(isinstance(objective, Prior) for objective in self.task.objectives)
        return said + (f", times {explicit} Prior" if explicit else "")

    def theta(self, z: FloatArray) -> dict[str, FloatArray]:
        return self.unravel(self.centre + self.root @ z)

    def potential(self, z: FloatArray) -> FloatArray:
        """Minus the log density, up to a constant, a scalar."""
        theta = self.theta(z)
        prior = sum(
            jnp.sum(bijection.log_slope(theta[path], path in self.logarithmic))
            for path, bijection in self.task.space.bijections.items()
        )
        return 0.5 * jnp.sum(self.task.misfit(theta) ** 2) - prior

    def usable(self, z: FloatArray) -> FloatArray:
        """The starts, those without a finite density or derivative replaced by the optimum."""
        points = jnp.concatenate([jnp.zeros_like(z[:1]), z])
        value, slope = jax.jit(jax.vmap(jax.value_and_grad(self.potential)))(points)
        finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(slope), axis=1)
        if not finite[0]:
            raise ValueError("the posterior or its derivative is not finite at the optimum; see gradient_health")
        return jnp.where(finite[1:, None], z, 0.0)


def _sampler() -> Any:
    """The class of the No-U-Turn sampler, imported when it is needed."""
    try:
        from numpyro.infer import NUTS
    except ImportError as error:
        raise ImportError("posteriors need numpyro: pip install 'neurodyn[bayes]'") from error
    return NUTS


def _run_nuts(
    kernel: Any, start: FloatArray, key: PRNGKeyArray, warmup: int, draws: int, progress: bool
) -> dict[str, np.ndarray]:
    """What every draw after the warm-up says, shape (chains, draws, ...). In blocks of one compiled program, to show progress and to be interrupted."""
    keys = jax.random.split(key, start.shape[0])

    @jax.jit
    def begin(keys, start):
        return jax.vmap(lambda key, z: kernel.init(key, warmup, z))(keys, start)

    @jax.jit
    def advance(state):
        def step(state, _):
            state = jax.vmap(lambda state: kernel.sample(state, (), {}))(state)
            return state, {name: getattr(state, name) for name in _KEPT}

        return jax.lax.scan(step, state, length=_BLOCK)

    found, total = [], warmup + draws
    with jax.numpy_rank_promotion("allow"):  # the sampler relies on it
        state = begin(keys, start)
        with tqdm(total=total, disable=not progress, unit="draw") as bar:
            for first in range(0, total, _BLOCK):
                state, kept = advance(state)
                if first + _BLOCK > warmup:
                    skip = max(0, warmup - first)
                    found.append(jax.tree.map(lambda x, skip=skip: np.asarray(x)[skip:], kept))
                bar.update(min(_BLOCK, total - first))
    joined = jax.tree.map(lambda *parts: np.concatenate(parts)[:draws], *found)
    return jax.tree.map(lambda x: np.moveaxis(x, 0, 1), joined)


def _posterior(density: _Density, found: dict[str, np.ndarray]) -> Posterior:
    """The draws in the values' units, with their diagnostics."""
    task = density.task
    values = jax.jit(jax.vmap(jax.vmap(lambda z: task.space.values(density.theta(z)))))(jnp.asarray(found["z"]))
    samples = {path: np.asarray(x) for path, x in values.items()}
    r_hat, n_eff = _diagnostics(samples)
    return Posterior(
        samples,
        {path: task.known()[path].info.unit for path in samples},
        r_hat,
        n_eff,
        -found["potential_energy"],
        found["diverging"],
        found["num_steps"],
        density.prior,
        describe_noise(task.objectives),
    )


def _diagnostics(samples: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    r_hat, n_eff = {}, {}
    for path, x in samples.items():
        if np.ptp(x) == 0:  # a chain that never moved
            r_hat[path], n_eff[path] = np.full(x.shape[2:], np.inf), np.zeros(x.shape[2:])
            continue
        r_hat[path], n_eff[path] = np.asarray(split_gelman_rubin(x)), np.asarray(effective_sample_size(x))
    return r_hat, n_eff
