"""The path grammar."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import pytest

from neurodyn._parameter import modules, parameters
from neurodyn._paths import match, matches, named_leaves


@pytest.mark.parametrize(
    "pattern, path, expected",
    [
        ("na.g", "na.g", True),
        ("na.g", "na.gg", False),
        ("na.g", "k.na.g", False),
        ("*", "na", True),
        ("*", "na.g", False),
        ("na.*", "na.g", True),
        ("na.*", "na.m.shift", False),
        ("*.m.*", "na.m.shift", True),
        ("i_*", "i_na", True),
        ("*_na", "i_na", True),
        ("**", "na.m.alpha.rate", True),
        ("na.**", "na", True),
        ("na.**", "na.m.alpha.rate", True),
        ("na.**", "nat.m", False),
        ("**.rate", "rate", True),
        ("**.rate", "na.m.alpha.rate", True),
        ("na.**.rate", "na.rate", True),
        ("**.m.**.rate", "na.m.alpha.rate", True),
        ("**.h.**.rate", "na.m.alpha.rate", False),
        ("terms.0.*", "terms.0.amplitude", True),
        ("NA.g", "na.g", False),
        ("", "na", False),
    ],
)
def test_matches(pattern, path, expected):
    assert matches(pattern, path) is expected


def test_match_keeps_the_order_of_the_paths_and_does_not_repeat():
    paths = ["a.x", "b.x", "b.y", "c"]
    assert match(["b.*", "*.x", "c"], paths) == ["a.x", "b.x", "b.y", "c"]
    assert match("c", iter(paths)) == ["c"]


@pytest.mark.parametrize(
    "pattern, hint",
    [("na.gg", "'na.g'"), ("cell.leak", "'k.leak'"), ("zzz", "there are: na.g, na.e, k.leak")],
)
def test_no_match_names_near_ones(pattern, hint):
    with pytest.raises(ValueError, match=f"no parameter matches '{pattern}'; .*{hint}"):
        match(pattern, ["na.g", "na.e", "k.leak"])


class Pair(NamedTuple):
    left: object
    right: object


class Holder(eqx.Module):
    pair: Pair
    table: dict
    several: tuple


def test_paths_lead_through_attributes_keys_and_indices():
    tree = Holder(Pair(jnp.ones(()), jnp.ones(2)), {"a": jnp.ones(())}, (jnp.ones(()), [jnp.ones(())]))
    expected = ["pair.left", "pair.right", "table.a", "several.0", "several.1.0"]
    assert list(named_leaves(tree)) == expected
    assert list(parameters(tree)) == expected  # also those inside what is no dataclass


def test_modules_are_found_by_path():
    inner = Holder(Pair(0, 1), {}, ())
    outer = Holder(Pair(inner, 0), {"a": inner}, (0, [inner]))
    assert list(modules(outer)) == ["", "pair.left", "table.a", "several.1.0"]
    assert list(modules({"x": outer}))[:2] == ["x", "x.pair.left"]
