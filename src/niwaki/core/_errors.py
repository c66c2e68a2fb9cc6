"""Errors that a person reads: what was got, what was expected, what to do next."""


class NiwakiError(Exception):
    """Base of every error that Niwaki raises on purpose; its text is one helpful sentence."""


class InputError(NiwakiError, ValueError):
    """A file, table, option or argument from outside is not usable (exit code 2)."""


class AlignmentError(InputError):
    """Two inputs do not speak about the same genes."""


class ConfigError(InputError):
    """A configuration key or value is not usable."""


class RunFolderError(InputError):
    """A run folder is missing, incomplete, damaged or of another version."""


class StorageError(NiwakiError, OSError):
    """A result could not be written, for instance because the disk is full (exit code 1)."""


class DivergedError(NiwakiError, ArithmeticError):
    """The numbers left the finite range while training or predicting (exit code 1).

    Attributes
    ----------
    place
        Pair and gene at which they did, as positions in what was trained on, where that is known.
    """

    def __init__(self, message: str, *, place: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        self.place = place
