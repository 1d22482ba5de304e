"""The `segmentation` command: one module per noun. Nothing here decides anything; it calls the domain and shows."""
