import os

from hypothesis import settings

# Threads that wait for each other make small convolutions many times slower on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("ppyr", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("ppyr")
