"""Segments on real and synthetic shops: whether they differ in kind, stay, are named truly, and foretell what follows.

`__main__` runs the parts, a module each; `shops` makes the lakes that they share.
"""
