# SPDX-License-Identifier: Apache-2.0
# --no-plots: everything is drawn as before, no window or browser opens.

# backends that draw into files; all others open windows
FILE_BACKENDS = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")


def show(*args, **options):
    """Nothing to see."""


def quiet_pyplot(pyplot):
    """pyplot.pause() shows through show(), so what is left of it is the pause."""
    import matplotlib
    import matplotlib.figure

    pyplot.show = show
    matplotlib.figure.Figure.show = show
    switch = pyplot.switch_backend

    def switch_backend(newbackend):
        return switch(newbackend if str(newbackend).lower() in FILE_BACKENDS else "agg")

    switch_backend.__doc__ = switch.__doc__
    pyplot.switch_backend = switch_backend
    # dict's own access: rcParams' would choose and load an interactive backend where none is chosen yet
    chosen = dict.__getitem__(matplotlib.rcParams, "backend")
    if str(chosen).lower() not in FILE_BACKENDS:
        switch("agg")


def quiet_renderers(renderers):
    renderers.show = show


def quiet_offline(offline):
    plot = offline.plot

    def quiet_plot(*args, **options):
        if len(args) <= 7:
            options["auto_open"] = False
        return plot(*args, **options)

    quiet_plot.__doc__ = plot.__doc__
    offline.plot = quiet_plot
    offline.iplot = show
