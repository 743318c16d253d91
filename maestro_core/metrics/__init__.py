"""The snapshot as Prometheus metrics; needs the extra `metrics`, off by default."""
