"""`sweep`: many members of one model, in chunks, on all devices and processes."""

import math
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from .._model import AbstractNeuron, AbstractSpikingNeuron
from .._parameter import replace_leaves
from .._paths import named_leaves
from .._simulate import Adaptive, Solution, Status, simulate, vmap
from .._stimulus import AbstractStimulus
from ..reducers import AbstractReducer, SpikeCount
from .members import PREFIX, Design, make_members
from .result import SweepResult


#: Members per block of lanes. A block runs until its slowest member is done: an adaptive run has small ones, so that a stiff member
#: costs its few neighbours only (and its saved steps stay in cache: twice as fast as blocks of 32).
_BLOCK = {"fixed": 128, "adaptive": 8}
_BATCH = 16384
_AXIS = "members"

Reduce = Mapping[str, AbstractReducer] | Callable[[Solution], Mapping[str, Any]]


def sweep(
    model: AbstractNeuron,
    stimulus: AbstractStimulus,
    t1: float,
    vary: Mapping[str, Any],
    *,
    design: Design = "zip",
    reduce: Reduce | None = None,
    batch_size: int | None = None,
    mesh: Mesh | None = None,
    progress: bool | Callable[[int, int], None] = False,
    **options: Any,
) -> SweepResult:
    """Run a model at many values of its parameters, or of its stimulus's.

    **Arguments:**

    - `model`, `stimulus`, `t1`: as in `simulate`.
    - `vary`: one-dimensional arrays of values by path or pattern; a path of the stimulus begins with `stimulus.`: `{"na.g": g, "stimulus.amplitude": i}`.
    - `design`: `"zip"` (member i has the i-th value of each array) or `"grid"` (their product, the last array fastest). `sample` makes
        random values for the former.
    - `reduce`: reducers by name (see `simulate`), or a function of a member's `Solution` that returns arrays by name. By default the spike count
        and the final voltage.
    - `batch_size`: members per call of the compiled program; the memory needed grows with it, the results do not depend on it.
    - `mesh`: a one-dimensional mesh of devices to share the members out over; all local ones by default.
    - `progress`: True for a bar with the time left on standard error, or a function that is called with the members done and all.
    - `options`: whatever else `simulate` takes: `t0`, `dt`, `method`, `y0`, and with a function for `reduce` also `record`, `ts`, `every`, `max_spikes`.

    Under `jax.distributed` every process makes the same call, runs its share of the batches, and gets all rows.

    **Returns:** a `SweepResult` with a row for every member. A member with an impossible parameter is not run, and one that fails does not harm the
    others; both are named by `SweepResult.failed`.

    **Raises:** `ValueError` for arguments that are not allowed, before anything is computed.
    """
    members = make_members(model, stimulus, vary, design)
    method = options.get("method")
    block = _BLOCK["adaptive" if isinstance(method, Adaptive) else "fixed"]
    devices = np.array(jax.local_devices()) if mesh is None else mesh.devices.reshape(-1)
    batch = _batch_size(batch_size, members.count, block, devices.size)
    task = _Task(model, stimulus, float(t1), reduce if callable(reduce) or reduce is None else dict(reduce), options)
    devices = Mesh(devices, (_AXIS,))

    def program(values):
        return _run(task, values, devices, block)

    base = {path: float(np.asarray(item.value)) for path, item in members.info.items()}
    shapes = eqx.filter_eval_shape(program, {path: jax.ShapeDtypeStruct((batch,), float) for path in members.axes})
    rows = jtu.tree_map(lambda x: np.zeros((members.count, *x.shape[1:]), x.dtype), shapes)
    starts = range(0, members.count, batch)
    report = _reporter(progress, members.count)
    pending: list[tuple[int, np.ndarray, Any]] = []
    for start in [*starts[jax.process_index() :: jax.process_count()], None]:
        if start is not None:
            values = members.values(start, min(start + batch, members.count))
            allowed = members.allowed(values)
            safe = {path: np.where(allowed, x, base[path]) for path, x in values.items()}
            padded = {path: np.pad(x, (0, batch - x.size), mode="edge") for path, x in safe.items()}
            pending.append((start, allowed, program(padded)))
        if pending and (start is None or len(pending) > 1):  # one batch runs while the one before is stored
            begin, allowed, out = pending.pop(0)
            _store(rows, begin, allowed, jax.device_get(out))
            report(min(begin + batch, members.count))
    if jax.process_count() > 1:
        rows = _gather(rows, starts, batch)
    outputs, status = rows
    units = {path: item.info.unit for path, item in members.info.items()}
    attributes = {
        "model": type(model).__name__,
        "stimulus": type(stimulus).__name__,
        "t1": float(t1),
        "options": repr(options),
        "precision": str(np.dtype(jax.dtypes.canonicalize_dtype(float))),
        "versions": ", ".join(f"{name} {version(name)}" for name in ("neurodyn", "jax", "equinox", "diffrax")),
    }
    return SweepResult(members.axes, units, design, outputs, status, attributes)


def _batch_size(batch_size: int | None, count: int, block: int, devices: int) -> int:
    """Whole blocks for every device, so that a member's result does not depend on the size of the batch."""
    if batch_size is not None and (isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1):
        raise ValueError(f"batch_size = {batch_size!r} is not allowed: must be a whole number >= 1")
    batches = math.ceil(count / (batch_size or _BATCH))
    unit = block * devices
    return unit * math.ceil(count / batches / unit)


class _Task(eqx.Module):
    """What every member has in common."""

    model: AbstractNeuron
    stimulus: AbstractStimulus
    t1: float = eqx.field(static=True)
    reduce: Any
    options: dict[str, Any]

    def member(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """The outputs and the status of the member with these values."""
        model = replace_leaves(self.model, {path: x for path, x in values.items() if not path.startswith(PREFIX)})
        moved = {path.removeprefix(PREFIX): x for path, x in values.items() if path.startswith(PREFIX)}
        stimulus = replace_leaves(self.stimulus, moved)
        if callable(self.reduce):
            sol = simulate(model, stimulus, self.t1, **self.options)
            found: Any = self.reduce(sol)
            return {name: jnp.asarray(x) for name, x in found.items()}, sol.status
        if self.reduce is not None:
            sol = simulate(model, stimulus, self.t1, reduce=self.reduce, **self.options)
            return dict(sol.reduced), sol.status
        return self._default(model, stimulus)

    def _default(self, model, stimulus):
        spiking = isinstance(model, AbstractSpikingNeuron)
        if spiking and not isinstance(self.options.get("method"), Adaptive):
            sol = simulate(model, stimulus, self.t1, reduce={"spike_count": SpikeCount()}, **self.options)
            found = dict(sol.reduced)
        else:
            sol = simulate(model, stimulus, self.t1, **self.options)
            found = {"spike_count": sol.spikes.count} if spiking else {}
        final = {path: x for path, x in named_leaves(sol.final).items() if path.split(".")[-1] == "v"}
        return {**found, **final}, sol.status


@eqx.filter_jit
def _run(task: _Task, values: Mapping[str, Any], mesh: Mesh, block: int):
    """One batch: each device runs its own blocks, and none waits for another. Compiled once per structure and shape."""
    arrays, static = eqx.partition(task, eqx.is_array)

    def on_one_device(arrays, values):
        return vmap(eqx.combine(arrays, static).member, block=block)(values)

    if mesh.size == 1:
        return on_one_device(arrays, values)
    shared, split = PartitionSpec(), PartitionSpec(_AXIS)
    share = jax.shard_map(on_one_device, mesh=mesh, in_specs=(shared, split), out_specs=split, check_vma=False)
    return share(arrays, values)


def _store(rows: Any, start: int, allowed: np.ndarray, out: Any) -> None:
    """Put a batch where it belongs, without its padding; what failed is NaN, or -1."""
    outputs, status = out
    count = allowed.size
    status = np.where(allowed, status[:count], Status.invalid_parameter)
    failed = (status != Status.ok) & (status != Status.spike_overflow)
    rows[1][start : start + count] = status

    def store(row, x):
        x = x[:count]
        missing = (
            np.nan if np.issubdtype(x.dtype, np.inexact) else -1 if np.issubdtype(x.dtype, np.signedinteger) else 0
        )
        row[start : start + count] = np.where(failed.reshape(-1, *[1] * (x.ndim - 1)), np.asarray(missing, x.dtype), x)

    jtu.tree_map(store, rows[0], outputs)


def _gather(rows: Any, starts: range, batch: int) -> Any:
    """All rows from the processes that ran them."""
    from jax.experimental import multihost_utils

    def gather(x):
        parts = np.asarray(multihost_utils.process_allgather(x))
        whole = np.empty_like(x)
        for i, start in enumerate(starts):
            whole[start : start + batch] = parts[i % jax.process_count(), start : start + batch]
        return whole

    return jtu.tree_map(gather, rows)


def _reporter(progress: bool | Callable[[int, int], None], count: int) -> Callable[[int], None]:
    """What is told how far the sweep is."""
    if callable(progress):
        return lambda done: progress(done, count)
    if not progress:
        return lambda done: None
    from tqdm import tqdm

    bar = tqdm(total=count, unit=" members", file=sys.stderr)

    def report(done: int) -> None:
        bar.update(done - bar.n)
        if done >= count:
            bar.close()

    return report
