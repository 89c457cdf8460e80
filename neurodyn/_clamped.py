"""Voltage clamp."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from ._model import AbstractBoundedState, AbstractNeuron, AbstractSpatial, Linearised
from ._parameter import ParameterInfo, parameter
from ._types import FloatArray, Parameter, RealScalar, State


_ROUNDS = 20


class Clamped(AbstractNeuron, AbstractBoundedState):
    """A neuron whose voltage is held at a command: the drive of the wrapped model is a voltage in mV.

    The state is that of the model without `v`. Record `i_ionic` for the current the clamp has to deliver besides the capacitive
    one, or the model's other observables.

    **Fields:**

    - `model`: a neuron whose state is a dict with the voltage `v`; a cell with a shape has electrodes of its own (`nd.cells.VoltageClamp`).
    - `holding`: the voltage at which the gates are in steady state when a run starts, in mV.
    """

    model: AbstractNeuron
    holding: Parameter = parameter(-65.0, unit="mV", trainable=False, potential=True)

    def __check_init__(self):
        if isinstance(self.model, AbstractSpatial):
            raise ValueError(
                f"{type(self.model).__name__} cannot be clamped as a whole: give it an electrode, such as inputs={{'clamp': nd.cells.VoltageClamp('soma')}}, "
                "and record i_clamp"
            )
        state = self.model.init()
        if not isinstance(state, dict) or "v" not in state or len(state) == 1:
            raise ValueError(
                f"{type(self.model).__name__} cannot be clamped: its state must have a voltage 'v' and gates"
            )

    def init(self) -> State:
        """The model's other states, relaxed at the holding voltage."""
        state = {**self.model.init(), "v": self.holding}

        def settled(model, state):
            linearised = model.dynamics(0.0, state, jnp.zeros_like(self.holding))
            return {**linearised.advance(state, 1e9), "v": state["v"]}

        # Leaves are linear in themselves, so one long step is the steady state; those that follow other leaves need one more each. The concentration
        # of an ion is not, if its current depends on it: it takes some steps to come near.
        groups = len(set(jtu.tree_leaves(self.groups())))
        if groups > 1:
            fixed, start = jax.lax.stop_gradient((eqx.filter(self.model, eqx.is_array), state))
            fixed = eqx.combine(fixed, self.model)
            state = jax.lax.fori_loop(0, _ROUNDS, lambda _, y: settled(fixed, y), start) | {"v": self.holding}
        for _ in range(groups):
            state = settled(self.model, state)
        return self._without_v(state)

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        inner = self.model.dynamics(t, {**y, "v": drive}, jnp.zeros_like(drive))
        return Linearised(self._without_v(inner.slope), self._without_v(inner.decay))

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """The command as `v`, and whatever the model observes."""
        return {"v": drive, **self.model.observe(t, {**y, "v": drive}, jnp.zeros_like(drive))}

    def state_info(self) -> dict[str, ParameterInfo]:
        return self._without_v(self.model.state_info()) if isinstance(self.model, AbstractBoundedState) else {}

    def groups(self) -> Any:
        return self._without_v(self.model.groups())

    @staticmethod
    def _without_v(state: State) -> State:
        return {name: value for name, value in state.items() if name != "v"}
