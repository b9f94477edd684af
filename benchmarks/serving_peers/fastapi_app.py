"""FastAPI, LightGBM and shap: the model read at start, a typed body, one route. Run by uvicorn."""

from __future__ import annotations

from typing import Any

import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.serving_peers.explained import Explained, folder

app = FastAPI()
model = Explained(folder())


class Asked(BaseModel):
    """Feature rows, and whether reasons are wanted."""

    items: list[dict[str, float | str | None]]
    explain: bool = True


@app.post("/score")
def score(asked: Asked) -> dict[str, Any]:
    """Answers in the order of the items."""
    return {"results": model.answers(pd.DataFrame(asked.items), explain=asked.explain)}
