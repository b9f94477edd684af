import benchmarks.explanations as bench


def test_both_heads_are_compared_with_pred_contrib_and_timed(monkeypatch):
    monkeypatch.setattr(bench, "ROWS", 400)
    monkeypatch.setattr(bench, "ALONE", 4)
    monkeypatch.setattr(bench, "TURN", 2)
    found = bench.measured(4, 5)
    assert 0 < found["largest_error"] < 1e-9
    assert found["one_row_ratio"] == found["one_row_pred_contrib_ms"] / found["one_row_ms"]
    assert min(found["rows_per_s"], found["rows_per_s_pred_contrib"], found["ready_s"], found["one_row_swept_ms"]) > 0
    assert bench.loaded_s() > 0


def test_a_difference_is_told(monkeypatch):
    monkeypatch.setattr(bench, "ROWS", 400)
    monkeypatch.setattr(bench, "ALONE", 4)
    monkeypatch.setattr(bench, "TURN", 2)
    exact = bench.ours
    monkeypatch.setattr(bench, "ours", lambda ready, rows: [one + 1e-6 for one in exact(ready, rows)])
    assert bench.measured(4, 5)["largest_error"] > 1e-7
