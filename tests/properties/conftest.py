"""The same examples at every run: what CI finds can be found again."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "mckd",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("mckd")
