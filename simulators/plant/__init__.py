"""The plant: matter, heat, chemistry and light, advanced by explicit steps of time, without any wire or clock.

It is made of parts behind small interfaces (:mod:`simulators.plant.parts`), because other samples follow:
a *vessel* moves matter and heat, a *chemistry* turns a thermal history into populations, an *optics* turns
populations into absorbance.
"""
