"""A cell with a shape."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.core import Tracer

from .._model import (
    AbstractBoundedState,
    AbstractCoherent,
    AbstractPreparable,
    AbstractSpatial,
    AbstractSpikingNeuron,
    Linearised,
)
from .._parameter import ParameterInfo, check_shape, parameter, validate
from .._paths import match, named_leaves
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State
from ..channels import AbstractMechanism, mechanisms
from .cable import Cable, joined, junction_weights
from .compartments import Compartments
from .domains import Domains, Regions, domains
from .inputs import AbstractInput, CurrentClamp, as_sites, pick, spread
from .layout import Layout
from .membrane import Membrane, Profiles, assemble
from .morphology import Morphology
from .placement import CELL, On, check_names, check_profiles
from .probes import Probe, ions, make_probes
from .profiles import AbstractProfile


_NUMBERS = ("capacitance", "axial_resistivity", "diameter", "temperature", "detection", "initial")


class _Ready(eqx.Module):
    """What a run works out ahead: membrane, area (um2) and capacitance (nF) of the compartments, and the conductance from each node to its parent (uS)."""

    membrane: Membrane
    area: FloatArray
    capacitance: FloatArray
    coupling: FloatArray
    weights: FloatArray


class Cell(AbstractSpikingNeuron, AbstractBoundedState, AbstractPreparable, AbstractSpatial, AbstractCoherent):
    """A cell with a shape: compartments with mechanisms in their membranes, coupled along the cell.

    `Cell(morphology, {"na": Sodium(), "k": Potassium(), "leak": Leak(), "h": On("apical", HCurrent(), g=Exponential(1.7, 323.0))})`

    The state is `v`, shape (n,), and for each mechanism that has states a dictionary of these at the compartments where it is (`where(name)`). A drive that is a
    number is a current in nA into the only input, an electrode in the middle of the soma by default; with several inputs it is a dictionary by their
    names, as `nd.Drives` makes one.

    **Arguments:**

    - `shape`: `Compartments`; or a `Morphology`, which is cut by the rule d_lambda for the given `axial_resistivity` and `capacitance`.
    - `channels`: channels and pools by name, everywhere, or where `On` puts them. Conductances are in mS/cm2.
    - `profiles`: how `capacitance`, `axial_resistivity` and `diameter` vary over the cell, by these names.
    - `inputs`: electrodes and synapses by name.
    - `probes`: names for what can be recorded at a place: the voltage there, `{"v_tuft": "apic[20](0.5)"}`, or any state or current,
      `{"calcium": ("apic[20](0.5)", "ca.inside"), "i_h_tuft": ("apic[20](0.5)", "i_h")}`. `v_soma` is there in any case.
    - `detectors`: a place, or several, where an upward crossing of `detection` is a spike. The middle of the soma by default. Of k places spike times and
      counts have an axis of length k.
    - `damped`: whether steps on a fixed grid damp what is faster than they are: by Alexander's method, of second order as Crank and Nicolson's is, whose voltages
      swing for some steps after a jump of the current into a thin branch or a spine. Solves twice in each step. Voltage clamps have it in any case.

    **Fields** besides these:

    - `capacitance`: uF/cm2; `axial_resistivity`: ohm cm; `diameter`: a factor for all diameters.
    - `temperature`: degC, by default that of the squid giant axon; channels of mammals are meant for 34 to 37 degC.
    - `detection`: mV; `initial`: the voltage that a run starts from everywhere, mV, at which a cell need not be at rest (`simulate` has `y0="rest"`).

    **Raises:** `ValueError` for places, regions and names that do not exist, and mechanisms that do not go together.

    Sources: Rall (1962) for the equations; Hines and Carnevale (1997), Neural Comput. 9:1179, for this way to cut a cell.
    """

    compartments: Compartments
    channels: dict[str, AbstractMechanism]
    profiles: dict[str, Profiles]
    inputs: dict[str, AbstractInput]
    capacitance: Parameter = parameter(1.0, unit="uF/cm2", lower=0.0, exclusive=True)
    axial_resistivity: Parameter = parameter(100.0, unit="ohm cm", lower=0.0, exclusive=True)
    diameter: Parameter = parameter(1.0, lower=0.0, exclusive=True, trainable=False)
    temperature: Parameter = parameter(6.3, unit="degC", lower=-5.0, upper=60.0, trainable=False)
    detection: Parameter = parameter(0.0, unit="mV", trainable=False)
    initial: Parameter = parameter(-65.0, unit="mV", trainable=False, potential=True)
    regions: Regions = eqx.field(static=True, default=())
    probes: tuple[Probe, ...] = eqx.field(static=True, default=())
    detectors: int | tuple[int, ...] = eqx.field(static=True, default=0)
    damped: bool = eqx.field(static=True, default=False)
    _ready: _Ready | None = None

    resets: ClassVar[bool] = False
    main_voltage: ClassVar[str] = "v_soma"

    def __init__(
        self,
        shape: Morphology | Compartments,
        channels: Mapping[str, AbstractMechanism | On],
        *,
        capacitance: Any = 1.0,
        axial_resistivity: Any = 100.0,
        diameter: Any = 1.0,
        temperature: Any = 6.3,
        detection: Any = 0.0,
        initial: Any = -65.0,
        profiles: Mapping[str, AbstractProfile] | None = None,
        inputs: Mapping[str, AbstractInput] | None = None,
        probes: Mapping[str, str | tuple[str, str] | Probe] | None = None,
        detectors: str | Sequence[str] | None = None,
        damped: bool = False,
    ):
        compartments = _cut(shape, axial_resistivity, capacitance) if isinstance(shape, Morphology) else shape
        if not isinstance(compartments, Compartments):
            raise ValueError(f"shape = {shape!r} is not allowed: must be a Morphology or Compartments")
        layout = compartments.layout
        for word, given in (("channels", channels), ("profiles", profiles), ("inputs", inputs), ("probes", probes)):
            if not isinstance(given, Mapping) and (given is not None or word == "channels"):
                raise ValueError(f"{word} = {given!r} is not allowed: must be a dictionary by name")
        placed = {
            name: part if isinstance(part, On) else On("all", part) for name, part in check_names(channels).items()
        }
        self.compartments = compartments
        self.channels = {name: part.mechanism for name, part in placed.items()}
        self.regions = tuple((name, part.region) for name, part in placed.items())
        own = {name: part.profiles for name, part in placed.items() if part.profiles}
        self.profiles = {**own, CELL: check_profiles(profiles)} if profiles else own
        self.inputs = {"soma": CurrentClamp(layout.name_of(layout.root))} if inputs is None else dict(inputs)
        self.capacitance, self.axial_resistivity, self.diameter = capacitance, axial_resistivity, diameter
        self.temperature, self.detection, self.initial = temperature, detection, initial
        self.probes = make_probes(layout, self.channels, self._domains.where, probes or {})
        self.detectors = layout.root if detectors is None else layout.locate_all(as_sites(detectors, "detectors"))
        if not isinstance(damped, bool):
            raise ValueError(f"damped = {damped!r} is not allowed: must be True or False")
        self.damped = damped
        self._ready = None
        self._check_profiles()

    def _check_profiles(self) -> None:
        """That every profile has a factor for each compartment where it is wanted."""
        for name, own in self.profiles.items():
            where = np.arange(self.layout.size) if name == CELL else self.where(name)
            for path, profile in own.items():
                function = functools.partial(profile, self.layout, where)
                factors = jax.eval_shape(function, self.compartments.distance[where])
                check_shape(f"the factors of profiles.{name}.{path}", factors, where.shape, "one for each compartment")

    def __check_init__(self):
        validate(self, type(self).__name__)
        for domain in self._domains.parts:
            mechanisms.check({name: self.channels[name] for name, *_ in domain.shares}, self.temperature)
        for name, item in self.inputs.items():
            if not isinstance(item, AbstractInput):
                raise ValueError(
                    f"input {name!r} = {item!r} is not allowed: must be an input such as nd.cells.CurrentClamp('soma')"
                )
            if not isinstance(name, str) or not name.isidentifier():
                raise ValueError(f"input name {name!r} is not allowed: must be an identifier")
            if name in self.channels:
                raise ValueError(
                    f"input name {name!r} is not allowed: a channel has it, and their currents go by their names"
                )
            if f"i_{name}" in (probe.name for probe in self.probes):
                raise ValueError(f"probe name 'i_{name}' is not allowed: it is the current of the input {name!r}")
            self.layout.locate_all(item.at)

    def __repr__(self) -> str:
        channels = ", ".join(f"{name} ({region})" for name, region in self.regions)
        inputs = ", ".join(f"{name} ({type(item).__name__} at {item.at})" for name, item in self.inputs.items())
        probes = ", ".join(probe.name for probe in self.probes)
        return f"<Cell of {self.layout}; channels: {channels}; inputs: {inputs or 'none'}; probes: {probes}>"

    def equipped(
        self,
        *,
        inputs: Mapping[str, AbstractInput] | None = None,
        probes: Mapping[str, str | tuple[str, str] | Probe] | None = None,
        detectors: str | Sequence[str] | None = None,
    ) -> Self:
        """The same cell with other inputs, probes or detectors, as the arguments of `Cell`; what is not given stays.

        **Raises:** `ValueError` as `Cell` does.
        """
        kept = {probe.name: probe for probe in self.probes if probe.name != self.main_voltage}
        places = jtu.tree_map(self.layout.name_of, self.detectors)
        return type(self)(
            self.compartments,
            {name: On(region, self.channels[name], self.profiles.get(name)) for name, region in self.regions},
            inputs=self.inputs if inputs is None else inputs,
            probes=kept if probes is None else probes,
            detectors=places if detectors is None else detectors,
            profiles=self.profiles.get(CELL),
            damped=self.damped,
            **{name: getattr(self, name) for name in _NUMBERS},
        )

    @property
    def layout(self) -> Layout:
        """How the cell is cut into compartments, and where they are."""
        return self.compartments.layout

    @property
    def _domains(self) -> Domains:
        return domains(self.layout, self.regions)

    def where(self, channel: str) -> np.ndarray:
        """The compartments of a mechanism, in the order in which its states and currents are kept; shape (m,). **Raises:** `ValueError` that lists near names."""
        if channel not in self.channels:
            match(channel, self.channels, "channel")
            raise ValueError(f"channel = {channel!r} is not allowed: must be the name of one, without a pattern")
        return self._domains.where[channel]

    def prepare(self) -> Self:
        return eqx.tree_at(lambda cell: cell._ready, self, self._worked_out(), is_leaf=lambda x: x is None)

    def _worked_out(self) -> _Ready:
        if self._ready is not None:
            return self._ready
        parts, layout = self.compartments, self.layout
        membrane = assemble(layout, self.regions, self.channels, self.profiles, parts.distance, self.temperature)
        diameter = self._varied("diameter")
        area = parts.area * diameter
        capacitance = 1e-5 * self._varied("capacitance") * area
        wide = 1e4 * self._varied("axial_resistivity") / diameter**2
        resistance = joined(layout.tree, wide, parts.own, parts.beyond)  # ohm
        coupling = 1e6 / resistance
        return _Ready(membrane, area, capacitance, coupling, junction_weights(layout.tree, coupling, layout.size))

    def _varied(self, name: str) -> FloatArray:
        """A parameter of the cell at every compartment, shape (n,)."""
        value, profile = getattr(self, name), self.profiles.get(CELL, {}).get(name)
        if value.ndim:
            check_shape(f"Cell.{name}", value, (self.layout.size,), "a number or one for each compartment")
        if profile is None:
            return jnp.broadcast_to(value, (self.layout.size,))
        return value * profile(self.layout, np.arange(self.layout.size), self.compartments.distance)

    def init(self) -> State:
        """`initial` mV everywhere, with gates and concentrations at their steady state there."""
        v = jnp.broadcast_to(self.initial, (self.layout.size,))
        return {"v": v, **self._worked_out().membrane.steady(v)}

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        del t
        ready, v = self._worked_out(), y["v"]
        outward, conductance = ready.membrane.total(v, y)
        kinetics = ready.membrane.kinetics(v, y)
        surface = 1e-5 * ready.area  # from uA/cm2 to nA
        drives = self._drives(drive)
        injected, load = self._injected(v, drives)
        cable = Cable(
            self.layout,
            self.regions,
            ready.coupling,
            ready.weights,
            ready.capacitance,
            surface * conductance + load,
            injected - surface * outward,
            damped=self.damped or any(self.inputs[name].holds for name in drives),
        )
        return Linearised({"v": cable.slope(v), **kinetics.slope}, {"v": cable, **kinetics.decay})

    def _injected(self, v: FloatArray, drives: dict[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
        """The current of all inputs into each compartment, nA, and their conductance, uS, shape (n,)."""
        current = load = jnp.zeros_like(v)
        for name, own in drives.items():
            item, at = self.inputs[name], self.layout.locate_all(self.inputs[name].at)
            current = current + spread(item.current(pick(v, at), own), at, v.shape[0])
            conductance = item.conductance(own)
            if conductance is not None:
                load = load + spread(jnp.broadcast_to(conductance, own.shape), at, v.shape[0])
        return current, load

    def _drives(self, drive: Any) -> dict[str, FloatArray]:
        """What is given to each input. The number 0.0, if it is no array, is no drive at all, as a cell at rest has it: voltage clamps are not there either."""
        if isinstance(drive, float) and drive == 0.0:
            return {}
        if not isinstance(drive, dict):
            if len(self.inputs) != 1:
                raise ValueError(
                    f"a drive that is a number is not allowed for {'several' if self.inputs else 'no'} inputs: must be nd.Drives of {', '.join(self.inputs) or 'nothing'}"
                )
            drive = {name: drive for name in self.inputs}
        for name, own in drive.items():
            if name not in self.inputs:
                match(name, self.inputs, "input")
                raise ValueError(f"a drive of {name!r} is not allowed: must be of one input, without a pattern")
            at = self.inputs[name].at
            shape = () if isinstance(at, str) else (len(at),)
            if jnp.shape(own) != shape:
                raise ValueError(
                    f"a drive of shape {jnp.shape(own)} is not allowed for the input {name!r} at {at}: must have shape {shape}"
                )
        return drive

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """What the probes see; `i_<channel>`, outward, uA/cm2, at the compartments of each channel; `i_<input>`, into the cell, nA, of each input that is driven; and
        `e_<ion>`, the Nernst potential in mV, at the compartments of the ion's pool (of several, one pool after the other)."""
        del t
        v, membrane = y["v"], self._worked_out().membrane
        seen = {f"i_{name}": current for name, current in membrane.currents(v, y).items()}
        potentials = membrane.potentials(v, y)
        for ion, own in ions(self.channels).items():
            seen[f"e_{ion}"] = jnp.concatenate([potentials[pool] for pool in own])
        for name, own in self._drives(drive).items():
            at = self.layout.locate_all(self.inputs[name].at)
            seen[f"i_{name}"] = self.inputs[name].current(pick(v, at), own)
        everything = {**named_leaves(y), **seen}
        return {**{probe.name: probe.see(everything) for probe in self.probes}, **seen}

    def place(self, path: str) -> int:
        """The compartment that a probe of a voltage looks at. **Raises:** `ValueError` for what is no such probe, listing near names."""
        known = {probe.name: probe.index for probe in self.probes if probe.path == "v"}
        (name,) = match(path, known, "probe of a voltage")
        return known[name]

    def state_info(self) -> dict[str, ParameterInfo]:
        """The voltage in mV; gates are fractions; concentrations in mM."""
        return {"v": ParameterInfo("mV"), **mechanisms.state_info(self.channels)}

    def groups(self) -> Any:
        """Gates first, the voltages innermost; between them concentrations, then the gates that follow them."""
        return mechanisms.groups(self.channels)

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        del t
        return pick(y["v"], self.detectors) - self.detection

    def jump(self, t: RealScalar, y: State, fired: BoolArray | FloatArray) -> tuple[State, BoolArray | FloatArray]:
        """A spike changes nothing: the currents bring the membrane back."""
        del t
        return y, fired


def _cut(morphology: Morphology, axial_resistivity: Any, capacitance: Any) -> Compartments:
    """By the rule d_lambda. **Raises:** `ValueError` for values that a transformation of JAX works on, or of which there are several."""
    found = {}
    for name, value in (("axial_resistivity", axial_resistivity), ("capacitance", capacitance)):
        if isinstance(value, Tracer) or np.ndim(value) > 0:
            raise ValueError(
                f"{name} = {value} does not say how to cut the morphology: must be one number, or give nd.cells.Compartments.by_lambda(morphology) instead"
            )
        found[name] = float(value)
    return Compartments.by_lambda(morphology, **found)
