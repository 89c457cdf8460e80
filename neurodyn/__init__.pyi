from . import (
    analysis as analysis,
    ann as ann,
    cells as cells,
    channels as channels,
    fitting as fitting,
    io as io,
    kinetics as kinetics,
    networks as networks,
    plot as plot,
    points as points,
    reducers as reducers,
    templates as templates,
)
from ._configure import configure_cpu as configure_cpu
from ._describe import describe as describe
from ._model import (
    AbstractConnected as AbstractConnected,
    AbstractFlow as AbstractFlow,
    AbstractNeuron as AbstractNeuron,
    AbstractSpikingNeuron as AbstractSpikingNeuron,
    Linearised as Linearised,
    Problem as Problem,
    term as term,
)
from ._parameter import parameter as parameter, replace as replace
from ._serialise import load as load, save as save
from ._simulate import (
    Adaptive as Adaptive,
    ExactReset as ExactReset,
    FixedStep as FixedStep,
    GradientPlan as GradientPlan,
    GridReset as GridReset,
    Solution as Solution,
    Spikes as Spikes,
    Status as Status,
    Surrogate as Surrogate,
    simulate as simulate,
    vmap as vmap,
)
from ._solver import Rodas5P as Rodas5P, Staggered as Staggered, Staggered4 as Staggered4
from ._stimulus import (
    AbstractStimulus as AbstractStimulus,
    Alpha as Alpha,
    Chirp as Chirp,
    DoubleExponential as DoubleExponential,
    Drives as Drives,
    OrnsteinUhlenbeck as OrnsteinUhlenbeck,
    Pulses as Pulses,
    Ramp as Ramp,
    Samples as Samples,
    Sine as Sine,
    Stack as Stack,
    Step as Step,
)
from ._sweep import SweepResult as SweepResult, sample as sample, sweep as sweep
from .analysis import compare_gradients as compare_gradients
from .cells import Cell as Cell
from .channels import AbstractChannel as AbstractChannel
from .fitting import FitResult as FitResult, fit as fit, tie as tie
from .points import (
    EIF as EIF,
    GLIF as GLIF,
    LIF as LIF,
    QIF as QIF,
    AdaptiveLIF as AdaptiveLIF,
    AdEx as AdEx,
    Clamped as Clamped,
    ConnorStevens as ConnorStevens,
    FitzHughNagumo as FitzHughNagumo,
    HindmarshRose as HindmarshRose,
    HodgkinHuxley as HodgkinHuxley,
    Izhikevich as Izhikevich,
    MorrisLecar as MorrisLecar,
    PointCell as PointCell,
    Pospischil as Pospischil,
    ReducedTraubMiles as ReducedTraubMiles,
    Theta as Theta,
    WangBuzsaki as WangBuzsaki,
)

__version__: str
