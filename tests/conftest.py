import os

from hypothesis import settings

settings.register_profile("ppyr", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("ppyr")
