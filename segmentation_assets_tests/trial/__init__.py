"""The trial: everything at once on one lake, with faults, and an oracle that says what the lake must hold.

`python -m segmentation_assets_tests.trial --seeds 0-99` plays one plan per seed: files, pushes, a stream, snapshots,
promotions, maintenance, backups, analysts and a scorer, each in processes of their own, while processes are killed,
the catalogue or the object store goes away, the disk is full and the clock jumps. What must be in the lake is computed
in plain Python from what was acknowledged; nothing here asks the product what is right. See docs/trial.md.
"""
