"""How far a search is: a bar of the fits that it makes, on all cases and inside each fold."""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

REFRESH_S = 0.5


class SearchProgress:
    """Counts fits and variants; silent without a bar."""

    def __init__(self, bar: "tqdm[None] | None" = None) -> None:
        self.bar = bar
        self._shown_s = 0.0

    def expect(self, fits: int) -> None:
        """Set how many fits there will be."""
        if self.bar is not None:
            self.bar.total = max(fits, self.bar.n)

    def fitted(self) -> None:
        """Count a fit."""
        if self.bar is not None:
            self.bar.update()

    def scored(self, variants: int) -> None:
        """Show how many variants were scored so far; the first fit scores most of them."""
        if self.bar is not None and time.monotonic() - self._shown_s > REFRESH_S:
            self._shown_s = time.monotonic()
            self.bar.set_postfix_str(f"{variants} variants scored")
