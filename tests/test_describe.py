"""The table of parameters."""

import jax
import jax.numpy as jnp

import neurodyn as nd


def row(model, path):
    (found,) = [row for row in nd.describe(model) if row.path == path]
    return found.cells()


def test_every_leaf_has_a_row(hh):
    table = nd.describe(hh)
    assert len(table) == len(jax.tree_util.tree_leaves(hh)) == 40
    assert row(hh, "na.g") == ("na.g", "120", "mS/cm2", "finite and >= 0", "yes")
    assert row(hh, "temperature")[1:] == ("6.3", "degC", "finite and >= -5 and <= 60", "no")


def test_absolute_units(hh):
    cell = hh.to_absolute(area=1000.0)
    assert row(cell, "capacitance")[1:3] == ("10", "pF")
    assert row(cell, "na.g")[1:3] == ("1200", "nS")
    assert row(cell, "na.e")[2] == "mV"


def test_text_is_aligned():
    head, line, *rows = str(nd.describe(nd.LIF())).splitlines()
    assert head.split("  ")[0] == "path" and set(line) == {"-"} and len(rows) == 6
    assert len({row.index("yes") for row in rows}) == 1


def test_notebook_table_escapes_html():
    shown = nd.describe(nd.LIF())._repr_html_()
    assert shown.startswith("<table>") and shown.count("<tr>") == 7
    assert "&gt; 0" in shown and "> 0<" not in shown


def test_arrays_stimuli_and_traced_values():
    assert row(nd.replace(nd.LIF(), {"tau": jnp.ones(3)}), "tau")[1] == "float64 (3,)"
    assert row(nd.Step(1.0) + 2.0 * nd.Ramp(1.0), "terms.1.stimulus.slope")[1] == "1"
    assert row(nd.Step(1.0), "stop") == ("stop", "inf", "ms", "any number", "no")

    def inside(tau):
        assert row(nd.LIF(tau=tau), "tau")[1] == "float64 ()"
        return tau

    jax.jit(inside)(20.0)
