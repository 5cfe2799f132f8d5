"""Which candidates make the ensemble, and with which weights: chosen and judged out of fold."""
