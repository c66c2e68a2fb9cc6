"""How Python and the compiled engine see the same memory; mirrors the structures of kernel.c."""

import ctypes
from ctypes import POINTER, c_double, c_int64, c_void_p

import torch
from torch import Tensor

# what a call does
SOLVE, PULL_BACK, FIT, SCORE = range(4)


class CMatrix(ctypes.Structure):
    """A weight matrix by gene."""

    _fields_ = (
        ("start", c_void_p),
        ("unit", c_void_p),
        ("value", c_void_p),
        ("grad", c_void_p),
        ("first", c_void_p),
        ("second", c_void_p),
        ("dense", c_void_p),
        ("rate", c_double),
    )


class CVector(ctypes.Structure):
    """A bias or the multipliers."""

    _fields_ = (
        ("value", c_void_p),
        ("grad", c_void_p),
        ("first", c_void_p),
        ("second", c_void_p),
        ("rate", c_double),
    )


class CModel(ctypes.Structure):
    """Sizes, method and parameters."""

    _fields_ = (
        ("genes", c_int64),
        ("hidden", c_int64),
        ("method", c_int64),
        ("substeps", c_int64),
        ("threads", c_int64),
        ("matrix", CMatrix * 4),
        ("vector", CVector * 3),
        ("beta1", c_double),
        ("beta2", c_double),
        ("epsilon", c_double),
    )


class CJob(ctypes.Structure):
    """The pairs of one call and what to do with them."""

    _fields_ = (
        ("start", c_void_p),
        ("other", c_void_p),
        ("lead_start", c_int64),
        ("lead_other", c_int64),
        ("pairs", c_int64),
        ("column", c_void_p),
        ("gap", c_void_p),
        ("step", c_void_p),
        ("gaps", c_int64),
        ("mode", c_int64),
        ("adam_step", c_int64),
        ("refresh", c_int64),
        ("ends", c_void_p),
        ("grad_start", c_void_p),
        ("pair_loss", c_void_p),
        ("work", c_void_p),
    )


def declare(library: ctypes.CDLL) -> None:
    """Declare the functions of the compiled engine."""
    library.niwaki_isa.restype = c_int64
    library.niwaki_isa.argtypes = ()
    library.niwaki_padded.restype = c_int64
    library.niwaki_padded.argtypes = (c_int64, c_int64)
    library.niwaki_work.restype = c_int64
    library.niwaki_work.argtypes = (POINTER(CModel), c_int64, c_int64, c_int64, c_int64)
    library.niwaki_panel.restype = c_int64
    library.niwaki_panel.argtypes = ()
    library.niwaki_products.restype = None
    library.niwaki_products.argtypes = (POINTER(CModel), c_void_p, c_void_p, c_void_p, c_void_p)
    for run in (library.niwaki_run_f32, library.niwaki_run_f64):
        run.restype = c_double
        run.argtypes = (POINTER(CModel), POINTER(CJob))


def address(tensor: Tensor | None) -> int | None:
    """Return where the values of a contiguous tensor lie."""
    if tensor is None:
        return None
    return int(tensor.data_ptr())


def is_double(dtype: torch.dtype) -> bool:
    """Return whether values are in double precision."""
    return dtype == torch.float64
