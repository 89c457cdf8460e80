"""Set-up of the CPU backend, only when asked for."""

import dataclasses
import os

from jax._src import xla_bridge

from ._parameter import check_whole


# Compiles a time loop as one function instead of one call per operation: about ten times on gradients of small batches.
_WHOLE_LOOP = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=10000000000"
_VECTOR_WIDTH = "--xla_cpu_prefer_vector_width="
_DEVICES = "--xla_force_host_platform_device_count="


@dataclasses.dataclass(frozen=True)
class CpuConfiguration:
    """What `configure_cpu` set: the value of the environment variable XLA_FLAGS."""

    xla_flags: str


def configure_cpu(
    devices: int | None = None, vector_width: int | None = 512, whole_loop: bool = True
) -> CpuConfiguration:
    """Set the XLA flags that make time loops fast on a CPU. Call it before anything is computed; importing never does it.

    **Arguments:**

    - `devices`: how many virtual CPU devices to make, for sharding; None leaves it at one.
    - `vector_width`: preferred width of vector instructions in bits (128, 256 or 512); None leaves it to XLA.
    - `whole_loop`: compile a time loop as one function.

    What XLA_FLAGS holds already is kept, a preferred width of vector instructions included.

    **Raises:** `RuntimeError` when JAX's backend has started: the flags would have no effect. `ValueError` for an unknown width, or
    when XLA_FLAGS asks for another number of devices.
    """
    if vector_width not in (None, 128, 256, 512):
        raise ValueError(f"vector_width = {vector_width!r} bits is not allowed: must be 128, 256, 512 or None")
    if devices is not None:
        check_whole("devices", devices)
    wanted = []
    if whole_loop:
        wanted.append(_WHOLE_LOOP)
    if vector_width is not None:
        wanted.append(f"{_VECTOR_WIDTH}{vector_width}")
    if devices is not None:
        wanted.append(f"{_DEVICES}{devices}")
    present = os.environ.get("XLA_FLAGS", "").split()
    if devices is not None:
        for flag in present:
            if flag.startswith(_DEVICES) and flag != f"{_DEVICES}{devices}":
                raise ValueError(f"devices = {devices} is not allowed: XLA_FLAGS holds {flag}")
    if any(flag.startswith(_VECTOR_WIDTH) for flag in present):
        wanted = [flag for flag in wanted if not flag.startswith(_VECTOR_WIDTH)]
    missing = [flag for flag in wanted if flag not in present]
    if missing and xla_bridge.backends_are_initialized():
        raise RuntimeError(
            "configure_cpu was called too late: JAX has started its backend. Call it first thing, before any array is made"
        )
    if missing:
        os.environ["XLA_FLAGS"] = " ".join(present + missing)
    return CpuConfiguration(os.environ.get("XLA_FLAGS", ""))
