import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def demographics():
    """60 subjects: age, two levels of sex, three sites."""
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "age": np.round(rng.uniform(8, 22, 60), 2),
            "sex": rng.choice(["F", "M"], 60),
            "site": rng.permutation(np.repeat(["alpha", "beta", "gamma"], 20)),
        }
    )


@pytest.fixture(scope="session")
def small():
    """A planted cohort of 160 subjects and 24 regions (276 edges)."""
    from neuro.simulate.connectomes import planted_connectomes

    return planted_connectomes(160, 24, 80, 8, random_state=3)


@pytest.fixture(scope="session")
def columns():
    return [
        {"name": "age", "type": "continuous", "role": "remove"},
        {"name": "sex", "type": "categorical", "role": "remove"},
        {"name": "site", "type": "categorical", "role": "remove"},
    ]
