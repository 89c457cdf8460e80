"""The adaptive solver for cells with many compartments."""

from typing import ClassVar

import numpy as np

from .rosenbrock import AbstractRosenbrock, RosenbrockTableau


_GAMMA = 0.21193756319429014


def _rodas5p() -> RosenbrockTableau:
    a = np.zeros((8, 8))
    a[1, :1] = [3.0]
    a[2, :2] = [2.849394379747939, 0.45842242204463923]
    a[3, :3] = [-6.954028509809101, 2.489845061869568, -10.358996098473584]
    a[4, :4] = [2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641]
    a[5, :5] = [-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946]
    a[6] = a[5] + np.eye(8)[5]
    a[7] = a[6] + np.eye(8)[6]
    coupling = np.zeros((8, 8))
    coupling[1, :1] = [-14.155112264123755]
    coupling[2, :2] = [-17.97296035885952, -2.859693295451294]
    coupling[3, :3] = [147.12150275711716, -1.41221402718213, 71.68940251302358]
    coupling[4, :4] = [165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306]
    coupling[5, :5] = [
        24.854864614690072,
        -3.0009227002832186,
        47.4931110020768,
        5.5814197821558125,
        -0.6610691825249471,
    ]
    coupling[6, :6] = [
        30.91273214028599,
        -3.1208243349937974,
        77.79954646070892,
        34.28646028294783,
        -19.097331116725623,
        -28.087943162872662,
    ]
    coupling[7, :7] = [
        37.80277123390563,
        -3.2571969029072276,
        112.26918849496327,
        66.9347231244047,
        -40.06618937091002,
        -54.66780262877968,
        -9.48861652309627,
    ]
    dense = [
        [
            25.948786856663858,
            -2.5579724845846235,
            10.433815404888879,
            -2.3679251022685204,
            0.524948541321073,
            1.1241088310450404,
            0.4272876194431874,
            -0.17202221070155493,
        ],
        [
            -9.91568850695171,
            -0.9689944594115154,
            3.0438037242978453,
            -24.495224566215796,
            20.176138334709044,
            15.98066361424651,
            -6.789040303419874,
            -6.710236069923372,
        ],
        [
            11.419903575922262,
            2.8879645146136994,
            72.92137995996029,
            80.12511834622643,
            -52.072871366152654,
            -59.78993625266729,
            -0.15582684282751913,
            4.883087185713722,
        ],
    ]
    return RosenbrockTableau(
        order=5,
        gamma=_GAMMA,
        a=a,
        coupling=coupling,
        b=a[7] + np.eye(8)[7],
        error=np.eye(8)[7],
        c=np.asarray(
            [0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0, 1.0, 1.0]
        ),
        d=np.asarray(
            [_GAMMA, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734, 2.325825639765069, 0.0, 0.0, 0.0]
        ),
        dense=np.asarray(dense),
    )


class Rodas5P(AbstractRosenbrock):
    """An implicit solver for `nd.Adaptive`: a Rosenbrock method of fifth order with eight stages, stiffly accurate and L-stable, with an embedded method of fourth order
    for the error and records of fourth order between steps.

    The way to accurate runs of cells. The currents along a cell make its equations stiff, the more the finer it is cut: explicit solvers are held to steps that
    have nothing to do with accuracy. Here the steps follow the accuracy, and the time of one is proportional to the number of compartments: gates and concentrations
    are eliminated compartment by compartment and the voltages along the cell, without a matrix (Diffrax's implicit solvers make a dense one). For point neurons, too.

    Derivatives go through in reverse and forward mode, again by elimination. Reverse mode repeats steps that were not kept, and finds their sizes again from error estimates
    that are rounded in another way: at tolerances of 1e-8 the gradients are off by up to 1e-7 of themselves, at 1e-12 by up to 1e-4. For tolerances below 1e-8 keep all steps:
    `adjoint=diffrax.RecursiveCheckpointAdjoint(checkpoints=4096)`, with as many as there are steps; or use forward mode. The state may hold one leaf of voltages that are coupled; everything else has to be local.

    It needs `args` of the package's own (`nd.simulate` makes them, `nd.Problem(model, drive)` is one). Time runs forward only.

    **Raises:** `ValueError` for a model with states that do not go with its voltages one by one, such as several after-spike currents in one leaf.

    Source: Steinebach (2023), BIT Numer. Math. 63:27, table of Rodas5P; the stages in the form of Hairer and Wanner (1996), Solving Ordinary Differential Equations II,
    section IV.7, to which its coefficients are transformed.
    """

    tableau: ClassVar[RosenbrockTableau] = _rodas5p()
