"""A GPU for machines without one: tensors that say they are on the device "gpu", computed by this processor.

Every operation between such a tensor and one of the processor is refused, as a real GPU would; so is a generator of the
other side, and float64, which Apple's GPUs do not have. What depends on the device (branches on `x.device.type`,
`.to(device)`, autocast by device type) runs as it would there, with real numbers that can be compared.

A process that calls `install` has the device until it ends.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = "gpu"
COPIES = "aten._to_copy.", "aten.copy_.", "aten.to."  # between devices

PRODUCTS = "linear", "matmul", "mm", "addmm", "bmm", "baddbmm"


class MixedDevices(RuntimeError):
    """An operation that a GPU would refuse; the message names it and its tensors."""


class OnGpu(torch.Tensor):
    """A tensor whose numbers lie in `inner`, on the processor."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> OnGpu:
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(DEVICE, 0),
        )

    def __init__(self, inner: torch.Tensor) -> None:
        self.inner = inner

    def __repr__(self, **_: object) -> str:
        return f"OnGpu({self.inner!r})"

    def data_ptr(self) -> int:
        """Of the numbers."""
        return self.inner.data_ptr()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _compute(func, args, kwargs or {})


class Generator(torch.Generator):
    """A generator of either side: `torch.Generator` where the device is installed."""

    sides: ClassVar[dict[int, str]] = {}  # by address: an operation is handed the same generator in another object

    def __new__(cls, device: object = "cpu") -> Generator:
        return super().__new__(cls)

    def __init__(self, device: object = "cpu") -> None:
        self.sides[self._cdata] = torch.device(device).type


class Placement(TorchDispatchMode):
    """Sends every operation, those that make a tensor from nothing too, to the side its tensors are on."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _compute(func, args, kwargs or {})


def _compute(func, args, kwargs):
    leaves = tree_flatten((args, kwargs))[0]
    there = [x for x in leaves if isinstance(x, OnGpu)]
    here = [x for x in leaves if isinstance(x, torch.Tensor) and not isinstance(x, OnGpu)]
    asked = torch.device(kwargs["device"]).type if kwargs.get("device") is not None else None
    if not str(func).startswith(COPIES) and there and any(x.dim() for x in here):
        kinds = [f"{type(x).__name__} {x.dtype} {tuple(x.shape)}" for x in (*there, *here)]
        raise MixedDevices(f"{func} of tensors on the GPU and on the processor: {', '.join(kinds)}")
    side = asked or (DEVICE if there else "cpu")
    if any(Generator.sides.get(x._cdata, "cpu") != side for x in leaves if isinstance(x, torch._C.Generator)):
        raise MixedDevices(f"{func} on {side} draws from a generator of the other side")
    inner_args, inner_kwargs = tree_map(_inner, (args, kwargs))
    out = func(*inner_args, **inner_kwargs)
    if str(func) == "aten.copy_.default":
        return args[0]
    if side == "cpu":
        return out
    if any(isinstance(x, torch.Tensor) and x.dtype == torch.float64 for x in tree_flatten(out)[0]):
        raise MixedDevices(f"{func} makes float64 on the GPU; not every one has it")
    out = tree_map(lambda x: OnGpu(x) if isinstance(x, torch.Tensor) else x, out)
    return return_and_correct_aliasing(func, args, kwargs, out) if there else out


def _inner(x: object) -> object:
    if isinstance(x, OnGpu):
        return x.inner
    return torch.device("cpu") if isinstance(x, torch.device) else x


class _Module:
    """What torch asks of a device's module."""

    is_available = is_initialized = staticmethod(lambda: True)
    device_count = staticmethod(lambda: 1)
    current_device = staticmethod(lambda: 0)
    _is_in_bad_fork = staticmethod(lambda: False)
    manual_seed_all = staticmethod(lambda seed: None)
    get_amp_supported_dtype = staticmethod(lambda: [torch.bfloat16])


def _in_bfloat16(operation):
    """What autocast does to a matrix product on a GPU: the same product of narrowed factors."""

    def product(*args, **kwargs):
        narrow = tree_map(lambda x: x.bfloat16() if isinstance(x, torch.Tensor) and x.is_floating_point() else x, args)
        with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)):
            return operation(*narrow, **kwargs)

    return product


def _made_here_then_moved(make):
    """`torch.as_tensor` and `torch.tensor` fill a GPU's memory from the processor's without asking a dispatch mode."""

    def moved(data, *, device=None, **kwargs):
        return make(data, **kwargs) if device is None else make(data, **kwargs).to(device)

    return moved


def install() -> list[torch.library.Library]:
    """Give this process the device "gpu", with autocast to bfloat16, while what is returned is kept."""
    backend_registration._setup_privateuseone_for_python_backend(DEVICE, backend_module=_Module())
    torch.Generator = Generator
    torch.as_tensor, torch.tensor = _made_here_then_moved(torch.as_tensor), _made_here_then_moved(torch.tensor)
    torch.inference_mode = torch.no_grad  # a wrapped tensor has no place for the difference
    others, products = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    others.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for name in PRODUCTS:
        products.impl(name, _in_bfloat16(getattr(torch.ops.aten, name)), "AutocastPrivateUse1")
    return [others, products]
