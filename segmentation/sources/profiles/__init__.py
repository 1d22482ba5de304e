"""Source profiles: how a source is read and mapped, as validated data, with the bundled ones beside it."""
