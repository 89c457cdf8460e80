"""`sweep`: many members of one model, in chunks, on all devices and processes."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from .._model import AbstractNeuron, AbstractSpikingNeuron
from .._parameter import check_whole, replace_leaves
from .._paths import named_leaves
from .._simulate import Adaptive, Solution, lanes, simulate, tree_bytes, vmap
from .._stimulus import AbstractStimulus
from ..reducers import AbstractReducer, SpikeCount
from .members import PREFIX, Design, make_members
from .progress import reporter
from .provenance import provenance
from .result import NOT_RUN, SweepResult
from .rows import empty_rows, gather, store


#: Members per block of an adaptive sweep. A block runs until its slowest member is done, so that a stiff member costs its few neighbours only (and
#: the steps they save stay in cache: twice as fast as blocks of 32).
_ADAPTIVE_BLOCK = 8
_BATCH, _BATCH_ON_ACCELERATORS = 2**15, 2**18
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
    block: int | None = None,
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
        and the final voltage. Every row is kept in memory: reduce to little.
    - `batch_size`: members per call of the compiled program; the memory needed grows with it, the results do not depend on it.
    - `block`: members that run together, as in `vmap`; by default it follows from the size of the state.
    - `mesh`: a mesh whose devices share the members; all local ones by default.
    - `progress`: True for a bar with the time left on standard error, or a function that is called with the members done and all. What it
        raises is reported by a warning, once, and the sweep goes on.
    - `options`: whatever else `simulate` takes: `t0`, `dt`, `method`, `y0`, and with a function for `reduce` also `record`, `ts`, `every`, `max_spikes`.

    Ctrl-C ends a sweep early: it returns the members that are done, and the others are in `SweepResult.not_run`.

    Under `jax.distributed` every process makes the same call, runs its share of the batches, and gets all rows.

    **Returns:** a `SweepResult` with a row for every member. A member with an impossible parameter is not run, and one that fails does not harm the
    others; both are named by `SweepResult.failed`. How the sweep was made is in `SweepResult.attributes`.

    **Raises:** `ValueError` for arguments that are not allowed, and for more results than memory, before anything is computed.
    """
    members = make_members(model, stimulus, vary, design)
    _check(reduce, mesh, options)
    if block is None:
        adaptive = isinstance(options.get("method"), Adaptive)
        # Reducers keep the samples of a few steps, which is about as much as a gradient keeps.
        block = _ADAPTIVE_BLOCK if adaptive else lanes(tree_bytes(eqx.filter_eval_shape(_init, model)), "gradient")
    check_whole("block", block)
    devices = np.array(jax.local_devices()) if mesh is None else mesh.devices.reshape(-1)
    batch = _batch_size(batch_size, members.count, block, devices.size)
    reduce = dict(reduce) if isinstance(reduce, Mapping) else reduce
    task = _Task(model, stimulus, t1, reduce, options)
    devices = Mesh(devices, (_AXIS,))

    def program(values):
        return _run(task, values, devices, block)

    shapes = eqx.filter_eval_shape(program, {path: jax.ShapeDtypeStruct((batch,), float) for path in members.axes})
    rows = empty_rows(shapes, members.count, members.axes)
    starts = range(0, members.count, batch)
    report = reporter(progress, members.count)
    pending: list[tuple[int, np.ndarray, Any]] = []
    try:
        for start in [*starts[jax.process_index() :: jax.process_count()], None]:
            if start is not None:
                values, allowed = members.safe(model, stimulus, start, min(start + batch, members.count))
                padded = {path: np.pad(x, (0, batch - x.size), mode="edge") for path, x in values.items()}
                pending.append((start, allowed, program(padded)))
            if pending and (start is None or len(pending) > 1):  # one batch runs while the one before is stored
                begin, allowed, out = pending.pop(0)
                store(rows, begin, allowed, jax.device_get(out))
                report(min(begin + batch, members.count))
    except KeyboardInterrupt:
        if jax.process_count() > 1 or (rows[1] == NOT_RUN).all():
            raise
    if jax.process_count() > 1:
        rows = gather(rows, starts, batch)
    outputs, status = rows
    units = {path: item.info.unit for path, item in members.info.items()}
    parts = {"model": model, "stimulus": stimulus, "reduce": reduce, "options": options}
    attributes = provenance(parts, t1, design, members.seeds)
    return SweepResult(members.axes, units, design, outputs, status, attributes)


def _check(reduce: Any, mesh: Any, options: Mapping[str, Any]) -> None:
    if reduce is not None and not callable(reduce) and not isinstance(reduce, Mapping):
        raise ValueError(f"reduce = {reduce!r} is not allowed: must be reducers by name, or a function of a Solution")
    if mesh is not None and not isinstance(mesh, Mesh):
        raise ValueError(f"mesh = {mesh!r} is not allowed: must be a jax.sharding.Mesh")
    for name in ("record", "ts", "every", "max_spikes"):
        if name in options and not callable(reduce):
            raise ValueError(
                f"{name} = {options[name]!r} is not allowed in a sweep without a function for reduce, which says what is kept of a run"
            )


def _batch_size(batch_size: int | None, count: int, block: int, devices: int) -> int:
    """Whole blocks for every device, so that a member's result does not depend on the size of the batch."""
    if batch_size is None:
        batch_size = _BATCH if jax.default_backend() == "cpu" else _BATCH_ON_ACCELERATORS
    check_whole("batch_size", batch_size)
    batches = math.ceil(count / batch_size)
    unit = block * devices
    return unit * math.ceil(count / batches / unit)


class _Task(eqx.Module):
    """What every member has in common."""

    model: AbstractNeuron
    stimulus: AbstractStimulus
    t1: Any = eqx.field(static=True)
    reduce: Any
    options: dict[str, Any]

    def member(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """The outputs and the status of the member with these values."""
        model = replace_leaves(self.model, {path: x for path, x in values.items() if not path.startswith(PREFIX)})
        moved = {path.removeprefix(PREFIX): x for path, x in values.items() if path.startswith(PREFIX)}
        stimulus = replace_leaves(self.stimulus, moved)
        if callable(self.reduce):
            sol = simulate(model, stimulus, self.t1, **self.options)
            return _named_arrays(self.reduce(sol)), sol.status
        if self.reduce is not None:
            sol = simulate(model, stimulus, self.t1, reduce=self.reduce, **self.options)
            return _named_arrays(named_leaves(sol.reduced)), sol.status
        return self._default(model, stimulus)

    def _default(self, model, stimulus):
        spiking = isinstance(model, AbstractSpikingNeuron)
        if isinstance(self.options.get("method"), Adaptive):
            # One record, or a run would save its state at every dt: twice the time.
            sol = simulate(model, stimulus, self.t1, ts=(self.t1,), record=(), **self.options)
            found = {"spike_count": sol.spikes.count} if spiking else {}
        elif spiking:
            sol = simulate(model, stimulus, self.t1, reduce={"spike_count": SpikeCount()}, **self.options)
            found = dict(sol.reduced)
        else:
            sol, found = simulate(model, stimulus, self.t1, **self.options), {}
        found |= {path: x for path, x in named_leaves(sol.final).items() if path.split(".")[-1] == "v"}
        if not found:
            raise ValueError(
                f"reduce = None is not allowed for {type(model).__name__}, which has neither spikes nor a voltage: must say what to keep"
            )
        return found, sol.status


def _named_arrays(found: Any) -> dict[str, Any]:
    """What `reduce` gave, if a table can hold it."""
    if not isinstance(found, Mapping) or not found:
        raise ValueError(f"reduce gave {found!r}, which is not allowed: must give arrays by name: {{'v': sol.v[-1]}}")
    arrays = {}
    for name, x in found.items():
        if not isinstance(name, str) or name == "status":
            raise ValueError(f"reduce gave {name!r}, which is not allowed: must be a name other than 'status'")
        try:
            arrays[name] = jnp.asarray(x)
        except (TypeError, ValueError):
            raise ValueError(f"reduce gave {name} = {x!r}, which is not allowed: must be a numeric array") from None
    return arrays


@eqx.filter_jit  # never run: so that JAX remembers its shapes
def _init(model: AbstractNeuron) -> Any:
    return model.init()


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
