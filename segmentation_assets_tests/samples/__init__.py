"""Made-up exports in the layouts that bundled profiles read. Nobody in them exists; `make` writes them."""
