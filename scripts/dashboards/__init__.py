"""Grafana's dashboards, as code: `python -m scripts.dashboards` writes them into `deploy/grafana/dashboards/`.

One module for each dashboard says what it shows; `panels.py` says how panels look, `promql.py` how figures are asked
for, `assembly.py` how panels become a dashboard. The metrics themselves are described in `docs/metrics.md`.
"""
