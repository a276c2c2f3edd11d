import io

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@pytest.fixture(scope="session", autouse=True)
def fonts_are_loaded():
    """matplotlib opens its fonts once, at the first text it draws, and keeps them open: that is no leak of ours."""
    figure = Figure()
    figure.text(0.5, 0.5, "°")
    figure.text(0.5, 0.2, "$10^{2}$")  # as the ticks of a logarithmic axis are written
    FigureCanvasAgg(figure).print_png(io.BytesIO())
