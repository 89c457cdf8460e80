"""The contract that every neuron, and everything that behaves like one, fulfils."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import diffrax as dfx
import equinox as eqx
import jax.tree_util as jtu
import lineax as lx

from ._numerics import exponential_step
from ._parameter import ParameterInfo, Parameterised, parameters
from ._paths import join
from ._types import BoolArray, FloatArray, RealScalar, State


if TYPE_CHECKING:
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar


class AbstractFlow(eqx.Module):
    """How one leaf of a state moves by itself where an exponential step would not do: an upstroke that diverges, an input that decays."""

    @abstractmethod
    def advance(self, y: FloatArray, slope: FloatArray, dt: RealScalar) -> FloatArray:
        """The leaf `dt` ms later, given its value and its rate of change now."""


class AbstractCoupledFlow(AbstractFlow):
    """How voltages that are coupled move: what a flow has to know so that implicit solvers need no dense matrix.

    `K` stands for minus the part of their Jacobian block that is due to the coupling: zero for voltages that are all the same.
    """

    @abstractmethod
    def solve(self, load: FloatArray, factor: RealScalar, right: FloatArray, transposed: bool) -> FloatArray:
        """The solution x of `load x + factor K x = right`, or with the transpose of K; shape (n,).

        **Arguments:** `load`, shape (n,); `factor`; `right`, shape (n,).
        """

    @abstractmethod
    def places(self, model: Any, y: State) -> Any:
        """A pytree like the state `y` of the model that gave the flow: for each leaf which elements of the voltages its elements go with, a tuple of
        indices, or None if they are the same one by one."""

    @abstractmethod
    def pulled(self, y: FloatArray, rate: FloatArray, target: FloatArray) -> "AbstractCoupledFlow":
        """The flow with `rate * (target - y)` besides, where the leaf is `y` now; `rate` in 1/ms."""


class Linearised(eqx.Module):
    """The right-hand side of a model at one point, and how fast each part of the state relaxes.

    **Fields:**

    - `slope`: dy/dt, a pytree like the state.
    - `decay`: a pytree that has, for each leaf of the state, minus the Jacobian block of that leaf with respect to itself:
        an array of the same shape (a diagonal, 1/ms), a square `lineax` operator (voltages coupled along a cable or by gap
        junctions), an `AbstractFlow` (a leaf with its own way to move), or None (no relaxation).

    Explicit and adaptive solvers read `slope` only. Exponential and implicit ones call `advance`, so no solver looks inside.
    """

    slope: State
    decay: State

    def advance(self, y: State, dt: RealScalar) -> State:
        """Move every leaf forward by `dt` ms with the other leaves held: by the exponential step where the decay is an array,
        by Crank-Nicolson where it is an operator, by a flow where it is one, by Euler's step where it is None. Second order when leaves are swept
        palindromically, and exact for a leaf whose equation is linear in itself."""

        def move(y, slope, decay):
            if decay is None:
                return y + dt * slope
            if isinstance(decay, AbstractFlow):
                return decay.advance(y, slope, dt)
            if isinstance(decay, lx.AbstractLinearOperator):
                identity = lx.IdentityLinearOperator(decay.in_structure())
                return y + lx.linear_solve(identity + decay * (dt / 2), dt * slope).value
            return exponential_step(y, dt * slope, dt * decay)

        return jtu.tree_map(move, y, self.slope, self.decay)


class AbstractNeuron(Parameterised):
    """A dynamical unit: a point neuron, a cell, a population or a network.

    Subclasses are written for one unit without a batch axis; `jax.vmap` adds that. Times are in ms, voltages in mV, and
    voltage leaves of the state are called `v`. The equations stand here and nowhere else.
    """

    @abstractmethod
    def init(self) -> State:
        """The state a run starts from by default: a named pytree (dict or module) of floating arrays."""

    @abstractmethod
    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        """Slope and decay at time `t` (ms), state `y` and drive (usually the injected current)."""

    @abstractmethod
    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """Named quantities that are not states but can be recorded, such as currents and conductances."""

    @abstractmethod
    def groups(self) -> Any:
        """A pytree like the state that holds an integer at each leaf: the place of that leaf in a split solver's sweep.

        The sweep goes through the groups upwards and back down, so the highest is the innermost. Leaves of one group must not
        depend on one another. Voltages are usually the highest, gates 0, and what stands between (a concentration that
        follows the voltage, a gate that follows the concentration) lies between.
        """


class AbstractSpikingNeuron(AbstractNeuron):
    """A neuron that emits spikes."""

    #: Whether `jump` changes the state (an integrate-and-fire unit) or only reports the crossing (Hodgkin-Huxley).
    resets: AbstractClassVar[bool]

    @abstractmethod
    def margin(self, t: RealScalar, y: State) -> FloatArray:
        """One value per unit, of the shape of its voltage: positive once the unit has crossed.

        What counts as crossed may depend on the phase the unit is in: the end of a refractory period is an event too.
        """

    @abstractmethod
    def jump(self, t: RealScalar, y: State, fired: BoolArray | FloatArray) -> tuple[State, BoolArray | FloatArray]:
        """The state after the event and whether a spike was emitted, for units where `fired` is 1 (unchanged where 0).

        Affine in `fired`, so that exact, masked and surrogate resets share it. What other units hear of a spike may stand apart, see `AbstractConnected`.
        """


class AbstractConnected(eqx.Module):
    """A model of several units that hear one another's spikes at once."""

    @abstractmethod
    def hear(self, y: State, emitted: BoolArray | FloatArray) -> State:
        """The state just after a `jump`, once the spikes emitted in it have been heard.

        Apart from the jump, because a surrogate gradient goes through what is heard and may leave out the reset.
        """


class AbstractBoundedState(eqx.Module):
    """A model some of whose states have a range: a run from a state outside it is refused."""

    @abstractmethod
    def state_info(self) -> dict[str, ParameterInfo]:
        """Unit and allowed range of leaves of the state by path."""


class AbstractSpatial(eqx.Module):
    """A model with a voltage at many places, `v` of shape (n,), one of which stands for it where a single voltage is wanted."""

    #: The path of that one among what can be observed.
    main_voltage: AbstractClassVar[str]

    @abstractmethod
    def place(self, path: str) -> int:
        """Which element of `v` an observed voltage is."""


class AbstractCoherent(eqx.Module):
    """A model in which a number that is not finite makes all others so within a step or two: one element of each leaf of its state tells."""


class AbstractPreparable(eqx.Module):
    """A part of a model or a stimulus with work that is the same at every instant of a run."""

    @abstractmethod
    def prepare(self) -> Any:
        """An equivalent object with that work done."""


class AbstractElementwise(eqx.Module):
    """A part of a model that does the same to every element of arrays, with parameters that many elements share."""

    @abstractmethod
    def widen(self) -> Any:
        """The same with a value of its own for each element in the place of every shared one; None stays None."""


def widen(tree: Any) -> Any:
    """A pytree with everything that elements share repeated for each of them. The derivative of a time loop by a shared parameter would be summed over the elements
    at every step; by one repeated before the loop it is summed once after it."""

    def is_leaf(node):
        return isinstance(node, AbstractElementwise)

    return jtu.tree_map(lambda node: node.widen() if is_leaf(node) else node, tree, is_leaf=is_leaf)


def prepare(tree: Any) -> Any:
    """Do, once and before the time loop, whatever the parts of a pytree can do ahead (temperature factors, noise paths)."""

    def is_leaf(node):
        return isinstance(node, AbstractPreparable)

    return jtu.tree_map(lambda node: node.prepare() if is_leaf(node) else node, tree, is_leaf=is_leaf)


class AbstractProblem(eqx.Module):
    """What solvers that know the structure of models find as the `args` of a Diffrax solve."""

    @abstractmethod
    def neuron(self) -> AbstractNeuron:
        """The model."""

    @abstractmethod
    def dynamics(self, t: RealScalar, y: State) -> Linearised:
        """Slope and decay of the model at the time `t` of the solver, under its drive."""


class Problem(AbstractProblem):
    """The `args` of a Diffrax solve: Diffrax hands them untouched to vector field, solver, events and output functions, so every
    leaf of the model and of the drive gets gradients.

    **Fields:**

    - `model`: an `AbstractNeuron`.
    - `drive`: called with a time it gives the drive; `drive.average(t0, t1)` is its mean over an interval.
    """

    model: AbstractNeuron
    drive: Any

    def neuron(self) -> AbstractNeuron:
        return self.model

    def dynamics(self, t: RealScalar, y: State) -> Linearised:
        return self.model.dynamics(t, y, self.drive(t))


def _slope(t, y, problem: AbstractProblem):
    return problem.dynamics(t, y).slope


def term(model: AbstractNeuron) -> dfx.ODETerm:
    """The Diffrax term of a model, to be solved with `args=Problem(model, stimulus)`."""
    del model  # it travels in args, where it is differentiable
    return dfx.ODETerm(_slope)


def check_shapes(model: AbstractNeuron, y: State, drive: Any) -> None:
    """Refuse a state or parameters of a shape that would broadcast by accident.

    **Raises:** `ValueError` naming the leaf and both shapes.
    """

    def not_scalars() -> str:
        arrays = {path: item.value for path, item in parameters(model).items()} | {"the drive": drive}
        return ", ".join(f"{path} {x.shape}" for path, x in arrays.items() if getattr(x, "ndim", 0) > 0) or "none"

    try:
        slope = eqx.filter_eval_shape(lambda m, y, d: m.dynamics(0.0, y, d).slope, model, y, drive)
    except TypeError as error:
        if "shape" not in str(error):
            raise
        raise ValueError(
            f"{type(model).__name__}: shapes do not go together ({error}); not scalars: {not_scalars()}"
        ) from error
    leaves, treedef = jtu.tree_flatten_with_path(y)
    slopes, slope_treedef = jtu.tree_flatten(slope)
    if treedef != slope_treedef:
        raise ValueError(f"the slope has the structure {slope_treedef} but the state has {treedef}")
    for (keys, leaf), rate in zip(leaves, slopes, strict=True):
        if leaf.shape != rate.shape:
            raise ValueError(
                f"state {join(keys)!r} has shape {leaf.shape} but its rate of change has shape {rate.shape}; not "
                f"scalars: {not_scalars()}. Models have no batch axis: use jax.vmap over the model"
            )
