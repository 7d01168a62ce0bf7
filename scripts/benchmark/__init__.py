"""Times aejax and the libraries that a user would pick instead; `scripts/benchmark.py` is its command line."""
