"""A call of several units is taken apart by its named columns, too (S31)."""

from typing import Any

import numpy as np

from mainstay.contract.columns import MATRIX
from mainstay.contract.model import Category, FromRequest, Integer, Number, NumberOutput
from mainstay.serve.model import Call
from mainstay.serve.routes.assign import assign
from tests.serve.test_mixture import arm, ask, mixed, prepared, run
from tests.serve.world import SumModel, World, contract_of


def test_named_columns_are_split_as_matrices_are() -> None:
    """S31: text units, with notes and context that follow their rows."""

    async def story() -> None:
        world = World()
        route = mixed(arm(0.5), unit="country")
        drawn = {c: 1 if assign(route, c)[0] is None else 2 for c in "ABCDEFGHIJKLMNOP"}
        one = next(c for c in drawn if drawn[c] == 1)
        other = next(c for c in drawn if drawn[c] == 2)
        inputs = {"country": Category(values=(one, other)), "n": Integer()}
        context = {"plus": FromRequest(value=Number(), otherwise=0)}
        contract = contract_of(inputs=inputs, context=context, output=NumberOutput())

        class Echo(SumModel):
            def extract(self, columns: Any) -> Any:
                return {MATRIX: (columns["n"] + columns["plus"]).astype(np.float32).reshape(-1, 1)}

            def predict(self, features: Any) -> Any:
                return features[MATRIX][:, 0].astype(np.float64) + self.bias / 10

        models = {f"v{n}": Echo(contract=contract, bias=float(n), extracts=True) for n in (1, 2)}
        serving = prepared(world, route, **models)
        countries = np.array([one, other, one, other], dtype=object)
        call = Call(
            caller=world.call().caller,
            door="decide",
            request="r",
            inputs={"country": countries, "n": np.arange(4)},
            context={"plus": np.array([10.0, 20.0, 30.0, 40.0])},
            rows=4,
            received_ns=0,
            notes={1: "late", 2: "odd"},
        )
        answer = await ask(serving, call)
        wanted = [n + 10 * (n + 1) + drawn[c] / 10 for n, c in enumerate(countries)]
        assert answer.output.tolist() == wanted
        assert answer.reasons == ["", "late", "odd", ""]

    run(story)
