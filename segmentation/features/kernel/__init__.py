"""The kernel: what every feature is, in plain Python over one customer's lines.

`rfm`, `diversity`, `temporal` and `behaviour` say what the features are, a function each; `history` makes orders,
returns and baskets of lines; `customers` goes through customers and windows. The same source runs interpreted, on
plain objects and lists (`segmentation.features.one_customer`), and compiled by Numba, on NumPy records and arrays
(`segmentation.features.compiled_kernel`), and gives the same bits. Hence the rules in here:

- Sums are of integers, or of doubles in the order of time, or of fixed-point numbers: none depends on the order of
  lines. Money and quantities are whole millionths, times are microseconds since 1970 (UTC).
- An integer is divided by a float, never by an integer: Python rounds that quotient once, machines twice.
- `x * x`, never `x ** 2`: Python leaves that to libm's `pow`, which is not always the nearest double.
- Nothing of NumPy but what Numba compiles, and nothing is imported that is not in this package, besides `math` and
  NumPy: sources of this package, and the feature catalogue, are what the version of the features is made of.
"""
