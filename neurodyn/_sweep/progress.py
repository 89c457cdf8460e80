"""How far a sweep is."""

import sys
import warnings
from collections.abc import Callable


def reporter(progress: bool | Callable[[int, int], None], count: int) -> Callable[[int], None]:
    """What is told how far the sweep is."""
    if callable(progress):
        return _Report(progress, count)
    if not progress:
        return lambda done: None
    from tqdm import tqdm

    bar = tqdm(total=count, unit=" members", file=sys.stderr)

    def report(done: int) -> None:
        bar.update(done - bar.n)
        if done >= count:
            bar.close()

    return report


class _Report:
    """Calls a function with the members done and all, until it raises: the results matter more."""

    def __init__(self, function: Callable[[int, int], None], count: int):
        self.function, self.count, self.broken = function, count, False

    def __call__(self, done: int) -> None:
        if self.broken:
            return
        try:
            self.function(done, self.count)
        except Exception as error:
            self.broken = True
            warnings.warn(
                f"progress raised {type(error).__name__}: {error}; the sweep goes on without it", stacklevel=3
            )
